package storagetest

import (
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func sessionCases() map[string]func(*store) {
	return map[string]func(*store){
		"a session is found as created":            sessionsKept,
		"a session needs its user and client":      sessionsNeed,
		"a token opens one session":                sessionsOnce,
		"a user has a session for each device":     sessionsMany,
		"generations reach up to the last":         sessionsLastGeneration,
		"a login under an old hash is refused":     sessionsOldHash,
		"an empty hash is compared like any other": sessionsNoHash,
		"what was returned by a login is a copy":   sessionsCopied,
	}
}

func sessionsKept(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	full, odd, far := s.aSession(ada, web), s.aSession(ada, web), s.aSession(ada, web)
	full.Now = time.Date(2026, 11, 23, 9, 0, 0, 123_456_999, time.FixedZone("east", 3600))
	full.IdleLifetime, full.AbsoluteLifetime = time.Hour+1999, 48*time.Hour+999
	odd.Scope, odd.Audience, odd.Address = nil, []string{"https://é.example/山?x=%20&y='"}, "fe80::1%eth0"
	odd.AbsoluteLifetime, odd.IdleLifetime = 0, 0
	far.Scope = strings.Fields(strings.Repeat("scope:with/many.parts ", 500))
	full.Device, far.Device = "Ωmega's 'phone' <&>", strings.Repeat("long ", 100) // cut by the server, if at all
	far.AbsoluteLifetime, far.IdleLifetime, far.Address = 200*365*24*time.Hour, 100*365*24*time.Hour, ""
	for _, n := range []storage.NewSession{full, odd, far} {
		got, err := s.CreateSession(s.Context(), n)
		s.must(err)
		s.equal(got, n.Session())
		for _, at := range []time.Time{got.AuthTime, got.ExpiresAt, got.LastUsedAt} {
			if at.Location() != time.UTC || at.Nanosecond()%1000 != 0 {
				s.Errorf("the time %v is not in whole microseconds UTC", at)
			}
		}
		if !got.EndedAt.IsZero() {
			s.Errorf("a new session ended at %v", got.EndedAt)
		}
		s.equal(s.row(n.Token), n.Session())
	}
	s.reopen()
	for _, n := range []storage.NewSession{full, odd, far} {
		s.equal(s.row(n.Token), n.Session())
	}
}

// A refused login leaves nothing behind.
func sessionsNeed(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	_, err := setDisabled(s.Context(), s, bob.ID, true, s.now)
	s.must(err)
	for name, c := range map[string]struct {
		change func(*storage.NewSession)
		want   error
	}{
		"unknown user":              {func(n *storage.NewSession) { n.User = uuid.New() }, storage.ErrNotFound},
		"no user":                   {func(n *storage.NewSession) { n.User = uuid.Nil }, storage.ErrNotFound},
		"unknown client":            {func(n *storage.NewSession) { n.Client += 1000 }, storage.ErrNotFound},
		"no client":                 {func(n *storage.NewSession) { n.Client = 0 }, storage.ErrNotFound},
		"another hash":              {func(n *storage.NewSession) { n.PasswordHash = "old" }, storage.ErrConflict},
		"no hash":                   {func(n *storage.NewSession) { n.PasswordHash = "" }, storage.ErrConflict},
		"the hash of somebody else": {func(n *storage.NewSession) { n.PasswordHash = bob.PasswordHash }, storage.ErrConflict},
		"disabled user":             {func(n *storage.NewSession) { n.User, n.PasswordHash = bob.ID, bob.PasswordHash }, storage.ErrDisabled},
		"disabled user, other hash": {func(n *storage.NewSession) { n.User = bob.ID }, storage.ErrDisabled},
	} {
		n := s.aSession(ada, web)
		c.change(&n)
		got, err := s.CreateSession(s.Context(), n)
		if verdict(err) != c.want {
			s.Errorf("%s: %v, want %v", name, err, c.want)
		}
		s.equal(got, storage.Session{})
		s.gone(n.Token)
	}
	s.login(ada, web)
}

func sessionsOnce(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	n := s.aSession(ada, web)
	_, err := s.CreateSession(s.Context(), n)
	s.must(err)
	again := s.aSession(bob, web)
	again.Token = n.Token
	for _, n := range []storage.NewSession{n, again} {
		_, err = s.CreateSession(s.Context(), n)
		s.wants(storage.ErrConflict, err)
	}
	s.equal(s.row(n.Token), n.Session())
	next := s.refreshed(device{web.Number, n.Token}, storage.Rotated)
	again.Token = next.token // of the same session, so in use as well
	_, err = s.CreateSession(s.Context(), again)
	s.wants(storage.ErrConflict, err)
	s.live(n.Token)
}

func sessionsMany(s *store) {
	ada, web, app := s.addUser("ada"), s.addClient("web"), s.addClient("app")
	var devices []device
	for range 10 {
		devices = append(devices, s.login(ada, web), s.login(ada, app))
	}
	seen := map[storage.SessionID]bool{}
	for _, d := range devices {
		row := s.row(d.token)
		if seen[row.ID] || row.Client != d.client || row.ID != d.token.SessionID() {
			s.Errorf("session %v of client %d", row.ID, row.Client)
		}
		seen[row.ID] = true
		s.refreshed(d, storage.Rotated)
	}
}

func sessionsLastGeneration(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web, func(n *storage.NewSession) { n.Token = forged(n.Token, math.MaxUint32-1) })
	last := s.refreshed(d, storage.Rotated)
	if got := s.row(d.token).Generation; got != math.MaxUint32 || last.token.Generation() != got {
		s.Fatalf("generation %d, of the token %d", got, last.token.Generation())
	}
	s.refreshed(d, storage.Retried)
	s.AddService(window + time.Minute)
	s.refreshed(last, storage.Kept)
	s.live(d.token)
}

func sessionsOldHash(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	_, err := setPassword(s.Context(), s, ada.ID, "new", s.now)
	s.must(err)
	n := s.aSession(ada, web)
	_, err = s.CreateSession(s.Context(), n)
	s.wants(storage.ErrConflict, err)
	s.must(s.Rehash(s.Context(), ada.ID, "new", "newer"))
	n.PasswordHash = "new"
	_, err = s.CreateSession(s.Context(), n)
	s.wants(storage.ErrConflict, err)
	s.gone(n.Token)
	n.PasswordHash = "newer"
	_, err = s.CreateSession(s.Context(), n)
	s.must(err)
}

// Whether a user without a password may sign in is not the store's to say.
func sessionsNoHash(s *store) {
	u := s.aUser("ada")
	u.PasswordHash = ""
	s.must(s.CreateUser(s.Context(), u))
	s.refreshed(s.login(u, s.addClient("web")), storage.Rotated)
}

func sessionsCopied(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	n := s.aSession(ada, web)
	created, err := s.CreateSession(s.Context(), n)
	s.must(err)
	n.Scope[0], n.Audience[0] = "admin", "https://c.example"
	created.Scope[1], created.Audience[1] = "admin", "https://c.example"
	for range 2 {
		row := s.row(n.Token)
		if row.Scope[0] != "read" || row.Scope[1] != "write" || row.Audience[0] != "https://a.example" || row.Audience[1] != "https://b.example" {
			s.Fatal("a session was changed from outside")
		}
		row.Scope[0], row.Audience[0] = "admin", "https://c.example"
	}
}
