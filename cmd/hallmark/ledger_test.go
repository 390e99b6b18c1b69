package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// A ledger is what the tabs of one session share: the refresh token that they
// store, and everything that was ever answered to them, which no client keeps.
type ledger struct {
	mu       sync.Mutex
	held     storage.RefreshToken
	answered map[uint32]string // every token by generation, read by a tab or lost on the way to it
	wrong    []string
}

func newLedger(first storage.RefreshToken) *ledger {
	return &ledger{held: first, answered: map[uint32]string{first.Generation(): first.Reveal()}}
}

func (l *ledger) holds() storage.RefreshToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// answer is a token that the service let go of. A tab that was answered stores
// it unless another one has a newer one.
func (l *ledger) answer(text string, stored bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token, err := storage.ParseRefreshToken(text)
	switch {
	case err != nil:
		l.wrong = append(l.wrong, err.Error())
		return
	case token.SessionID() != l.held.SessionID():
		l.wrong = append(l.wrong, "the token of another session was answered")
		return
	}
	g := token.Generation()
	if other, ok := l.answered[g]; ok && other != text {
		l.wrong = append(l.wrong, fmt.Sprintf("two lineages: generation %d was answered twice", g))
	}
	l.answered[g] = text
	if stored && g > l.held.Generation() {
		l.held = token
	}
}

func (l *ledger) refused(how string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, "logged out: "+how)
}

// verdict is what is wrong, when every tab has its last answer: row is the
// generation that the store has, and refresh what it says to the token held.
func (l *ledger) verdict(row uint32, refresh func(token string) error) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range l.answered {
		if g > l.held.Generation() {
			l.wrong = append(l.wrong, fmt.Sprintf("generation %d was answered, and nobody holds it", g))
		}
	}
	if row != l.held.Generation() {
		l.wrong = append(l.wrong, fmt.Sprintf("generation %d is held, the store is at %d", l.held.Generation(), row))
	}
	if err := refresh(l.held.Reveal()); err != nil {
		l.wrong = append(l.wrong, fmt.Sprintf("the token held is not good: %v", err))
	}
	return l.wrong
}

// oldest is a token that was superseded long ago; empty if none was.
func (l *ledger) oldest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Generation() == 0 {
		return ""
	}
	return l.answered[0]
}

// TestLedger: false histories are found out.
func TestLedger(t *testing.T) {
	good := func(string) error { return nil }
	fork := func(l *ledger) { // as a second store would answer
		l.answered[1] = "another"
		l.answer(successorOf(t, l), true)
	}
	for name, tt := range map[string]struct {
		history func(l *ledger)
		row     uint32
		refresh func(string) error
		want    string
	}{
		"good":          {func(l *ledger) { l.answer(successorOf(t, l), true) }, 1, good, ""},
		"fork":          {fork, 1, good, "two lineages"},
		"lost write":    {func(l *ledger) { l.answer(successorOf(t, l), true) }, 0, good, "the store is at 0"},
		"lost answer":   {func(l *ledger) { l.answer(successorOf(t, l), false) }, 1, good, "nobody holds it"},
		"logged out":    {func(l *ledger) { l.refused("400") }, 0, good, "logged out"},
		"not good":      {func(*ledger) {}, 0, func(string) error { return fmt.Errorf("answered 400") }, "not good"},
		"another's":     {func(l *ledger) { l.answer(storage.NewRefreshToken().Reveal(), true) }, 0, good, "another session"},
		"not a token":   {func(l *ledger) { l.answer("hmr_x", true) }, 0, good, "not a refresh token"},
		"second retry":  {func(l *ledger) { n := successorOf(t, l); l.answer(n, false); l.answer(n, true) }, 1, good, ""},
		"late answer":   {func(l *ledger) { first := l.held.Reveal(); l.answer(successorOf(t, l), true); l.answer(first, true) }, 1, good, ""},
		"store ahead":   {func(*ledger) {}, 1, good, "the store is at 1"},
		"same, renamed": {func(l *ledger) { l.answer(l.held.Reveal(), true) }, 0, good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(storage.NewRefreshToken())
			tt.history(l)
			got := strings.Join(l.verdict(tt.row, tt.refresh), "; ")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// successorOf is a token of the next generation, as far as a client can tell.
func successorOf(t *testing.T, l *ledger) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(l.held.Reveal(), "hmr_"))
	if err != nil {
		t.Fatal(err)
	}
	b[19]++ // the last byte of the generation
	return "hmr_" + base64.RawURLEncoding.EncodeToString(b)
}
