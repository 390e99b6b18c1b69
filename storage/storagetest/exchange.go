package storagetest

import (
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func exchangeCases() map[string]func(*store) {
	return map[string]func(*store){
		"a session begins as decided":                  exchangeBegins,
		"a token is taken once, but for retries":       exchangeOnce,
		"an answer that was lost in a crash":           exchangeLost,
		"once, also when the session is long gone":     exchangeGone,
		"a client without a window":                    exchangeStrict,
		"a client that does not rotate":                exchangeKept,
		"a refusal costs nothing":                      exchangeRefused,
		"what ends all sessions ends the tokens":       exchangeNotBefore,
		"a token of another password is refused":       exchangeMark,
		"a blacklisted token begins nothing":           exchangeSpent,
		"one token, fifty exchanges":                   exchangeRace,
		"one token, exchanged and blacklisted at once": exchangeOrSpent,
		"what is over for a day is forgotten":          exchangeSwept,
		"a user comes once":                            exchangeCame,
	}
}

// aForeign is a token of another system, issued a minute ago to the user of a
// foreign id.
func (s *store) aForeign(name, user string, c storage.Client) storage.Exchange {
	s.Helper()
	token, err := storage.ForeignToken([]byte("the signature of " + name))
	s.must(err)
	return storage.Exchange{
		ID: storage.SpentID(name), Token: token, User: user,
		IssuedAt: s.now.Add(-time.Minute).Truncate(time.Second), ExpiresAt: s.now.Add(24 * time.Hour).Truncate(time.Second),
		Client: c.Number, Scope: []string{"read", "write"}, Audience: []string{"https://a.example", "https://b.example"},
		AbsoluteLifetime: absolute, IdleLifetime: idle, Nonce: storage.NewNonce(), Address: "192.0.2.1", Device: "Firefox on Linux", Now: s.now,
	}
}

func (s *store) addForeign(name, id string) storage.User {
	s.Helper()
	u := s.aUser(name)
	u.ForeignID, u.Imported = id, storage.ImportDigest(u.PasswordHash)
	s.must(s.CreateUser(s.Context(), u))
	return u
}

// again is the same token in another request.
func (s *store) again(e storage.Exchange) storage.Exchange {
	e.Nonce, e.Now, e.Address = storage.NewNonce(), s.now, "192.0.2.2"
	return e
}

// exchanged expects an outcome and returns the device with the token of ours.
func (s *store) exchanged(e storage.Exchange, want storage.Outcome) device {
	s.Helper()
	out, err := s.ExchangeToken(s.Context(), e)
	s.must(err)
	if out.Outcome != want {
		s.Fatalf("%q, want %q", out.Outcome, want)
	}
	return device{client: e.Client, token: out.Token}
}

func (s *store) exchangeFails(e storage.Exchange, want error) {
	s.Helper()
	_, err := s.ExchangeToken(s.Context(), e)
	s.wants(want, err)
}

func exchangeBegins(s *store) {
	ada, web := s.addForeign("ada", "17"), s.addClient("web")
	e := s.aForeign("one", "17", web)
	e.ExpiresAt, e.Now = e.ExpiresAt.Add(1999), e.Now.Add(999)
	got, err := s.ExchangeToken(s.Context(), e)
	s.must(err)
	want, err := e.Begin(ada, web, got.Session.RotatedAt)
	s.must(err)
	s.same(got, want)
	s.equal(got.Session.AuthTime, e.IssuedAt)
	for range 2 {
		s.equal(s.row(e.Token), want.Session)
		spent, err := s.SpentToken(s.Context(), e.ID)
		s.must(err)
		s.equal(spent, e.Spends())
		u, err := s.UserByID(s.Context(), ada.ID)
		s.must(err)
		s.same(u, want.User)
		s.reopen()
	}
	s.AddService(window + time.Minute)
	s.refreshed(device{web.Number, got.Token}, storage.Rotated)
}

func exchangeOnce(s *store) {
	s.addForeign("ada", "17")
	e := s.aForeign("one", "17", s.addClient("web"))
	first, before := s.exchanged(e, storage.Exchanged), s.row(e.Token)
	for range 3 {
		s.now = s.now.Add(time.Hour) // by the wall clock: it means nothing to the window
		if d := s.exchanged(s.again(e), storage.Retried); d.token.Reveal() != first.token.Reveal() {
			s.Fatal("another token the second time")
		}
	}
	s.equal(s.row(e.Token), before)
	s.refreshed(first, storage.Repeated)
	s.AddService(window + time.Minute)
	s.exchangeFails(s.again(e), storage.ErrReused)
	s.ended(e.Token, storage.EndedReused)
	s.reopen()
	s.ended(e.Token, storage.EndedReused)
	s.exchangeFails(s.again(e), storage.ErrEnded)
	_, err := s.refresh(first)
	s.wants(storage.ErrEnded, err)
}

func exchangeLost(s *store) {
	s.addForeign("ada", "17")
	e := s.aForeign("one", "17", s.addClient("web"))
	first := s.exchanged(e, storage.Exchanged)
	s.reopen()
	s.now = s.now.Add(12 * time.Hour) // out of service
	if d := s.exchanged(s.again(e), storage.Retried); d.token.Reveal() != first.token.Reveal() {
		s.Fatal("another token after the restart")
	}
	s.AddService(window + time.Minute)
	next := s.refreshed(first, storage.Rotated)
	s.exchangeFails(s.again(e), storage.ErrReused)
	s.ended(next.token, storage.EndedReused)
}

func exchangeGone(s *store) {
	s.addForeign("ada", "17")
	web := s.addClient("web")
	e := s.aForeign("one", "17", web)
	e.ExpiresAt = s.now.Add(10 * absolute)
	s.exchanged(e, storage.Exchanged)
	_, err := s.EndSession(s.Context(), e.Token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	s.exchangeFails(s.again(e), storage.ErrEnded)
	s.now = s.now.Add(2 * storage.KeepEnded)
	if n := s.sweep(10); n != 1 {
		s.Fatalf("%d sessions removed", n)
	}
	if n, err := s.SweepSpent(s.Context(), 10, s.now); n != 0 || err != nil {
		s.Fatalf("%d forgotten, %v", n, err)
	}
	s.reopen()
	s.exchangeFails(s.again(e), storage.ErrEnded)
	s.gone(e.Token)

	other := s.aForeign("two", "17", web)
	s.exchanged(other, storage.Exchanged)
	s.must(s.RemoveClient(s.Context(), "web"))
	s.exchangeFails(s.again(other), storage.ErrEnded)
}

func exchangeStrict(s *store) {
	s.addForeign("ada", "17")
	e := s.aForeign("one", "17", s.addClient("strict", func(c *storage.Client) { c.RetryWindow = 0 }))
	s.exchanged(e, storage.Exchanged)
	s.exchangeFails(s.again(e), storage.ErrReused)
	s.ended(e.Token, storage.EndedReused)
}

// The old token is no better than another one that was replaced.
func exchangeKept(s *store) {
	s.addForeign("ada", "17")
	e := s.aForeign("one", "17", s.addClient("web", func(c *storage.Client) { c.Rotate = false }))
	d := s.exchanged(e, storage.Exchanged)
	s.AddService(window + time.Minute)
	if again := s.refreshed(d, storage.Kept); again.token.Reveal() != d.token.Reveal() {
		s.Error("another token")
	}
	s.exchangeFails(s.again(e), storage.ErrReused)
	s.ended(e.Token, storage.EndedReused)
}

func exchangeRefused(s *store) {
	s.addForeign("ada", "17")
	s.addUser("native")
	gone := s.addForeign("gone", "18")
	_, err := setDisabled(s.Context(), s, gone.ID, true, s.now)
	s.must(err)
	web := s.addClient("web")
	other := s.addClient("other", func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	for name, c := range map[string]struct {
		change func(*storage.Exchange)
		want   error
	}{
		"nobody's":            {func(e *storage.Exchange) { e.User = "99" }, storage.ErrNotFound},
		"of no id":            {func(e *storage.Exchange) { e.User = "" }, storage.ErrNotFound},
		"a disabled user's":   {func(e *storage.Exchange) { e.User = "18" }, storage.ErrDisabled},
		"of no client":        {func(e *storage.Exchange) { e.Client += 1000 }, storage.ErrNotFound},
		"of a client without": {func(e *storage.Exchange) { e.Client = other.Number }, storage.ErrGrant},
	} {
		e, from := s.aForeign("one", "17", web), s.last()
		c.change(&e)
		_, err := s.ExchangeToken(s.Context(), e)
		if verdict(err) != c.want {
			s.Errorf("%s: %v, want %v", name, err, c.want)
		}
		s.gone(e.Token)
		_, err = s.SpentToken(s.Context(), e.ID)
		s.wants(storage.ErrNotFound, err)
		if got := s.records(from); len(got) > 0 {
			s.Errorf("%s leaves %v", name, got)
		}
	}
	s.exchanged(s.aForeign("one", "17", web), storage.Exchanged)
}
