package storagetest

import (
	"fmt"

	"github.com/hallmark-auth/hallmark/storage"
)

// operatorRaces are races of operators, with one another and with users.
func operatorRaces() map[string]func(*store) {
	return map[string]func(*store){
		"one condition, twenty changes":     raceIf,
		"one name, twenty renames":          raceRename,
		"one foreign id, twenty users":      raceForeign,
		"members of one user, twenty acts":  raceMembers,
		"room for one secret, twenty come":  raceSecrets,
		"ending and refreshing":             raceEnd,
		"one end, twenty reasons":           raceEndOnce,
		"removing a user and logins":        raceRemoveUser,
		"removing a client and logins":      raceRemoveClient,
		"one operator token, twenty makers": raceOperators,
	}
}

// One of the changes finds the hash that it was made for.
func raceIf(s *store) {
	web := s.addClient("web")
	for round := range 5 {
		u := s.addUser(fmt.Sprint("user ", round))
		s.login(u, web)
		ended := make([]int, 20)
		errs := parallelOnly(len(ended), func(i int) (err error) {
			c := storage.UserChange{If: &u.PasswordHash, PasswordHash: new(fmt.Sprint("hash ", i)), Now: s.now}
			_, ended[i], err = s.ChangeUser(s.Context(), u.ID, c)
			return err
		})
		s.allOf(errs, nil, storage.ErrConflict)
		if n := count(errs, nil); n != 1 {
			s.Fatalf("%d have changed the password", n)
		}
		got, err := s.UserByID(s.Context(), u.ID)
		s.must(err)
		for i, err := range errs {
			if err == nil && (got.PasswordHash != fmt.Sprint("hash ", i) || ended[i] != 1) {
				s.Errorf("the hash is %q, and %d won, with %d sessions", got.PasswordHash, i, ended[i])
			}
			if err != nil && ended[i] != 0 {
				s.Errorf("%d sessions ended by a change that was refused", ended[i])
			}
		}
	}
}

func raceRename(s *store) {
	for round := range 5 {
		users := make([]storage.User, 20)
		for i := range users {
			users[i] = s.addUser(fmt.Sprint("user ", round, " ", i))
		}
		name := fmt.Sprint("wanted ", round)
		errs := parallelOnly(len(users), func(i int) error {
			if i == 0 {
				return s.CreateUser(s.Context(), s.aUser(name))
			}
			_, _, err := s.ChangeUser(s.Context(), users[i].ID, storage.UserChange{Name: &name, Now: s.now})
			return err
		})
		s.allOf(errs, nil, storage.ErrConflict)
		if n := count(errs, nil); n != 1 {
			s.Fatalf("%d users of one name", n)
		}
		for i, u := range users {
			if i > 0 && errs[i] == nil {
				u.Name = name
			}
			s.isUser(u)
		}
	}
}

func raceForeign(s *store) {
	users := make([]storage.User, 20)
	for i := range users {
		users[i] = s.addUser(fmt.Sprint("user ", i))
	}
	errs := parallelOnly(len(users), func(i int) error {
		_, _, err := s.ChangeUser(s.Context(), users[i].ID, storage.UserChange{ForeignID: new("17"), Name: new(fmt.Sprint("renamed ", i))})
		return err
	})
	s.allOf(errs, nil, storage.ErrConflict)
	if n := count(errs, nil); n != 1 {
		s.Fatalf("%d users of one foreign id", n)
	}
	for i, u := range users {
		if errs[i] == nil {
			u.ForeignID, u.Name = "17", fmt.Sprint("renamed ", i)
		}
		s.isUser(u)
	}
}

// Changes of different members of one record are all kept.
func raceMembers(s *store) {
	for round := range 5 {
		u := s.addUser(fmt.Sprint("user ", round))
		web := s.addClient(fmt.Sprint("web-", round), func(c *storage.Client) { c.AuthMethod = storage.AuthBasic })
		policy := web.ClientPolicy
		policy.Scopes = []string{"changed"}
		acts := []storage.UserChange{
			{Name: new(fmt.Sprint("renamed ", round))}, {PasswordHash: new("next")}, {Disabled: new(true)},
			{Claims: &storage.UserClaims{Roles: []string{"r"}}}, {ForeignID: new(fmt.Sprint(round))},
		}
		clients := []storage.ClientChange{{Name: new("renamed")}, {Policy: &policy}, {AddSecret: &storage.Digest{1}}}
		errs := parallelOnly(len(acts)+len(clients), func(i int) error {
			if i < len(clients) {
				_, err := s.ChangeClient(s.Context(), web.ID, clients[i])
				return err
			}
			c := acts[i-len(clients)]
			c.Now = s.now
			_, _, err := s.ChangeUser(s.Context(), u.ID, c)
			return err
		})
		s.allOf(errs, nil)
		u.Name, u.PasswordHash, u.Disabled, u.ForeignID = fmt.Sprint("renamed ", round), "next", true, fmt.Sprint(round)
		u.Claims.Roles = []string{"r"}
		s.isUser(u)
		web.Name, web.ClientPolicy, web.Secrets = "renamed", policy, []storage.Digest{{1}}
		s.isClient(web)
	}
}

func raceSecrets(s *store) {
	for round := range 5 {
		web := s.addClient(fmt.Sprint("web-", round), func(c *storage.Client) {
			c.AuthMethod, c.Secrets = storage.AuthBasic, []storage.Digest{{0xff}}
		})
		errs := parallelOnly(20, func(i int) error {
			_, err := s.ChangeClient(s.Context(), web.ID, storage.ClientChange{AddSecret: &storage.Digest{byte(i)}})
			return err
		})
		s.allOf(errs, nil, storage.ErrConflict)
		if n := count(errs, nil); n != 1 {
			s.Fatalf("%d secrets found room", n)
		}
		for i, err := range errs {
			if err == nil {
				web.Secrets = append(web.Secrets, storage.Digest{byte(i)})
			}
		}
		s.isClient(web)
	}
}

// A refresh comes before the end or is refused; either way the session is over.
func raceEnd(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.RetryWindow = 0 })
	for range 10 {
		devices := make([]device, 8)
		for i := range devices {
			devices[i] = s.login(ada, web)
		}
		errs := parallelOnly(2*len(devices), func(i int) error {
			d := devices[i/2]
			if i%2 == 0 {
				_, err := s.refresh(d)
				return err
			}
			e, err := s.EndSession(s.Context(), d.token.SessionID(), storage.EndedRevoked, s.now)
			if err == nil && (e.EndReason != storage.EndedRevoked || e.EndedAt.IsZero()) {
				err = errWrong
			}
			return err
		})
		s.allOf(errs, nil, storage.ErrEnded)
		for i, d := range devices {
			s.must(errs[2*i+1])
			s.ended(d.token, storage.EndedRevoked)
			if rotated := s.row(d.token).Generation == 1; rotated != (errs[2*i] == nil) {
				s.Errorf("rotated: %v, and it was answered %v", rotated, errs[2*i])
			}
		}
	}
}

// Who ends a session first says why, and only the one who did counts it.
func raceEndOnce(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	reasons := []storage.EndReason{storage.EndedRevoked, storage.EndedLogout, storage.EndedPassword, storage.EndedDisabled}
	for range 10 {
		d := s.login(ada, web)
		said := make([]storage.EndReason, 20)
		ended := make([]int, len(said))
		errs := parallelOnly(len(said), func(i int) error {
			why := reasons[i%len(reasons)]
			if i%3 == 0 {
				n, err := s.EndSessions(s.Context(), ada.ID, storage.SessionID{}, why, s.now)
				ended[i] = n
				return err
			}
			e, err := s.EndSession(s.Context(), d.token.SessionID(), why, s.now)
			said[i] = e.EndReason
			return err
		})
		s.allOf(errs, nil)
		row, counted := s.row(d.token), 0
		for i := range said {
			if counted += ended[i]; i%3 != 0 && said[i] != row.EndReason {
				s.Fatalf("ended as %q, said to be %q", row.EndReason, said[i])
			}
		}
		if counted > 1 {
			s.Errorf("one session ended %d times", counted)
		}
	}
}

// Nothing of a removed user's is left, whatever was under way.
func raceRemoveUser(s *store) {
	web := s.addClient("web")
	for round := range 10 {
		u := s.addUser(fmt.Sprint("user ", round))
		d := s.login(u, web)
		logins := make([]storage.NewSession, 9)
		for i := range logins {
			logins[i] = s.aSession(u, web)
		}
		removed := 0
		errs := parallelOnly(len(logins)+2, func(i int) (err error) {
			switch i {
			case len(logins):
				removed, err = s.RemoveUser(s.Context(), u.ID)
			case len(logins) + 1:
				_, err = s.refresh(d)
			default:
				_, err = s.CreateSession(s.Context(), logins[i])
			}
			return err
		})
		s.allOf(errs, nil, storage.ErrNotFound)
		s.must(errs[len(logins)])
		if n := 1 + count(errs[:len(logins)], nil); removed != n {
			s.Errorf("%d sessions were opened, %d removed", n, removed)
		}
		s.gone(d.token)
		for _, n := range logins {
			s.gone(n.Token)
		}
		s.lists(u)
	}
}

func raceRemoveClient(s *store) {
	ada, app := s.addUser("ada"), s.addClient("app")
	stays := s.login(ada, app)
	for range 10 {
		web := s.addClient("web")
		logins := make([]storage.NewSession, 9)
		for i := range logins {
			logins[i] = s.aSession(ada, web)
		}
		errs := parallelOnly(len(logins)+2, func(i int) (err error) {
			switch i {
			case len(logins):
				err = s.RemoveClient(s.Context(), "web")
			case len(logins) + 1:
				_, _, err = s.SweepSessions(s.Context(), storage.SessionID{}, 100, s.now)
			default:
				_, err = s.CreateSession(s.Context(), logins[i])
			}
			return err
		})
		s.allOf(errs, nil, storage.ErrNotFound)
		s.must(errs[len(logins)])
		s.must(errs[len(logins)+1])
		for _, n := range logins {
			s.gone(n.Token)
		}
		s.lists(ada, stays)
		s.sweep(100)
	}
	s.live(stays.token)
}

func raceOperators(s *store) {
	tokens := make([]storage.OperatorToken, 20)
	for i := range tokens {
		if tokens[i] = s.aToken("deploy"); i%2 == 0 {
			tokens[i].Digest, tokens[i].Name = storage.Digest{7}, fmt.Sprint("own ", i)
		}
	}
	errs := parallelOnly(len(tokens), func(i int) error { return s.CreateOperatorToken(s.Context(), tokens[i]) })
	s.allOf(errs, nil, storage.ErrConflict)
	list, err := s.OperatorTokens(s.Context())
	s.must(err)
	if n := count(errs, nil); n != 2 || len(list) != 2 {
		s.Fatalf("%d were made, %d are there, want 2", n, len(list))
	}
	for i, err := range errs {
		if err == nil {
			got, err := s.OperatorToken(s.Context(), tokens[i].Digest)
			s.must(err)
			s.equal(got, tokens[i])
		}
	}
}
