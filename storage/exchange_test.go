package storage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// What is derived is the same in every version: records and retries rest on it.
func TestForeignToken(t *testing.T) {
	one, err := ForeignToken([]byte("signature"))
	if err != nil {
		t.Fatal(err)
	}
	if got := one.Reveal(); got != "hmr_RXXhk4PfNlPbHgoyHHLuDQAAAACbGwwrAaaLD76_QnPM2u7tYVHYep1vYJJMBp66TRh62g" || one.Generation() != 0 {
		t.Errorf("%s at %d", got, one.Generation())
	}
	if again, _ := ForeignToken([]byte("signature")); again.Reveal() != one.Reveal() {
		t.Error("another token of the same secret")
	}
	two, _ := ForeignToken([]byte("signaturf"))
	if two.SessionID() == one.SessionID() || two.digest() == one.digest() {
		t.Error("one token of two secrets")
	}
	if id := SpentID("jti"); id == SpentID("jtj") || id.Equal(ImportDigest("jti")) {
		t.Error("two ids are one")
	}
}

// The mark is that of Simple JWT: get_md5_hash_password.
func TestPasswordMark(t *testing.T) {
	const hash = "pbkdf2_sha256$260000$YwAEqU0e6q8NFEupmwYvaW$5Ztmy5Q9Lrb0TQAW0p6ysafpAL/I4uXEINC83GFesmM="
	if got := PasswordMark(hash); got != "6121866545D0EC356F8B1A11F109E5BB" {
		t.Error(got)
	}
}

// The store leads to no token: not the row of the session, nor what is kept of
// the foreign token, without the foreign token itself.
func TestExchangeBegin(t *testing.T) {
	old, err := ForeignToken([]byte("signature"))
	if err != nil {
		t.Fatal(err)
	}
	now := opened.Add(time.Hour + 999)
	e := Exchange{
		ID: SpentID("jti"), Token: old, User: "17", IssuedAt: opened, ExpiresAt: opened.Add(24 * time.Hour), Client: 3,
		Scope: []string{"read"}, Audience: []string{"https://a.example"}, AbsoluteLifetime: 48 * time.Hour, IdleLifetime: time.Hour,
		Nonce: NewNonce(), Address: "192.0.2.1", Now: now,
	}
	u := User{ID: uuid.UUID{1}, ForeignID: "17"}
	c := Client{Number: 3, ClientPolicy: ClientPolicy{Grants: []string{GrantRefreshToken}, Scopes: e.Scope, Audiences: e.Audience, RetryWindow: window, Rotate: true}}
	out, err := e.Begin(u, c, 100)
	if err != nil {
		t.Fatal(err)
	}
	s := out.Session
	switch {
	case out.Outcome != Exchanged, s.User != u.ID, s.Client != 3, s.ID != old.SessionID():
		t.Errorf("%+v", out)
	case !s.AuthTime.Equal(opened), !s.LastUsedAt.Equal(whole(now)), !s.ExpiresAt.Equal(whole(now).Add(48 * time.Hour)):
		t.Errorf("times %+v", s)
	case s.Current != out.Token.digest(), s.Previous != old.digest(), out.Token.Generation() != 1:
		t.Errorf("ratchet %+v", s.Ratchet)
	case !out.User.CameAt.Equal(whole(now)):
		t.Errorf("came at %v", out.User.CameAt)
	}
	// The ratchet takes it from there, with whoever presents either of the two.
	for token, want := range map[*RefreshToken]Outcome{&old: Retried, &out.Token: Repeated} {
		r := e.Again()
		r.Token = *token
		got, err := r.Decide(s, u, c, 100)
		if err != nil || got.Outcome != want || got.Token.Reveal() != out.Token.Reveal() {
			t.Errorf("%q, %v; want %q", got.Outcome, err, want)
		}
	}
	if _, err := e.Again().Decide(s, u, c, ServiceTime(100).Add(window)); err != ErrReused {
		t.Errorf("after the window: %v", err)
	}
	other := e
	other.Nonce = NewNonce()
	if again, _ := other.Begin(u, c, 100); again.Token.Reveal() == out.Token.Reveal() {
		t.Error("the old token alone leads to the new one")
	}
}

func TestExchangeMay(t *testing.T) {
	issued := opened
	may := Client{ClientPolicy: ClientPolicy{Grants: []string{GrantRefreshToken}}}
	hash, other := "pbkdf2_sha256$1$a$b", "pbkdf2_sha256$1$c$d"
	for name, c := range map[string]struct {
		user   User
		mark   string
		client Client
		want   error
	}{
		"a user":                         {User{}, "", may, nil},
		"a disabled user":                {User{Disabled: true}, "", may, ErrDisabled},
		"ended before it was issued":     {User{NotBefore: issued.Add(-ForeignSkew)}, "", may, nil},
		"ended before, by a fast clock":  {User{NotBefore: issued.Add(-ForeignSkew + time.Microsecond)}, "", may, ErrEnded},
		"ended after it was issued":      {User{NotBefore: issued.Add(time.Microsecond)}, "", may, ErrEnded},
		"of the password there":          {User{PasswordHash: hash, Imported: ImportDigest(hash)}, PasswordMark(hash), may, nil},
		"of another password there":      {User{PasswordHash: hash, Imported: ImportDigest(hash)}, PasswordMark(other), may, ErrEnded},
		"marked in small letters":        {User{PasswordHash: hash, Imported: ImportDigest(hash)}, strings.ToLower(PasswordMark(hash)), may, ErrEnded},
		"of a password that became ours": {User{PasswordHash: "$argon2id$", Imported: ImportDigest(hash)}, PasswordMark(hash), may, ErrEnded},
		"of no password":                 {User{Imported: ImportDigest("")}, PasswordMark(other), may, ErrEnded},
		"a client that may not":          {User{}, "", Client{}, ErrGrant},
	} {
		if err := (Exchange{IssuedAt: issued, Mark: c.mark}).May(c.user, c.client); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for bar, want := range map[time.Time]error{{}: nil, issued: ErrEnded} {
		if err := (Exchange{}).May(User{NotBefore: bar}, may); err != want {
			t.Errorf("of unknown age, with an end at %v: %v, want %v", bar, err, want)
		}
	}
}

func TestHasCome(t *testing.T) {
	hash := "pbkdf2_sha256$1$a$b"
	for name, c := range map[string]struct {
		user User
		want bool
	}{
		"imported":                   {User{ForeignID: "17", PasswordHash: hash, Imported: ImportDigest(hash)}, false},
		"without a password":         {User{ForeignID: "17"}, false},
		"signed in":                  {User{ForeignID: "17", PasswordHash: hash, Imported: ImportDigest(hash), CameAt: opened}, true},
		"the hash is ours":           {User{ForeignID: "17", PasswordHash: "$argon2id$", Imported: ImportDigest(hash)}, true},
		"the password was taken off": {User{ForeignID: "17", Imported: ImportDigest(hash)}, false},
	} {
		if got := c.user.HasCome(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
