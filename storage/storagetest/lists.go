package storagetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func listCases() map[string]func(*store) {
	return map[string]func(*store){
		"a session is listed as it is":         listsEntry,
		"names in a list are those of today":   listsNames,
		"sessions are listed by id":            listsPages,
		"a user's sessions are listed by id":   listsUser,
		"a session is ended":                   listsEnd,
		"what has ended is not ended again":    listsEndOnce,
		"a user's sessions are ended":          listsEndAll,
		"one session is kept":                  listsKeep,
		"an ended session cannot be refreshed": listsEndRotate,
	}
}

// lists expects a user to have these sessions, and every one of them to be
// found by each way of looking.
func (s *store) lists(u storage.User, devices ...device) {
	s.Helper()
	var want []storage.SessionID
	for _, d := range devices {
		want = append(want, d.token.SessionID())
	}
	slices.SortFunc(want, order)
	entries, err := s.UserSessions(s.Context(), u.ID, 1000)
	s.must(err)
	var got []storage.SessionID
	for _, e := range entries {
		got = append(got, e.ID)
		one, err := s.SessionByID(s.Context(), e.ID)
		s.must(err)
		s.equal(one, e)
	}
	s.equal(got, want)
	all, err := s.Sessions(s.Context(), storage.SessionID{}, 1000)
	s.must(err)
	got = nil
	for _, e := range all {
		if e.User == u.ID {
			got = append(got, e.ID)
		}
	}
	s.equal(got, want)
}

func listsEntry(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web-1")
	devices := []device{
		s.login(ada, web, func(n *storage.NewSession) { n.Device = "Ada's 📱 (web)" }),
		s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-2 * idle) }), // expired
		s.login(ada, web), s.login(ada, web),
	}
	s.refreshed(devices[2], storage.Rotated)
	_, err := s.EndSession(s.Context(), devices[3].token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	for range 2 {
		for i, d := range devices {
			got, err := s.SessionByID(s.Context(), d.token.SessionID())
			s.must(err)
			s.equal(got, storage.SessionEntry{Session: s.row(d.token), Username: "ada", ClientID: "web-1"})
			if device := map[int]string{0: "Ada's 📱 (web)"}[i]; got.Device != device {
				s.Errorf("device %q, want %q", got.Device, device)
			}
		}
		s.lists(ada, devices...)
		s.reopen()
	}
	next := s.refreshed(devices[0], storage.Rotated) // the label is of the login
	if got := s.row(next.token).Device; got != "Ada's 📱 (web)" {
		s.Errorf("device %q after a refresh", got)
	}
	for _, id := range []storage.SessionID{{}, {1}, storage.NewRefreshToken().SessionID()} {
		_, err := s.SessionByID(s.Context(), id)
		s.wants(storage.ErrNotFound, err)
	}
}

func listsNames(s *store) {
	ada, bob, web, app := s.addUser("ada"), s.addUser("bob"), s.addClient("web"), s.addClient("app")
	hers, his := s.login(ada, web), s.login(bob, app)
	s.change(ada, storage.UserChange{Name: new("countess")})
	_, err := s.ChangeClient(s.Context(), "web", storage.ClientChange{Name: new("Renamed")}) // not its id
	s.must(err)
	all, err := s.Sessions(s.Context(), storage.SessionID{}, 10)
	s.must(err)
	for _, e := range all {
		want := map[storage.SessionID][2]string{hers.token.SessionID(): {"countess", "web"}, his.token.SessionID(): {"bob", "app"}}[e.ID]
		if got := [2]string{e.Username, e.ClientID}; got != want {
			s.Errorf("%v, want %v", got, want)
		}
	}
	s.lists(ada, hers)
	s.lists(bob, his)
}

// Pages of any size show every session once.
func listsPages(s *store) {
	web, gone := s.addClient("web"), s.addClient("gone")
	var want []storage.SessionID
	for i := range 12 {
		u := s.addUser(string(rune('a' + i)))
		want = append(want, s.login(u, web).token.SessionID())
		s.login(u, gone)
	}
	slices.SortFunc(want, order)
	s.must(s.RemoveClient(s.Context(), "gone"))
	for _, limit := range []int{1, 2, 5, 11, 12, 13, 1000} {
		var got []storage.SessionID
		for after := (storage.SessionID{}); ; {
			page, err := s.Sessions(s.Context(), after, limit)
			s.must(err)
			if len(page) > limit || len(got) > len(want) {
				s.Fatalf("%d sessions by %d", len(page), limit)
			}
			for _, e := range page {
				got = append(got, e.ID)
			}
			if len(page) < limit { // a page that is not full is the last, whatever lies between
				break
			}
			after = page[limit-1].ID
		}
		s.equal(got, want)
	}
	for _, limit := range []int{0, -1} {
		page, err := s.Sessions(s.Context(), storage.SessionID{}, limit)
		s.must(err)
		if len(page) != 0 {
			s.Errorf("%d sessions with the limit %d", len(page), limit)
		}
	}
	page, err := s.Sessions(s.Context(), storage.SessionID(bytes.Repeat([]byte{0xff}, 16)), 10)
	s.must(err)
	if len(page) != 0 {
		s.Errorf("%d sessions after the last id", len(page))
	}
}

func listsUser(s *store) {
	ada, bob, web, gone := s.addUser("ada"), s.addUser("bob"), s.addClient("web"), s.addClient("gone")
	var want []storage.SessionID
	for range 9 {
		want = append(want, s.login(ada, web).token.SessionID())
		s.login(ada, gone)
		s.login(bob, web)
	}
	s.must(s.RemoveClient(s.Context(), "gone"))
	slices.SortFunc(want, order)
	for limit, n := range map[int]int{-1: 0, 0: 0, 1: 1, 4: 4, 9: 9, 10: 9, 1000: 9} {
		page, err := s.UserSessions(s.Context(), ada.ID, limit)
		s.must(err)
		var got []storage.SessionID
		for _, e := range page {
			got = append(got, e.ID)
		}
		s.equal(got, append([]storage.SessionID(nil), want[:n]...))
	}
	for _, id := range []uuid.UUID{{}, uuid.New()} {
		page, err := s.UserSessions(s.Context(), id, 10)
		s.must(err)
		if len(page) != 0 {
			s.Errorf("%d sessions of nobody", len(page))
		}
	}
}

func listsEnd(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d, other := s.login(ada, web), s.login(ada, web)
	expired := s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-2 * idle) })
	untouched := s.row(other.token)
	at := s.now.Add(time.Minute + 1999*time.Nanosecond)
	for _, c := range []struct {
		device
		why storage.EndReason
	}{{d, storage.EndedLogout}, {expired, storage.EndedRevoked}} {
		want := storage.SessionEntry{Session: s.row(c.token).End(at, c.why), Username: "ada", ClientID: "web"}
		got, err := s.EndSession(s.Context(), c.token.SessionID(), c.why, at)
		s.must(err)
		s.equal(got, want)
		s.ended(c.token, c.why)
		s.reopen()
		s.equal(s.row(c.token), want.Session)
	}
	s.equal(s.row(other.token), untouched)
	for _, id := range []storage.SessionID{{}, storage.NewRefreshToken().SessionID()} {
		got, err := s.EndSession(s.Context(), id, storage.EndedRevoked, at)
		s.wants(storage.ErrNotFound, err)
		s.equal(got, storage.SessionEntry{})
	}
	s.refreshed(other, storage.Rotated)
}

func listsEndOnce(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	first, err := s.EndSession(s.Context(), d.token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	later := s.now.Add(time.Hour)
	again, err := s.EndSession(s.Context(), d.token.SessionID(), storage.EndedRevoked, later)
	s.must(err)
	s.equal(again, first)
	ended, err := s.EndSessions(s.Context(), ada.ID, storage.SessionID{}, storage.EndedRevoked, later)
	s.must(err)
	if ended != 0 {
		s.Errorf("%d sessions ended again", ended)
	}
	s.ended(d.token, storage.EndedLogout)
	s.equal(s.row(d.token), first.Session)
}

func listsEndAll(s *store) {
	ends(s, storage.EndedRevoked, func(u storage.User, now time.Time) (int, error) {
		return s.EndSessions(s.Context(), u.ID, storage.SessionID{}, storage.EndedRevoked, now)
	})
	ended, err := s.EndSessions(s.Context(), uuid.New(), storage.SessionID{}, storage.EndedRevoked, s.now)
	s.must(err)
	if ended != 0 {
		s.Errorf("%d sessions of nobody ended", ended)
	}
	ada, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	web, err := s.ClientByID(s.Context(), "web")
	s.must(err)
	s.refreshed(s.login(ada, web), storage.Rotated) // who signs in again is in
}

func listsKeep(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	mine, his := s.login(ada, web), s.login(bob, web)
	others := []device{s.login(ada, web), s.login(ada, web)}
	row := s.row(mine.token)
	ended, err := s.EndSessions(s.Context(), ada.ID, mine.token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	if ended != len(others) {
		s.Errorf("%d sessions ended, want %d", ended, len(others))
	}
	for _, d := range others {
		s.ended(d.token, storage.EndedLogout)
	}
	s.equal(s.row(mine.token), row)
	s.live(his.token)
	// A session of somebody else is kept whatever is said.
	ended, err = s.EndSessions(s.Context(), ada.ID, his.token.SessionID(), storage.EndedLogout, s.now)
	s.must(err)
	if ended != 1 {
		s.Errorf("%d sessions ended, want 1", ended)
	}
	s.ended(mine.token, storage.EndedLogout)
	s.refreshed(his, storage.Rotated)
}

// Neither the current token nor the one before gets an answer then.
func listsEndRotate(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	before := s.login(ada, web)
	current := s.refreshed(before, storage.Rotated)
	_, err := s.EndSession(s.Context(), before.token.SessionID(), storage.EndedRevoked, s.now)
	s.must(err)
	row := s.row(before.token)
	for _, d := range []device{before, current} {
		_, err := s.refresh(d)
		s.wants(storage.ErrEnded, err)
	}
	s.AddService(2 * window)
	_, err = s.refresh(before) // no theft: nothing is left to steal
	s.wants(storage.ErrEnded, err)
	s.equal(s.row(before.token), row)
	s.now = s.now.Add(storage.KeepEnded)
	if removed := s.sweep(10); removed != 1 {
		s.Errorf("%d sessions removed", removed)
	}
}
