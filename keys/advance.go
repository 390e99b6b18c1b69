package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// Advance does what time does to a ring: it makes the keys that are missing,
// puts back those that were not served for long enough, retires those whose
// successor signs or whose line has ended, drops private halves and removes
// what is gone. It reports whether there was anything to do; if not, the ring is
// returned as it was. Where generate failed, the rest is done all the same: a
// device that is full has room again when private halves are dropped. The
// version stays.
func (r Ring) Advance(now Instant, generate Generate) (next Ring, changed bool, err error) {
	now = now.stamped()
	next = r.clone()
	next.former = next.former.at(now, next.schedule.Skew)
	for i := range next.keys {
		next.keys[i].restore(now, next.schedule.PublishAhead, next.stay(), next.schedule.Skew)
	}
	next.sort()
	// Where nobody can sign, nobody has to be waited for.
	exempt := !r.canSign()
	var missing []error
	for _, alg := range next.lines() {
		if next, err = next.advanceLine(alg, now, exempt, generate); err != nil {
			missing = append(missing, err)
		}
	}
	next.endLines(now)
	next.keys = slices.DeleteFunc(next.keys, func(k Key) bool {
		return k.private == nil && !k.GoneAt.IsZero() && !now.Wall.Before(k.GoneAt)
	})
	next.sort()
	err = errors.Join(missing...)
	if next.same(r) {
		return r, false, err
	}
	return next, true, err
}

// restore makes the timetable tell the truth about a key that was served for
// less than planned, because nothing was in service for a while or a clock has
// jumped: a waiting key signs later (law 1), a retired one stays longer (law 2).
func (k *Key) restore(now Instant, ahead, stay, skew time.Duration) {
	switch {
	case k.usable() && k.ReadyAt != 0 && k.GoneAt.IsZero():
		k.ReadyAt, k.SignsFrom = postpone(k.ReadyAt, k.SignsFrom, now, ahead, skew)
	case k.keptUntil != 0:
		k.keptUntil, k.GoneAt = postpone(k.keptUntil, k.GoneAt, now, stay, skew)
	}
}

// postpone moves the planned time of an event that may not come before the
// counter's reading is due, if it lies too early. whole is how far off the
// event is at first: after a store was set back, the counter runs from less
// than it did, and no more than that is waited for again.
func postpone(due storage.ServiceTime, planned time.Time, now Instant, whole, skew time.Duration) (storage.ServiceTime, time.Time) {
	due = min(due, now.Service.Add(whole))
	rest := due.Sub(now.Service)
	if rest <= 0 {
		return due, planned
	}
	earliest := now.Wall.Add(rest)
	// The counter always lags behind the clocks by a little: no write for less than the skew before the time has come.
	if !planned.After(now.Wall) || earliest.After(planned.Add(skew)) {
		planned = later(planned, earliest)
	}
	return due, planned
}

// advanceLine advances one line of a clone.
func (r Ring) advanceLine(alg Algorithm, now Instant, exempt bool, generate Generate) (Ring, error) {
	l := r.line(alg)
	s := l.signer(now)
	switch {
	case !r.scheduled(alg):
		if s != nil {
			r.follow(l, s, now)
		}
		return r, nil
	case s == nil && l.oldest() != nil:
		return r, nil // a line that was added later waits
	case s == nil && exempt:
		r, err := r.addExempt(alg, now, generate)
		if err != nil {
			return r, err
		}
		return r.advanceLine(alg, now, false, generate)
	case s == nil:
		return r.addAnnounced(alg, now, time.Time{}, generate)
	}
	r.follow(l, s, now)
	if l.next(s) == nil {
		return r.addAnnounced(alg, now, s.SignsFrom.Add(r.schedule.RotateEvery), generate)
	}
	return r, nil
}

// follow lets a line's signer take over: it fixes when its predecessors are
// gone, and drops their private halves when no process can need them (law 4).
func (r Ring) follow(l line, s *Key, now Instant) {
	if s.maySign(now) {
		s.ReadyAt = 0 // it has begun; no counter that is set back undoes that
	}
	for _, k := range l {
		if k.revoked() || k.Imported || compareKeys(*k, *s) >= 0 {
			continue
		}
		k.retire(now, r.stay())
		if !now.Wall.Before(r.schedule.drop(l.successor(k).SignsFrom)) {
			k.drop()
		}
	}
}

// endLines gives the keys of lines that were taken from the schedule an end,
// and does to those that have ended what a successor would do to them. No line
// ends before the default one, to which its clients go, signs.
func (r Ring) endLines(now Instant) {
	heirs := r.line(r.schedule.Algorithms[0])
	heir := heirs.signer(now)
	for i := range r.keys {
		k := &r.keys[i]
		if k.revoked() || k.Imported || k.private == nil || k.SignsUntil.IsZero() && r.scheduled(k.Algorithm) {
			continue
		}
		if k.SignsUntil.IsZero() {
			k.SignsUntil = now.Wall.Add(r.schedule.PublishAhead)
		}
		if heir == nil && k.GoneAt.IsZero() {
			first := heirs.oldest()
			if first == nil {
				continue // it could not be made
			}
			k.SignsUntil = later(k.SignsUntil, first.SignsFrom)
		}
		if k.ended(now) {
			k.retire(now, r.stay())
			if k.SignsFrom.After(k.SignsUntil) {
				k.SignsFrom = k.SignsUntil // it never will
			}
			if !now.Wall.Before(r.schedule.drop(r.lastSigned(k))) {
				k.drop()
			}
		}
	}
}

// lastSigned is when a key of a line that has ended signed last: its successor had
// begun, or the line ended.
func (r Ring) lastSigned(k *Key) time.Time {
	if next := r.line(k.Algorithm).successor(k); next != nil && next.ReadyAt == 0 && next.SignsFrom.Before(k.SignsUntil) {
		return next.SignsFrom
	}
	return k.SignsUntil
}

// addAnnounced adds a key that waits until it was served for PublishAhead and
// a planned time, if there is one, has come.
func (r Ring) addAnnounced(alg Algorithm, now Instant, planned time.Time, generate Generate) (Ring, error) {
	return r.add(alg, now, generate, func(k *Key) {
		k.SignsFrom = later(planned, now.Wall.Add(r.schedule.PublishAhead))
		k.ReadyAt = now.Service.Add(r.schedule.PublishAhead)
	})
}

// madeIn counts the time that it took to make keys, seconds for a large RSA key
// on a busy machine: those that are new beside a ring before are served only
// from then on, and wait for as much longer (law 1).
func (r Ring) madeIn(took time.Duration, before Ring) Ring {
	took = (max(took, 0) + time.Microsecond - 1).Truncate(time.Microsecond)
	r = r.clone()
	for i := range r.keys {
		k := &r.keys[i]
		if k.ReadyAt == 0 || before.find(k.ID) >= 0 {
			continue
		}
		k.ReadyAt = k.ReadyAt.Add(took)
		k.SignsFrom = later(k.SignsFrom, k.PublishedAt.Add(took+r.schedule.PublishAhead))
	}
	return r
}

// addExempt adds a key that signs at once.
func (r Ring) addExempt(alg Algorithm, now Instant, generate Generate) (Ring, error) {
	return r.add(alg, now, generate, func(k *Key) { r.line(alg).promote(k, now.Wall) })
}

func (r Ring) add(alg Algorithm, now Instant, generate Generate, plan func(*Key)) (Ring, error) {
	private, err := generate(alg, r.schedule.rsaBits())
	if err != nil {
		return r, err
	}
	k, err := newKey(alg, private)
	if err != nil {
		return r, err
	}
	if r.find(k.ID) >= 0 {
		return r, fmt.Errorf("the generator made %s twice", k)
	}
	k.PublishedAt = now.Wall
	for _, other := range r.line(alg) { // which it follows where SignsFrom is the same
		k.PublishedAt = later(k.PublishedAt, other.PublishedAt.Add(time.Microsecond))
	}
	plan(&k)
	r.keys = append(r.keys, k)
	r.sort()
	return r, nil
}
