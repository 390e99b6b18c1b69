package storage

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A decider is Decide, or a broken copy of it that the properties must catch.
type decider func(Refresh, Session, User, Client, ServiceTime) (Refreshed, error)

// A lineage is one session with everything that a refresh looks at: the row,
// its user and client, and the two clocks.
type lineage struct {
	decide decider
	row    Session
	user   User
	client Client
	at     ServiceTime
	now    time.Time
	writes int
	nonces uint64
}

const (
	window   = 90 * time.Second
	idle     = 24 * time.Hour
	absolute = 30 * 24 * time.Hour
)

var opened = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// newLineage opens a session whose first token is of a generation.
func newLineage(decide decider, first uint32) (*lineage, RefreshToken) {
	l := &lineage{
		decide: decide, now: opened, at: 1,
		user: User{ID: uuid.UUID{1}, Name: "ada", PasswordHash: "hash"},
		client: Client{Number: 7, ID: "web", ClientPolicy: ClientPolicy{
			Grants: []string{GrantPassword, GrantRefreshToken},
			Scopes: []string{"read", "write", "admin"}, Audiences: []string{"https://a", "https://b", "https://c"},
			RetryWindow: window, Rotate: true,
		}},
	}
	token := tokenBytes{selector: [16]byte{0x5e}, secret: [32]byte{0x5c}}.token(first)
	l.row = NewSession{
		Token: token, User: l.user.ID, PasswordHash: l.user.PasswordHash, Client: l.client.Number,
		Scope: []string{"read", "write"}, Audience: []string{"https://a", "https://b"},
		AbsoluteLifetime: absolute, IdleLifetime: idle, Address: "192.0.2.1", Now: l.now,
	}.Session()
	return l, token
}

// pass lets time go by on both clocks.
func (l *lineage) pass(d time.Duration) {
	l.at, l.now = l.at.Add(d), l.now.Add(d)
}

// request is a plain request to refresh, with a nonce that no other has.
func (l *lineage) request(t RefreshToken) Refresh {
	l.nonces++
	r := Refresh{Token: t, Client: l.client.Number, Address: "192.0.2.2", Now: l.now}
	binary.BigEndian.PutUint64(r.Nonce[:], l.nonces)
	return r
}

// refresh decides a request on the row and stores what is to be stored, as a
// backend does.
func (l *lineage) refresh(r Refresh) (Refreshed, error) {
	out, err := l.decide(r, l.row, l.user, l.client, l.at)
	if out.Writes() {
		l.row = out.Session
		l.writes++
	}
	return out, err
}

func (l *lineage) present(t RefreshToken) (Refreshed, error) { return l.refresh(l.request(t)) }

// rotated rotates n times, a window apart, and returns the tokens in order,
// the first among them. The last rotation was just now.
func (l *lineage) rotated(t *testing.T, token RefreshToken, n int) []RefreshToken {
	t.Helper()
	tokens := []RefreshToken{token}
	for range n {
		l.pass(window)
		out, err := l.present(token)
		if err != nil || out.Outcome != Rotated {
			t.Fatalf("rotating: %q, %v", out.Outcome, err)
		}
		token = out.Token
		tokens = append(tokens, token)
	}
	return tokens
}

// forged is a token of the lineage at a generation, with a secret of its own.
func forged(t RefreshToken, generation uint32) RefreshToken {
	b := t.bytes()
	b.secret[31] ^= 0xff
	return b.token(generation)
}

func same(a, b RefreshToken) bool { return a.Reveal() == b.Reveal() }
