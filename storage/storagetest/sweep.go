package storagetest

import (
	"bytes"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func sweepCases() map[string]func(*store) {
	return map[string]func(*store){
		"only what is over for a day is removed": sweepOver,
		"any slices cover the whole":             sweepSlices,
		"a slice looks at its rows alone":        sweepSlice,
		"sessions come while it walks":           sweepWhile,
		"an empty store is walked":               sweepEmpty,
	}
}

// sweep walks once through everything.
func (s *store) sweep(limit int) (removed int) {
	s.Helper()
	var after storage.SessionID
	for steps := 0; ; steps++ {
		next, n, err := s.SweepSessions(s.Context(), after, limit, s.now)
		s.must(err)
		if n < 0 || n > limit {
			s.Fatalf("%d of %d rows removed", n, limit)
		}
		removed += n
		if next == (storage.SessionID{}) {
			return removed
		}
		if bytes.Compare(next[:], after[:]) <= 0 || steps > 10_000 {
			s.Fatalf("after %v the walk goes on at %v", after, next)
		}
		after = next
	}
}

func sweepOver(s *store) {
	const tick = time.Microsecond
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	opened := func(ago, absolute, idle time.Duration) device {
		return s.login(ada, web, func(n *storage.NewSession) {
			n.Now, n.AbsoluteLifetime, n.IdleLifetime = s.now.Add(-ago), absolute, idle
		})
	}
	const hour = time.Hour
	stay := []device{
		opened(0, absolute, idle), opened(10*hour, 20*hour, 20*hour), // alive
		opened(10*hour, hour, 20*hour), opened(10*hour, 20*hour, hour), // over, but not for long
		opened(hour+storage.KeepEnded-tick, hour, 20*hour), opened(hour+storage.KeepEnded-tick, 90*hour, hour),
	}
	leave := []device{
		opened(hour+storage.KeepEnded, hour, 20*hour), opened(hour+storage.KeepEnded, 90*hour, hour),
		opened(1000*hour, hour, hour), opened(1000*hour, 0, 0),
	}
	refreshed := opened(20*hour, 1000*hour, 40*hour) // idle ends later than it would unused
	refreshed = s.refreshed(refreshed, storage.Rotated)
	stay = append(stay, refreshed)

	mine := s.login(bob, web)
	_, err := setPassword(s.Context(), s, bob.ID, bob.PasswordHash, s.now.Add(-storage.KeepEnded+tick))
	s.must(err)
	old := s.login(bob, web)
	_, err = setPassword(s.Context(), s, bob.ID, bob.PasswordHash, s.now.Add(-storage.KeepEnded))
	s.must(err)
	stay, leave = append(stay, mine), append(leave, old)

	if removed := s.sweep(100); removed != len(leave) {
		s.Errorf("%d sessions removed, want %d", removed, len(leave))
	}
	for range 2 {
		for _, d := range stay {
			s.row(d.token)
		}
		for _, d := range leave {
			s.gone(d.token)
		}
		s.reopen()
	}
	if removed := s.sweep(1); removed != 0 {
		s.Errorf("%d sessions removed the second time", removed)
	}
	s.now = s.now.Add(10 * absolute)
	if removed := s.sweep(3); removed != len(stay) {
		s.Errorf("%d sessions removed in the end, want %d", removed, len(stay))
	}
}

func sweepSlices(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	for _, limit := range []int{1, 2, 5, 12, 13, 100} {
		var live []device
		for i := range 12 {
			d := s.login(ada, web, func(n *storage.NewSession) {
				if i%2 == 0 {
					n.Now = n.Now.Add(-100 * absolute)
				}
			})
			if i%2 == 1 {
				live = append(live, d)
			}
		}
		if removed := s.sweep(limit); removed != 6 {
			s.Errorf("by %d: %d sessions removed, want 6", limit, removed)
		}
		for _, d := range live {
			s.live(d.token)
		}
		s.now = s.now.Add(10 * absolute)
		s.sweep(100)
	}
	for _, limit := range []int{0, -1} {
		s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-100 * absolute) })
		if next, removed, err := s.SweepSessions(s.Context(), storage.SessionID{}, limit, s.now); err != nil || removed != 0 || next != (storage.SessionID{}) {
			s.Errorf("with the limit %d: %d sessions removed, %v", limit, removed, err)
		}
	}
}

// A slice begins after the id it is given and ends with its last row.
func sweepSlice(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	old := map[storage.SessionID]storage.RefreshToken{}
	for range 9 {
		d := s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-100 * absolute) })
		old[d.token.SessionID()] = d.token
	}
	middle := storage.SessionID(bytes.Repeat([]byte{0x80}, 16))
	next, removed, err := s.SweepSessions(s.Context(), middle, 2, s.now)
	s.must(err)
	gone := 0
	for id, token := range old {
		_, err := s.RotateSession(s.Context(), peek(token, s.now))
		if verdict(err) != storage.ErrNotFound {
			continue
		}
		gone++
		if bytes.Compare(id[:], middle[:]) <= 0 || next != (storage.SessionID{}) && bytes.Compare(id[:], next[:]) > 0 {
			s.Errorf("removed %x of the slice after %x until %x", id, middle, next)
		}
	}
	if gone != removed || removed > 2 {
		s.Errorf("%d are gone, %d were said to be", gone, removed)
	}
	_, removed, err = s.SweepSessions(s.Context(), storage.SessionID(bytes.Repeat([]byte{0xff}, 16)), 100, s.now)
	s.must(err)
	if removed != 0 {
		s.Errorf("%d removed after the last id", removed)
	}
}

func sweepWhile(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	over := func(n *storage.NewSession) { n.Now = n.Now.Add(-100 * absolute) }
	var old []device
	for range 30 {
		old = append(old, s.login(ada, web, over))
	}
	added := make([]storage.NewSession, 60)
	for i := range added {
		added[i] = s.aSession(ada, web)
		if i%3 == 0 {
			over(&added[i])
		}
	}
	removed := 0
	errs := parallelOnly(4, func(i int) error {
		if i == 0 {
			var after storage.SessionID
			for {
				next, n, err := s.SweepSessions(s.Context(), after, 2, s.now)
				removed += n
				if err != nil || next == (storage.SessionID{}) {
					return err
				}
				after = next
			}
		}
		for n := i - 1; n < len(added); n += 3 {
			if _, err := s.CreateSession(s.Context(), added[n]); err != nil {
				return err
			}
		}
		return nil
	})
	s.allOf(errs, nil)
	for _, d := range old {
		s.gone(d.token)
	}
	for i, n := range added {
		if i%3 != 0 {
			s.live(n.Token)
		}
	}
	if all := removed + s.sweep(7); all != len(old)+len(added)/3 {
		s.Errorf("%d sessions removed, want %d", all, len(old)+len(added)/3)
	}
}

func sweepEmpty(s *store) {
	for _, limit := range []int{1, 100} {
		if removed := s.sweep(limit); removed != 0 {
			s.Errorf("%d sessions removed", removed)
		}
	}
}
