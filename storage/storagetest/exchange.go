package storagetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

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

func exchangeNotBefore(s *store) {
	ada, web := s.addForeign("ada", "17"), s.addClient("web")
	kept := s.login(ada, web)
	for name, c := range map[string]struct {
		act  func() error
		ends bool
	}{
		"a password":    {func() error { _, err := setPassword(s.Context(), s, ada.ID, "next", s.now); return err }, true},
		"another hash":  {func() error { return s.Rehash(s.Context(), ada.ID, s.user(ada.ID).PasswordHash, "stronger") }, false},
		"disabling":     {func() error { return s.disableAndEnable(ada.ID) }, true},
		"all sessions":  {func() error { return s.endAll(ada.ID, storage.SessionID{}) }, true},
		"all but one":   {func() error { return s.endAll(ada.ID, kept.token.SessionID()) }, true},
		"one session":   {func() error { return s.endOne(s.login(s.user(ada.ID), web)) }, false},
		"another name":  {func() error { return s.rename(ada.ID, "ada l") }, false},
		"a new import":  {func() error { return s.imports(ada.ID, "legacy 2") }, true},
		"the same hash": {func() error { return s.imports(ada.ID, s.user(ada.ID).PasswordHash) }, false},
	} {
		s.now = s.now.Add(time.Hour)
		before := s.aForeign(name, "17", web)
		was := s.user(ada.ID).NotBefore
		s.must(c.act())
		is := s.user(ada.ID).NotBefore
		if c.ends {
			s.equal(is, s.now)
			s.exchangeFails(before, storage.ErrEnded)
			s.gone(before.Token)
			s.now = s.now.Add(-30 * time.Minute) // a clock that is set back brings nothing back
			s.must(c.act())
			s.equal(s.user(ada.ID).NotBefore, is)
			s.now = s.now.Add(time.Hour)
		} else {
			s.equal(is, was)
			s.exchanged(before, storage.Exchanged)
		}
		s.exchanged(s.aForeign(name+" later", "17", web), storage.Exchanged)
	}
	if n, err := s.EndSessions(s.Context(), uuid.New(), storage.SessionID{}, storage.EndedRevoked, s.now); n != 0 || err != nil {
		s.Errorf("%d, %v", n, err)
	}
}

func (s *store) user(id uuid.UUID) storage.User {
	s.Helper()
	u, err := s.UserByID(s.Context(), id)
	s.must(err)
	return u
}

func (s *store) disableAndEnable(id uuid.UUID) error {
	for _, disabled := range []bool{true, false} {
		if _, err := setDisabled(s.Context(), s, id, disabled, s.now); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) endAll(id uuid.UUID, keep storage.SessionID) error {
	_, err := s.EndSessions(s.Context(), id, keep, storage.EndedRevoked, s.now)
	return err
}

func (s *store) endOne(d device) error {
	_, err := s.EndSession(s.Context(), d.token.SessionID(), storage.EndedRevoked, s.now)
	return err
}

func (s *store) rename(id uuid.UUID, name string) error {
	_, _, err := s.ChangeUser(s.Context(), id, storage.UserChange{Name: &name, Now: s.now})
	return err
}

// imports a hash; each time another one unless it is the user's.
func (s *store) imports(id uuid.UUID, hash string) error {
	if hash != s.user(id).PasswordHash {
		hash += fmt.Sprint(" at ", s.now)
	}
	_, _, err := s.ChangeUser(s.Context(), id, storage.UserChange{ImportHash: &hash, Now: s.now})
	return err
}

// What a token says of the password is held against the hash of the other system.
// Where that is gone nothing can tell whether the token is of another password.
func exchangeMark(s *store) {
	ada, web := s.addForeign("ada", "17"), s.addClient("web")
	one, two := s.aForeign("one", "17", web), s.aForeign("two", "17", web)
	one.Mark, two.Mark = storage.PasswordMark("another hash"), storage.PasswordMark(ada.PasswordHash)
	s.exchangeFails(one, storage.ErrEnded)
	s.exchanged(two, storage.Exchanged)
	s.must(s.Rehash(s.Context(), ada.ID, ada.PasswordHash, "ours"))
	three := s.aForeign("three", "17", web)
	three.Mark = two.Mark
	s.exchangeFails(three, storage.ErrEnded)
}

func exchangeSpent(s *store) {
	ada, web := s.addForeign("ada", "17"), s.addClient("web")
	e, taken, from := s.aForeign("one", "17", web), s.aForeign("taken", "17", web), s.last()
	s.exchanged(taken, storage.Exchanged)
	black := func(e storage.Exchange) storage.Spent {
		return storage.Spent{ID: e.ID, ExpiresAt: e.ExpiresAt, User: ada.ID}
	}
	for i, want := range []int{1, 0} {
		added, err := s.SpendTokens(s.Context(), black(e), black(taken), black(e))
		s.must(err)
		if added != want {
			s.Errorf("%d added, want %d", added, want)
		}
		s.exchangeFails(s.again(e), storage.ErrEnded)
		s.gone(e.Token)
		if i == 0 {
			s.reopen()
		}
	}
	if added, err := s.SpendTokens(s.Context()); added != 0 || err != nil {
		s.Errorf("of none: %d, %v", added, err)
	}
	s.exchanged(s.again(taken), storage.Retried)
	got, err := s.SpentToken(s.Context(), e.ID)
	s.must(err)
	s.equal(got, black(e))
	records := s.records(from)
	if names(records) != "sign_in.exchange exchange.blacklist" || records[1].User != ada.ID || fmt.Sprint(records[1].Detail["count"]) != "1" {
		s.Errorf("%+v", records)
	}
}

// All get the same token, and one session begins.
func exchangeRace(s *store) {
	ada, web := s.addForeign("ada", "17"), s.addClient("web")
	for round := range 4 {
		e := s.aForeign(fmt.Sprint(round), "17", web)
		answers, errs := parallel(50, func(int) (storage.Refreshed, error) { return s.ExchangeToken(s.Context(), s.again(e)) })
		s.allOf(errs, nil)
		outcomes := map[storage.Outcome]int{}
		for _, a := range answers {
			outcomes[a.Outcome]++
			if a.Token.Reveal() != answers[0].Token.Reveal() {
				s.Fatal("two tokens for one")
			}
		}
		if outcomes[storage.Exchanged] != 1 || outcomes[storage.Retried] != 49 {
			s.Errorf("outcomes %v", outcomes)
		}
	}
	rows, err := s.UserSessions(s.Context(), ada.ID, 100)
	s.must(err)
	if len(rows) != 4 {
		s.Errorf("%d sessions", len(rows))
	}
}

// Either a session begins, or the token is blacklisted.
func exchangeOrSpent(s *store) {
	s.addForeign("ada", "17")
	web := s.addClient("web")
	for i := range 80 { // most go well by chance
		e := s.aForeign(fmt.Sprint(i), "17", web)
		added := make([]int, 4)
		errs := parallelOnly(4, func(n int) (err error) {
			if n%2 == 0 {
				_, err = s.ExchangeToken(s.Context(), s.again(e))
				return err
			}
			added[n], err = s.SpendTokens(s.Context(), storage.Spent{ID: e.ID, ExpiresAt: e.ExpiresAt})
			return err
		})
		s.allOf(errs, nil, storage.ErrEnded)
		if begun := errs[0] == nil; begun != (errs[2] == nil) || begun == (added[1]+added[3] == 1) {
			s.Errorf("begun %v and %v, %v added", errs[0], errs[2], added)
		}
	}
}

func exchangeSwept(s *store) {
	web := s.addClient("web")
	s.addForeign("ada", "17")
	for i := range 7 {
		e := s.aForeign(fmt.Sprint(i), "17", web)
		e.ExpiresAt = s.now.Add(time.Duration(i) * time.Hour)
		s.exchanged(e, storage.Exchanged)
	}
	sweep := func(limit, want int) {
		s.Helper()
		if n, err := s.SweepSpent(s.Context(), limit, s.now); n != want || err != nil {
			s.Errorf("%d removed, %v; want %d", n, err, want)
		}
	}
	sweep(10, 0)
	s.now = s.now.Add(storage.KeepEnded - time.Microsecond)
	sweep(10, 0)
	s.now = s.now.Add(time.Microsecond)
	sweep(10, 1)
	s.now = s.now.Add(3 * time.Hour)
	sweep(0, 0)
	sweep(2, 2)
	sweep(10, 1)
	for i, want := range []error{storage.ErrNotFound, storage.ErrNotFound, storage.ErrNotFound, storage.ErrNotFound, nil, nil, nil} {
		_, err := s.SpentToken(s.Context(), storage.SpentID(fmt.Sprint(i)))
		s.wants(want, err)
	}
}

func exchangeCame(s *store) {
	web := s.addClient("web")
	for i, begin := range []func(u storage.User){
		func(u storage.User) { s.login(u, web) },
		func(u storage.User) { s.exchanged(s.aForeign(u.Name, u.ForeignID, web), storage.Exchanged) },
	} {
		u := s.addForeign(fmt.Sprint("user ", i), fmt.Sprint(i))
		if !u.CameAt.IsZero() || u.HasCome() {
			s.Errorf("came at %v", u.CameAt)
		}
		begin(u)
		came := s.now
		s.now = s.now.Add(time.Hour)
		s.login(u, web)
		s.equal(s.user(u.ID).CameAt, came)
		if !s.user(u.ID).HasCome() {
			s.Error("has not come")
		}
	}
}
