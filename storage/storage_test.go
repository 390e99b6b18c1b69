package storage

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestNewSessionRow(t *testing.T) {
	token := plain(0)
	zone := time.FixedZone("elsewhere", 7200)
	n := NewSession{
		Token: token, User: uuid.UUID{1}, PasswordHash: "hash", Client: 7,
		Scope: []string{"read"}, Audience: []string{"https://a"},
		AbsoluteLifetime: 48 * time.Hour, IdleLifetime: time.Hour + 1999, Address: "192.0.2.1",
		Now: time.Date(2026, 11, 23, 10, 0, 0, 1999, zone),
	}
	now := time.Date(2026, 11, 23, 8, 0, 0, 1000, time.UTC)
	want := Session{
		ID: token.SessionID(), User: n.User, Client: 7, Scope: n.Scope, Audience: n.Audience,
		AuthTime: now, ExpiresAt: now.Add(48 * time.Hour), IdleLifetime: time.Hour + 1000,
		LastUsedAt: now, LastAddress: "192.0.2.1", Ratchet: Ratchet{Current: token.digest()},
	}
	if got := n.Session(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
}

func TestNewSessionMay(t *testing.T) {
	n := NewSession{PasswordHash: "hash"}
	for name, c := range map[string]struct {
		user User
		want error
	}{
		"as verified":            {User{PasswordHash: "hash"}, nil},
		"password changed":       {User{PasswordHash: "other"}, ErrConflict},
		"password taken away":    {User{}, ErrConflict},
		"disabled":               {User{PasswordHash: "hash", Disabled: true}, ErrDisabled},
		"disabled, and changed":  {User{PasswordHash: "other", Disabled: true}, ErrDisabled},
		"another letter in case": {User{PasswordHash: "Hash"}, ErrConflict},
	} {
		if err := n.May(c.user); err != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnd(t *testing.T) {
	s := NewSession{Token: plain(0), Now: opened}.Session()
	ended := s.End(opened.Add(1999), EndedDisabled)
	if !ended.EndedAt.Equal(opened.Add(1000)) || ended.EndReason != EndedDisabled || !s.EndedAt.IsZero() {
		t.Errorf("%+v", ended)
	}
	ended.EndedAt, ended.EndReason = s.EndedAt, s.EndReason
	if !reflect.DeepEqual(ended, s) {
		t.Error("something else of the session changed")
	}
}

// Sessions of an hour's idle and a day's absolute lifetime.
func TestExpiryAndRemoval(t *testing.T) {
	const tick = time.Microsecond
	used := func(d time.Duration) Session {
		return Session{ExpiresAt: opened.Add(24 * time.Hour), IdleLifetime: time.Hour, LastUsedAt: opened.Add(d)}
	}
	for name, c := range map[string]struct {
		session Session
		over    time.Duration // when it expires
		leaves  time.Duration // when its row may go
	}{
		"never used again":         {used(0), time.Hour, time.Hour + KeepEnded},
		"used until the end":       {used(23*time.Hour + 30*time.Minute), 24 * time.Hour, 24*time.Hour + KeepEnded},
		"ended while it lived":     {used(0).End(opened.Add(time.Minute), EndedReused), time.Hour, time.Minute + KeepEnded},
		"ended when it was over":   {used(0).End(opened.Add(5*time.Hour), EndedPassword), time.Hour, time.Hour + KeepEnded},
		"ended by a clock far off": {used(0).End(opened.Add(-time.Hour), EndedPassword), time.Hour, -time.Hour + KeepEnded},
	} {
		s := c.session
		if s.ExpiredAt(opened.Add(c.over-tick)) || !s.ExpiredAt(opened.Add(c.over)) {
			t.Errorf("%s: does not expire after %v", name, c.over)
		}
		if s.RemovableAt(opened.Add(c.leaves-tick)) || !s.RemovableAt(opened.Add(c.leaves)) {
			t.Errorf("%s: is not removable after %v", name, c.leaves)
		}
	}
}

// Whatever may be removed has not been usable for a day, and everything goes in the end.
func TestRemovableIsOver(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hours := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, 100).Draw(rt, name)) * time.Hour
		}
		s := Session{ExpiresAt: opened.Add(hours("absolute")), IdleLifetime: hours("idle"), LastUsedAt: opened.Add(hours("used"))}
		if rapid.Bool().Draw(rt, "ended") {
			s = s.End(opened.Add(hours("end")), EndedReused)
		}
		now := opened.Add(hours("now"))
		then := now.Add(-KeepEnded)
		over := s.ExpiredAt(then) || !s.EndedAt.IsZero() && !s.EndedAt.After(then)
		if s.RemovableAt(now) != over {
			rt.Fatalf("removable: %v, over for a day: %v", !over, over)
		}
	})
}
