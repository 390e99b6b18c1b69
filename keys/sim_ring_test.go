package keys

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// stored: a ring was stored, by whoever.
func (l *simLaws) stored(ring Ring) {
	s := l.s
	before := l.ring
	s.note("stored %s", told(ring, s.store.counter))
	if !l.setBack && before.version != 0 && ring.version <= before.version {
		l.broke(lawVersion, "version %d is stored over %d", ring.version, before.version)
	}
	if err := ring.schedule.Check(); err != nil {
		l.broke(lawSchedule, "%v", err)
	}
	emergency := map[Algorithm]bool{l.cause.line: true}
	there := map[string]bool{}
	for _, k := range ring.keys {
		if there[k.ID] {
			l.broke(lawHistory, "%s is there twice", k)
		}
		there[k.ID] = true
		if l.key(k, ring.schedule.PublishAhead) {
			emergency[k.Algorithm] = true
			if !ring.scheduled(k.Algorithm) { // its clients go to the default line at once
				emergency[ring.schedule.Algorithms[0]] = true
			}
		}
	}
	l.begun(ring, emergency)
	for i, k := range before.keys {
		if !there[k.ID] {
			l.gone[k.ID] = true
			delete(l.goneAt, k.ID)
			continue
		}
		now := ring.keys[ring.find(k.ID)]
		if k.usable() && now.private == nil && !now.revoked() && !l.cause.fresh && !l.setBack && !l.unneeded(before, &before.keys[i]) && !l.unneeded(ring, &now) {
			l.broke(lawKept, "%s", k)
		}
	}
	for _, alg := range ring.schedule.Algorithms {
		if l.lines[alg] && ring.line(alg).oldest() == nil {
			l.broke(lawSigns, "line %s", alg)
		}
	}
	l.bounded(ring)
	l.published(ring)
	l.ring = ring
	s.asked = append(ring.lines(), "HS256")
	l.cold = l.cold && !l.cause.fresh
	l.setBack = l.cold || len(l.pending) > 0
	s.counts.stored++
}

// key compares a stored key with what is known of it and reports whether it
// was revoked just now.
func (l *simLaws) key(k Key, ahead time.Duration) (revoked bool) {
	s := l.s
	known, met := s.byKid[k.ID]
	if !met || known.ahead == 0 {
		known = s.key(k)
		known.stored, known.excused, known.served = s.now, l.excused, s.store.served
	}
	switch {
	case known.ahead == 0:
		known.ahead = ahead
	case !known.begun: // a shorter one holds for keys that wait; a longer one may come too late
		known.ahead = min(known.ahead, ahead)
	}
	if known.lost {
		l.found(known)
	}
	// After a restore, somebody may publish for longer what another has seen go.
	if again := !k.usable() && s.now-l.restore < l.ring.stay(); l.gone[k.ID] && !l.setBack && !(l.restore > 0 && again) {
		l.broke(lawHistory, "%s was gone and is back", k)
	}
	delete(l.gone, k.ID)
	if was := l.goneAt[k.ID]; !was.IsZero() && k.GoneAt.Before(was) && !l.setBack {
		l.broke(lawHistory, "%s: GoneAt went from %s to %s", k, was, k.GoneAt)
	}
	l.goneAt[k.ID] = k.GoneAt
	if k.revoked() && (k.Public != nil || k.private != nil) {
		l.broke(lawHistory, "%s is revoked and has key material", k)
	}
	switch {
	case k.revoked() && (!known.revoked || known.undone):
		if !known.revoked {
			s.counts.revocations++
		}
		known.revoked, known.undone, known.revokedAt, known.pardoned = true, false, s.now, l.excused
		return true
	case !k.revoked() && known.revoked && !known.undone && l.setBack:
		known.undone = true // by somebody who did not know
	case !k.revoked() && known.revoked && !known.undone:
		l.broke(lawReturns, "%s", k)
	}
	return false
}

// found: a key that was lost with the data is back, from whoever held it, and
// the others hear of it now. If it took long, verifiers had to do without.
func (l *simLaws) found(k *simKey) {
	k.lost, k.stored, k.excused = false, l.s.now, l.excused
	if l.s.now-k.lostAt > stalePolls*l.s.plan.schedule.Poll {
		k.exempt = true
	}
}

// begun looks for the keys that are no longer waiting. In an emergency one of
// a line is exempt.
func (l *simLaws) begun(ring Ring, emergency map[Algorithm]bool) {
	for _, k := range ring.keys {
		known := l.s.byKid[k.ID]
		if known.begun || !k.usable() || k.ReadyAt != 0 {
			continue
		}
		known.begun = true
		l.s.counts.rotations++
		if (emergency[k.Algorithm] || l.cause.fresh || l.ring.version == 0) && l.s.store.served-known.served < known.ahead-2*storage.Beat {
			known.exempt, emergency[k.Algorithm] = true, false
		}
		l.lines[k.Algorithm] = true
	}
}

// unneeded reports whether the successor of a key has signed for skew + poll by the fastest clock.
func (l *simLaws) unneeded(r Ring, k *Key) bool {
	next := r.line(k.Algorithm).successor(k)
	s := l.s.plan.schedule
	if !k.SignsUntil.IsZero() && !l.s.wall(s.Skew).Before(k.SignsUntil.Add(s.Skew+s.Poll)) {
		return true // its line has ended
	}
	return next != nil && !l.s.wall(s.Skew).Before(next.SignsFrom.Add(s.Skew+s.Poll))
}

// bounded: operators who act at the rate of these worlds fill a ring so far and no further.
func (l *simLaws) bounded(ring Ring) {
	if len(ring.keys) > 150 {
		l.broke(lawBounded, "%d keys", len(ring.keys))
	}
	for alg := range l.lines {
		if n := ring.line(alg).published(); n > maxPublished+4 {
			l.broke(lawBounded, "%d keys of line %s are published", n, alg)
		}
	}
}

// published renders what everybody can read, now and then.
func (l *simLaws) published(ring Ring) {
	if l.s.counts.stored%16 != 0 {
		return
	}
	set := jose.JSONWebKeySet{}
	for _, k := range ring.Published(l.s.wall(0)) {
		set.Keys = append(set.Keys, k.JWK())
	}
	body := string(must(json.Marshal(set)))
	for _, member := range []string{`"d"`, `"p"`, `"q"`, `"dp"`, `"dq"`, `"qi"`} {
		if strings.Contains(body, member) {
			l.broke(lawSecret, "%s", member)
		}
	}
}

// restored: the store was set back. Until somebody who knew looks, what was
// revoked since may be there again.
func (l *simLaws) restored(ring Ring) {
	for _, k := range ring.keys {
		if known := l.s.byKid[k.ID]; known.revoked && !k.revoked() {
			known.undone = true
		}
		l.goneAt[k.ID] = k.GoneAt // what was said since may be lost with the data
	}
	l.ring, l.restore = ring, l.s.now
	for _, r := range l.s.replicas {
		if r.running() && r.held.ring.version >= ring.version {
			l.pending = append(l.pending, r)
		}
	}
	l.cold = !l.s.anybody()
	for kid, known := range l.s.byKid {
		if !known.lost && ring.find(kid) < 0 {
			known.lost, known.lostAt = true, l.s.now
		}
	}
	l.setBack = l.cold || len(l.pending) > 0
}

// calm: nothing went wrong for a while. before is how many rotations there had been.
func (l *simLaws) calm(before int) {
	if l.err != nil {
		return
	}
	s := l.ring.schedule
	for _, alg := range s.Algorithms {
		most := 3 + int((l.ring.stay()+s.Skew)/s.RotateEvery)
		if n := l.ring.line(alg).published(); n > most {
			l.broke(lawBounded, "%d keys of line %s in calm times, at most %d have a use", n, alg, most)
		}
	}
	if turned := l.s.counts.rotations - before; turned < 2*len(s.Algorithms) {
		l.broke(lawTurns, "%d rotations in 3 periods and PublishAhead", turned)
	}
}

// told is a ring in short.
func told(r Ring, service storage.ServiceTime) string {
	out := fmt.Sprintf("v%d at %s:", r.version, service.Sub(0))
	for _, k := range r.keys {
		out += fmt.Sprintf(" %.4s[%s", k.ID, k.SignsFrom.Sub(epoch).Round(time.Second))
		if k.ReadyAt != 0 {
			out += fmt.Sprintf(" ready %s", k.ReadyAt.Sub(0))
		}
		if !k.GoneAt.IsZero() {
			out += fmt.Sprintf(" gone %s", k.GoneAt.Sub(epoch).Round(time.Second))
		}
		if !k.SignsUntil.IsZero() {
			out += fmt.Sprintf(" until %s", k.SignsUntil.Sub(epoch).Round(time.Second))
		}
		if k.usable() {
			out += " usable"
		}
		if k.revoked() {
			out += " revoked"
		}
		out += "]"
	}
	return out
}
