package keys

import (
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A law is what must hold at any time, whatever happens.
type law string

const (
	lawVerifies  law = "a valid token of an unrevoked key is rejected by a verifier that keeps the published rules"
	lawRevoked   law = "a revoked key is accepted beyond the verifier's bound"
	lawAnnounced law = "a key signs before it was served for PublishAhead"
	lawAgree     law = "two replicas disagree on who signs for longer than skew + poll"
	lawSigns     law = "nobody is able to sign"
	lawDropped   law = "a private half is kept longer than skew + poll after its successor's SignsFrom"
	lawKept      law = "a private half is dropped before nobody can need it"
	lawVersion   law = "a version goes back"
	lawReturns   law = "a revoked key returns"
	lawBounded   law = "the ring grows without bound"
	lawTurns     law = "keys do not turn over"
	lawSchedule  law = "a schedule is unsafe"
	lawHistory   law = "what was said of a key changes"
	lawSecret    law = "a private half is published"
)

func simAllLaws() []law {
	return []law{
		lawVerifies, lawRevoked, lawAnnounced, lawAgree, lawSigns, lawDropped, lawKept, lawVersion, lawReturns,
		lawBounded, lawTurns, lawSchedule, lawHistory, lawSecret,
	}
}

// simLaws watches from outside and trusts nothing that a ring says about the
// past: it keeps its own record of what was stored, signed and exempted.
type simLaws struct {
	s   *sim
	err error

	ring    Ring // as it was stored last
	setBack bool // the store, and not everybody who runs has looked since
	pending []*simReplica
	restore time.Duration // when it was last
	cold    bool          // it was set back while nobody ran, and nobody has recovered it
	cause   simCause
	gone    map[string]bool
	goneAt  map[string]time.Time
	lines   map[Algorithm]bool // that ever signed

	// excused is for how long somebody who serves could not know the stored
	// ring in time: his look was late, or the store away. Bounds that count
	// from a change of the ring are longer by that.
	excused time.Duration
	apart   map[simPair]simApart // who disagree
}

// A simCause is what an operator is about to do that exempts keys.
type simCause struct {
	fresh bool      // every line gets a key that signs at once
	line  Algorithm // this line gets one
}

type simPair struct {
	a, b *simReplica
	alg  Algorithm
}

// A simApart is a disagreement: since when it is about these two keys. One
// handover may follow closely on another, each with its own time.
type simApart struct {
	since time.Duration
	a, b  string
}

func newSimLaws(s *sim) *simLaws {
	return &simLaws{
		s: s, gone: map[string]bool{}, goneAt: map[string]time.Time{}, lines: map[Algorithm]bool{},
		apart: map[simPair]simApart{},
	}
}

// broke records the first law that was broken.
func (l *simLaws) broke(which law, format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("law: %s: after %s: %s", which, l.s.now, fmt.Sprintf(format, args...))
	}
}

// elapse adds up what time is in service, and what is excused.
func (l *simLaws) elapse(from, to time.Duration) {
	dt, late := to-from, time.Duration(0)
	nobody := true
	for _, r := range l.s.replicas {
		if r.running() && r.ready {
			nobody = false
			late = max(late, to-max(from, r.looked+l.s.plan.schedule.Poll))
		}
	}
	if l.s.store.away || nobody || l.setBack {
		late = dt
	}
	l.excused += late
}

// since is how much later than a moment it is, but for what is excused.
func (l *simLaws) since(at, excused time.Duration) time.Duration {
	return l.s.now - at - (l.excused - excused)
}

// signed: a token was signed with a key.
func (l *simLaws) signed(r *simReplica, k Key, known *simKey) {
	s := l.s
	if served := s.store.served - known.served; !known.exempt && served < known.ahead-2*storage.Beat { // the counter's grain
		l.broke(lawAnnounced, "%s signs with %s, which was served for %s of %s", r, k, served, known.ahead)
	}
	if !known.exempt && k.SignsFrom.After(r.now().Add(s.plan.schedule.Skew)) {
		l.broke(lawAnnounced, "%s signs with %s before its time by any clock, %s", r, k, k.SignsFrom)
	}
}

// rejected: a verifier refused a token that is valid, of a key that is not revoked.
func (l *simLaws) rejected(v *simVerifier, k *simKey) {
	schedule := l.s.plan.schedule
	if k.lost {
		v.counts.emergency++
		return
	}
	// Whenever it fetched its set, the key was in every replica's by then.
	if fetched := v.fetched - k.stored - (v.excused - k.excused); fetched > schedule.Poll+v.behind(schedule) {
		l.broke(lawVerifies, "%q (behind a cache: %v) refuses %s, which is not in the set that it fetched %s after the key was stored", v.name, v.cache != nil, k.kid, fetched)
		return
	}
	unknown := v.unknown(schedule)
	if unknown < 0 || unknown > k.ahead-schedule.Poll-schedule.Skew {
		v.counts.outside++ // PublishAhead promises nothing to a verifier that is slower
		return
	}
	if k.exempt {
		v.counts.emergency++ // and it is told so
		return
	}
	l.broke(lawVerifies, "%q (behind a cache: %v) refuses %s, stored %s ago, set fetched %s ago", v.name, v.cache != nil, k.kid, l.s.now-k.stored, l.s.now-v.fetched)
}

// acceptedRevoked: a verifier took a token of a revoked key.
func (l *simLaws) acceptedRevoked(v *simVerifier, k *simKey) {
	if k.undone {
		return
	}
	schedule := l.s.plan.schedule
	if fetched := v.fetched - k.revokedAt - (v.excused - k.pardoned); fetched > schedule.Poll+v.behind(schedule) {
		l.broke(lawRevoked, "%q accepts %s from a set that it fetched %s after the revocation", v.name, k.kid, fetched)
	}
	if since, bound := l.since(k.revokedAt, k.pardoned), v.bound(schedule); bound >= 0 && since > bound {
		l.broke(lawRevoked, "%q accepts %s %s after the revocation, its bound is %s", v.name, k.kid, since, bound)
	}
}

// agree compares those who are up to date and says when they disagree too long.
func (l *simLaws) agree() {
	s := l.s
	var on []*simReplica
	for _, r := range s.replicas {
		if r.attentive() && len(r.signers) == len(s.asked) {
			on = append(on, r)
		}
	}
	if len(on) < 2 {
		clear(l.apart)
		return
	}
	for pair := range l.apart {
		if !pair.a.attentive() || !pair.b.attentive() {
			delete(l.apart, pair)
		}
	}
	for n, alg := range s.asked {
		for i, r := range on {
			for _, other := range on[:i] {
				l.pair(simPair{other, r, alg}, other.signers[n], r.signers[n])
			}
		}
	}
}

// pair is told with which keys two replicas sign just now.
func (l *simLaws) pair(p simPair, a, b string) {
	was, apart := l.apart[p]
	switch longest := l.s.plan.schedule.Skew + l.s.plan.schedule.Poll; {
	case a == b && apart:
		delete(l.apart, p)
	case a == b:
	case !apart || was.a != a || was.b != b:
		l.apart[p] = simApart{l.s.now, a, b}
	case l.s.now-was.since > longest:
		l.broke(lawAgree, "%s and %s on %q for %s", p.a, p.b, p.alg, l.s.now-was.since)
	}
}

// adopted: a process goes over to a ring and publishes it.
func (l *simLaws) adopted(r *simReplica, ring Ring) {
	m := r.machine
	if r.held != nil && ring.version < r.held.ring.version || m.seen != nil && ring.version < m.version {
		l.broke(lawVersion, "%s goes over to version %d and held %v, its machine saw %d", r, ring.version, r.held, m.version)
	}
	m.version = max(m.version, ring.version)
	for _, k := range ring.keys {
		held := r.held != nil && slicesHasRevoked(r.held.ring, k.ID)
		switch known := m.seen != nil && m.knows[k.ID]; {
		case k.revoked():
			m.knows[k.ID] = true
		case known || held:
			l.broke(lawReturns, "%s knows that %s was revoked and publishes it", r, k)
		}
	}
}

func slicesHasRevoked(r Ring, kid string) bool {
	i := r.find(kid)
	return i >= 0 && r.keys[i].revoked()
}

// looked: a process has looked, so that what is due is done.
func (l *simLaws) looked(r *simReplica) {
	s := l.s.plan.schedule
	ring := r.held.ring
	for i := range ring.keys {
		k := &ring.keys[i]
		if !k.usable() {
			continue
		}
		if !k.SignsUntil.IsZero() && !l.s.wall(0).Before(k.SignsUntil.Add(s.Skew+s.Poll)) {
			l.broke(lawDropped, "%s still has the private half of %s, whose line ended at %s", r, k, k.SignsUntil)
		}
		if next := ring.line(k.Algorithm).successor(k); next != nil && (k.SignsUntil.IsZero() || next.ReadyAt == 0) && !l.s.wall(0).Before(next.SignsFrom.Add(s.Skew+s.Poll)) {
			l.broke(lawDropped, "%s still has the private half of %s, whose successor signs from %s", r, k, next.SignsFrom)
		}
	}
	l.pending = slices.DeleteFunc(l.pending, func(p *simReplica) bool { return p == r })
	l.setBack = l.cold || len(l.pending) > 0
}
