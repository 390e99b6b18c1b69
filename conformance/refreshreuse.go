package conformance

import (
	"context"
	"slices"
)

// refreshReuseCases are about tokens that turn up where and when they should
// not, and what that does to their owner.
func refreshReuseCases() []Case {
	return group("rt",
		Case{
			ID: "rt-grace-window", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: signsIn(), Run: graceWindow,
			Expected: "A refresh that is repeated at once is refused, or leaves one token that lives.",
			Means:    "Whoever repeats a refresh in time has a session of his own beside the owner's, and nobody notices.",
		},
		Case{
			ID: "rt-chain-100", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: signsIn(), Run: chain100,
			Expected: "A hundred refreshes in a row work, and the tokens do not grow.",
			Means:    "Users are signed out for no reason, or their requests become too long for servers on the way.",
		},
		Case{
			ID: "rt-rotated-confidential", Section: "RFC 9700 §4.14.2; RFC 6749 §6", Level: BCP, Needs: []Input{NeedConfidential, NeedUser}, Run: rotatedConfidential,
			Expected: "After its refresh a client with a secret has a refresh token that works: a new one, or the one before.",
			Means:    "The client is left with a token that is dead, and its user must sign in at the second refresh.",
		},
		Case{
			ID: "rt-client-bound-survives", Section: "RFC 9700 §4.14.2; RFC 6749 §10.4", Level: BCP, Needs: signsIn(NeedSecond), Run: boundSurvives,
			Expected: "A token that another client presents, twice, goes on working for its own client or ends; the other gets nothing.",
			Means:    "An app that tries a stolen token often enough gets it, or its owner gets errors that say nothing.",
		},
		Case{
			ID: "rt-reuse-by-other-client", Section: "RFC 9700 §4.14.2; RFC 6749 §10.4", Level: BCP, Needs: signsIn(NeedSecond), Run: reuseByOther,
			Expected: "A spent token gets another client nothing, at once or later.",
			Means:    "Old tokens, which are looked after less well, work for whoever finds them.",
		},
		Case{
			ID: "rt-reuse-kills-access", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: signsIn(), Run: reuseKillsAccess,
			Expected: "After the reuse of a spent token introspection calls the access tokens of its grant inactive.",
			Means:    "A thief who was noticed keeps his access token, also at APIs that ask before they answer.",
		},
	)
}

// rotates gets a token and refreshes it; where that yields no other one the
// case does not apply.
func (p *Probe) rotates(ctx context.Context, c Client) (old, next tokens) {
	old = p.refreshable(ctx, c)
	next = p.control(ctx, "the valid refresh of client "+c.ID, p.as(c, refreshForm(old.refresh)))
	if next.refresh == "" || next.refresh == old.refresh {
		panic(stop{absent("the refresh token is not rotated for client %s", c.ID)})
	}
	return old, next
}

func graceWindow(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	old, next := p.rotates(ctx, c)
	a := p.send(ctx, p.as(c, refreshForm(old.refresh)))
	again, ok := newTokens(a, nil)
	if !ok {
		return refused("invalid_grant")(a)
	}
	successors := map[string]bool{next.refresh: true}
	if again.refresh != "" {
		successors[again.refresh] = true
	}
	if live := p.live(ctx, c, successors); live > 1 {
		return fail("both successors of one token live on")
	}
	return pass()
}

// maxGrowth is what counters in a token may grow by in a hundred refreshes.
const maxGrowth = 32

func chain100(ctx context.Context, p *Probe) Verdict {
	c, _ := p.target.strict() // it really rotates each time
	first := p.refreshable(ctx, c)
	token := first.refresh
	for i := range 100 {
		next, ok := newTokens(p.send(ctx, p.as(c, refreshForm(token))), nil)
		switch token = or(next.refresh, token); {
		case !ok:
			return fail("refresh %d in a row does not work", i+1)
		case len(token) > len(first.refresh)+maxGrowth, len(next.access) > len(first.access)+maxGrowth:
			return fail("after %d refreshes the tokens have %d and %d characters, at first %d and %d", i+1,
				len(token), len(next.access), len(first.refresh), len(first.access))
		}
	}
	return pass()
}

// rotatedConfidential does not ask for rotation: RFC 9700 §2.2.2 wants it of
// public clients.
func rotatedConfidential(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	t := p.refreshable(ctx, c)
	next := p.control(ctx, "the valid refresh of client "+c.ID, p.as(c, refreshForm(t.refresh)))
	token := or(next.refresh, t.refresh)
	if _, ok := newTokens(p.send(ctx, p.as(c, refreshForm(token))), nil); !ok {
		return fail("the token that the client has after a refresh does not work")
	}
	if token == t.refresh {
		return Verdict{Pass, "the token stays the same, which is allowed: it is of no use without the secret"}
	}
	return pass()
}

// survives wants the owner's token to work, or to be over.
func (p *Probe) survives(ctx context.Context, c Client, token, after string) Verdict {
	a := p.send(ctx, p.as(c, refreshForm(token)))
	if _, ok := newTokens(a, nil); ok {
		return pass()
	}
	v := refused("invalid_grant")(a)
	if v.Outcome == Pass {
		v.Why = after + " ends the session"
	}
	return v
}

func boundSurvives(ctx context.Context, p *Probe) Verdict {
	c, other := p.target.Client, p.target.Second
	p.refreshes(ctx, c)
	p.refreshes(ctx, other)
	t := p.refreshable(ctx, c)
	for range 2 {
		if v := refusedWith([]int{400, 401})(p.send(ctx, p.as(other, refreshForm(t.refresh)))); v.Outcome != Pass {
			return fail("client %s: %s", other.ID, v.Why)
		}
	}
	return p.survives(ctx, c, t.refresh, "a token in the hands of another client")
}

func reuseByOther(ctx context.Context, p *Probe) Verdict {
	c, other := p.target.Client, p.target.Second
	p.refreshes(ctx, other)
	old, next := p.rotates(ctx, c)
	for range 2 {
		if v := refusedWith([]int{400, 401})(p.send(ctx, p.as(other, refreshForm(old.refresh)))); v.Outcome != Pass {
			return fail("client %s: %s", other.ID, v.Why)
		}
	}
	return p.survives(ctx, c, next.refresh, "a spent token in the hands of another client")
}

func reuseKillsAccess(ctx context.Context, p *Probe) Verdict {
	c, window := p.target.strict()
	switch {
	case c.Secret == "":
		return Verdict{Skipped, "give --strict-client-id and --strict-client-secret-file: client " + c.ID + " cannot introspect"}
	case !p.isTold(ctx, c, p.signIn(ctx, c).access):
		return absent("client %s is not told that its own access token is active", c.ID)
	}
	old, next := p.rotated(ctx, c, window)
	if v := p.reuses(ctx, c, old); v.Outcome != Pass {
		return undecided("%s", v.Why)
	}
	for _, token := range slices.Compact([]string{old.access, next.access}) {
		if a := p.send(ctx, p.question(c, token)); a.json["active"] != false {
			return fail("an access token of the grant is not inactive")
		}
	}
	return pass()
}
