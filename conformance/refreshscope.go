package conformance

import (
	"context"
	"slices"
	"strings"
)

func refreshScopeCases() []Case {
	return group("rt",
		Case{
			ID: "rt-scope-narrow", Section: "RFC 6749 §6, §3.3", Level: Must, Needs: signsIn(NeedTwoScopes), Run: narrow,
			Expected: "A refresh that asks for less gets an access token with just that.",
		},
		Case{
			ID: "rt-scope-narrow-then-full", Section: "RFC 6749 §6", Level: Must, Needs: signsIn(NeedTwoScopes), Run: narrowThenFull,
			Expected: "After a narrowed refresh one without scope gets the original scope again.",
		},
		Case{
			ID: "rt-scope-widen", Section: "RFC 6749 §6", Level: Must, Needs: signsIn(NeedScope, NeedUngranted), Run: widen,
			Expected: "A refresh that asks for more than the grant has is 400 invalid_scope, or gets what it had and says so.",
		},
	)
}

// scoped gets a refreshable grant of two scopes or more.
func (p *Probe) scoped(ctx context.Context) tokens {
	t := p.refreshable(ctx, p.target.Client)
	if len(t.scope) < 2 {
		panic(stop{undecided("only %q was granted: narrowing needs two", t.scope)})
	}
	return t
}

// scopes returns the scope of an answer in what it says and, for a JWT, in the
// token (RFC 9068 §2.2.3). They should agree; the wider one counts.
func (t tokens) scopes() []string {
	all := slices.Clone(t.scope)
	if token, ok := parseJWT(t.access); ok {
		all = append(all, strings.Fields(token.text("scope"))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func narrow(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	t := p.scoped(ctx)
	body := refreshForm(t.refresh).and("scope", t.scope[0])
	next, ok := newTokens(p.send(ctx, p.as(p.target.Client, body)), body)
	switch {
	case !ok:
		return fail("no token")
	case !slices.Equal(next.scopes(), t.scope[:1]):
		return fail("the scope is %q, asked for %q", next.scopes(), t.scope[:1])
	}
	return pass()
}

func narrowThenFull(ctx context.Context, p *Probe) Verdict {
	t := p.scoped(ctx)
	c, token := p.target.Client, t.refresh
	if less := p.control(ctx, "a narrowed refresh", p.as(c, refreshForm(token).and("scope", t.scope[0]))); less.refresh != "" {
		token = less.refresh
	}
	next, ok := newTokens(p.send(ctx, p.as(c, refreshForm(token))), params{{"scope", strings.Join(t.scope, " ")}})
	switch {
	case !ok:
		return fail("no token")
	case !slices.Equal(next.scopes(), sorted(t.scope)):
		return fail("the scope is %q, granted was %q", next.scopes(), t.scope)
	}
	if at, isJWT := parseJWT(next.access); isJWT && len(strings.Fields(at.text("scope"))) < len(t.scope) {
		return fail("the access token's scope is %q, granted was %q", at.text("scope"), t.scope)
	}
	return pass()
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

func widen(ctx context.Context, p *Probe) Verdict {
	c, more := p.target.Client, p.target.Scope+" "+p.target.Ungranted
	p.refreshes(ctx, c)
	wide := p.control(ctx, "a sign-in with "+more, p.as(c, p.passwordForm(p.target.User).set("scope", more)))
	if !slices.Contains(wide.scopes(), p.target.Ungranted) {
		return undecided("the client may not have %s at all: that it is refused proves nothing", p.target.Ungranted)
	}
	t := p.refreshable(ctx, c)
	body := refreshForm(t.refresh).and("scope", more)
	a := p.send(ctx, p.as(c, body))
	next, ok := newTokens(a, body)
	switch {
	case ok && slices.Contains(next.scopes(), p.target.Ungranted):
		return fail("%s was granted, or its refusal not reported", p.target.Ungranted)
	case ok:
		return pass()
	}
	return refused("invalid_scope")(a)
}
