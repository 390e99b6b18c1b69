package conformance

import (
	"context"
	"net/http"
)

const raceRounds = 8

// raceRevoke looks at the successor first: to present the old token might end
// what the revocation did not.
func raceRevoke(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	for range raceRounds {
		t := p.refreshable(ctx, c)
		answers := p.together(ctx, p.as(c, refreshForm(t.refresh)), p.revocation(c, t.refresh))
		switch refresh, revocation := answers[0].status, answers[1].status; {
		case refresh >= 500 || revocation >= 500:
			return fail("the refresh is answered %d, the revocation %d", refresh, revocation)
		case revocation != http.StatusOK:
			return undecided("the revocation is answered %d", revocation)
		}
		next, _ := newTokens(answers[0], nil)
		for _, token := range []string{or(next.refresh, t.refresh), t.refresh} {
			if v := p.dead(ctx, c, token); v.Outcome != Pass {
				return v
			}
		}
	}
	return pass()
}
