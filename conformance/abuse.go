package conformance

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// abuseCases run late, the throttle last of all but one: after it nobody may be able
// to sign in for a while.
func abuseCases() []Case {
	return slices.Concat(
		group("rt", Case{
			ID: "rt-race-refresh-vs-revoke", Section: "RFC 7009 §2.1", Level: BCP, Abuse: true, Needs: signsIn(), Run: raceRevoke,
			Expected: "After a refresh and a revocation at the same moment no token of the grant lives, in any of 8 rounds.",
			Means:    "An app that happens to refresh while its user logs out keeps the session alive, and nobody knows.",
		}, Case{
			ID: "rt-race-16", Section: "RFC 9700 §4.14.2", Level: Must, Abuse: true, Needs: signsIn(), Run: race16,
			Expected: "After 16 parallel refreshes of one token at most one branch lives (where no public client is given that warns), and none was a server error.",
			Means:    "A thief who refreshes at the same moment as the owner keeps a session of his own; or a busy page signs its user out.",
		}),
		group("pw", Case{
			ID: "pw-throttle-user", Section: "RFC 6749 §4.3.2; RFC 6585 §4", Level: Must, Abuse: true, Needs: signsIn(NeedVictim), Run: throttleUser,
			Expected: "20 wrong passwords for one user are not all answered at full speed: one is 429 with Retry-After, and the right one works afterwards.",
			Means:    "An attacker tries passwords until one is right, or locks the user out for good.",
		}),
	)
}

func race16(ctx context.Context, p *Probe) Verdict {
	c := p.target.racer()
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	return p.oneBranch(ctx, c, p.race(ctx, 16, p.as(c, refreshForm(t.refresh))))
}

// oneBranch judges the answers to parallel refreshes of one token.
func (p *Probe) oneBranch(ctx context.Context, c Client, answers []answer) Verdict {
	successors, worked := map[string]bool{}, 0
	for _, a := range answers {
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
	return pass()
}

// race sends q n times at once and returns all answers.
func (p *Probe) race(ctx context.Context, n int, q call) []answer {
	return p.together(ctx, slices.Repeat([]call{q}, n)...)
}

// together sends requests at once and returns their answers.
func (p *Probe) together(ctx context.Context, calls ...call) []answer {
	return p.scattered(ctx, []*runner{p.runner}, calls...)
}

// scattered does so too, to the nodes by turns.
func (p *Probe) scattered(ctx context.Context, nodes []*runner, calls ...call) []answer {
	answers, errs := make([]answer, len(calls)), make([]error, len(calls))
	var wg sync.WaitGroup
	for i, q := range calls {
		wg.Go(func() { answers[i], errs[i] = nodes[i%len(nodes)].exchange(ctx, q) })
	}
	wg.Wait()
	for i, err := range errs {
		p.note(calls[i], answers[i], err)
		if err != nil {
			panic(stop{undecided("no answer to one of %d: %v", len(calls), err)})
		}
	}
	return answers
}

// live counts the branches that can still be refreshed; two tokens that lead
// to the same successor are one branch.
func (p *Probe) live(ctx context.Context, c Client, successors map[string]bool) int {
	if len(successors) < 2 {
		return len(successors)
	}
	branches := map[string]bool{}
	for token := range successors {
		if next, ok := newTokens(p.send(ctx, p.as(c, refreshForm(token))), nil); ok {
			branches[or(next.refresh, token)] = true
		}
	}
	return len(branches)
}

func throttleUser(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	var took []time.Duration
	for range 20 {
		q := p.wrongPassword()
		a, err := p.exchange(ctx, q)
		p.note(q, a, err)
		switch {
		case err != nil:
			return undecided("no answer: %v", err)
		case a.hasToken():
			return fail("a wrong password got a token")
		case a.status == http.StatusTooManyRequests:
			return p.afterThrottle(ctx, a)
		case a.status >= 500:
			return undecided("the server fails or is busy: %d", a.status)
		}
		took = append(took, a.took)
	}
	if slower(took) {
		return pass()
	}
	q := p.guess(p.target.Victim.Password)
	a, err := p.exchange(ctx, q)
	p.note(q, a, err)
	switch {
	case err != nil:
		return undecided("no answer: %v", err)
	case a.status == http.StatusTooManyRequests:
		return p.afterThrottle(ctx, a)
	case !a.hasToken() && a.status < 500: // RFC 6819 §5.1.4.2.3
		return Verdict{Warn, "the right password is refused after 20 wrong ones: guessing is stopped, and whoever guesses stops the user"}
	}
	return fail("20 wrong passwords in a row were tried at full speed, and the right one works (alerts, which RFC 6749 §4.3.2 allows too, are not seen from outside)")
}

// slower reports whether answers came ever later, which is a throttle too.
func slower(took []time.Duration) bool {
	late, soon := median(took[len(took)-5:]), median(took[:5])
	return late > 4*soon && late > time.Second
}

func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

// afterThrottle waits as told and wants the right password to work.
func (p *Probe) afterThrottle(ctx context.Context, a answer) Verdict {
	for deadline := time.Now().Add(p.maxWait); ; {
		wait, ok := a.retryAfter()
		if !ok {
			return Verdict{Warn, "429 without Retry-After: clients cannot know when to come back"} // RFC 6585 §4: a MAY
		}
		if time.Now().Add(wait).After(deadline) {
			return Verdict{Pass, "not checked that the right password works later: that would take longer than --max-wait"}
		}
		p.pause(ctx, max(wait, 10*time.Millisecond))
		q := p.as(p.target.Client, p.passwordForm(p.target.Victim))
		var err error
		a, err = p.exchange(ctx, q)
		p.note(q, a, err)
		switch {
		case err != nil:
			return undecided("no answer: %v", err)
		case a.status == http.StatusTooManyRequests:
			continue
		}
		if _, ok := newTokens(a, nil); ok {
			return pass()
		}
		return Verdict{Warn, "the right password is refused after Retry-After: whoever guesses locks the user out"}
	}
}
