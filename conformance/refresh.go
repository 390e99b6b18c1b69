package conformance

import (
	"context"
	"strings"
	"time"
)

func refreshCases() []Case {
	return group("rt",
		Case{
			ID: "rt-ok", Section: "RFC 6749 §6, §5.1", Level: Must, Needs: signsIn(), Run: refreshOK,
			Expected: "A refresh answers 200 with another access token, with another jti.",
		},
		Case{
			ID: "rt-unknown", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(), Run: refreshUnknown,
			Expected: "A refresh token that was never issued is 400 invalid_grant.",
		},
		Case{
			ID: "rt-tampered", Section: "RFC 6749 §10.4; RFC 9700 §4.14.2", Level: Must, Needs: signsIn(), Run: refreshTampered,
			Expected: "A refresh token with one character changed is 400 invalid_grant, wherever the character is.",
		},
		Case{
			ID: "rt-client-bound", Section: "RFC 6749 §6, §10.4", Level: Must, Needs: signsIn(NeedSecond), Run: refreshBound,
			Expected: "A refresh token of one client is 400 invalid_grant for another.",
		},
		Case{
			ID: "rt-rotated-public", Section: "RFC 9700 §2.2.2, §4.14.2", Level: Must, Needs: []Input{NeedPublic, NeedUser}, Run: rotatedPublic,
			Expected: "A public client gets a new refresh token with each refresh.",
		},
		Case{
			ID: "rt-reuse-revokes-family", Section: "RFC 9700 §4.14.2", Level: Must, Needs: signsIn(), Run: reuseRevokes,
			Expected: "A spent refresh token is refused, and then its successor is refused too.",
		},
	)
}

func refreshOK(ctx context.Context, p *Probe) Verdict {
	t := p.refreshable(ctx, p.target.Client)
	a := p.send(ctx, p.as(p.target.Client, refreshForm(t.refresh)))
	next, ok := newTokens(a, nil)
	one, isJWT := parseJWT(t.access)
	two, _ := parseJWT(next.access)
	switch {
	case !ok || a.status != 200:
		return fail("no token with status 200")
	case next.access == t.access:
		return fail("the access token is the old one")
	case isJWT && one.text("jti") != "" && one.text("jti") == two.text("jti"):
		return fail("the jti is the old one")
	}
	return pass()
}

func refreshUnknown(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	return refused("invalid_grant")(p.send(ctx, p.as(p.target.Client, refreshForm(random("garbage")))))
}

// refreshTampered takes a fresh grant for each change: the first one may have
// ended the session, and then anything is refused.
func refreshTampered(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	for _, part := range []float64{0, 0.25, 0.5, 0.75, 1} {
		t := p.refreshable(ctx, p.target.Client)
		at := int(part * float64(len(t.refresh)-1))
		changed := t.refresh[:at] + string(neighbour(t.refresh[at])) + t.refresh[at+1:]
		if v := refused("invalid_grant")(p.send(ctx, p.as(p.target.Client, refreshForm(changed)))); v.Outcome != Pass {
			return fail("character %d of %d changed: %s", at+1, len(t.refresh), v.Why)
		}
	}
	return pass()
}

// neighbour differs from c in the lowest bit of its base64url value: at the
// end of a token that bit may be one that a lenient decoder drops.
func neighbour(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if i := strings.IndexByte(alphabet, c); i >= 0 {
		return alphabet[i^1]
	}
	return 'A'
}

func refreshBound(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	p.refreshes(ctx, p.target.Second) // or it would be refused for what it is
	t := p.refreshable(ctx, p.target.Client)
	return refused("invalid_grant")(p.send(ctx, p.as(p.target.Second, refreshForm(t.refresh))))
}

func rotatedPublic(ctx context.Context, p *Probe) Verdict {
	t := p.refreshable(ctx, p.target.public())
	next := p.control(ctx, "the valid refresh", p.as(p.target.public(), refreshForm(t.refresh)))
	if next.refresh == "" || next.refresh == t.refresh {
		return fail("the refresh token stays the same: whoever copies it has it for good")
	}
	return pass()
}

func reuseRevokes(ctx context.Context, p *Probe) Verdict {
	c, window := p.target.strict()
	t := p.refreshable(ctx, c)
	next := p.control(ctx, "the valid refresh", p.as(c, refreshForm(t.refresh)))
	if next.refresh == "" || next.refresh == t.refresh {
		return absent("the refresh token is not rotated for client %s", c.ID)
	}
	if window > 0 {
		p.pause(ctx, window+time.Second)
	}
	if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(t.refresh)))); v.Outcome != Pass {
		return fail("the spent token: %s (a server that allows retries: give --rt-grace)", v.Why)
	}
	if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(next.refresh)))); v.Outcome != Pass {
		return fail("its successor after the reuse: %s", v.Why)
	}
	return pass()
}
