package storagetest

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func removalCases() map[string]func(*store) {
	return map[string]func(*store){
		"a user goes with the sessions":          removesUser,
		"what a removed user had is free":        removesFree,
		"a login of a removed user is refused":   removesLogin,
		"a client goes, and its sessions end":    removesClient,
		"a removed client's sessions are swept":  removesSwept,
		"an id that is registered again":         removesAgain,
		"what is not there cannot be removed":    removesUnknown,
		"a removed client's sessions do not end": removesEnds,
	}
}

func removesUser(s *store) {
	ada, bob, web, app := s.addUser("ada"), s.addUser("bob"), s.addClient("web"), s.addClient("app")
	hers := []device{s.login(ada, web), s.login(ada, app), s.login(ada, web)}
	his := s.login(bob, web)
	_, err := s.EndSession(s.Context(), hers[0].token.SessionID(), storage.EndedRevoked, s.now)
	s.must(err)
	n, err := s.RemoveUser(s.Context(), ada.ID)
	s.must(err)
	if n != len(hers) {
		s.Errorf("%d sessions removed, want %d", n, len(hers))
	}
	for range 2 {
		_, err = s.UserByID(s.Context(), ada.ID)
		s.wants(storage.ErrNotFound, err)
		s.noUser("ada", "")
		for _, d := range hers {
			s.gone(d.token)
			_, err := s.SessionByID(s.Context(), d.token.SessionID())
			s.wants(storage.ErrNotFound, err)
		}
		s.lists(ada)
		s.lists(bob, his)
		got, err := s.Users(s.Context(), "", 10)
		s.must(err)
		s.equal(got, []storage.User{bob})
		s.reopen()
	}
	s.refreshed(his, storage.Rotated)
}

func removesFree(s *store) {
	ada, web := s.aUser("ada"), s.addClient("web")
	ada.ForeignID = "17"
	s.must(s.CreateUser(s.Context(), ada))
	d := s.login(ada, web)
	_, err := s.RemoveUser(s.Context(), ada.ID)
	s.must(err)
	next := s.aUser("ada")
	next.ForeignID = "17"
	s.must(s.CreateUser(s.Context(), next))
	s.isUser(next)
	s.gone(d.token)
	s.lists(next)
	_, err = s.RemoveUser(s.Context(), next.ID)
	s.must(err)
	s.must(s.CreateUser(s.Context(), ada)) // also the subject identifier, for whoever restores a user
	s.isUser(ada)
	s.lists(ada)
}

// A password was verified, and then the user was removed.
func removesLogin(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	underWay := s.aSession(ada, web)
	_, err := s.RemoveUser(s.Context(), ada.ID)
	s.must(err)
	s.addUser("ada") // a namesake with the same hash
	_, err = s.CreateSession(s.Context(), underWay)
	s.wants(storage.ErrNotFound, err)
	s.gone(underWay.Token)
	s.wants(storage.ErrNotFound, s.Rehash(s.Context(), ada.ID, ada.PasswordHash, "x"))
	_, err = setPassword(s.Context(), s, ada.ID, "x", s.now)
	s.wants(storage.ErrNotFound, err)

	bob, app := s.addUser("bob"), s.addClient("app")
	underWay = s.aSession(bob, app)
	s.must(s.RemoveClient(s.Context(), "app"))
	_, err = s.CreateSession(s.Context(), underWay)
	s.wants(storage.ErrNotFound, err)
	s.gone(underWay.Token)
}

func removesClient(s *store) {
	ada, web, app := s.addUser("ada"), s.addClient("web"), s.addClient("app")
	first, second := s.login(ada, web), s.login(ada, web)
	second = s.refreshed(second, storage.Rotated)
	stays := s.login(ada, app)
	s.must(s.RemoveClient(s.Context(), "web"))
	for range 2 {
		_, err := s.ClientByID(s.Context(), "web")
		s.wants(storage.ErrNotFound, err)
		_, err = s.ChangeClient(s.Context(), "web", storage.ClientChange{})
		s.wants(storage.ErrNotFound, err)
		got, err := s.Clients(s.Context())
		s.must(err)
		s.equal(got, []storage.Client{app})
		for _, d := range []device{first, second} {
			s.gone(d.token)
			_, err := s.refresh(d)
			s.wants(storage.ErrNotFound, err)
			_, err = s.refresh(d, func(r *storage.Refresh) { r.Client = app.Number })
			s.wants(storage.ErrNotFound, err)
			_, err = s.SessionByID(s.Context(), d.token.SessionID())
			s.wants(storage.ErrNotFound, err)
			_, err = s.EndSession(s.Context(), d.token.SessionID(), storage.EndedRevoked, s.now)
			s.wants(storage.ErrNotFound, err)
		}
		s.lists(ada, stays)
		s.reopen()
	}
	s.refreshed(stays, storage.Rotated)
}

// However young they are; and nobody else's.
func removesSwept(s *store) {
	ada, web, app := s.addUser("ada"), s.addClient("web"), s.addClient("app")
	var leave, stay []device
	for range 7 {
		leave, stay = append(leave, s.login(ada, web)), append(stay, s.login(ada, app))
	}
	over := s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-100 * absolute) })
	if removed := s.sweep(3); removed != 1 {
		s.Errorf("%d sessions removed, want %d", removed, 1)
	}
	s.gone(over.token)
	s.must(s.RemoveClient(s.Context(), "web"))
	if removed := s.sweep(3); removed != len(leave) {
		s.Errorf("%d sessions removed, want %d", removed, len(leave))
	}
	if removed := s.sweep(3); removed != 0 {
		s.Errorf("%d sessions removed the second time", removed)
	}
	for _, d := range stay {
		s.live(d.token)
	}
	n, err := s.RemoveUser(s.Context(), ada.ID) // what was swept is not there any more
	s.must(err)
	if n != len(stay) {
		s.Errorf("%d sessions were left, want %d", n, len(stay))
	}
}

// The client that has the id next is another: it has a number of its own, and
// what was opened in the one before stays dead, also for one who has its token.
func removesAgain(s *store) {
	ada := s.addUser("ada")
	numbers := map[int64]bool{}
	var old []device
	for round := range 4 {
		web := s.addClient("web")
		if numbers[web.Number] {
			s.Fatalf("the number %d is given again", web.Number)
		}
		numbers[web.Number] = true
		for _, d := range old {
			for _, as := range []int64{d.client, web.Number} {
				_, err := s.refresh(device{as, d.token})
				s.wants(storage.ErrNotFound, err)
			}
			s.gone(d.token)
		}
		d := s.login(ada, web)
		s.lists(ada, d)
		old = append(old, s.refreshed(d, storage.Rotated))
		s.must(s.RemoveClient(s.Context(), "web"))
		if round%2 == 0 {
			s.reopen() // the newest number is of no row now
		}
	}
	s.lists(ada)
	if removed := s.sweep(100); removed != len(old) {
		s.Errorf("%d sessions removed, want %d", removed, len(old))
	}
}

func removesUnknown(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	for _, id := range []uuid.UUID{{}, uuid.New()} {
		n, err := s.RemoveUser(s.Context(), id)
		if verdict(err) != storage.ErrNotFound || n != 0 {
			s.Errorf("%d sessions, %v", n, err)
		}
	}
	for _, id := range []string{"", "Web", "we", "webb", "w%", fmt.Sprint(web.Number)} {
		s.wants(storage.ErrNotFound, s.RemoveClient(s.Context(), id))
	}
	s.isUser(ada)
	s.isClient(web)
	s.refreshed(d, storage.Rotated)
	s.must(s.RemoveClient(s.Context(), "web"))
	s.wants(storage.ErrNotFound, s.RemoveClient(s.Context(), "web"))
}

// Nobody is told that a session ended which nobody could see.
func removesEnds(s *store) {
	ada, web, app := s.addUser("ada"), s.addClient("web"), s.addClient("app")
	for range 3 {
		s.login(ada, web)
	}
	seen := s.login(ada, app)
	s.must(s.RemoveClient(s.Context(), "web"))
	if _, ended := s.change(ada, storage.UserChange{PasswordHash: new("next")}); ended != 1 {
		s.Errorf("%d sessions ended, want 1", ended)
	}
	ada.PasswordHash = "next"
	s.login(ada, app)
	ended, err := s.EndSessions(s.Context(), ada.ID, storage.SessionID{}, storage.EndedRevoked, s.now)
	s.must(err)
	if ended != 1 {
		s.Errorf("%d sessions ended, want 1", ended)
	}
	s.ended(seen.token, storage.EndedPassword)
}
