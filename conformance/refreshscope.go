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
			Expected: "A refresh that asks for less gets an access token with just that; where it gets more and is told so, that is a warning.",
			Means:    "A token that a client makes weak on purpose, for one call or another program, can do everything.",
		},
		Case{
			ID: "rt-scope-narrow-then-full", Section: "RFC 6749 §6", Level: Must, Needs: signsIn(NeedTwoScopes), Run: narrowThenFull,
			Expected: "After a narrowed refresh one without scope gets the original scope again.",
			Means:    "An app that asks for a weak token once loses its rights, and must send its user to sign in.",
		},
		Case{
			ID: "rt-scope-widen", Section: "RFC 6749 §6", Level: Must, Needs: signsIn(NeedScope, NeedUngranted), Run: widen,
			Expected: "A refresh that asks for more than the grant has is 400 invalid_scope, or gets what it had and says so.",
			Means:    "A client, or a thief with its token, gives itself rights that nobody granted.",
		},
		Case{
			ID: "rt-scope-omitted", Section: "RFC 6749 §6", Level: Must, Needs: signsIn(NeedScope), Run: scopeOmitted,
			Expected: "A refresh without scope gets the scope of the grant, no more and no less.",
			Means:    "Rights come or go with the first refresh, minutes after the sign-in worked.",
		},
		Case{
			ID: "rt-scope-widen-after-narrow-grant", Section: "RFC 6749 §6; RFC 9700 §4.14.2", Level: Must, Needs: signsIn(NeedTwoScopes), Run: widenNarrowGrant,
			Expected: "A grant of a part of the scope cannot be refreshed to all of it, though the client might have asked for it.",
			Means:    "A sign-in for little is one for everything: what the user was asked for does not count.",
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
	token, _ := parseJWT(next.access)
	beyond := func(s string) bool { return !slices.Contains(t.scopes(), s) }
	switch v := fail("the scope is %q, asked for %q", next.scopes(), t.scope[:1]); {
	case !ok:
		return fail("no token")
	case slices.Equal(next.scopes(), t.scope[:1]):
		return pass()
	case next.text("scope") == "" || token.claims["scope"] != nil && !slices.Equal(sorted(next.scope), sorted(strings.Fields(token.text("scope")))):
		v.Why += ", and the answer does not say so"
		return v
	case slices.ContainsFunc(next.scopes(), beyond):
		return v
	default: // RFC 6749 §3.3: what is asked for may be ignored, if the answer says so
		v.Outcome = Warn
		return v
	}
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
	return p.widened(ctx, c, p.refreshable(ctx, c), more, p.target.Ungranted)
}

// widened refreshes t for more, and wants extra not to be granted.
func (p *Probe) widened(ctx context.Context, c Client, t tokens, more, extra string) Verdict {
	body := refreshForm(t.refresh).and("scope", more)
	a := p.send(ctx, p.as(c, body))
	next, ok := newTokens(a, body)
	switch {
	case ok && slices.Contains(next.scopes(), extra):
		return fail("%s was granted, or its refusal not reported", extra)
	case ok:
		return pass()
	}
	return refused("invalid_scope")(a)
}

func scopeOmitted(ctx context.Context, p *Probe) Verdict {
	t := p.refreshable(ctx, p.target.Client)
	if len(t.scope) == 0 {
		return undecided("no scope was granted")
	}
	next, ok := newTokens(p.send(ctx, p.as(p.target.Client, refreshForm(t.refresh))), params{{"scope", strings.Join(t.scope, " ")}})
	switch {
	case !ok:
		return fail("no token")
	case !slices.Equal(next.scopes(), t.scopes()):
		return fail("the scope is %q, granted was %q", next.scopes(), t.scopes())
	}
	if token, isJWT := parseJWT(next.access); isJWT && len(sorted(strings.Fields(token.text("scope")))) < len(sorted(t.scope)) {
		return fail("the access token's scope is %q, granted was %q", token.text("scope"), t.scope)
	}
	return pass()
}

func widenNarrowGrant(ctx context.Context, p *Probe) Verdict {
	c, full := p.target.Client, p.scoped(ctx)
	less := p.as(c, p.passwordForm(p.target.User).set("scope", full.scope[0]))
	p.refreshes(ctx, c)
	t := p.control(ctx, "a sign-in for "+full.scope[0], less)
	extra := full.scope[len(full.scope)-1]
	switch {
	case t.refresh == "":
		return absent("client %s gets no refresh token for %s", c.ID, full.scope[0])
	case slices.Contains(t.scopes(), extra):
		return undecided("a sign-in for %s gets %q", full.scope[0], t.scopes())
	}
	return p.widened(ctx, c, t, strings.Join(full.scope, " "), extra)
}
