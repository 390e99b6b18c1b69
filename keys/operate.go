package keys

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	case len(l) > 0 && !r.scheduled(alg):
		return r, fmt.Errorf("the %s line was taken from the schedule and ends: %w", alg, storage.ErrNotFound)
	case w == nil:
		return r, fmt.Errorf("no %s key is waiting: %w", alg, storage.ErrNotFound)
	case immediate && l.published() >= maxPublished:
		return r, fmt.Errorf("%d %s keys are published already: wait until retired ones are gone", l.published(), alg)
	case immediate:
		l.promote(w, now.Wall)
	default:
		w.SignsFrom = l.from(w, now.Wall)
		w.restore(now, r.schedule.PublishAhead, r.stay(), r.schedule.Skew)
	}
	next.sort()
	return next, nil
}

// maxReason bounds why a key was revoked, in bytes.
const maxReason = 200

// Revoke takes a key out of the key set at once and for good, and drops its
// private half; the reason, up to 200 bytes of text, is kept with its record. If
// it signed, the waiting key signs now, or the default line where the key's own
// was ending. Revoking a revoked key changes nothing; an unknown kid is
// storage.ErrNotFound. Where no key can be made, it is revoked all the same if
// its line has one left.
func (r Ring) Revoke(kid, reason string, now Instant, generate Generate) (Ring, error) {
	now = now.stamped()
	if err := CheckReason(reason); err != nil {
		return r, err
	}
	i := r.find(kid)
	if i < 0 {
		return r, fmt.Errorf("key %q: %w", kid, storage.ErrNotFound)
	}
	if r.keys[i].revoked() {
		return r, nil
	}
	next := r.clone()
	k := &next.keys[i]
	signs := k.usable() && k.ReadyAt == 0 && k.GoneAt.IsZero() // here, or where clocks are ahead
	k.revoke(now.Wall, next.schedule, reason)
	if signs {
		var err error
		if next, err = next.succeed(k, now, generate); err != nil {
			return r, err
		}
	}
	next.sort()
	next, _, err := next.Advance(now, generate)
	if err != nil && !next.complete() { // the one that waits next can be made later: a leaked key cannot stay so long
		return r, err
	}
	return next, nil
}

// succeed lets somebody sign at once for a key of a clone that was revoked.
func (r Ring) succeed(k *Key, now Instant, generate Generate) (Ring, error) {
	alg, l, after := k.Algorithm, r.line(k.Algorithm), k
	for _, before := range l {
		if before.usable() && !before.GoneAt.IsZero() {
			before.resume(now, r.stay(), r.scheduled(alg))
		}
	}
	if !r.scheduled(alg) { // its clients go to the default line a little earlier
		alg, after = r.schedule.Algorithms[0], nil
		if l = r.line(alg); l.signer(now) != nil {
			return r, nil
		}
	}
	if w := l.next(after); w != nil {
		l.promote(w, now.Wall)
		return r, nil
	}
	return r.addExempt(alg, now, generate)
}

// resume prepares a retired key for signing on where clocks are behind: its
// successor was revoked, and the next one's SignsFrom may be ahead of them. In a
// line that goes on no longer, where there is no next one, it ends now.
func (k *Key) resume(now Instant, stay time.Duration, scheduled bool) {
	k.keep(now, stay)
	if !scheduled && (k.SignsUntil.IsZero() || k.SignsUntil.After(now.Wall)) {
		k.SignsUntil = now.Wall
	}
}

// CheckReason refuses what would not be one line of text.
func CheckReason(reason string) error {
	if len(reason) > maxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		return fmt.Errorf("the reason is for people: up to %d bytes of text in one line", maxReason)
	}
	return nil
}

// RevokeAll revokes every key, because whoever held the store or a host may
// have them all. Every line gets a fresh key that signs at once and another
// that waits. Keys that are kept outside of the ring are revoked as well.
func (r Ring) RevokeAll(reason string, now Instant, generate Generate) (Ring, error) {
	now = now.stamped()
	if err := CheckReason(reason); err != nil {
		return r, err
	}
	next := r.clone()
	for i := range next.keys {
		if k := &next.keys[i]; !k.revoked() {
			k.revoke(now.Wall, next.schedule, reason)
		}
	}
	return next.renew(r, now, generate)
}

// renew gives every line of a clone that has no private half any more a key
// that signs at once and one that waits.
func (r Ring) renew(old Ring, now Instant, generate Generate) (Ring, error) {
	r.sort()
	for _, alg := range r.schedule.Algorithms {
		var err error
		if r, err = r.addExempt(alg, now, generate); err != nil {
			return old, err
		}
	}
	next, _, err := r.Advance(now, generate)
	if err != nil {
		return old, err
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
		if r, err = r.Revoke(kid, "", now, generate); err != nil {
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
			k.revoke(now.Wall, next.schedule, "")
			continue
		}
		k.drop()
		k.ReadyAt = 0
		if k.SignsFrom.After(now.Wall) {
			k.SignsFrom = now.Wall // it may have signed in what was lost
		}
		if !next.scheduled(k.Algorithm) {
			k.retire(now, next.stay()) // nobody follows it
		}
	}
	return next.renew(r, now, generate)
}
