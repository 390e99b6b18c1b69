package storagetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

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
