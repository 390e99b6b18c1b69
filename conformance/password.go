package conformance

import (
	"context"
	"slices"
	"strings"
)

func passwordCases() []Case {
	return group("pw",
		Case{
			ID: "pw-legacy-notice", Section: "RFC 9700 §2.4", Level: BCP, Run: legacyNotice,
			Expected: "grant_types_supported does not list password: RFC 9700 forbids the grant.",
			Means:    "Every client sees its users' passwords, so none of them may be anybody's but the issuer's own.",
		},
		Case{
			ID: "pw-ok", Section: "RFC 6749 §4.3.2, §4.3.3", Level: Must, Needs: signsIn(), Run: passwordOK,
			Expected: "The user's name and password get a token.",
			Means:    "Nobody signs in.",
		},
		Case{
			ID: "pw-bad-password", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(NeedVictim), Run: badPassword,
			Expected: "A wrong password is 400 invalid_grant.",
			Means:    "Client libraries do not tell the user that the password is wrong, or anybody signs in with any.",
		},
		Case{
			ID: "pw-unknown-user", Section: "OWASP ASVS 5.0 §6.3.8; RFC 6749 §10.10", Level: BCP, Needs: signsIn(NeedVictim), Run: unknownUser,
			Expected: "An unknown user and a wrong password get the same answer.",
			Means:    "Anybody finds out who has an account, and guesses at those only.",
		},
		Case{
			ID: "pw-missing-username", Section: "RFC 6749 §4.3.2, §5.2", Level: Must, Needs: signsIn(),
			Expected: "A password request without username is 400 invalid_request.",
			Means:    "A mistake of the client looks like one of the user.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.without("username") }, refused("invalid_request")),
		},
		Case{
			ID: "pw-missing-password", Section: "RFC 6749 §4.3.2, §5.2", Level: Must, Needs: signsIn(),
			Expected: "A password request without password is 400 invalid_request.",
			Means:    "A mistake of the client counts as a wrong guess and may lock the user out.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.without("password") }, refused("invalid_request")),
		},
		Case{
			ID: "pw-basic-user-creds", Section: "RFC 6749 §2.3.1, §4.3.2, §5.2", Level: Must, Needs: signsIn(), Run: userAsClient,
			Expected: "A user's name and password in the Basic header are no client: invalid_client.",
			Means:    "Every user is a client, and what is only for clients is open to whoever has an account.",
		},
		Case{
			ID: "pw-scope-default", Section: "RFC 6749 §3.3, §5.1", Level: Must, Needs: signsIn(), Run: scopeDefault,
			Expected: "Without scope the default one is granted and the answer has it, or it is 400 invalid_scope.",
			Means:    "The client does not know what its token is good for.",
		},
		Case{
			ID: "pw-scope-cap", Section: "RFC 6749 §10.3; RFC 9700 §2.3", Level: Should, Needs: signsIn(NeedSecond, NeedForbidden), Run: scopeCap,
			Expected: "A scope that only another client may have is not granted.",
			Means:    "Any client may do what was meant for one: its user's password is all it needs.",
		},
		Case{
			ID: "pw-no-refresh-unless", Section: "RFC 6749 §1.5, §6; RFC 9700 §4.14.2", Level: Should, Needs: signsIn(NeedNoRefresh), Run: noRefreshUnless,
			Expected: "A client that may not use the refresh_token grant gets no refresh_token.",
			Means:    "A credential that lives for months lies with a client that has no use for it, for a thief to find.",
		},
	)
}

// legacyNotice goes by what is claimed: that it works is pw-ok.
func legacyNotice(ctx context.Context, p *Probe) Verdict {
	p.documents(ctx) // the evidence
	if slices.Contains(p.list("grant_types_supported", "authorization_code", "implicit"), "password") {
		return fail("the password grant is offered: RFC 9700 §2.4 says that it MUST NOT be used")
	}
	return pass()
}

func passwordOK(ctx context.Context, p *Probe) Verdict {
	return issued(p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User))))
}

// victimSignsIn proves that the victim's right password works.
func (p *Probe) victimSignsIn(ctx context.Context) tokens {
	return p.control(ctx, "the right password of the user for wrong ones", p.guess(p.target.Victim.Password))
}

// guess is a request with any password of the victim.
func (p *Probe) guess(password string) call {
	return p.as(p.target.Client, p.passwordForm(User{p.target.Victim.Name, password}))
}

// wrongPassword is a request with a wrong password of the victim.
func (p *Probe) wrongPassword() call { return p.guess(random("wrong")) }

func badPassword(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	return refused("invalid_grant")(p.send(ctx, p.wrongPassword()))
}

func unknownUser(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	wrong := p.send(ctx, p.wrongPassword())
	unknown := p.send(ctx, p.as(p.target.Client, p.passwordForm(User{random("nobody"), random("wrong")})))
	return same(wrong, unknown)
}

// userAsClient sends all that the grant needs, so that only the client is missing.
func userAsClient(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	user := Client{ID: p.target.User.Name, Secret: p.target.User.Password, Method: AuthBasic}
	return refusedWith([]int{400, 401}, "invalid_client")(p.send(ctx, p.as(user, p.passwordForm(p.target.User))))
}

func scopeDefault(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	a := p.send(ctx, p.as(c, p.passwordForm(p.target.User).without("scope")))
	t, ok := newTokens(a, nil)
	if !ok {
		return refused("invalid_scope")(a)
	}
	if granted := t.scopes(); len(granted) > 0 && a.text("scope") == "" {
		return fail("%q is granted, and the answer does not say so", granted)
	}
	return pass()
}

func scopeCap(ctx context.Context, p *Probe) Verdict {
	scope := p.target.Forbidden
	form := p.passwordForm(p.target.User).without("scope").and("scope", scope)
	may := p.control(ctx, "a request for "+scope+" of client "+p.target.Second.ID, p.as(p.target.Second, form))
	if !slices.Contains(may.scopes(), scope) {
		return undecided("client %s may not have %s either: that it is refused proves nothing", p.target.Second.ID, scope)
	}
	more := p.passwordForm(p.target.User).without("scope").and("scope", strings.TrimSpace(p.target.Scope+" "+scope))
	a := p.send(ctx, p.as(p.target.Client, more))
	t, ok := newTokens(a, more)
	switch {
	case !ok:
		return refused("invalid_scope")(a)
	case slices.Contains(t.scopes(), scope):
		return fail("%s was granted, or its refusal not reported", scope)
	}
	return pass()
}

func noRefreshUnless(ctx context.Context, p *Probe) Verdict {
	p.refreshable(ctx, p.target.Client)
	if t := p.signIn(ctx, p.target.NoRefresh); t.refresh != "" {
		return fail("client %s gets a refresh token", p.target.NoRefresh.ID)
	}
	return pass()
}
