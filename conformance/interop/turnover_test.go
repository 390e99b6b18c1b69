package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
)

const (
	period   = 5 * time.Second  // another key signs as often
	lifetime = 20 * time.Second // of access tokens
	lateAge  = 17 * time.Second // when a token is verified again, shortly before its end
)

// hurry is the shortest schedule that is safe: what takes 30 days takes 5
// seconds, and a key is published 4 seconds ahead of its first signature. RSA
// keys are not in it: four processes that make them at once on a small machine
// do little else, and a process that is not looking serves an old key set.
func hurry() keys.Schedule {
	return keys.Schedule{
		Algorithms: []keys.Algorithm{keys.ES256}, RotateEvery: period, PublishAhead: 4 * time.Second, KeepAfter: 85 * time.Second,
		MaxAge: time.Second, Poll: 500 * time.Millisecond, Skew: 500 * time.Millisecond,
	}
}

// TestTurnover is a minute of four processes on one store whose keys turn over
// every five seconds, with clients that refresh without pause at all of them,
// and verifiers that know the issuer's URL and no more. Nobody may notice, but
// one that is frozen.
//
// At five seconds all verifiers are above their floors in this way:
//
//	ours      goes by the max-age of the key set, as it always does
//	go-oidc   fetches whenever it meets an unknown kid, as it always does
//	jwx       WithConstantInterval: one second, where its least is a quarter of an hour
//	keyfunc   RefreshInterval: one second, where it takes an hour
//	jose      cacheMaxAge: one second, where it takes ten minutes
func TestTurnover(t *testing.T) {
	t.Parallel()
	lasts := time.Minute
	if testing.Short() {
		lasts = 4 * period
	}
	issuer, data := newBalancer(t), t.TempDir()+"/data"
	seed(t, data, hurry())
	password := addUser(t, data, "alice")
	d := demo{Issuer: issuer.url, data: data}
	d.operate(t, "client", "add", "--id", "patient", "--audience", audience)
	d.operate(t, "client", "add", "--id", "strict", "--audience", audience, "--retry-window", "0") // each refresh is a write
	replicas := startReplicas(t, 4, data, issuer.url, "--access-lifetime", lifetime.String())
	issuer.serve(t, replicas)

	run := &turnover{signed: map[string]map[string]bool{}, kids: map[string]bool{}}
	verifiers := map[string]verifier{"ours": subjectOf(ours(t, d)), "frozen": frozen(t, d)}
	for name, setUp := range map[string]func(context.Context, string, string, time.Duration) (verifier, error){"go-oidc": goOIDC, "jwx": jwx, "keyfunc": keyFunc} {
		keep := time.Second
		if name == "go-oidc" {
			keep = time.Hour
		}
		verify, err := setUp(t.Context(), d.Issuer, audience, keep)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		verifiers[name] = verify
	}
	t.Run("jose is here", func(inner *testing.T) { // so that the others run without Node
		needNode(inner, "jose")
		script := converse(t, "node", "node/verify.mjs", d.Issuer, audience, "1")
		verifiers["jose"] = func(_ context.Context, raw string) (string, error) { return script.say(raw) }
	})
	for name, verify := range verifiers {
		run.watchers = append(run.watchers, &watcher{name: name, verify: verify, fresh: make(chan issued, 256), kids: map[string]bool{}})
	}
	for i := range 8 {
		client := []string{"patient", "strict"}[i%2]
		c := &caller{client: client, replicas: replicas, next: i, run: run}
		if err := c.signIn(t.Context(), password); err != nil {
			t.Fatal(err)
		}
		run.callers = append(run.callers, c)
	}
	run.last(t, lasts)

	rotations := int(lasts/period) - 2 // what a slow machine may be behind
	for _, w := range run.watchers {
		t.Logf("%-8s verified %6d tokens, of %d keys, %d of them shortly before their end; refused %d", w.name, w.verified, len(w.kids), w.late, len(w.failures))
		if w.name == "frozen" { // so that a test which verifies nothing, or rotates nothing, is found out
			if w.verified == 0 || len(w.failures) == 0 {
				t.Error("who never fetches the key set again does not notice either")
			}
			continue
		}
		for _, why := range w.failures[:min(len(w.failures), 5)] {
			t.Errorf("%s: %s", w.name, why)
		}
		if len(w.failures) > 0 || len(w.kids) < rotations || w.verified < 10*len(w.kids) || w.late < rotations/2 {
			t.Errorf("%s: %d failures; it verified %d tokens of %d keys, %d of them late", w.name, len(w.failures), w.verified, len(w.kids), w.late)
		}
	}
	refreshes := 0
	for _, c := range run.callers {
		refreshes += c.refreshed
		if c.refused != nil {
			t.Errorf("%s was refused: %v", c.client, c.refused)
		}
	}
	t.Logf("%d refreshes, %d keys", refreshes, len(run.kids))
	if len(run.kids) < rotations || refreshes < 100*len(run.callers) {
		t.Errorf("%d refreshes, with %d keys", refreshes, len(run.kids))
	}
	if n := issuer.failed.Load(); n > 0 {
		t.Errorf("%d fetches of verifiers failed", n)
	}
	for _, r := range replicas {
		run.check(t, r, rotations)
	}
}

// A turnover is what happens in that minute.
type turnover struct {
	callers  []*caller
	watchers []*watcher

	mu     sync.Mutex
	signed map[string]map[string]bool // the kids with which each process signed
	kids   map[string]bool
}

// last has clients refresh and verifiers verify for a while.
func (run *turnover) last(t *testing.T, lasts time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var clients, verifiers sync.WaitGroup
	for _, w := range run.watchers {
		verifiers.Go(w.watch)
	}
	for _, c := range run.callers {
		clients.Go(func() { c.refused = c.refreshOn(ctx) })
	}
	clients.Wait()
	for _, w := range run.watchers {
		close(w.fresh)
	}
	verifiers.Wait()
}

// hand tells every verifier of a new token. The first of a key waits until
// everybody takes it; of the others each takes what it can.
func (run *turnover) hand(r *replica, raw string) error {
	token, err := readToken(raw)
	if err != nil {
		return err
	}
	run.mu.Lock()
	first := !run.kids[token.kid]
	run.kids[token.kid] = true
	if run.signed[r.name] == nil {
		run.signed[r.name] = map[string]bool{}
	}
	run.signed[r.name][token.kid] = true
	run.mu.Unlock()
	for _, w := range run.watchers {
		if first {
			w.fresh <- token
			continue
		}
		select {
		case w.fresh <- token:
		default:
		}
	}
	return nil
}

// check holds a process to what it says of itself.
func (run *turnover) check(t *testing.T, r *replica, rotations int) {
	t.Helper()
	if n := len(run.signed[r.name]); n < rotations {
		t.Errorf("process %s signed with %d keys only", r.name, n)
	}
	for _, rec := range r.records() {
		if rec["level"] == "ERROR" || rec["level"] == "WARN" && !strings.Contains(fmt.Sprint(rec["msg"]), "settings are for a new one") {
			t.Errorf("process %s logged %v", r.name, rec)
		}
	}
	text := r.metrics(t)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(text, "hallmark_key_ring_stale 0\n") && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond) // a busy machine looks late now and then
		text = r.metrics(t)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "hallmark_requests_total") && !strings.Contains(line, `status="2xx"`) {
			t.Errorf("process %s says %s", r.name, line)
		}
	}
	for _, want := range []string{"hallmark_key_ring_stale 0\n", "hallmark_key_ring_look_failures_total 0\n", `status="2xx"`} {
		if !strings.Contains(text, want) {
			t.Errorf("process %s does not say %s", r.name, want)
		}
	}
}

// A caller is a client with one session, which it refreshes at each process in turn.
type caller struct {
	client    string
	replicas  []*replica
	next      int
	run       *turnover
	token     string // for refreshing
	refreshed int
	refused   error
}

func (c *caller) signIn(ctx context.Context, password string) error {
	return c.ask(ctx, url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {password}})
}

func (c *caller) refreshOn(ctx context.Context) error {
	for ctx.Err() == nil {
		// The last answer is waited for, so that nothing is cut off on either side.
		if err := c.ask(context.WithoutCancel(ctx), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.token}}); err != nil {
			return err
		}
		c.refreshed++
	}
	return nil
}

func (c *caller) ask(ctx context.Context, form url.Values) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c.next++
	r := c.replicas[c.next%len(c.replicas)]
	form.Set("client_id", c.client)
	req, err := http.NewRequestWithContext(ctx, "POST", r.public+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var token oauth2.Token
	if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, &token) != nil {
		return fmt.Errorf("process %s answered %s %s, %v", r.name, resp.Status, body, err)
	}
	c.token = token.RefreshToken
	return c.run.hand(r, token.AccessToken)
}

// issued is an access token on its way to the verifiers.
type issued struct {
	raw, kid, subject string
	at                time.Time
}

func readToken(raw string) (issued, error) {
	parsed, _, err := jwt.NewParser().ParseUnverified(raw, jwt.MapClaims{})
	if err != nil {
		return issued{}, err
	}
	kid, _ := parsed.Header["kid"].(string)
	subject, err := parsed.Claims.GetSubject()
	return issued{raw: raw, kid: kid, subject: subject, at: time.Now()}, err
}

// A watcher verifies with one library, which holds what it caches all the while.
type watcher struct {
	name           string
	verify         verifier
	fresh          chan issued
	aging          []issued // one in a while, to be verified again
	kids           map[string]bool
	verified, late int
	failures       []string
}

func (w *watcher) watch() {
	for token := range w.fresh {
		if time.Since(token.at) > lateAge {
			continue // it may be over by the time it is looked at
		}
		w.look(token)
		if !w.kids[token.kid] || rand.N(100) == 0 {
			w.aging = append(w.aging, token)
		}
		w.kids[token.kid] = true
		for len(w.aging) > 0 && time.Since(w.aging[0].at) >= lateAge {
			if time.Since(w.aging[0].at) < lifetime-1500*time.Millisecond { // "exp" is in whole seconds
				w.look(w.aging[0])
				w.late++
			}
			w.aging = w.aging[1:]
		}
	}
}

func (w *watcher) look(token issued) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	subject, err := w.verify(ctx, token.raw)
	if err != nil || subject != token.subject {
		w.failures = append(w.failures, fmt.Sprintf("a token of %s, %s old: subject %q, %v", token.kid, time.Since(token.at), subject, err))
		return
	}
	w.verified++
}

// subjectOf makes one of the verifiers of the project's own.
func subjectOf(v *verify.Verifier) verifier {
	return func(ctx context.Context, raw string) (string, error) {
		claims, err := v.Verify(ctx, raw)
		if err != nil {
			return "", err
		}
		return claims.Subject, nil
	}
}

// frozen holds the keys of the beginning for ever.
func frozen(t *testing.T, d demo) verifier {
	t.Helper()
	resp, body := get(t, d.Issuer+"/.well-known/jwks.json", "")
	v, err := verify.New(t.Context(), d.Issuer, audience, verify.WithKeySet([]byte(body)))
	if err != nil {
		t.Fatalf("%v in %s %s", err, resp.Status, body)
	}
	return subjectOf(v)
}
