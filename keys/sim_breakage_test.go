package keys

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"
)

// A simBreakage makes one part of a world misbehave, to show that the laws see it.
type simBreakage struct {
	ring   func(*sim, Ring) Ring                                          // what Advance and operators make of a ring
	set    func(*simReplica, *simSet) *simSet                             // what a replica publishes
	signer func(r *simReplica, alg Algorithm, k Key, ok bool) (Key, bool) // whom a replica signs with
	look   func(*simReplica)                                              // before each look
	fetch  func(*simVerifier, *simSet) *simSet                            // what a verifier gets; nil: nothing
}

// rewrite lets a breakage change the ring that was just stored, as if Advance
// had made it so.
func (s *sim) rewrite(by *simReplica, ring Ring) Ring {
	ring = s.broken.ring(s, ring.clone())
	sealed, err := simSealer.Seal(ring)
	if err != nil {
		return ring // the laws shall say why
	}
	s.store.sealed = sealed
	if by != nil && by.held.ring.version == ring.version {
		h := *by.held
		h.ring, h.sum = ring, sha256.Sum256(sealed)
		by.rot.held.Store(&h)
		by.held = &h
	}
	return ring
}

// story is a world in which every law has something to say.
func story(t *testing.T, broken simBreakage) error {
	s := newSim(simPlan{schedule: brisk(EdDSA, RS256), replicas: 3, turns: 12}, 7)
	s.broken = broken
	m := s.machines[0]
	turn := s.plan.schedule.RotateEvery
	for _, chapter := range []struct {
		at float64 // in turns
		do func()
	}{
		{1.5, func() { s.rotate(m, false) }},
		{2.5, func() { s.revoke(m, func(r Ring, now Instant) string { k, _ := r.Signer(EdDSA, now); return k.ID }) }},
		{4, func() { s.store.leave(turn) }},
		{6, s.store.backup},
		{6.2, func() { s.rotate(m, true) }},
		{6.4, func() { s.revoke(m, func(r Ring, now Instant) string { k, _ := r.Signer(RS256, now); return k.ID }) }},
		{6.6, func() { s.store.restore(s.store.backups[0]) }},
	} {
		s.after(time.Duration(chapter.at*float64(turn)), chapter.do)
	}
	return s.run()
}

// each is a breakage of every key of every ring that is stored.
func each(change func(s *sim, k *Key, r Ring)) simBreakage {
	return simBreakage{ring: func(s *sim, r Ring) Ring {
		for i := range r.keys {
			change(s, &r.keys[i], r)
		}
		return r
	}}
}

// TestSimulationCatches: each law is broken by what breaks it, and by nothing else.
func TestSimulationCatches(t *testing.T) {
	if err := story(t, simBreakage{}); err != nil {
		t.Fatalf("unbroken: %v", err)
	}
	for _, c := range simBreakages() {
		t.Run(c.name, func(t *testing.T) {
			if err := story(t, c.broken); err == nil || !strings.Contains(err.Error(), "law: "+string(c.law)) {
				t.Errorf("got %v, want the law: %s", err, c.law)
			}
		})
	}
	caught := map[law]bool{}
	for _, c := range simBreakages() {
		caught[c.law] = true
	}
	for _, l := range simAllLaws() {
		if !caught[l] {
			t.Errorf("nothing shows that this law is looked at: %s", l)
		}
	}
}

type simBroken struct {
	law    law
	name   string
	broken simBreakage
}

func simBreakages() []simBroken {
	return slices.Concat(brokenVerifiers(), brokenReplicas(), brokenTimetables(), brokenRecords())
}

func brokenVerifiers() []simBroken {
	return []simBroken{
		{lawVerifies, "a verifier gets an old set", simBreakage{fetch: func(v *simVerifier, set *simSet) *simSet {
			if v.name == "max-age" && v.cache != nil {
				return v.set
			}
			return set
		}}},
		{lawRevoked, "a verifier forgets nothing", simBreakage{fetch: func(v *simVerifier, set *simSet) *simSet {
			if v.name != "fixed, as long as promised" || set == nil {
				return set
			}
			return &simSet{keys: slices.Concat(set.keys, v.set.keys), maxAge: set.maxAge}
		}}},
		{lawRevoked, "a verifier is late", simBreakage{fetch: func(v *simVerifier, set *simSet) *simSet {
			leaked := slices.ContainsFunc(v.set.keys, func(k *simKey) bool { return k.revoked })
			if v.name == "max-age" && leaked {
				return nil
			}
			return set
		}}},
	}
}

func brokenReplicas() []simBroken {
	first := map[*simReplica]Key{}
	return []simBroken{
		{lawVerifies, "a replica publishes the keys that sign or wait alone", simBreakage{set: func(r *simReplica, set *simSet) *simSet {
			if r.id != 1 || r.s.now < time.Minute {
				return set
			}
			return &simSet{keys: set.keys[max(0, len(set.keys)-2):], maxAge: set.maxAge}
		}}},
		{lawVerifies, "a replica publishes keys when they sign", simBreakage{set: func(_ *simReplica, set *simSet) *simSet {
			begun := slices.DeleteFunc(slices.Clone(set.keys), func(k *simKey) bool { return !k.begun && k.ahead > 0 })
			return &simSet{keys: begun, maxAge: set.maxAge}
		}}},
		{lawRevoked, "a replica goes on publishing what was revoked", simBreakage{set: func(r *simReplica, set *simSet) *simSet {
			if r.set == nil {
				return set
			}
			return &simSet{keys: slices.Concat(set.keys, r.set.keys), maxAge: set.maxAge}
		}}},
		{lawAgree, "a replica signs on with its first key", simBreakage{signer: func(r *simReplica, alg Algorithm, k Key, ok bool) (Key, bool) {
			if r.id != 2 || alg != EdDSA {
				return k, ok
			}
			if _, has := first[r]; !has {
				first[r] = k
			}
			return first[r], true
		}}},
		{lawSigns, "a replica has no key for one line", simBreakage{signer: func(r *simReplica, alg Algorithm, k Key, ok bool) (Key, bool) {
			return k, ok && (alg != RS256 || r.id != 1)
		}}},
		{lawVersion, "a replica forgets what it held when the store is set back", simBreakage{look: func(r *simReplica) {
			if r.s.laws.setBack {
				r.rot.held.Store(nil)
			}
		}}},
	}
}
