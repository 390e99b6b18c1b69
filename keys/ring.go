package keys

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// An Instant is when a decision is made: by the deciding process's clock and
// by the store's counter. The counter is read at or before the clock, so a
// stale reading makes keys wait longer, never less.
type Instant struct {
	Wall    time.Time
	Service storage.ServiceTime
}

// stamped is the instant at the resolution of a ring's times.
func (i Instant) stamped() Instant {
	i.Wall = i.Wall.Round(0).UTC().Truncate(time.Microsecond)
	return i
}

// A Ring is all keys and their schedule: an immutable value that answers who
// signs and who verifies. Its methods read no clock and change nothing.
type Ring struct {
	version  storage.Version
	schedule Schedule
	keys     []Key  // by line, then in the order in which they sign
	former   former // of an earlier schedule
}

// NewRing returns a ring without keys. A schedule that is unsafe is refused.
func NewRing(s Schedule) (Ring, error) {
	if err := s.Check(); err != nil {
		return Ring{}, fmt.Errorf("key schedule: %w", err)
	}
	return Ring{schedule: s.clone()}, nil
}

// Version numbers the states of the ring; 0 before it was first stored.
func (r Ring) Version() storage.Version { return r.version }

// Schedule returns the schedule that the keys follow.
func (r Ring) Schedule() Schedule { return r.schedule.clone() }

// Keys returns every key and the records of revoked ones, line by line, the
// default line first, and within a line in the order in which they sign.
func (r Ring) Keys() []Key { return slices.Clone(r.keys) }

// Published returns the keys that belong in the key set, neither revoked nor
// gone, of a ring that was just advanced or adopted. It is asked again when the
// ring changes, not when time passes: only Advance knows whether a key may go.
func (r Ring) Published(now time.Time) []Key {
	var out []Key
	for _, k := range r.keys {
		if !k.revoked() && (k.GoneAt.IsZero() || now.Before(k.GoneAt)) {
			out = append(out, k)
		}
	}
	return out
}

// Signer returns the key that signs for clients of an algorithm (law 3): the
// signer of its line, or that of the default line if the algorithm is unknown,
// or its line does not sign yet or has ended. It reports false only for a ring
// that was never advanced.
func (r Ring) Signer(alg Algorithm, now Instant) (Key, bool) {
	if k := r.line(alg).signer(now); k != nil { // as nearly always
		return *k, true
	}
	lines := append([]Algorithm{alg}, r.lines()...)
	for _, best := range []func(line) *Key{
		func(l line) *Key { return l.signer(now) },
		line.last,   // nobody who follows an ended line is ready: it signs on
		line.oldest, // nobody was ever ready
	} {
		for _, a := range lines {
			if k := best(r.line(a)); k != nil {
				return *k, true
			}
		}
	}
	return Key{}, false
}

// State returns where a key of the ring is in its life.
func (r Ring) State(k Key, now Instant) State {
	s := r.line(k.Algorithm).signer(now)
	switch {
	case k.revoked():
		return Revoked
	case s != nil && s.ID == k.ID:
		return Signing
	case !k.GoneAt.IsZero() || !k.usable() || k.ended(now) || s != nil && compareKeys(k, *s) < 0:
		return Retired
	}
	return Waiting
}

// String shows nothing of the keys.
func (r Ring) String() string {
	return fmt.Sprintf("key ring version %d, %d keys", r.version, len(r.keys))
}

// lines names every line that signs, the default first: those of the schedule,
// and those that were taken from it and have not ended.
func (r Ring) lines() []Algorithm {
	out := slices.Clone(r.schedule.Algorithms)
	for _, k := range r.keys {
		if k.usable() && !slices.Contains(out, k.Algorithm) {
			out = append(out, k.Algorithm)
		}
	}
	return out
}

// line returns the keys of one algorithm. They are the ring's own: whoever
// changes them must hold a clone.
func (r Ring) line(alg Algorithm) line {
	l := make(line, 0, len(r.keys))
	for i := range r.keys {
		if r.keys[i].Algorithm == alg {
			l = append(l, &r.keys[i])
		}
	}
	return l
}

// scheduled reports whether an algorithm's line goes on.
func (r Ring) scheduled(alg Algorithm) bool { return slices.Contains(r.schedule.Algorithms, alg) }

// canSign reports whether there is a private half at all.
func (r Ring) canSign() bool { return slices.ContainsFunc(r.keys, Key.usable) }

// revokedKids returns the kids that must never return.
func (r Ring) revokedKids() (kids []string) {
	for _, k := range r.keys {
		if k.revoked() {
			kids = append(kids, k.ID)
		}
	}
	return kids
}

func (r Ring) find(kid string) int {
	return slices.IndexFunc(r.keys, func(k Key) bool { return k.ID == kid })
}

func (r Ring) clone() Ring {
	r.keys = slices.Clone(r.keys)
	return r
}

func (r Ring) at(v storage.Version) Ring {
	r.version = v
	return r
}

// same reports whether two rings differ in their version at most.
func (r Ring) same(s Ring) bool {
	return r.schedule.Equal(s.schedule) && r.former.same(s.former) && slices.EqualFunc(r.keys, s.keys, func(a, b Key) bool {
		return a.ID == b.ID && a.Algorithm == b.Algorithm && a.ReadyAt == b.ReadyAt && a.keptUntil == b.keptUntil && (a.private == nil) == (b.private == nil) && a.dropped == b.dropped &&
			a.PublishedAt.Equal(b.PublishedAt) && a.SignsFrom.Equal(b.SignsFrom) && a.SignsUntil.Equal(b.SignsUntil) &&
			a.GoneAt.Equal(b.GoneAt) && a.RevokedAt.Equal(b.RevokedAt) && a.Imported == b.Imported
	})
}

// sort puts the keys of a clone into their order.
func (r Ring) sort() {
	rank := func(a Algorithm) int {
		if i := slices.Index(r.schedule.Algorithms, a); i >= 0 {
			return i
		}
		return len(r.schedule.Algorithms)
	}
	slices.SortStableFunc(r.keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(rank(a.Algorithm), rank(b.Algorithm)), cmp.Compare(a.Algorithm, b.Algorithm), compareKeys(a, b))
	})
}

// compareKeys orders the keys of a line as they sign.
func compareKeys(a, b Key) int {
	return cmp.Or(a.SignsFrom.Compare(b.SignsFrom), a.PublishedAt.Compare(b.PublishedAt), cmp.Compare(a.ID, b.ID))
}

// keep returns the ring with those public halves of a ring held a while ago that
// it lacks, though they cannot be gone yet: somebody recovered from an older
// state, and tokens of these keys are about, with the lifetimes of that time. Of
// what was held longer ago than retired keys stay, nothing can be said.
func (r Ring) keep(held Ring, ago time.Duration, now Instant) Ring {
	now = now.stamped()
	skew := held.schedule.Skew
	if ago >= held.schedule.stay()-skew {
		return r
	}
	next := r.clone()
	kept := next.remember(held, now)
	for _, k := range held.keys {
		gone := !k.GoneAt.IsZero() && !k.GoneAt.After(now.Wall.Add(skew))
		waits := k.ReadyAt != 0 && k.SignsFrom.After(now.Wall.Add(skew)) // by any clock
		if gone || waits || k.revoked() || r.find(k.ID) >= 0 {
			continue
		}
		k.private, k.ReadyAt = nil, 0
		if !k.Imported {
			k.keep(now, next.stay())
		}
		for _, other := range next.line(k.Algorithm) {
			if other.usable() && !other.SignsFrom.After(k.SignsFrom) { // it follows nobody
				k.SignsFrom = other.SignsFrom.Add(-time.Microsecond)
			}
		}
		next.keys, kept = append(next.keys, k), true
	}
	if !kept {
		return r
	}
	next.sort()
	return next
}
