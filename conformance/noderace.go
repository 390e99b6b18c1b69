package conformance

import (
	"context"
	"sync"
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
		successors, worked := map[string]bool{}, 0
		for _, a := range p.scattered(ctx, nodes, p.as(c, refreshForm(t.refresh))) {
			next, ok := newTokens(a, nil)
			switch {
			case a.status >= 500:
				return fail("one was answered %d", a.status)
			case !ok:
				continue
			case next.refresh != "":
				successors[next.refresh] = true
			}
			worked++
		}
		if worked == 0 {
			return undecided("none of the parallel refreshes worked")
		}
		if live := p.live(ctx, c, successors); live > 1 {
			return replayed(c, fail("%d of %d different successors live on", live, len(successors)))
		}
	}
	return pass()
}

// scattered sends q at once to all nodes, several times to each.
func (p *Probe) scattered(ctx context.Context, nodes []*runner, q call) []answer {
	answers, errs := make([]answer, nodeRacers), make([]error, nodeRacers)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i], errs[i] = nodes[i%len(nodes)].exchange(ctx, q) })
	}
	wg.Wait()
	for i, err := range errs {
		p.note(q, answers[i], err)
		if err != nil {
			panic(stop{undecided("no answer to one of %d: %v", len(errs), err)})
		}
	}
	return answers
}
