package storagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/hallmark-auth/hallmark/storage"
)

// Backends commit what is waiting in one transaction. These cases hold
// whether they do or not.
func batchCases() map[string]func(*store) {
	return map[string]func(*store){
		"a conflict beside good operations":       batchConflict,
		"a taken token beside good operations":    batchTaken,
		"reuse beside good operations":            batchReused,
		"refusals beside good operations":         batchRefused,
		"refused changes beside good ones":        batchChanges,
		"verbs of every kind beside one another":  batchMixed,
		"readers see what was answered to others": batchVisible,
	}
}

// batchConflict: users whose name is taken harm none of the others.
func batchConflict(s *store) {
	taken := s.addUser("taken")
	users := make([]storage.User, 60)
	for i := range users {
		if users[i] = s.aUser(fmt.Sprint("user ", i)); i%3 == 1 {
			users[i].Name = "taken"
		}
		if i%3 == 2 {
			users[i].ID = taken.ID
		}
	}
	errs := parallelOnly(len(users), func(i int) error { return s.CreateUser(s.Context(), users[i]) })
	for range 2 {
		for i, u := range users {
			if i%3 != 0 {
				s.wants(storage.ErrConflict, errs[i])
				continue
			}
			s.must(errs[i])
			got, err := s.UserByName(s.Context(), u.Name)
			s.must(err)
			s.equal(got, u)
		}
		got, err := s.Users(s.Context(), "", 100)
		s.must(err)
		if len(got) != 21 {
			s.Errorf("%d users, want 21", len(got))
		}
		s.reopen()
	}
}

func batchTaken(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	taken := s.login(ada, web)
	logins := make([]storage.NewSession, 40)
	for i := range logins {
		if logins[i] = s.aSession(ada, web); i%2 == 1 {
			logins[i].Token = taken.token
		}
	}
	errs := parallelOnly(len(logins), func(i int) error {
		_, err := s.CreateSession(s.Context(), logins[i])
		return err
	})
	s.reopen()
	for i, n := range logins {
		if i%2 == 1 {
			s.wants(storage.ErrConflict, errs[i])
			continue
		}
		s.must(errs[i])
		s.equal(s.row(n.Token), n.Session())
	}
}

// batchReused: the end of a session and its neighbours' rotations are all kept.
func batchReused(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	devices := make([]device, 40)
	for i := range devices {
		devices[i] = s.login(ada, web)
		if i%4 == 1 {
			s.refreshed(devices[i], storage.Rotated)
		}
	}
	s.AddService(2 * window)
	present := func(i int) device {
		if d := devices[i]; i%4 == 3 {
			return device{d.client, forged(d.token, 9)}
		}
		return devices[i]
	}
	answers, errs := parallel(len(devices), func(i int) (storage.Refreshed, error) { return s.refresh(present(i)) })
	for range 2 {
		for i, d := range devices {
			row := s.row(d.token)
			switch i % 4 {
			case 1:
				s.wants(storage.ErrReused, errs[i])
				s.ended(d.token, storage.EndedReused)
			case 3:
				s.wants(storage.ErrBehind, errs[i])
				s.ended(d.token, storage.EndedBehind)
			default:
				s.must(errs[i])
				s.live(d.token)
			}
			s.equal(row, answers[i].Session)
		}
		s.reopen()
	}
	for i, d := range devices {
		if i%2 == 0 {
			next := s.refreshed(d, storage.Retried)
			if next.token.Reveal() != answers[i].Token.Reveal() {
				s.Fatal("another successor")
			}
		}
	}
}

func batchRefused(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	devices := make([]device, 40)
	for i := range devices {
		devices[i] = s.login(ada, web)
	}
	_, errs := parallel(len(devices), func(i int) (storage.Refreshed, error) {
		return s.refresh(devices[i], func(r *storage.Refresh) {
			switch i % 4 {
			case 1:
				r.Scope = []string{"admin"}
			case 2:
				r.Client = 0
			case 3:
				r.Token = storage.NewRefreshToken()
			}
		})
	})
	for i, d := range devices {
		want := []error{nil, storage.ErrScope, storage.ErrClient, storage.ErrNotFound}[i%4]
		s.wants(want, errs[i])
		if row := s.row(d.token); row.Generation != map[bool]uint32{true: 1}[want == nil] {
			s.Errorf("%v: generation %d", want, row.Generation)
		}
	}
}

func batchMixed(s *store) {
	verbs := everyVerb(s)
	delete(verbs, "ChangeUser to disabled") // others are refused after it
	delete(verbs, "CreateSession")
	delete(verbs, "SweepSessions")
	var calls []func(context.Context, Backend) error
	for name, call := range verbs {
		calls = append(calls, call)
		if slices.Contains([]string{"Check", "Users", "RotateSession", "ChangeUser", "ChangeClient", "EndSession", "EndSessions"}, name) {
			calls = append(calls, call, call) // what may be repeated
		}
	}
	rand.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	errs := parallelOnly(len(calls), func(i int) error { return calls[i](s.Context(), s.Backend) })
	s.allOf(errs, nil)
	s.reopen()
	for _, name := range []string{"ada", "bob", "carol"} {
		_, err := s.UserByName(s.Context(), name)
		s.must(err)
	}
	s.ring("next", 2)
	for _, name := range []string{"old", "eve"} {
		_, err := s.UserByName(s.Context(), name)
		s.wants(storage.ErrNotFound, err)
		_, err = s.ClientByID(s.Context(), name)
		s.wants(storage.ErrNotFound, err)
	}
	tokens, err := s.OperatorTokens(s.Context())
	s.must(err)
	if len(tokens) != 2 || tokens[0].Name != "deploy" || tokens[1].Name != "new" {
		s.Errorf("operator tokens %+v", tokens)
	}
}

// batchChanges: changes that are refused harm none of those beside them, and
// no half of one is kept.
func batchChanges(s *store) {
	taken, web := s.addUser("taken"), s.addClient("web")
	s.addClient("full", func(c *storage.Client) { c.AuthMethod, c.Secrets = storage.AuthBasic, []storage.Digest{{1}, {2}} })
	users, devices := make([]storage.User, 40), make([]device, 40)
	for i := range users {
		users[i] = s.addUser(fmt.Sprint("user ", i))
		devices[i] = s.login(users[i], web)
	}
	errs := parallelOnly(len(users), func(i int) error {
		c := storage.UserChange{PasswordHash: new("next"), Now: s.now, Name: new(fmt.Sprint("renamed ", i))}
		switch i % 4 {
		case 1:
			c.Name = &taken.Name
		case 2:
			c.If = new("another hash")
		case 3:
			_, err := s.ChangeClient(s.Context(), "full", storage.ClientChange{AddSecret: &storage.Digest{3}, Name: new("x")})
			return err
		}
		_, _, err := s.ChangeUser(s.Context(), users[i].ID, c)
		return err
	})
	s.reopen()
	for i, u := range users {
		if i%4 != 0 {
			s.wants(storage.ErrConflict, errs[i])
			s.live(devices[i].token)
		} else {
			s.must(errs[i])
			u.Name, u.PasswordHash = fmt.Sprint("renamed ", i), "next"
			s.ended(devices[i].token, storage.EndedPassword)
		}
		s.isUser(u)
	}
	s.isUser(taken)
}

// Whoever was answered finds the effect at once, by whatever connection.
func batchVisible(s *store) {
	errs := parallelOnly(20, func(i int) error {
		for n := range 5 {
			u := s.aUser(fmt.Sprint(i, " ", n))
			if err := s.CreateUser(s.Context(), u); err != nil {
				return err
			}
			if _, err := s.UserByName(s.Context(), u.Name); err != nil {
				return err
			}
			c, err := s.CreateClient(s.Context(), s.aClient(fmt.Sprint(i, "-", n)))
			if err != nil {
				return err
			}
			if _, err := s.ClientByID(s.Context(), c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	s.allOf(errs, nil)
}
