package keys

import (
	"errors"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// Reschedule changes the schedule of a ring at work. It is announced like any
// rotation, so that no verifier notices: the line of an added algorithm is
// published before it signs, that of a removed one signs for PublishAhead more,
// the waiting keys move to their new time and not before they are ready, and a
// shorter KeepAfter takes nothing from tokens that are signed already.
// Whatever Check refuses is refused; MaxAge, Poll and Skew do not change.
// The ring must have been advanced to now, and be advanced after.
func (r Ring) Reschedule(s Schedule, now Instant) (Ring, error) {
	now = now.stamped()
	if err := s.Check(); err != nil {
		return r, err
	}
	old := r.schedule
	if s.MaxAge != old.MaxAge || s.Poll != old.Poll || s.Skew != old.Skew {
		return r, errors.New("max-age, poll and skew are what every process and verifier reckons with: they stay as they are")
	}
	next := r.clone()
	next.schedule = s.clone()
	if stay := r.stay(); next.schedule.stay() < stay {
		next.former = former{stay: stay, until: now.Wall.Add(stay), service: now.Service.Add(stay)}
	}
	for i := range next.keys {
		next.keys[i].reschedule(now, old, next.schedule, next.stay())
	}
	for _, alg := range s.Algorithms {
		next.replan(next.line(alg), old.RotateEvery, now)
	}
	next.sort()
	return next, nil
}

// reschedule fits one key into a new schedule.
func (k *Key) reschedule(now Instant, old, s Schedule, stay time.Duration) {
	switch {
	case !k.usable():
	case !k.GoneAt.IsZero():
		k.keep(now, stay) // a process whose clock is behind signs with it yet, and for as long as tokens live now
	case k.ReadyAt != 0:
		k.ReadyAt = max(1, k.ReadyAt+storage.ServiceTime((s.PublishAhead-old.PublishAhead).Microseconds()))
	}
	if k.GoneAt.IsZero() {
		k.SignsUntil = time.Time{} // a line that came back goes on; Advance ends the others
	}
}

// replan moves the waiting keys of a line to where the schedule wants them,
// unless an operator brought them forward.
func (r Ring) replan(l line, every time.Duration, now Instant) {
	s := l.signer(now)
	if s == nil {
		return
	}
	for before, k := s, l.next(s); k != nil; before, k = k, l.next(k) {
		if k.ReadyAt != 0 && !k.SignsFrom.Before(before.SignsFrom.Add(every)) {
			k.SignsFrom = l.from(k, later(before.SignsFrom.Add(r.schedule.RotateEvery), now.Wall))
		}
		k.restore(now, r.schedule.PublishAhead, r.stay(), r.schedule.Skew)
	}
}

// A former is how long retired keys stayed published under an earlier schedule,
// and until when tokens of that time count on it.
type former struct {
	stay    time.Duration
	until   time.Time
	service storage.ServiceTime
}

// at forgets what nobody counts on any more, by clock and by counter.
func (f former) at(now Instant, skew time.Duration) former {
	if f.stay == 0 {
		return f
	}
	f.service, f.until = postpone(f.service, f.until, now, f.stay, skew)
	if now.Service >= f.service && !now.Wall.Before(f.until) {
		return former{}
	}
	return f
}

// remember lets a clone reckon with the longer stay of a ring held a while ago,
// and reports whether there was one: tokens of that time count on it. What ends
// by any clock within the skew is not begun again.
func (r *Ring) remember(held Ring, now Instant) bool {
	f := former{stay: held.schedule.stay(), until: now.Wall.Add(held.schedule.stay()), service: now.Service.Add(held.schedule.stay())}
	if g := held.former; g.stay > f.stay && g.until.After(now.Wall.Add(held.schedule.Skew)) {
		f = g
	}
	return r.reckon(f, now, func(k Key) bool { return held.find(k.ID) >= 0 })
}

// seen returns the ring with the longer stay that a machine saw, of a policy
// that was lost with the store: tokens of that time count on it.
func (r Ring) seen(stay time.Duration, now Instant) Ring {
	if stay-r.stay() < time.Second { // the mark has whole seconds, rounded up
		return r
	}
	now = now.stamped()
	next := r.clone()
	next.reckon(former{stay: stay, until: now.Wall.Add(stay), service: now.Service.Add(stay)}, now, func(Key) bool { return true })
	return next
}

// reckon lets a clone reckon with a former stay if it is longer than its own,
// for the retired keys that have part in it, and reports whether it is.
func (r *Ring) reckon(f former, now Instant, part func(Key) bool) bool {
	if f.stay <= r.stay() {
		return false
	}
	r.former = f
	for i := range r.keys {
		if k := &r.keys[i]; !k.revoked() && !k.Imported && !k.GoneAt.IsZero() && part(*k) {
			k.keep(now, f.stay)
		}
	}
	return true
}

func (f former) same(g former) bool {
	return f.stay == g.stay && f.service == g.service && f.until.Equal(g.until)
}

// stay is how long a key that retires now stays published.
func (r Ring) stay() time.Duration { return max(r.schedule.stay(), r.former.stay) }
