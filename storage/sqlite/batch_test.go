package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// A held batch is a transaction that has begun and goes on when it is let go.
// What is called meanwhile joins it, in the order of the calls.
type held struct {
	t       *testing.T
	s       *sqlite.Store
	letGo   chan struct{}
	waiting int
	results []chan error
}

func hold(t *testing.T, s *sqlite.Store) *held {
	t.Helper()
	h := &held{t: t, s: s, letGo: make(chan struct{})}
	begun := make(chan struct{})
	h.results = append(h.results, make(chan error, 1))
	go func() {
		h.results[0] <- s.Do(ctx, func(sqlstore.Querier) error {
			close(begun)
			<-h.letGo
			return nil
		})
	}()
	<-begun
	return h
}

// join makes a call that will be in the batch.
func (h *held) join(call func() error) (result chan error) {
	h.t.Helper()
	result = make(chan error, 1)
	h.results = append(h.results, result)
	go func() { result <- call() }()
	h.waiting++
	waitFor(h.t, "a call to be accepted", func() bool { return h.s.Waiting() == h.waiting })
	return result
}

// joinAll makes n calls in any order.
func (h *held) joinAll(n int, call func(i int) error) {
	h.t.Helper()
	for i := range n {
		result := make(chan error, 1)
		h.results = append(h.results, result)
		go func() { result <- call(i) }()
	}
	h.waiting += n
	waitFor(h.t, "the calls to be accepted", func() bool { return h.s.Waiting() == h.waiting })
}

func (h *held) release() { close(h.letGo) }

// committed has every call of the batch succeed.
func (h *held) committed() {
	h.t.Helper()
	for i, r := range h.results {
		if err := <-r; err != nil {
			h.t.Errorf("call %d: %v", i, err)
		}
	}
}

// countCommits counts the transactions that the writer commits from now on.
func countCommits(t testing.TB, s *sqlite.Store) *atomic.Int64 {
	t.Helper()
	n := new(atomic.Int64)
	must(t, s.OnWriter(ctx, func(c *sqlite3.SQLiteConn) {
		c.RegisterCommitHook(func() int { n.Add(1); return 0 })
	}))
	n.Store(0)
	return n
}

func exists(t *testing.T, s *sqlite.Store, name string) bool {
	t.Helper()
	_, err := s.UserByName(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestWhateverIsWaitingSharesOneTransaction(t *testing.T) {
	s, _ := fresh(t)
	commits := countCommits(t, s)
	h := hold(t, s)
	h.joinAll(sqlite.MaxBatch-1, func(i int) error { return s.CreateUser(ctx, aUser(fmt.Sprint("user", i))) })
	h.release()
	h.committed()
	if n := commits.Load(); n != 1 {
		t.Errorf("%d transactions for %d operations", n, sqlite.MaxBatch)
	}
	users, err := s.Users(ctx, "", 1000)
	must(t, err)
	if len(users) != sqlite.MaxBatch-1 {
		t.Errorf("%d users", len(users))
	}
}

func TestParallelCallersNeedFewTransactions(t *testing.T) {
	const callers, each = 64, 20
	s, _ := fresh(t)
	l := newLogin(t, s)
	commits := countCommits(t, s)
	parallel(t, callers, func(int) error {
		for range each {
			if _, err := s.CreateSession(ctx, l.session()); err != nil {
				return err
			}
		}
		return nil
	})
	if n := commits.Load(); n > callers*each/4 {
		t.Errorf("%d transactions for %d operations", n, callers*each)
	}
}

// A lone caller waits for nobody: no timer is involved.
func TestLoneCallerCommitsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	synctest.Test(t, func(t *testing.T) {
		s := reopen(t, path)
		defer s.Close()
		commits := countCommits(t, s)
		began := time.Now()
		for i := range 10 {
			must(t, s.CreateUser(ctx, aUser(fmt.Sprint(i))))
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("slept for %v", waited)
		}
		if n := commits.Load(); n != 10 {
			t.Errorf("%d transactions", n)
		}
	})
}

// The context of one caller ends while a statement of its operation runs. An
// interrupted statement would take everybody's transaction with it.
func TestContextEndsInsideAStatement(t *testing.T) {
	s, _ := fresh(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	must(t, s.OnWriter(ctx, func(c *sqlite3.SQLiteConn) {
		c.RegisterFunc("linger", func() int { close(running); <-goOn; return 0 }, false)
	}))
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		_, err := q.ExecContext(ctx, `CREATE TEMP TRIGGER slow BEFORE INSERT ON users WHEN NEW.name = 'slow' BEGIN SELECT linger(); END`)
		return err
	}))

	h := hold(t, s)
	h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
	impatient, leave := context.WithCancel(ctx)
	slow := h.join(func() error { return s.CreateUser(impatient, aUser("slow")) })
	h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
	h.release()
	<-running
	leave()
	if err := <-slow; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	slow <- nil // as if it had been answered
	close(goOn)
	h.committed()
	for _, name := range []string{"before", "slow", "after"} {
		if !exists(t, s, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// An operation whose caller left before it was begun is not begun.
func TestContextEndsInTheQueue(t *testing.T) {
	s, _ := fresh(t)
	h := hold(t, s)
	impatient, leave := context.WithCancel(ctx)
	gone := h.join(func() error { return s.CreateUser(impatient, aUser("gone")) })
	h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	gone <- nil
	h.release()
	h.committed()
	if exists(t, s, "gone") || !exists(t, s, "after") {
		t.Error("the wrong one is there")
	}
	if err := s.CreateUser(impatient, aUser("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("a call without time got %v", err)
	}
}

// A full disk in the middle of a batch: nobody in it is told that it worked,
// nothing of it is there, and the store goes on when there is room.
func TestFullDiskInsideABatch(t *testing.T) {
	s, path := fresh(t)
	must(t, s.CreateUser(ctx, aUser("ada")))
	pages := scalar[int](t, path, "PRAGMA page_count")
	limit := func(pages int) error {
		return s.Do(ctx, func(q sqlstore.Querier) error {
			_, err := q.ExecContext(ctx, fmt.Sprint("PRAGMA max_page_count = ", pages))
			return err
		})
	}
	must(t, limit(pages))
	big := aUser("big")
	big.Claims.Roles = []string{strings.Repeat("x", 100_000)}

	h := hold(t, s)
	small := h.join(func() error { return s.CreateUser(ctx, aUser("small")) })
	unrelated := h.join(func() error { return s.ReplaceRing(ctx, 0, 1, []byte("ring")) })
	refused := h.join(func() error { return s.CreateUser(ctx, aUser("ada")) })
	full := h.join(func() error { return s.CreateUser(ctx, big) })
	later := h.join(func() error { return s.CreateUser(ctx, aUser("later")) })
	h.release()
	for name, result := range map[string]chan error{
		"holder": h.results[0], "small": small, "unrelated": unrelated, "refused": refused, "full": full,
	} {
		if err := <-result; !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s got %v", name, err)
		}
	}
	if err := <-later; err != nil {
		t.Error("the next batch:", err)
	}
	if exists(t, s, "small") || exists(t, s, "big") {
		t.Error("half of the batch is there")
	}
	if _, _, err := s.LoadRing(ctx); !errors.Is(err, storage.ErrNotFound) {
		t.Error("half of the batch is there: the ring", err)
	}

	must(t, limit(1<<20))
	must(t, s.CreateUser(ctx, big))
	if verdict := scalar[string](t, path, "PRAGMA integrity_check"); verdict != "ok" {
		t.Error(verdict)
	}
}

// An operation that breaks a constraint is undone, alone and wholly.
func TestConstraintBesideGoodOperations(t *testing.T) {
	for name, statement := range map[string]string{
		"unique":      `INSERT INTO users SELECT zeroblob(16), name, '', 0, '{}', NULL, 0, NULL, 0, 0 FROM users WHERE name = 'ada'`,
		"check":       `UPDATE users SET disabled = 7`,
		"not null":    `UPDATE users SET claims = NULL`,
		"type":        `UPDATE users SET created_at = 'yesterday'`,
		"foreign key": `INSERT INTO sessions SELECT zeroblob(16), zeroblob(16), 9, '', '', 0, 0, 0, 0, '', '', 0, '', 0, zeroblob(32), NULL, NULL, 0`,
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := fresh(t)
			must(t, s.CreateUser(ctx, aUser("ada")))
			commits := countCommits(t, s)
			h := hold(t, s)
			h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
			bad := h.join(func() error {
				return s.Do(ctx, func(q sqlstore.Querier) error {
					if err := sqlstore.CreateUser(ctx, q, aUser("half")); err != nil {
						return err
					}
					_, err := q.ExecContext(ctx, statement)
					return err
				})
			})
			h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
			h.release()
			err := <-bad
			var e sqlite3.Error
			if !errors.As(err, &e) || e.Code != sqlite3.ErrConstraint || errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			bad <- nil
			h.committed()
			if !exists(t, s, "before") || !exists(t, s, "after") || exists(t, s, "half") {
				t.Error("the wrong ones are there")
			}
			if n := commits.Load(); n != 1 {
				t.Errorf("%d transactions", n)
			}
		})
	}
}

// A verb that says no undoes nothing but itself.
func TestRefusalsBesideGoodOperations(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	token := l.open(t, 1)[0]
	h := hold(t, s)
	h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
	refusals := map[error]func() error{
		storage.ErrConflict: func() error { return s.CreateUser(ctx, aUser("before")) },
		storage.ErrNotFound: func() error { _, _, err := s.ChangeUser(ctx, aUser("x").ID, storage.UserChange{}); return err },
		storage.ErrScope: func() error {
			r := l.refresh(token)
			r.Scope = []string{"admin"}
			_, err := s.RotateSession(ctx, r)
			return err
		},
		sqlstore.ErrRecord: func() error {
			n := l.session()
			n.Scope = []string{"a b"}
			_, err := s.CreateSession(ctx, n)
			return err
		},
	}
	for want, call := range refusals {
		h.join(func() error {
			if err := call(); !errors.Is(err, want) || errors.Is(err, storage.ErrUnavailable) {
				return fmt.Errorf("got %v, want %v", err, want)
			}
			return nil
		})
	}
	h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
	h.release()
	h.committed()
	if !exists(t, s, "before") || !exists(t, s, "after") {
		t.Error("a good operation is missing")
	}
}

// The end of a reused session is committed with the batch, and reported.
func TestReuseBesideGoodOperations(t *testing.T) {
	s, path := fresh(t)
	l := newLogin(t, s)
	stale := l.open(t, 1)[0]
	next, err := s.RotateSession(ctx, l.refresh(stale))
	must(t, err)
	must(t, s.Advance(ctx, storage.DefaultRetryWindow))

	h := hold(t, s)
	h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
	reused := h.join(func() error { _, err := s.RotateSession(ctx, l.refresh(stale)); return err })
	ended := h.join(func() error { _, err := s.RotateSession(ctx, l.refresh(next.Token)); return err })
	h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
	h.release()
	if err := <-reused; !errors.Is(err, storage.ErrReused) {
		t.Errorf("the stale token got %v", err)
	}
	if err := <-ended; !errors.Is(err, storage.ErrEnded) {
		t.Errorf("the good token, in the same batch, got %v", err)
	}
	reused <- nil
	ended <- nil
	h.committed()
	must(t, s.Close())
	if why := scalar[string](t, path, "SELECT end_reason FROM sessions WHERE ended_at <> 0"); why != string(storage.EndedReused) {
		t.Errorf("ended for %q", why)
	}
	if n := scalar[int](t, path, "SELECT count(*) FROM users WHERE name IN ('before', 'after')"); n != 2 {
		t.Errorf("%d of the 2 users", n)
	}
}

// If a transaction is found to be gone, so is what was done in it, and what
// follows must not commit by itself.
func TestConnectionBackInAutocommit(t *testing.T) {
	for _, statement := range []string{"ROLLBACK", "COMMIT"} {
		t.Run(statement, func(t *testing.T) {
			s, _ := fresh(t)
			h := hold(t, s)
			before := h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
			bad := h.join(func() error {
				return s.Do(ctx, func(q sqlstore.Querier) error {
					_, err := q.ExecContext(ctx, statement)
					return err
				})
			})
			after := h.join(func() error { return s.CreateUser(ctx, aUser("after")) })
			h.release()
			for _, r := range []chan error{before, bad} {
				if err := <-r; !errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			}
			must(t, <-after)
			if statement == "ROLLBACK" && exists(t, s, "before") || !exists(t, s, "after") {
				t.Error("the wrong ones are there")
			}
		})
	}
}

// An error that nobody knows fails the batch: the others may try again.
func TestUnknownErrorFailsTheBatch(t *testing.T) {
	s, _ := fresh(t)
	strange := errors.New("strange")
	h := hold(t, s)
	before := h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
	bad := h.join(func() error { return s.Do(ctx, func(sqlstore.Querier) error { return strange }) })
	h.release()
	if err := <-bad; !errors.Is(err, strange) || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("the one who did it got %v", err)
	}
	if err := <-before; !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("the one beside got %v", err)
	}
	if exists(t, s, "before") {
		t.Error("half of the batch is there")
	}
	must(t, s.CreateUser(ctx, aUser("before")))
}
