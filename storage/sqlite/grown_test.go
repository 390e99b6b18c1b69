package sqlite_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// A grown store holds the sessions of years. Some of them are refreshed, by a
// client without a retry window, so that each refresh is a rotation.
type grown struct {
	s      *sqlite.Store
	path   string
	login  login
	tokens []storage.RefreshToken
}

const (
	growCallers = 16
	growPasses  = 4
)

// grow makes a store of living sessions and of some that are over, ten to a
// user, of which active can be refreshed.
func grow(t testing.TB, living, over, active int) *grown {
	t.Helper()
	g := &grown{path: filepath.Join(t.TempDir(), "hallmark.db")}
	g.s = reopen(t, g.path)
	g.login = newLogin(t, g.s)
	strict := aClient("strict")
	strict.RetryWindow = 0
	var err error
	g.login.client, err = g.s.CreateClient(ctx, strict)
	must(t, err)
	must(t, g.s.Close())
	g.fill(t, living, over)
	g.s = reopen(t, g.path)
	g.login.s = g.s
	g.open(t, active)
	return g
}

// fill writes rows past the verbs and without a journal. Ids rise in each of a
// few passes, and a pass falls between the rows of those before it, which
// splits the pages as chance does and is a hundred times quicker.
func (g *grown) fill(t testing.TB, living, over int) {
	t.Helper()
	n := living + over
	db, err := sql.Open("sqlite3", "file:"+g.path+"?_journal_mode=OFF&_synchronous=OFF&_locking_mode=EXCLUSIVE&_cache_size=-1000000")
	must(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	run := func(query string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(ctx, query, args...)
		must(t, err)
	}
	const count = `WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < $1) `
	users := max(1, n/10)
	run(count+`INSERT INTO users (id, name, password_hash, disabled, claims, created_at)
		SELECT randomblob(16), 'grown-' || i, 'hash', 0, '{}', 0 FROM c`, users)
	now := time.Now()
	row := g.login.session()
	for pass := range growPasses {
		run(count+`INSERT INTO sessions (id, user_id, client, scope, audience, auth_time, expires_at, idle_lifetime, last_used_at,
				last_address, device, ended_at, end_reason, generation, current, previous, nonce, rotated_at)
			SELECT unhex(printf('%08x', (i * $2 + $3) * 4294967295 / $4) || hex(randomblob(12))),
				(SELECT id FROM users WHERE rowid = 1 + abs(random()) % $5), $6, 'read write offline_access', 'https://api.example.com',
				$7 - age, $7 - age + $8, $8, $7 - age, '203.0.113.77', 'Firefox on Ada''s laptop!', 0, '', 99,
				randomblob(32), randomblob(32), randomblob(32), 1000000000
			FROM (SELECT i, iif(abs(random()) % $4 < $9, 2 * $8, 0) AS age FROM c)`,
			n/growPasses, growPasses, pass, n, users, g.login.client.Number, now.UnixMicro(), row.AbsoluteLifetime.Microseconds(), over)
	}
	run("PRAGMA journal_mode = WAL")
}

// open signs in, with ids that lie anywhere between those that are there.
func (g *grown) open(t testing.TB, active int) {
	t.Helper()
	g.tokens = make([]storage.RefreshToken, active)
	for at := 0; at < active; at += 1000 {
		must(t, g.s.Do(ctx, func(q sqlstore.Querier) error {
			for i := at; i < min(at+1000, active); i++ {
				n := g.login.session()
				n.Now, g.tokens[i] = time.Now(), n.Token
				if _, err := sqlstore.CreateSession(ctx, q, n); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// traffic is n refreshes of sessions drawn at random, by several callers at
// once. It returns how long each took.
func (g *grown) traffic(t testing.TB, n int) []time.Duration {
	t.Helper()
	took, each := make([]time.Duration, n/growCallers*growCallers), n/growCallers
	var wg sync.WaitGroup
	errs := make([]error, growCallers)
	for c := range growCallers {
		wg.Go(func() {
			for i := range each {
				at := rand.IntN(len(g.tokens)/growCallers)*growCallers + c // its own
				began := time.Now()
				r := g.login.refresh(g.tokens[at])
				r.Now = began
				out, err := g.s.RotateSession(ctx, r)
				took[c*each+i] = time.Since(began)
				if err == nil && out.Outcome != storage.Rotated {
					err = fmt.Errorf("%s, not rotated", out.Outcome)
				}
				if err != nil {
					errs[c] = err
					return
				}
				g.tokens[at] = out.Token
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
	return took
}

// A spread is what is said of many durations.
type spread struct{ p50, p99 time.Duration }

func spreadOf(took []time.Duration) spread {
	slices.Sort(took)
	return spread{took[len(took)/2], took[len(took)*99/100]}
}

// over tells how many times more the one takes than the other.
func (a spread) over(b spread) (p50, p99 float64) {
	return float64(a.p50) / float64(b.p50), float64(a.p99) / float64(b.p99)
}

func (a spread) String() string {
	return fmt.Sprintf("p50 %v, p99 %v", a.p50.Round(time.Microsecond), a.p99.Round(time.Microsecond))
}
