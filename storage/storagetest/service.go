package storagetest

import (
	"context"
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

// everyVerb calls each verb of a backend once with arguments that work.
func everyVerb(s *store) map[string]func(context.Context, Backend) error {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	d := s.login(ada, web)
	s.must(s.ReplaceRing(s.Context(), 0, 1, []byte("ring")))
	return map[string]func(context.Context, Backend) error{
		"CreateUser": func(ctx context.Context, b Backend) error { return b.CreateUser(ctx, s.aUser("carol")) },
		"UserByName": func(ctx context.Context, b Backend) error { _, err := b.UserByName(ctx, "ada"); return err },
		"Users":      func(ctx context.Context, b Backend) error { _, err := b.Users(ctx, "", 10); return err },
		"SetPassword": func(ctx context.Context, b Backend) error {
			_, err := setPassword(ctx, b, bob.ID, "new", s.now)
			return err
		},
		"Rehash": func(ctx context.Context, b Backend) error { return b.Rehash(ctx, ada.ID, ada.PasswordHash, "stronger") },
		"SetDisabled": func(ctx context.Context, b Backend) error {
			_, err := setDisabled(ctx, b, ada.ID, true, s.now)
			return err
		},
		"CreateClient": func(ctx context.Context, b Backend) error {
			_, err := b.CreateClient(ctx, s.aClient("app"))
			return err
		},
		"ClientByID": func(ctx context.Context, b Backend) error { _, err := b.ClientByID(ctx, "web"); return err },
		"Clients":    func(ctx context.Context, b Backend) error { _, err := b.Clients(ctx); return err },
		"CreateSession": func(ctx context.Context, b Backend) error {
			_, err := b.CreateSession(ctx, s.aSession(ada, web))
			return err
		},
		"RotateSession": func(ctx context.Context, b Backend) error { _, err := b.RotateSession(ctx, s.request(d)); return err },
		"SweepSessions": func(ctx context.Context, b Backend) error {
			_, _, err := b.SweepSessions(ctx, storage.SessionID{}, 10, s.now.Add(10*absolute))
			return err
		},
		"LoadRing":    func(ctx context.Context, b Backend) error { _, _, err := b.LoadRing(ctx); return err },
		"ReplaceRing": func(ctx context.Context, b Backend) error { return b.ReplaceRing(ctx, 1, 2, []byte("next")) },
		"ServiceTime": func(ctx context.Context, b Backend) error { _, err := b.ServiceTime(ctx); return err },
		"Check":       func(ctx context.Context, b Backend) error { return b.Check(ctx) },
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
	return []any{tidy(users), tidy(clients), string(sealed), v}
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
	for _, name := range []string{"CreateUser", "CreateClient", "CreateSession", "RotateSession", "Rehash", "ReplaceRing", "SetPassword"} {
		s.must(verbs[name](s.Context(), s.Backend))
	}
	before := s.content()
	for range 2 {
		s.reopen()
		s.equal(s.content(), before)
	}
	s.addUser("dave")
}
