package storagetest

import (
	"fmt"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func raceCases() map[string]func(*store) {
	return map[string]func(*store){
		"one token, fifty refreshes":        raceRefresh,
		"one token, no window":              raceStrict,
		"one token, a client that keeps it": raceKept,
		"disabling and refreshing":          raceDisable,
		"a new password and logins":         racePassword,
		"one name, twenty users":            raceUser,
		"one id, twenty clients":            raceClient,
		"one hash, twenty new ones":         raceRehash,
		"twenty replace the ring":           raceRing,
		"sweeping and refreshing":           raceSweep,
	}
}

// All get the same successor, by one write, and the session goes on.
func raceRefresh(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d, other := s.login(ada, web), s.login(ada, web)
	for round := range 4 {
		answers, errs := parallel(50, func(int) (storage.Refreshed, error) { return s.refresh(d) })
		s.allOf(errs, nil)
		outcomes := map[storage.Outcome]int{}
		for _, a := range answers {
			outcomes[a.Outcome]++
			if a.Token.Reveal() != answers[0].Token.Reveal() {
				s.Fatal("two successors of one token")
			}
		}
		if outcomes[storage.Rotated] != 1 || outcomes[storage.Retried] != 49 {
			s.Errorf("outcomes %v", outcomes)
		}
		if row := s.row(d.token); row.Generation != uint32(round)+1 {
			s.Errorf("generation %d after %d rotations", row.Generation, round+1)
		}
		d.token = answers[0].Token
		s.AddService(2 * window)
	}
	s.refreshed(d, storage.Rotated)
	s.live(other.token)
}

// Without a window a second use of the token is theft, and found once.
func raceStrict(s *store) {
	d := s.login(s.addUser("ada"), s.addClient("strict", func(c *storage.Client) { c.RetryWindow = 0 }))
	_, errs := parallel(20, func(int) (storage.Refreshed, error) { return s.refresh(d) })
	s.allOf(errs, nil, storage.ErrReused, storage.ErrEnded)
	if rotated, reused := count(errs, nil), count(errs, storage.ErrReused); rotated != 1 || reused != 1 {
		s.Errorf("%d rotated, %d found reuse", rotated, reused)
	}
	s.ended(d.token, storage.EndedReused)
}

func raceKept(s *store) {
	d := s.login(s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.Rotate = false }))
	for range 3 {
		answers, errs := parallel(20, func(int) (storage.Refreshed, error) { return s.refresh(d) })
		s.allOf(errs, nil)
		outcomes := map[storage.Outcome]int{}
		for _, a := range answers {
			outcomes[a.Outcome]++
			if a.Token.Reveal() != d.token.Reveal() {
				s.Fatal("another token")
			}
		}
		if outcomes[storage.Kept] != 1 || outcomes[storage.Repeated] != 19 {
			s.Errorf("outcomes %v", outcomes)
		}
		s.AddService(2 * window)
	}
}

// A refresh comes before the user is disabled or is refused; either way
// nothing of the user's is alive afterwards.
func raceDisable(s *store) {
	web := s.addClient("web")
	for i := range 10 {
		u := s.addUser(fmt.Sprint("user ", i))
		devices := make([]device, 8)
		for n := range devices {
			devices[n] = s.login(u, web)
		}
		late := s.aSession(u, web)
		errs := parallelOnly(len(devices)+1, func(n int) error {
			switch n {
			case len(devices) / 2: // not the first to start
				_, err := setDisabled(s.Context(), s, u.ID, true, s.now)
				return err
			case len(devices):
				_, err := s.CreateSession(s.Context(), late)
				return err
			}
			_, err := s.refresh(devices[n])
			return err
		})
		s.allOf(errs, nil, storage.ErrEnded, storage.ErrDisabled)
		s.must(errs[len(devices)/2])
		for _, d := range devices {
			s.ended(d.token, storage.EndedDisabled)
		}
		if errs[len(devices)] == nil {
			s.ended(late.Token, storage.EndedDisabled)
		} else {
			s.gone(late.Token)
		}
	}
}

// A login whose password was verified before the change does not outlive it.
func racePassword(s *store) {
	web := s.addClient("web")
	for i := range 10 {
		u := s.addUser(fmt.Sprint("user ", i))
		logins := make([]storage.NewSession, 9)
		for n := range logins {
			logins[n] = s.aSession(u, web)
		}
		errs := parallelOnly(len(logins), func(n int) error {
			if n == len(logins)/2 {
				_, err := setPassword(s.Context(), s, u.ID, "new", s.now)
				return err
			}
			_, err := s.CreateSession(s.Context(), logins[n])
			return err
		})
		s.allOf(errs, nil, storage.ErrConflict)
		s.must(errs[len(logins)/2])
		for n, login := range logins {
			switch {
			case n == len(logins)/2:
			case errs[n] == nil:
				s.ended(login.Token, storage.EndedPassword)
			default:
				s.gone(login.Token)
			}
		}
	}
}

func raceUser(s *store) {
	for round := range 5 {
		users := make([]storage.User, 20)
		for i := range users {
			users[i] = s.aUser(fmt.Sprint("name ", round))
			users[i].PasswordHash = fmt.Sprint("hash ", i)
		}
		errs := parallelOnly(len(users), func(i int) error { return s.CreateUser(s.Context(), users[i]) })
		s.allOf(errs, nil, storage.ErrConflict)
		if n := count(errs, nil); n != 1 {
			s.Fatalf("%d users of one name", n)
		}
		for i, err := range errs {
			if err == nil {
				got, err := s.UserByName(s.Context(), users[i].Name)
				s.must(err)
				s.equal(got, users[i])
			}
		}
	}
}

func raceClient(s *store) {
	created, errs := parallel(20, func(i int) (storage.Client, error) {
		id := "shared"
		if i%2 == 0 {
			id = fmt.Sprint("own-", i)
		}
		return s.CreateClient(s.Context(), s.aClient(id))
	})
	s.allOf(errs, nil, storage.ErrConflict)
	if n := count(errs, nil); n != 11 {
		s.Errorf("%d clients, want 11", n)
	}
	numbers := map[int64]bool{}
	for i, c := range created {
		if errs[i] == nil && (numbers[c.Number] || c.Number <= 0) {
			s.Errorf("the number %d twice", c.Number)
		}
		numbers[c.Number] = true
	}
}

func raceRehash(s *store) {
	ada := s.addUser("ada")
	errs := parallelOnly(20, func(i int) error {
		return s.Rehash(s.Context(), ada.ID, ada.PasswordHash, fmt.Sprint("hash ", i))
	})
	s.allOf(errs, nil, storage.ErrConflict)
	if n := count(errs, nil); n != 1 {
		s.Fatalf("%d have replaced the hash", n)
	}
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	for i, err := range errs {
		if err == nil && got.PasswordHash != fmt.Sprint("hash ", i) {
			s.Errorf("the hash is %q, and %d won", got.PasswordHash, i)
		}
	}
}

// One wins each version, and the stored ring is the winner's.
func raceRing(s *store) {
	version := storage.Version(0)
	for range 10 {
		errs := parallelOnly(20, func(i int) error {
			return s.ReplaceRing(s.Context(), version, version+1+storage.Version(i), []byte(fmt.Sprint("of ", i)))
		})
		s.allOf(errs, nil, storage.ErrConflict)
		winner := -1
		for i, err := range errs {
			if err == nil && winner >= 0 {
				s.Fatalf("both %d and %d have replaced version %d", winner, i, version)
			} else if err == nil {
				winner = i
			}
		}
		if winner < 0 {
			s.Fatal("nobody has replaced the ring")
		}
		version += 1 + storage.Version(winner)
		s.ring(fmt.Sprint("of ", winner), version)
	}
}

// Sessions that are refreshed when they are nearly idle stay; those that are
// over go, whatever is presented meanwhile.
func raceSweep(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.RetryWindow = 0 })
	devices := make([]device, 10)
	for i := range devices {
		devices[i] = s.login(ada, web, func(n *storage.NewSession) {
			if i%2 == 1 {
				n.Now = n.Now.Add(-100 * absolute)
			}
		})
	}
	s.now = s.now.Add(idle - time.Microsecond)
	errs := parallelOnly(20, func(i int) error {
		if i >= len(devices) {
			_, _, err := s.SweepSessions(s.Context(), storage.SessionID{}, 3+i, s.now)
			return err
		}
		_, err := s.refresh(devices[i])
		return err
	})
	for i, d := range devices {
		if i%2 == 0 {
			s.must(errs[i])
			s.live(d.token)
		} else {
			s.allOf(errs[i:i+1], storage.ErrExpired, storage.ErrNotFound)
			s.gone(d.token)
		}
	}
	s.allOf(errs[len(devices):], nil)
}
