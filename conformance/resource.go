package conformance

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

func resourceCases() []Case {
	needs := signsIn(NeedResource)
	return slices.Concat(
		group("res",
			Case{
				ID: "res-aud", Section: "RFC 8707 §2; RFC 9068 §3", Level: Should, Needs: needs, Run: resourceAud,
				Expected: "The audience of a token for one resource is that resource; at most the client itself stands beside it.",
				Means:    "APIs that look for their own address in aud refuse the token, or other APIs accept it too.",
			},
			Case{
				ID: "res-multi", Section: "RFC 8707 §2", Level: Should, Needs: needs, Run: resourceMulti,
				Expected: "resource twice, the one parameter that may repeat, gets a token or is 400 invalid_target.",
				Means:    "Clients that need a token for two APIs are told that their request is malformed, and cannot get one.",
			},
			Case{
				ID: "res-relative", Section: "RFC 8707 §2, §2.1", Level: Should, Needs: needs,
				Expected: "A resource that is no absolute URI is refused: 400 invalid_target.",
				Means:    "A token is for something that means another thing to each reader.",
				Run:      badResource(func(string) string { return "/" + random("relative") }, "invalid_target", "invalid_request"),
			},
			Case{
				ID: "res-fragment", Section: "RFC 8707 §2, §2.1", Level: Should, Needs: needs,
				Expected: "A resource with a fragment is refused: 400 invalid_target.",
				Means:    "Two names that APIs take for one, or one for two: a token reaches further than its name says.",
				Run:      badResource(func(r string) string { return r + "#fragment" }, "invalid_target", "invalid_request"),
			},
			Case{
				ID: "res-unknown", Section: "RFC 8707 §2, §2.1", Level: Should, Needs: needs,
				Expected: "A resource that nobody registered is 400 invalid_target.",
				Means:    "A client gets tokens for any API in the world signed by this issuer, or another token than it asked for.",
				Run:      badResource(func(string) string { return unknownResource() }, "invalid_target"),
			},
			Case{
				ID: "res-narrow-refresh", Section: "RFC 8707 §2.2", Level: Should, Needs: signsIn(NeedTwoResources), Run: resourceNarrow,
				Expected: "A refresh for one of the resources of a grant gets a token for that one alone.",
				Means:    "Every API gets a token that works at all the others, and can use it there.",
			},
			Case{
				ID: "res-default", Section: "RFC 9068 §3", Level: Must, Needs: signsIn(), Run: resourceDefault,
				Expected: "A request without resource gets a token with a default audience, always the same.",
				Means:    "A token without an audience is good everywhere; with a changing one an API accepts it by chance.",
			},
			Case{
				ID: "res-scope-per-resource", Section: "RFC 8707 §2.2; RFC 9700 §2.3", Level: BCP, Needs: signsIn(NeedTwoResources, NeedResourceScope), Run: resourceScope,
				Expected: "A scope of one resource is not granted in a token for another.",
				Means:    "An API that goes by the scope alone lets in who was granted something else at another one.",
			},
		),
		group("rt", Case{
			ID: "rt-resource-bound", Section: "RFC 9700 §4.14.2; RFC 8707 §2.2", Level: Must, Needs: signsIn(NeedTwoResources), Run: resourceBound,
			Expected: "A grant for one resource cannot be refreshed for another, though the client might have asked for it.",
			Means:    "A sign-in for one API is one for all: whoever has the token picks the API that is worth most.",
		}),
	)
}

func unknownResource() string { return "https://" + strings.ToLower(random("unknown")) + ".invalid/" }

// forResources returns ps with resource for each (RFC 8707 §2).
func (ps params) forResources(resources ...string) params {
	for _, r := range resources {
		ps = ps.and("resource", r)
	}
	return ps
}

// signInFor gets a fresh grant for resources.
func (p *Probe) signInFor(ctx context.Context, resources ...string) tokens {
	q := p.as(p.target.Client, p.passwordForm(p.target.User).forResources(resources...))
	return p.control(ctx, "a sign-in for resource "+strings.Join(resources, " and "), q)
}

// audOf reads the audience; where access tokens are opaque the case does not apply.
func (p *Probe) audOf(t tokens) []string { return sorted(p.jwtOf(t).audiences()) }

// resources returns what may be asked for, once it has shown that asking makes
// a difference: a server that does not know the parameter ignores it
// (RFC 6749 §3.2).
func (p *Probe) resources(ctx context.Context) []string {
	resources := strings.Fields(p.target.Resource)
	known := p.signInFor(ctx, resources[0])
	unknown := p.as(p.target.Client, p.passwordForm(p.target.User).forResources(unknownResource()))
	t, ok := newTokens(p.send(ctx, unknown), nil)
	if !ok {
		return resources
	}
	aud, other := p.audOf(known), p.audOf(t)
	if slices.Equal(aud, other) && len(resources) > 1 { // the first may be the default
		other = p.audOf(p.signInFor(ctx, resources[1]))
	}
	if slices.Equal(aud, other) {
		panic(stop{absent("resource is ignored: aud is %q for %s, and for an unknown one", aud, resources[0])})
	}
	return resources
}

func resourceAud(ctx context.Context, p *Probe) Verdict {
	resource := p.resources(ctx)[0]
	aud := p.audOf(p.signInFor(ctx, resource))
	others := slices.DeleteFunc(slices.Clone(aud), func(a string) bool { return a == p.target.Client.ID })
	if !slices.Equal(others, []string{resource}) {
		return fail("aud is %q, asked for %q", aud, resource)
	}
	return pass()
}

// resourceMulti asks for one resource twice where there is just one.
func resourceMulti(ctx context.Context, p *Probe) Verdict {
	resources := p.resources(ctx)
	two := []string{resources[0], resources[len(resources)-1]}
	a := p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User).forResources(two...)))
	if _, ok := newTokens(a, nil); ok {
		return pass()
	}
	return refused("invalid_target")(a)
}

// badResource asks for a good resource as change makes it.
func badResource(change func(string) string, codes ...string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		bad := change(p.resources(ctx)[0])
		return refused(codes...)(p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User).forResources(bad))))
	}
}

func resourceNarrow(ctx context.Context, p *Probe) Verdict {
	c, resources := p.target.Client, p.resources(ctx)[:2]
	alone := p.audOf(p.signInFor(ctx, resources[0])) // an issuer may have names of its own for them
	both := p.send(ctx, p.as(c, p.passwordForm(p.target.User).forResources(resources...)))
	t, ok := newTokens(both, nil)
	switch {
	case !ok && both.status == http.StatusBadRequest && both.code() == "invalid_target":
		return absent("tokens are for one resource at a time")
	case !ok:
		return undecided("a sign-in for two resources does not work, so narrowing cannot be tried")
	case t.refresh == "":
		return absent("client %s gets no refresh token", c.ID)
	}
	next, ok := newTokens(p.send(ctx, p.as(c, refreshForm(t.refresh).forResources(resources[0]))), nil)
	if !ok {
		return fail("no token")
	}
	if aud := p.audOf(next); !slices.Equal(aud, alone) {
		return fail("aud is %q, and %q in a token for that resource alone", aud, alone)
	}
	return pass()
}

func resourceDefault(ctx context.Context, p *Probe) Verdict {
	one, two := sorted(p.accessToken(ctx).audiences()), sorted(p.accessToken(ctx).audiences())
	switch {
	case len(one) == 0 || slices.Contains(one, ""):
		return fail("aud is absent, empty or not made of strings")
	case !slices.Equal(one, two):
		return fail("aud is %q, then %q", one, two)
	}
	return pass()
}

func resourceBound(ctx context.Context, p *Probe) Verdict {
	c, resources := p.target.Client, p.resources(ctx)
	others := p.audOf(p.signInFor(ctx, resources[1]))
	p.refreshes(ctx, c)
	t := p.signInFor(ctx, resources[0])
	granted := p.audOf(t)
	switch {
	case t.refresh == "":
		return absent("client %s gets no refresh token", c.ID)
	case slices.Equal(granted, others):
		return absent("tokens for %s and %s have the same audience", resources[0], resources[1])
	}
	a := p.send(ctx, p.as(c, refreshForm(t.refresh).forResources(resources[1])))
	next, ok := newTokens(a, nil)
	if !ok {
		return refused("invalid_target", "invalid_grant", "invalid_request")(a)
	}
	if aud := p.audOf(next); !slices.Equal(aud, granted) {
		return fail("aud is %q after the refresh, granted was %q", aud, granted)
	}
	return pass()
}

// resourceScope may be refused either way: the pair is what is not valid.
func resourceScope(ctx context.Context, p *Probe) Verdict {
	c, resources, scope := p.target.Client, p.resources(ctx), p.target.ResourceScope
	form := func(resource string) params {
		return p.passwordForm(p.target.User).without("scope").and("scope", scope).forResources(resource)
	}
	own := p.control(ctx, "a sign-in for scope "+scope+" and resource "+resources[0], p.as(c, form(resources[0])))
	if !slices.Contains(own.scope, scope) {
		return undecided("scope %s is not granted for resource %s", scope, resources[0])
	}
	q := p.as(c, form(resources[1]))
	a := p.send(ctx, q)
	t, ok := newTokens(a, q.body)
	switch {
	case !ok:
		return refused("invalid_scope", "invalid_target")(a)
	case slices.Contains(t.scope, scope):
		return fail("scope %s is granted for resource %s", scope, resources[1])
	}
	return pass()
}
