package storagetest

import (
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func serviceCases() map[string]func(*store) {
	return map[string]func(*store){
		"service time begins and only grows": serviceTime,
		"an open store can be checked":       serviceChecked,
		"a closed store is not available":    serviceClosed,
		"a store is kept when it is closed":  serviceReopened,
	}
}

func serviceTime(s *store) {
	added := time.Duration(0)
	last := storage.ServiceTime(1)
	read := func() {
		s.Helper()
		now, err := s.ServiceTime(s.Context())
		s.must(err)
		switch {
		case now < last:
			s.Fatalf("from %d back to %d", last, now)
		case now.Sub(1) > added+time.Since(s.began):
			s.Fatalf("%v in service after %v", now.Sub(1), added+time.Since(s.began))
		case now.Sub(1) < added:
			s.Fatalf("%v in service, %v were added", now.Sub(1), added)
		}
		last = now
	}
	for i := range 5 {
		read()
		s.addUser(string(rune('a' + i)))
		read()
		s.must(s.Check(s.Context()))
		read()
		d := time.Duration(i*i) * time.Minute
		s.AddService(d)
		added += d
		read()
	}
	for range 2 { // what was added outlasts the process; what only went by may be lost
		s.reopen()
		last = storage.ServiceTime(1).Add(added)
		read()
	}
	errs := parallelOnly(20, func(i int) error {
		var last storage.ServiceTime
		for range 10 {
			now, err := s.ServiceTime(s.Context())
			if err != nil {
				return err
			}
			if now < last {
				return errWrong
			}
			last = now
			if err := s.Check(s.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	s.allOf(errs, nil)
}

func serviceChecked(s *store) {
	for range 3 {
		s.must(s.Check(s.Context()))
		s.reopen()
	}
}

// content is what the verbs can read of a store made by everyVerb.
func (s *store) content() any {
	s.Helper()
	users, err := s.Users(s.Context(), "", 100)
	s.must(err)
	clients, err := s.Clients(s.Context())
	s.must(err)
	sealed, v, err := s.LoadRing(s.Context())
	s.must(err)
	sessions, err := s.Sessions(s.Context(), storage.SessionID{}, 100)
	s.must(err)
	tokens, err := s.OperatorTokens(s.Context())
	s.must(err)
	replicas, err := s.Replicas(s.Context())
	s.must(err)
	return []any{tidy(users), tidy(clients), string(sealed), v, tidy(sessions), tidy(tokens), tidy(replicas)}
}

func serviceClosed(s *store) {
	verbs := everyVerb(s)
	before := s.content()
	s.must(s.Close())
	for name, call := range verbs {
		if err := call(s.Context(), s.Backend); verdict(err) != storage.ErrUnavailable {
			s.Errorf("%s: %v", name, err)
		}
	}
	s.must(s.Close())
	s.reopen()
	s.equal(s.content(), before)
}

func serviceReopened(s *store) {
	s.reopen() // empty
	verbs := everyVerb(s)
	for _, name := range []string{
		"CreateUser", "CreateClient", "CreateSession", "RotateSession", "Rehash", "ReplaceRing", "ChangeUser", "RemoveUser", "ChangeClient",
		"RemoveClient", "EndSession", "EndSessions", "CreateOperatorToken", "RemoveOperatorToken", "ReportReplica", "RemoveReplica",
	} {
		s.must(verbs[name](s.Context(), s.Backend))
	}
	before := s.content()
	for range 2 {
		s.reopen()
		s.equal(s.content(), before)
	}
	s.addUser("dave")
}
