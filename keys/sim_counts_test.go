package keys

import (
	"fmt"
	"maps"
	"slices"
)

// simCounts are what the simulations did.
type simCounts struct {
	worlds, replicas, verifiers               int
	stored, rotations, tokens, checks         int
	outages, restores, pauses, restarts       int
	conflicts, lost, behind, waits            int
	operated, revocations, recovers, policies int
	kinds                                     map[string]simKindCounts
}

// simKindCounts are of one kind of verifier: what it checked, and what it
// rejected though it was valid, because its key signs in an emergency or the
// verifier is slower than PublishAhead allows for and nothing is promised to
// it; and what it accepted of revoked keys, within its bound.
type simKindCounts struct{ checks, emergency, outside, revoked int }

func (c *simKindCounts) add(o simKindCounts) {
	c.checks, c.emergency, c.outside, c.revoked = c.checks+o.checks, c.emergency+o.emergency, c.outside+o.outside, c.revoked+o.revoked
}

func (c *simCounts) add(o simCounts) {
	for _, f := range [][2]*int{
		{&c.worlds, &o.worlds}, {&c.replicas, &o.replicas}, {&c.verifiers, &o.verifiers},
		{&c.stored, &o.stored}, {&c.rotations, &o.rotations}, {&c.tokens, &o.tokens}, {&c.checks, &o.checks},
		{&c.outages, &o.outages}, {&c.restores, &o.restores}, {&c.pauses, &o.pauses}, {&c.restarts, &o.restarts},
		{&c.conflicts, &o.conflicts}, {&c.lost, &o.lost}, {&c.behind, &o.behind}, {&c.waits, &o.waits},
		{&c.operated, &o.operated}, {&c.revocations, &o.revocations}, {&c.recovers, &o.recovers}, {&c.policies, &o.policies},
	} {
		*f[0] += *f[1]
	}
	if c.kinds == nil {
		c.kinds = map[string]simKindCounts{}
	}
	for name, k := range o.kinds {
		sum := c.kinds[name]
		sum.add(k)
		c.kinds[name] = sum
	}
}

func (c simCounts) String() string {
	out := fmt.Sprintf(`
%12d worlds, %d replicas, %d verifiers
%12d rotations, %d rings stored
%12d tokens signed, %d token checks
%12d outages of the store, %d restores and failovers, %d looks at a store that was behind, %d that left it to others
%12d pauses, %d restarts, %d lost compare-and-swaps, %d lost answers
%12d rotations by operators, %d keys revoked, %d recoveries, %d changes of policy`,
		c.worlds, c.replicas, c.verifiers, c.rotations, c.stored, c.tokens, c.checks, c.outages, c.restores, c.behind, c.waits,
		c.pauses, c.restarts, c.conflicts, c.lost, c.operated, c.revocations, c.recovers, c.policies)
	names := slices.Sorted(maps.Keys(c.kinds))
	for _, name := range names {
		k := c.kinds[name]
		out += fmt.Sprintf("\n%12d checks by %q, %d of revoked keys accepted, %d rejected in emergencies, %d because it is too slow", k.checks, name, k.revoked, k.emergency, k.outside)
	}
	return out
}
