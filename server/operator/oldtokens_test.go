package operator_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// A blacklist of another system is taken over by pages, once; what is expired
// is left out, and what broke off goes on when it is run again.
func TestBlacklist(t *testing.T) {
	d := newDesk(t)
	broken := errors.New("cut off")
	read := func(n int, end error) func(func(operator.BlacklistedToken) error) error {
		return func(each func(operator.BlacklistedToken) error) error {
			for i := range n {
				expires := start.Add(time.Hour)
				if i%10 == 0 {
					expires = start.Add(-2 * storage.KeepEnded)
				}
				if err := each(operator.BlacklistedToken{ID: fmt.Sprint(i), ExpiresAt: expires}); err != nil {
					return err
				}
			}
			return end
		}
	}
	for i, c := range []struct {
		n    int
		end  error
		want operator.BlacklistCounts
	}{
		{1000, broken, operator.BlacklistCounts{Added: 500, Expired: 100}},
		{1000, nil, operator.BlacklistCounts{Added: 400, There: 500, Expired: 100}},
		{1000, nil, operator.BlacklistCounts{There: 900, Expired: 100}},
		{0, nil, operator.BlacklistCounts{}},
	} {
		got, err := d.Blacklist(t.Context(), read(c.n, c.end))
		if got != c.want || !errors.Is(err, c.end) {
			t.Errorf("time %d: %+v, %v; want %+v", i, got, err, c.want)
		}
		if c.want.Added > 0 {
			d.recorded(t, "act=exchange.blacklist", fmt.Sprintf("added=%d", c.want.Added))
		} else if d.log.Len() > 0 {
			t.Errorf("time %d: it is logged that nothing was done: %s", i, d.log)
		}
	}
}

// A token that was exchanged before it was blacklisted there: its session ends,
// once, and no other; the token is a copy from then on.
func TestBlacklistEndsSessions(t *testing.T) {
	d := newDesk(t)
	u := storage.User{ID: uuid.New(), Name: "ada", ForeignID: "17", CreatedAt: start}
	if err := d.Users.CreateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	c, err := d.store.CreateClient(t.Context(), storage.Client{ID: "web", Name: "web", AuthMethod: storage.AuthNone, CreatedAt: start, ClientPolicy: storage.ClientPolicy{
		Grants: []string{storage.GrantPassword, storage.GrantRefreshToken}, Audiences: []string{"api"}, DefaultAudiences: []string{"api"}, RetryWindow: time.Minute, Rotate: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(id string) storage.Exchange {
		token, err := storage.ForeignToken([]byte("signature of " + id))
		if err != nil {
			t.Fatal(err)
		}
		return storage.Exchange{
			ID: storage.SpentID(id), Token: token, User: "17", IssuedAt: start.Add(-time.Minute), ExpiresAt: start.Add(time.Hour), Client: c.Number,
			Audience: []string{"api"}, AbsoluteLifetime: 24 * time.Hour, IdleLifetime: 24 * time.Hour, Nonce: storage.NewNonce(), Address: "192.0.2.1", Now: start,
		}
	}
	state := func(id string) storage.SessionEntry {
		s, err := d.store.SessionByID(t.Context(), exchange(id).Token.SessionID())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, id := range []string{"one", "two", "three", "four"} {
		if _, err := d.store.ExchangeToken(t.Context(), exchange(id)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.store.EndSession(t.Context(), state("three").ID, storage.EndedRevoked, start); err != nil {
		t.Fatal(err)
	}
	blacklist := func(each func(operator.BlacklistedToken) error) error {
		var errs []error
		for _, id := range []string{"unused", "one", "two", "three"} {
			errs = append(errs, each(operator.BlacklistedToken{ID: id, ExpiresAt: start.Add(time.Hour)}))
		}
		return errors.Join(errs...)
	}
	for i, want := range []operator.BlacklistCounts{{Added: 1, There: 3, Ended: 2}, {There: 4}} {
		if got, err := d.Blacklist(t.Context(), blacklist); err != nil || got != want {
			t.Errorf("time %d: %+v, %v; want %+v", i, got, err, want)
		}
		if i == 0 {
			d.recorded(t, "act=exchange.blacklist", "added=1", "sessions_ended=2")
		}
	}
	for id, want := range map[string]storage.EndReason{"one": storage.EndedLogout, "two": storage.EndedLogout, "three": storage.EndedRevoked, "four": ""} {
		if got := state(id); got.EndReason != want || got.EndedAt.IsZero() != (want == "") {
			t.Errorf("%s ended as %q at %v, want %q", id, got.EndReason, got.EndedAt, want)
		}
	}
	if _, err := d.store.ExchangeToken(t.Context(), exchange("one")); !errors.Is(err, storage.ErrEnded) {
		t.Errorf("exchanged again: %v", err)
	}
}

// TestNotCome: those who were imported and have neither a session nor a password
// of here, page by page, and how many there are of each kind.
func TestNotCome(t *testing.T) {
	d := newDesk(t)
	hash := "pbkdf2_sha256$1$a$b"
	for i := range 1201 {
		u := storage.User{ID: uuid.New(), Name: fmt.Sprintf("user %04d", i), PasswordHash: hash, ForeignID: fmt.Sprint(i), Imported: storage.ImportDigest(hash), CreatedAt: start}
		switch i % 4 {
		case 1:
			u.ForeignID = "" // nobody's import
		case 2:
			u.CameAt = start
		case 3:
			u.Disabled = true
		}
		if err := d.Users.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	last, n := "", 0
	counts, err := d.NotCome(t.Context(), func(u storage.User) error {
		if u.Name <= last || u.ForeignID == "" || !u.CameAt.IsZero() {
			t.Errorf("%+v", u)
		}
		last, n = u.Name, n+1
		return nil
	})
	if want := (operator.ComeCounts{Imported: 901, Come: 300, Disabled: 300}); err != nil || counts != want || n != 601 {
		t.Errorf("%+v of %d, %v; want %+v", counts, n, err, want)
	}
}
