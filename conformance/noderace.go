package conformance

import (
	"context"
	"slices"
)

// nodeCases are about two nodes of one issuer.
func nodeCases() []Case {
	return group("rt", Case{
		ID: "rt-race-multi-node", Section: "RFC 9700 §4.14.2", Level: Must, Fast: true, Needs: signsIn(NeedSecondNode), Run: raceNodes,
		Expected: "After parallel refreshes of one token at two nodes at most one branch lives (where no public client is given that warns), and none was a server error.",
		Means:    "A thief who refreshes at another node than the owner keeps a session of his own, and nobody notices.",
	})
}

const nodeRounds, nodeRacers = 4, 8

func raceNodes(ctx context.Context, p *Probe) Verdict {
	c := p.target.racer()
	nodes := p.nodes()
	for _, node := range nodes { // what one node issued the other one takes
		t := p.refreshable(ctx, c)
		p.at(node, func() { p.control(ctx, "the refresh at another node", p.as(c, refreshForm(t.refresh))) })
	}
	for range nodeRounds {
		t := p.refreshable(ctx, c)
		answers := p.scattered(ctx, nodes, slices.Repeat([]call{p.as(c, refreshForm(t.refresh))}, nodeRacers)...)
		if v := p.oneBranch(ctx, c, answers); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}
