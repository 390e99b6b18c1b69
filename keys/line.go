package keys

import (
	"slices"
	"time"
)

// A line is the keys of one algorithm in the order in which they sign, records
// of revoked ones included.
type line []*Key

// signer returns the newest key that may sign. A clock that is behind may see
// none, though some signed elsewhere or were promoted in an emergency: then it
// is the oldest of those. It is nil while a line that was added later waits,
// and once a line has ended.
func (l line) signer(now Instant) *Key {
	var begun *Key
	for _, k := range slices.Backward(l) {
		switch {
		case !k.usable() || k.ended(now):
		case k.maySign(now):
			return k
		case k.ReadyAt == 0:
			begun = k
		}
	}
	return begun
}

// last returns the newest key that signs or did, whether the line ended or not.
func (l line) last() *Key {
	for _, k := range slices.Backward(l) {
		if k.usable() && k.ReadyAt == 0 {
			return k
		}
	}
	return nil
}

// oldest returns the first key with a private half, or nil.
func (l line) oldest() *Key { return l.next(nil) }

// next returns the first key with a private half after another, or nil. Keys
// that sign no more when the line ends do not follow anybody.
func (l line) next(after *Key) *Key {
	for _, k := range l {
		if k.usable() && k.SignsUntil.IsZero() && (after == nil || compareKeys(*k, *after) > 0) {
			return k
		}
	}
	return nil
}

// successor returns the unrevoked key that follows another, or nil.
func (l line) successor(of *Key) *Key {
	for _, k := range l {
		if !k.revoked() && compareKeys(*k, *of) > 0 {
			return k
		}
	}
	return nil
}

// promote lets a key sign from now on whatever it was served.
func (l line) promote(k *Key, now time.Time) {
	k.SignsFrom, k.ReadyAt = l.from(k, now), 0
}

// from is the earliest SignsFrom for a key: now, and not before those of the
// keys that it takes over from, which a clock that is ahead may have set.
// k need not be in the line yet.
func (l line) from(k *Key, now time.Time) time.Time {
	for _, other := range l {
		before := k.SignsFrom.IsZero() || compareKeys(*other, *k) < 0
		if other.ID != k.ID && !other.revoked() && before {
			now = later(now, other.SignsFrom)
		}
	}
	return now
}

// published counts the keys that are in the key set.
func (l line) published() (n int) {
	for _, k := range l {
		if !k.revoked() {
			n++
		}
	}
	return n
}
