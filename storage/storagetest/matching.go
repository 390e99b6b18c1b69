package storagetest

import (
	"errors"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func matchingCases() map[string]func(*store) {
	return map[string]func(*store){
		"what matches is ended, and no other": matchingOnly,
		"any slices cover the whole":          matchingSlices,
		"of one user, others are not seen":    matchingOfUser,
		"a removed client's are not there":    matchingOrphans,
		"what is refreshed is not idle":       matchingRefreshed,
	}
}

// endMatching walks once through everything and returns what was ended.
func (s *store) endMatching(limit int, m storage.SessionMatch, why storage.EndReason) (all []storage.SessionID) {
	s.Helper()
	for after := (storage.SessionID{}); ; {
		next, ended, err := s.EndMatching(s.Context(), after, limit, m, why, s.now)
		s.must(err)
		if len(ended) > limit {
			s.Fatalf("%d sessions ended of %d", len(ended), limit)
		}
		all = append(all, ended...)
		if next == (storage.SessionID{}) {
			return all
		}
		if order(next, after) <= 0 {
			s.Fatalf("after %v the walk goes on at %v", after, next)
		}
		after = next
	}
}

// matchingOnly tries each member on the same eight sessions.
func matchingOnly(s *store) {
	ada, bob, web, app := s.addUser("ada"), s.addUser("bob"), s.addClient("web"), s.addClient("app")
	hour := s.now.Add(-time.Hour)
	for _, m := range []storage.SessionMatch{
		{}, {User: ada.ID}, {Client: app.Number}, {Device: "linux"}, {AuthBefore: hour}, {UsedBefore: hour},
		{User: bob.ID, Client: web.Number, Device: "Firefox", AuthBefore: hour, UsedBefore: hour}, {Device: "%"}, {User: ada.ID, Client: -1},
	} {
		var all []device
		for i := range 8 {
			u, c, label, ago := ada, web, "Firefox on Linux", 2*time.Hour
			if i&1 != 0 {
				u = bob
			}
			if i&2 != 0 {
				c = app
			}
			if i&4 != 0 {
				label, ago = "Safari on iPhone", 0
			}
			all = append(all, s.login(u, c, func(n *storage.NewSession) { n.Device, n.Now = label, s.now.Add(-ago) }))
		}
		all[0] = s.refreshed(all[0], storage.Rotated) // old, and not idle
		over := s.login(ada, app, func(n *storage.NewSession) { n.AbsoluteLifetime, n.Now = time.Minute, s.now.Add(-3*time.Hour) })
		done := s.login(bob, web, func(n *storage.NewSession) { n.Device, n.Now = "Firefox", s.now.Add(-3*time.Hour) })
		_, err := s.EndSession(s.Context(), done.token.SessionID(), storage.EndedLogout, hour)
		s.must(err)
		var want []storage.SessionID
		for _, d := range append(all, over) {
			if m.Matches(s.row(d.token)) {
				want = append(want, d.token.SessionID())
			}
		}
		slices.SortFunc(want, order)
		s.equal(s.endMatching(100, m, storage.EndedRevoked), want)
		for range 2 {
			for _, d := range append(all, over) {
				row := s.row(d.token)
				if slices.Contains(want, row.ID) != (row.EndReason == storage.EndedRevoked && row.EndedAt.Equal(whole(s.now))) || row.EndedAt.IsZero() == slices.Contains(want, row.ID) {
					s.Errorf("%+v: a session ended at %v as %q", m, row.EndedAt, row.EndReason)
				}
			}
			s.ended(done.token, storage.EndedLogout)
			s.reopen()
		}
		s.equal(s.endMatching(100, m, storage.EndedRevoked), []storage.SessionID(nil)) // run again
		s.endMatching(100, storage.SessionMatch{}, storage.EndedLogout)
	}
}

func matchingSlices(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	for _, limit := range []int{1, 2, 5, 12, 13, 100} {
		for i := range 12 {
			s.login([]storage.User{ada, bob}[i%2], web, func(n *storage.NewSession) { n.Device = []string{"a", "b", "b"}[i%3] })
		}
		if ended := s.endMatching(limit, storage.SessionMatch{Device: "a"}, storage.EndedRevoked); len(ended) != 4 {
			s.Errorf("by %d: %d sessions ended, want 4", limit, len(ended))
		}
		if ended := s.endMatching(limit, storage.SessionMatch{User: ada.ID}, storage.EndedRevoked); len(ended) != 4 {
			s.Errorf("by %d: %d sessions of a user ended, want 4", limit, len(ended))
		}
		if ended := s.endMatching(limit, storage.SessionMatch{}, storage.EndedRevoked); len(ended) != 4 {
			s.Errorf("by %d: %d sessions ended in the end, want 4", limit, len(ended))
		}
	}
	for _, limit := range []int{0, -1} {
		s.login(ada, web)
		next, ended, err := s.EndMatching(s.Context(), storage.SessionID{}, limit, storage.SessionMatch{}, storage.EndedRevoked, s.now)
		if err != nil || len(ended) != 0 || next != (storage.SessionID{}) {
			s.Errorf("with the limit %d: %d sessions ended, %v", limit, len(ended), err)
		}
	}
}

// matchingOfUser: the slices are of the user's sessions, however many others there are.
func matchingOfUser(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	for range 20 {
		s.login(bob, web)
	}
	one, two := s.login(ada, web), s.login(ada, web)
	next, ended, err := s.EndMatching(s.Context(), storage.SessionID{}, 3, storage.SessionMatch{User: ada.ID}, storage.EndedRevoked, s.now)
	s.must(err)
	if len(ended) != 2 || next != (storage.SessionID{}) {
		s.Errorf("%d sessions ended, to go on at %v", len(ended), next)
	}
	s.ended(one.token, storage.EndedRevoked)
	s.ended(two.token, storage.EndedRevoked)
}

func matchingOrphans(s *store) {
	ada, web, old := s.addUser("ada"), s.addClient("web"), s.addClient("old")
	stays, gone := s.login(ada, web), s.login(ada, old)
	s.must(s.RemoveClient(s.Context(), "old"))
	for _, m := range []storage.SessionMatch{{Client: old.Number}, {User: ada.ID, Client: old.Number}, {UsedBefore: s.now.Add(-time.Hour)}} {
		s.equal(s.endMatching(1, m, storage.EndedRevoked), []storage.SessionID(nil))
	}
	s.equal(s.endMatching(1, storage.SessionMatch{}, storage.EndedRevoked), []storage.SessionID{stays.token.SessionID()})
	s.gone(gone.token)
}

// matchingRefreshed: of a refresh and the end of what is idle, one happens.
func matchingRefreshed(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	cutoff := s.now.Add(-time.Hour)
	for range 20 {
		d := s.login(ada, web, func(n *storage.NewSession) { n.Now = s.now.Add(-2 * time.Hour) })
		_, errs := parallel(2, func(i int) (struct{}, error) {
			if i == 0 {
				_, err := s.refresh(d)
				return struct{}{}, err
			}
			_, _, err := s.EndMatching(s.Context(), storage.SessionID{}, 1000, storage.SessionMatch{UsedBefore: cutoff}, storage.EndedRevoked, s.now)
			return struct{}{}, err
		})
		s.must(errs[1])
		ended := s.row(d.token).EndReason == storage.EndedRevoked
		if errs[0] != nil && !errors.Is(errs[0], storage.ErrEnded) || (errs[0] == nil) == ended {
			s.Fatalf("the refresh: %v; the session ended: %v", errs[0], ended)
		}
	}
}
