package conformance

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// tokenScopeCases are about which scope is asked for, and which is granted.
func tokenScopeCases() []Case {
	return group("token",
		Case{
			ID: "tok-success-scope-echo", Section: "RFC 6749 §3.3, §5.1", Level: Must, Needs: signsIn(NeedScope), Run: scopeEcho,
			Expected: "The answer has a scope wherever what was granted differs from what was asked for, and it is the token's.",
			Means:    "A client believes it may do what the API will refuse, and the user sees errors.",
		},
		Case{
			ID: "tok-scope-syntax", Section: "RFC 6749 §3.3, App. A.4", Level: Must, Needs: signsIn(NeedScope), Run: scopeSyntax,
			Expected: "A scope with a quote, a backslash, a control character or non-ASCII is 400 invalid_scope or invalid_request, or not granted.",
			Means:    "What an attacker writes into a scope gets into tokens, and into whatever parses them.",
		},
		Case{
			ID: "tok-scope-unknown", Section: "RFC 6749 §3.3, §5.2", Level: Must, Needs: signsIn(NeedScope), Run: scopeUnknown,
			Expected: "An unknown scope beside a known one is 400 invalid_scope, or left out of what the answer says.",
			Means:    "A client gets any scope it can think of, or believes it has.",
		},
		Case{
			ID: "tok-scope-order", Section: "RFC 6749 §3.3", Level: Must, Needs: signsIn(NeedTwoScopes), Run: scopeOrder,
			Expected: "The same scopes in another order get the same grant.",
			Means:    "Clients fail that write their scopes in another order than the server.",
		},
		Case{
			ID: "tok-scope-dup", Section: "RFC 6749 §3.3", Level: BCP, Needs: signsIn(NeedScope), Run: scopeDup,
			Expected: "A scope twice is granted once, or refused.",
			Means:    "Scopes that are compared as text differ, though they grant the same.",
		},
		Case{
			ID: "tok-scope-case", Section: "RFC 6749 §3.3", Level: Must, Needs: signsIn(NeedScope), Run: scopeCase,
			Expected: "A scope in other letter case is not the scope.",
			Means:    "A rule about a scope, such as who may have it, is passed by writing it otherwise.",
		},
		Case{
			ID: "tok-no-state-on-error", Section: "RFC 6749 §5.2, §6", Level: BCP, Needs: signsIn(), Run: noStateOnError,
			Expected: "A refresh that is refused for its scope spends nothing: the refresh token still works.",
			Means:    "A client's mistake in one request signs the user out.",
		},
	)
}

// asking is the valid password request with another scope.
func (p *Probe) asking(scope string) call {
	return p.as(p.target.Client, p.passwordForm(p.target.User).without("scope").and("scope", scope))
}

// scopeEcho asks for a part, for all and for more than there is. Only a JWT
// says what it really grants.
func scopeEcho(ctx context.Context, p *Probe) Verdict {
	known := strings.Fields(p.target.Scope)
	more := p.target.Scope + " " + random("unknown")
	for _, asked := range []string{p.target.Scope, known[0], more} {
		t, ok := newTokens(p.send(ctx, p.asking(asked)), nil)
		switch {
		case !ok && asked == more:
			return pass()
		case !ok:
			return undecided("a request for a scope does not work, so nothing says what is granted")
		}
		token := p.jwtOf(t)
		if token.claims["scope"] == nil {
			return absent("the access token does not say its scope")
		}
		granted := sorted(strings.Fields(token.text("scope")))
		switch {
		case t.text("scope") != "" && !slices.Equal(sorted(t.scope), granted):
			return fail("the answer says scope %q, the token %q", t.scope, granted)
		case t.text("scope") == "" && !slices.Equal(sorted(strings.Fields(asked)), granted):
			return fail("asked for %q, granted %q, and the answer does not say so", asked, granted)
		}
	}
	return pass()
}

// unless wants an answer to a request for scope to be a refusal, or to leave
// out what is not known: the server may ignore a part (RFC 6749 §3.3).
func (p *Probe) unless(a answer, scope string) Verdict {
	t, ok := newTokens(a, params{{"scope", scope}})
	if !ok {
		return refused("invalid_scope", "invalid_request")(a)
	}
	known := slices.Concat(strings.Fields(p.target.Scope), strings.Fields(p.target.Ungranted))
	for _, granted := range t.scopes() {
		asked := strings.Contains(scope, granted) || strings.ContainsRune(granted, utf8.RuneError) // which JSON has for what is not UTF-8
		if !slices.Contains(known, granted) && asked {
			return fail("%q is granted, or its refusal not reported", granted)
		}
	}
	return pass()
}

func scopeSyntax(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	for _, bad := range []string{`x"y`, `x\y`, "x\x01y", "xéy"} {
		asked := p.target.Scope + " " + bad
		if v := p.unless(p.send(ctx, p.asking(asked)), asked); v.Outcome != Pass {
			return v
		}
	}
	// The grammar has one space between two tokens and none elsewhere; nobody
	// is harmed by a server that does not mind.
	for _, stray := range []string{" " + p.target.Scope, p.target.Scope + "  " + strings.Fields(p.target.Scope)[0]} {
		if p.send(ctx, p.asking(stray)).hasToken() {
			return Verdict{Warn, "stray spaces are accepted"}
		}
	}
	return pass()
}

func scopeUnknown(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	asked := p.target.Scope + " " + random("unknown")
	return p.unless(p.send(ctx, p.asking(asked)), asked)
}

func scopeOrder(ctx context.Context, p *Probe) Verdict {
	one := p.signIn(ctx, p.target.Client)
	asked := strings.Fields(p.target.Scope)
	slices.Reverse(asked)
	two, ok := newTokens(p.send(ctx, p.asking(strings.Join(asked, " "))), params{{"scope", p.target.Scope}})
	switch {
	case !ok:
		return fail("in another order they are refused")
	case !slices.Equal(one.scopes(), two.scopes()):
		return fail("in another order %q is granted, not %q", two.scopes(), one.scopes())
	}
	return pass()
}

func scopeDup(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	scope := strings.Fields(p.target.Scope)[0]
	a := p.send(ctx, p.asking(scope+" "+scope))
	t, ok := newTokens(a, nil)
	if !ok {
		return refused("invalid_scope", "invalid_request")(a)
	}
	said := [][]string{t.scope}
	if token, isJWT := parseJWT(t.access); isJWT {
		said = append(said, strings.Fields(token.text("scope")))
	}
	for _, granted := range said {
		if len(sorted(granted)) < len(granted) {
			return fail("it is granted twice: %q", granted)
		}
	}
	return pass()
}

// scopeCase compares with a scope that nobody knows: where unknown ones are
// ignored, that one in other case is must make no difference.
func scopeCase(ctx context.Context, p *Probe) Verdict {
	scope := strings.Fields(p.target.Scope)[0]
	other := otherCase(scope)
	if other == scope {
		return absent("%q has no letters", scope)
	}
	p.control(ctx, "a request for "+scope, p.asking(scope))
	nobodys := random("unknown")
	unknown, ignored := newTokens(p.send(ctx, p.asking(nobodys)), nil)
	a := p.send(ctx, p.asking(other))
	t, ok := newTokens(a, nil)
	without := func(t tokens, name string) []string {
		return slices.DeleteFunc(t.scopes(), func(s string) bool { return s == name })
	}
	switch {
	case !ok:
		return refused("invalid_scope", "invalid_request")(a)
	case !ignored, !slices.Equal(without(t, other), without(unknown, nobodys)):
		return fail("asked for %q, %q is granted", other, t.scopes())
	}
	return pass()
}

// otherCase turns upper case into lower and the other way round.
func otherCase(s string) string {
	if upper := strings.ToUpper(s); upper != s {
		return upper
	}
	return strings.ToLower(s)
}

// noStateOnError takes the client that may not repeat a refresh: for another
// one a spent token may work again.
func noStateOnError(ctx context.Context, p *Probe) Verdict {
	c, _ := p.target.strict()
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	a := p.send(ctx, p.as(c, refreshForm(t.refresh).and("scope", random("unknown"))))
	if a.hasToken() {
		return absent("an unknown scope is ignored, so there is no error")
	}
	if v := refused("invalid_scope")(a); v.Outcome != Pass {
		return undecided("the unknown scope is refused otherwise: %s", v.Why)
	}
	if _, ok := newTokens(p.send(ctx, p.as(c, refreshForm(t.refresh))), nil); !ok {
		return fail("the refresh token is spent by a refresh that was refused")
	}
	return pass()
}
