package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

var errNoKey = errors.New("the key that it names is not in the set")

// rotationCases are about one rotation that a hook brings about.
func rotationCases() []Case {
	needs := signsIn(NeedRotate)
	return slices.Concat(group("rot",
		Case{
			ID: "rot-announce-before-use", Section: "OIDC Core §10.1.1", Level: Must, Needs: needs, Run: announced,
			Expected: "A key is in the set that is fetched on seeing the first token that names it; and before, or it warns.",
			Means:    "An API that has just fetched the keys refuses tokens that are good, and some remember for days that there is no such key.",
		},
		Case{
			ID: "rot-lead-time", Section: "OIDC Core §10.1.1; measured", Level: BCP, Needs: needs, Run: leadTime,
			Expected: "A key is published for max-age, and for 300 seconds, before it signs: so long do verifiers keep a set.",
			Means:    "APIs with a cached key set refuse good tokens until they fetch it again.",
		},
		Case{
			ID: "rot-old-stays", Section: "OIDC Core §10.1.1", Level: Should, Needs: needs, Run: oldStays,
			Expected: "The key that signed until now stays in the set while its tokens are valid.",
			Means:    "Every rotation signs everybody out, or breaks their requests until they refresh.",
		},
		Case{
			ID: "rot-old-verify", Section: "OIDC Core §10.1.1", Level: Should, Needs: needs, Run: oldVerify,
			Expected: "Tokens from before the rotation verify with the set after it.",
			Means:    "Every rotation signs everybody out, or breaks their requests until they refresh.",
		},
		Case{
			ID: "rot-atomic", Section: "OIDC Core §10.1.1; RFC 9110 §8.8.1", Level: Should, Needs: needs, Run: atomicSet,
			Expected: "At no time is the set empty or without a key that it has before and after, and the ETag changes with it.",
			Means:    "An API that fetches the keys at the wrong moment refuses everybody until it fetches them again.",
		},
		Case{
			ID: "rot-refresh-unaffected", Section: "RFC 6749 §1.5, §6", Level: BCP, Needs: needs, Run: refreshAfter,
			Expected: "A refresh token from before the rotation works, and the access token for it verifies.",
			Means:    "Every rotation signs everybody out.",
		},
		Case{
			ID: "rot-private-never-leaks", Section: "RFC 7517 §9.2", Level: Must, Needs: needs, Run: neverPrivate,
			Expected: "During a rotation no key in the set has a private or symmetric member.",
			Means:    "Whoever fetched the set at that moment can sign tokens for anybody.",
		},
	), group("jwks",
		Case{
			ID: "jwks-kid-not-reused", Section: "RFC 7517 §4.5; OIDC Core §10.1.1", Level: Should, Needs: needs, Run: kidNotReused,
			Expected: "Over two rotations no kid names two different keys.",
			Means:    "An API with the old key under that kid refuses every token of the new one.",
		},
	))
}

// announced fails what no verifier can follow. One that looks again for a kid
// that it does not know finds a key that came with its first token; whether it
// came sooner only caches mind.
func announced(ctx context.Context, p *Probe) Verdict {
	t := p.turnover(ctx)
	v := pass()
	for i, token := range t.tokens {
		before, kid := t.seenAt[i], token.kid()
		switch {
		case slices.Contains(t.views[before].kids, kid):
		case slices.Contains(t.views[before+1].kids, kid): // issue has looked at once
			v = Verdict{Warn, fmt.Sprintf("a token names the key %q, which was not in the set that was fetched just before", kid)}
		default:
			return fail("a token names the key %q, which was not in the set just before and just after", kid)
		}
	}
	return v
}

func leadTime(ctx context.Context, p *Probe) Verdict {
	if t := p.turnover(ctx); !t.lead { // the watch is shorter than any good lead
		return fail("the key was published when or after the hook ran, and signed within %v", or(p.target.Hooks.Wait, defaultHookWait))
	}
	return pass() // it was there before the hook; for how long could not be seen
}

func oldStays(ctx context.Context, p *Probe) Verdict {
	t := p.turnover(ctx)
	if old := t.tokens[0].kid(); !slices.Contains(t.last().kids, old) {
		return fail("the key %q is gone, and its tokens are valid still", old)
	}
	return pass()
}

func oldVerify(ctx context.Context, p *Probe) Verdict {
	t := p.turnover(ctx)
	for _, token := range t.tokens[:t.before] {
		if err := t.last().verifies(token); err != nil {
			return fail("a token from before does not verify: %v", err)
		}
	}
	return pass()
}

func atomicSet(ctx context.Context, p *Probe) Verdict {
	t := p.turnover(ctx)
	gone := map[string]bool{}
	for i, v := range t.views {
		if len(v.keys) == 0 {
			return fail("once there were no keys")
		}
		if i == 0 {
			continue
		}
		was := t.views[i-1]
		for _, kid := range was.kids {
			gone[kid] = gone[kid] || !slices.Contains(v.kids, kid)
		}
		for _, kid := range v.kids {
			if gone[kid] {
				return fail("the key %q was gone for a while", kid)
			}
		}
		if v.etag != "" && v.etag == was.etag && v.body != was.body {
			return fail("the set changed and the ETag did not")
		}
	}
	return pass()
}

func refreshAfter(ctx context.Context, p *Probe) Verdict {
	t := p.turnover(ctx)
	if t.grant.refresh == "" {
		return absent("client %s gets no refresh token", p.target.Client.ID)
	}
	next, ok := newTokens(p.send(ctx, p.as(p.target.Client, refreshForm(t.grant.refresh))), nil)
	if !ok {
		return fail("a refresh token from before the rotation is refused")
	}
	var now turnover
	sent, got := p.sent, p.got
	p.view(ctx, &now)
	p.sent, p.got = sent, got
	if err := now.last().verifies(p.jwtOf(next)); err != nil {
		return fail("the refreshed access token does not verify: %v", err)
	}
	return pass()
}

func neverPrivate(ctx context.Context, p *Probe) Verdict {
	for _, v := range p.turnover(ctx).views {
		for _, k := range v.keys {
			for _, member := range privateMembers() {
				if k[member] != nil {
					return fail("the key %q had the member %q: withdraw it now", k["kid"], member)
				}
			}
		}
	}
	return pass()
}

func kidNotReused(ctx context.Context, p *Probe) Verdict {
	first := p.turnover(ctx)
	second := p.watch(ctx)
	if second.ended != nil {
		return *second.ended
	}
	seen := map[string]string{}
	for _, v := range slices.Concat(first.views, second.views) {
		for i, k := range v.keys {
			if was := seen[v.kids[i]]; was != "" && was != material(k) {
				return fail("the kid %q named two different keys", v.kids[i])
			}
			seen[v.kids[i]] = material(k)
		}
	}
	return pass()
}

// handCases are about what else a hand can do to keys.
func handCases() []Case {
	return group("rot",
		Case{
			ID: "rot-restart", Section: "OIDC Core §10.1.1", Level: Should, Needs: signsIn(NeedRestart), Run: restarted,
			Expected: "After a restart the set has the keys that it had and no others, and tokens from before verify.",
			Means:    "Every restart signs everybody out.",
		},
		Case{
			ID: "rot-emergency", Section: "RFC 7517 §9.2", Level: BCP, Needs: signsIn(NeedRevokeKey), Run: emergency,
			Expected: "A key that is revoked leaves the set at once, another one signs, introspection refuses its tokens, and refresh tokens go on working.",
			Means:    "Who has stolen a key goes on signing tokens that verify, or the way out signs everybody out.",
		},
	)
}

func restarted(ctx context.Context, p *Probe) Verdict {
	var t turnover
	p.view(ctx, &t)
	p.issue(ctx, &t)
	hooked(p.target.Hooks.Restart(ctx))
	p.until(ctx, func() bool {
		a, err := p.try(ctx, "GET", p.jwksURI(), nil, nil)
		return err == nil && a.status == 200
	}, undecided("the server does not answer after the restart"))
	p.view(ctx, &t)
	before, after := slices.Sorted(slices.Values(t.views[0].kids)), slices.Sorted(slices.Values(t.last().kids))
	switch err := t.last().verifies(t.tokens[0]); {
	case err != nil:
		return fail("a token from before the restart does not verify: %v", err)
	case !slices.Equal(before, after):
		return fail("the keys were %q, and are %q", before, after)
	}
	return pass()
}

func emergency(ctx context.Context, p *Probe) Verdict {
	var t turnover
	p.view(ctx, &t)
	grant := p.issue(ctx, &t)
	kid := t.tokens[0].kid()
	if kid == "" || t.last().verifies(t.tokens[0]) != nil {
		return undecided("the token does not name a key of the set")
	}
	hooked(p.target.Hooks.RevokeKey(ctx, kid))
	p.until(ctx, func() bool {
		p.view(ctx, &t)
		return !slices.Contains(t.last().kids, kid)
	}, fail("the key %q is in the set still", kid))
	p.until(ctx, func() bool {
		p.issue(ctx, &t)
		return t.tokens[len(t.tokens)-1].kid() != kid
	}, fail("tokens are signed with the revoked key"))
	c := p.target.confidential()
	if p.doc.text("introspection_endpoint") != "" && c.ID == p.target.Client.ID {
		if a := p.send(ctx, p.question(c, grant.access)); a.json["active"] != false {
			return fail("introspection calls a token of the revoked key active")
		}
	}
	if grant.refresh != "" {
		if _, ok := newTokens(p.send(ctx, p.as(p.target.Client, refreshForm(grant.refresh))), nil); !ok {
			return fail("a refresh token is refused for the key's sake")
		}
	}
	return pass()
}
