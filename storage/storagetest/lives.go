package storagetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// What holds of refresh tokens in a store that is closed and opened, beside
// clocks that jump, for clients that lose requests and answers. Each has
// backends that break it, in mutants_lives_test.go. That clock jumps and
// restarts change none of it is that all of it holds beside them.
const (
	lawAlike    = "parallel refreshes and retries get the one successor, for one write"
	lawHonest   = "who reads before and retries in time is never logged out"
	lawCopies   = "the window tells a retry from a theft"
	lawUnseen   = "who stays inside the window of the other is not seen"
	lawStrict   = "without a window a token is good once"
	lawKept     = "who does not rotate keeps the token"
	lawRefusals = "a refusal costs nothing"
	lawOneRow   = "a session is one row"
)

// The clients of newStores by what they are.
const (
	usualClient = iota
	strictClient
	keepingClient
)

// windowSteps of service time are longer than the window, one less is shorter.
const windowSteps = int(historyWindow/serviceStep) + 1

// A browser is an honest client whose tabs share one store of tokens, with all
// that there is to know about its session.
type browser struct {
	client  int
	tokens  []storage.RefreshToken // by generation
	stored  int                    // the one that it has
	since   int                    // the step of its first attempt that had no answer; -1: it has them all
	rotated int                    // the step of the last write; -1: none yet
	copies  []int                  // the tokens that thieves have, each a store of its own
	copied  bool                   // a thief was there: no more is promised than the rule
	ended   bool
}

// Lives are browsers and thieves on the two stores of a history.
type lives struct {
	*history
	step     int // of service time
	off      int // hours that the wall clock is wrong by
	browsers []*browser
	differs  string // the first answer that is not the Model's
}

// liveHistories plays random lives on the backend and on a Model. What the
// backend answers must be lawful, and the same as the Model's.
func liveHistories(t *testing.T, open func(*testing.T) Fixture) {
	play(t, func(rt *rapid.T) {
		w := &lives{history: newStores(t, rt, open)}
		defer func() { w.backend.Close() }()
		w.signIn(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":          w.oneRow,
			"sign in":   w.signIn,
			"tabs":      w.tabs,
			"more tabs": w.tabs,
			"thief":     w.thief,
			"lock-step": w.lockStep,
			"refused":   w.refused,
			"delay":     w.delay,
			"wait":      w.delay,
			"clock":     w.jump,
			"restart":   w.reopen,
		})
		if w.differs != "" { // told last: a law says more
			rt.Fatal(w.differs)
		}
	})
}

// rule says in words what becomes of a token: the current one rotates once a
// window has gone by; the one before it gets the same answer within the window;
// anything older ends the session.
func (w *lives) rule(b *browser, held int) (storage.Outcome, error) {
	current := len(b.tokens) - 1
	young := b.client != strictClient && b.rotated >= 0 && w.step-b.rotated < windowSteps
	switch {
	case b.ended:
		return "", storage.ErrEnded
	case held == current && young:
		return storage.Repeated, nil
	case held == current && b.client == keepingClient:
		return storage.Kept, nil
	case held == current:
		return storage.Rotated, nil
	case held == current-1 && young:
		return storage.Retried, nil
	}
	return "", storage.ErrReused
}

// present refreshes with one of a session's tokens from an address, holds the
// answer against the laws and tells which token was answered.
func (w *lives) present(rt *rapid.T, b *browser, held int, address string) (next int, err error) {
	rt.Helper()
	want, wantErr := w.rule(b, held)
	if wantErr != nil && !b.copied && b.client != strictClient {
		w.broken(rt, lawHonest, "by the rule: %v", wantErr)
	}
	r := storage.Refresh{Token: b.tokens[held], Nonce: storage.NewNonce(), Address: address, Now: w.now}
	before := w.row(b)
	got, err := w.ask(w.backend, b, r)
	after := w.row(b)
	err = verdict(err)
	switch {
	case wantErr == nil && err != nil && address == thiefAddress:
		w.broken(rt, lawUnseen, "%v", err)
	case wantErr == nil && err != nil:
		w.broken(rt, lawHonest, "%v", err)
	case err != wantErr || got.Outcome != want:
		w.broken(rt, b.law(), "%q, %v; want %q, %v", got.Outcome, err, want, wantErr)
	case err == nil && want != storage.Rotated && got.Token.Reveal() != b.tokens[len(b.tokens)-1].Reveal():
		w.broken(rt, lawAlike, "%q: another token", want)
	}
	writes := want == storage.Rotated || want == storage.Kept || err == storage.ErrReused
	if !writes && !reflect.DeepEqual(before, after) {
		w.broken(rt, lawAlike, "%q, %v: the row changes", want, err)
	}
	switch {
	case err == storage.ErrReused:
		b.ended = true
	case want == storage.Rotated:
		b.tokens = append(b.tokens, got.Token)
	}
	if writes {
		b.rotated = w.step
	}
	w.askModel(b, r, got, err)
	return len(b.tokens) - 1, err
}

func (b *browser) law() string {
	return map[int]string{usualClient: lawCopies, strictClient: lawStrict, keepingClient: lawKept}[b.client]
}

func (w *lives) broken(rt *rapid.T, law, format string, args ...any) {
	rt.Helper()
	rt.Fatalf("law: %s: %s", law, fmt.Sprintf(format, args...))
}

// ask puts a request in the name of the session's client, or of another one.
func (w *lives) ask(x *side, b *browser, r storage.Refresh) (storage.Refreshed, error) {
	r.Client = x.clients[(b.client+int(r.Client))%len(x.clients)].Number
	return x.RotateSession(w.ctx, r)
}

// askModel compares what a client would be answered.
func (w *lives) askModel(b *browser, r storage.Refresh, got storage.Refreshed, err error) {
	want, wantErr := w.ask(w.model, b, r)
	answer := func(out storage.Refreshed, err error) string {
		return fmt.Sprintf("%q, %s for %v at %v, %v", out.Outcome, out.Token.Reveal(), out.Scope, out.Audience, verdict(err))
	}
	if g, m := answer(got, err), answer(want, wantErr); g != m && w.differs == "" {
		w.differs = fmt.Sprintf("got %s, the model %s", g, m)
	}
}

func (w *lives) row(b *browser) any {
	out, _ := w.backend.RotateSession(w.ctx, peek(b.tokens[0], w.now))
	return tidy(out.Before)
}

// oneRow counts the rows: as many as there were logins, however many refreshes.
func (w *lives) oneRow(rt *rapid.T) {
	rows, err := w.backend.Sessions(w.ctx, storage.SessionID{}, 100)
	if err != nil {
		rt.Fatal(err)
	}
	if len(rows) != len(w.browsers) {
		w.broken(rt, lawOneRow, "%d rows of %d sessions", len(rows), len(w.browsers))
	}
}

// signIn opens a session that outlasts the history, whatever the clock says.
func (w *lives) signIn(rt *rapid.T) {
	if len(w.browsers) == 6 {
		rt.Skip("enough sessions")
	}
	n := storage.NewSession{
		Token: storage.NewRefreshToken(), User: w.users[0].ID, PasswordHash: w.users[0].PasswordHash,
		Scope: []string{"read", "write"}, Audience: []string{"https://a.example", "https://b.example"},
		AbsoluteLifetime: absolute, IdleLifetime: absolute, Address: browserAddress, Now: w.now,
	}
	b := &browser{
		client: rapid.SampledFrom([]int{usualClient, usualClient, strictClient, keepingClient}).Draw(rt, "client"),
		tokens: []storage.RefreshToken{n.Token}, since: -1, rotated: -1,
	}
	both(w.history, rt, func(x *side) (storage.Session, error) {
		n := n
		n.Client = x.clients[b.client].Number
		return x.CreateSession(w.ctx, n)
	})
	w.browsers = append(w.browsers, b)
}

// later lets service time pass, and wall time with it.
func (w *lives) later(steps int) {
	d := time.Duration(steps) * serviceStep
	w.backend.AddService(d)
	w.model.AddService(d)
	w.step += steps
	w.now = w.now.Add(d)
}
