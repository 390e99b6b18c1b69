package keys

import (
	"fmt"
	"slices"

	"github.com/hallmark-auth/hallmark/storage"
)

// maxPublished bounds a line's keys in the key set: immediate rotations could
// fill it without end.
const maxPublished = 32

// Rotate brings the next rotation of a line forward ("": the default line).
// Announced, the waiting key signs as soon as it was served for PublishAhead,
// which may be at once. Immediate, it signs now, whoever knows it.
// The ring must have been advanced to now, and be advanced after.
func (r Ring) Rotate(alg Algorithm, now Instant, immediate bool) (Ring, error) {
	now = now.stamped()
	if alg == "" {
		alg = r.schedule.Algorithms[0]
	}
	next := r.clone()
	l := next.line(alg)
	w := l.next(l.signer(now))
	switch {
	case w == nil:
		return r, fmt.Errorf("no %s key is waiting: %w", alg, storage.ErrNotFound)
	case immediate && l.published() >= maxPublished:
		return r, fmt.Errorf("%d %s keys are published already: wait until retired ones are gone", l.published(), alg)
	case immediate:
		l.promote(w, now.Wall)
	default:
		w.SignsFrom = l.from(w, now.Wall)
		w.restore(now, r.schedule)
	}
	next.sort()
	return next, nil
}

// Revoke takes a key out of the key set at once and for good, and drops its
// private half. If it signed, the waiting key signs now. Revoking a revoked key
// changes nothing; an unknown kid is storage.ErrNotFound.
func (r Ring) Revoke(kid string, now Instant, generate Generate) (Ring, error) {
	now = now.stamped()
	i := r.find(kid)
	if i < 0 {
		return r, fmt.Errorf("key %q: %w", kid, storage.ErrNotFound)
	}
	if r.keys[i].revoked() {
		return r, nil
	}
	next := r.clone()
	k := &next.keys[i]
	l := next.line(k.Algorithm)
	signs := k.usable() && k.ReadyAt == 0 && k.GoneAt.IsZero() // here, or where clocks are ahead
	k.revoke(now.Wall, next.schedule)
	if signs {
		if w := l.next(k); w != nil {
			l.promote(w, now.Wall)
		} else {
			var err error
			if next, err = next.addExempt(k.Algorithm, now, generate); err != nil {
				return r, err
			}
		}
	}
	next.sort()
	next, _, err := next.Advance(now, generate)
	if err != nil {
		return r, err
	}
	return next, nil
}

// revokeAll revokes those of the kids that the ring holds.
func (r Ring) revokeAll(kids []string, now Instant, generate Generate) (Ring, error) {
	for _, kid := range kids {
		if r.find(kid) < 0 {
			continue
		}
		var err error
		if r, err = r.Revoke(kid, now, generate); err != nil {
			return r, err
		}
	}
	return r, nil
}

// holdsAny returns the first of the kids that the ring holds unrevoked.
func (r Ring) holdsAny(kids []string) (string, bool) {
	i := slices.IndexFunc(kids, func(kid string) bool {
		at := r.find(kid)
		return at >= 0 && !r.keys[at].revoked()
	})
	if i < 0 {
		return "", false
	}
	return kids[i], true
}

// Recover makes a ring from one that was set back to an older state: what
// happened since is unknown, so nothing in it signs again. Private halves are
// dropped, unrevoked public halves stay for KeepAfter, and every line gets a
// fresh key that signs at once and another that waits. Those of the revoked
// kids that it holds are revoked; nobody needs to be promoted for them.
func (r Ring) Recover(now Instant, generate Generate, revoked ...string) (Ring, error) {
	now = now.stamped()
	next := r.clone()
	for i := range next.keys {
		k := &next.keys[i]
		if k.revoked() {
			continue
		}
		if slices.Contains(revoked, k.ID) {
			k.revoke(now.Wall, next.schedule)
			continue
		}
		k.private, k.ReadyAt = nil, 0
		if k.SignsFrom.After(now.Wall) {
			k.SignsFrom = now.Wall // it may have signed in what was lost
		}
	}
	next.sort()
	for _, alg := range r.lines() {
		var err error
		if next, err = next.addExempt(alg, now, generate); err != nil {
			return r, err
		}
	}
	next, _, err := next.Advance(now, generate)
	if err != nil {
		return r, err
	}
	return next, nil
}
