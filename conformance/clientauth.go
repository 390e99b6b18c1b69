package conformance

import (
	"bytes"
	"context"
	"regexp"
	"strings"
)

func clientAuthCases() []Case {
	return group("cauth",
		Case{
			ID: "cauth-basic-ok", Section: "RFC 6749 §2.3.1", Level: Must, Needs: []Input{NeedBasic, NeedUser}, Run: basicOK,
			Expected: "A client with a password may authenticate by HTTP Basic.",
			Means:    "Standard client libraries, which use Basic when nothing else is said, cannot sign anybody in.",
		},
		Case{
			ID: "cauth-basic-percent-alnum", Section: "RFC 6749 §2.3.1, App. B", Level: Must, Needs: []Input{NeedBasic, NeedUser}, Run: basicPercent,
			Expected: "The id and secret in Basic are form-decoded: letters may be percent-encoded.",
			Means:    "A client library that encodes more than it must is locked out, and nobody can see why.",
		},
		Case{
			ID: "cauth-basic-wrong-401", Section: "RFC 6749 §5.2", Level: Must, Needs: []Input{NeedBasic, NeedUser},
			Expected: "A wrong secret by Basic is 401 invalid_client.",
			Means:    "Clients cannot tell a wrong secret from a wrong request, and retry what cannot work.",
			Run:      wrongBasic(refusedWith([]int{401}, "invalid_client")),
		},
		Case{
			ID: "cauth-basic-wrong-www-auth", Section: "RFC 6749 §5.2; RFC 9110 §15.5.2; RFC 7617 §2", Level: Must, Needs: []Input{NeedBasic, NeedUser},
			Expected: "A wrong secret by Basic is answered with a Basic challenge that has a realm.",
			Means:    "HTTP libraries do not learn that Basic is what is asked for, and report something else.",
			Run:      wrongBasic(challenged),
		},
		Case{
			ID: "cauth-www-auth-only-on-401", Section: "RFC 6749 §5.2 (measured: oauth4webapi 3.8.8)", Level: BCP, Needs: signsIn(), Run: noChallenge,
			Expected: "A 400 has no WWW-Authenticate: clients report another error for any challenge.",
			Means:    "Client libraries hide the OAuth error, such as a session that is over, behind one about HTTP authentication.",
		},
		Case{
			ID: "cauth-post-ok", Section: "RFC 6749 §2.3.1", Level: Should, Needs: []Input{NeedPost, NeedUser}, Run: postOK,
			Expected: "client_secret_post works where it is advertised.",
			Means:    "Clients that believe the metadata and send their secret in the body cannot sign anybody in.",
		},
		Case{
			ID: "cauth-public-ok", Section: "RFC 6749 §3.2.1; RFC 7591 §2", Level: Should, Needs: []Input{NeedPublic, NeedUser}, Run: publicOK,
			Expected: "A public client with its client_id only is accepted where none is advertised.",
			Means:    "Apps without a secret, such as pages and mobile apps, cannot sign anybody in.",
		},
		Case{
			ID: "cauth-confidential-needs-auth", Section: "RFC 6749 §3.2.1, §6", Level: Must, Needs: []Input{NeedConfidential, NeedUser}, Run: needsAuth,
			Expected: "A confidential client that sends only its client_id is refused: invalid_client.",
			Means:    "Anybody who knows the public client_id can act as the client: the secret protects nothing.",
		},
		Case{
			ID: "cauth-unknown-client-same", Section: "RFC 6749 §10.10; CWE-204", Level: BCP, Needs: []Input{NeedConfidential, NeedUser}, Run: unknownSame,
			Expected: "An unknown client and a wrong secret get the same answer.",
			Means:    "An attacker can find out which client ids exist before guessing their secrets.",
		},
		Case{
			ID: "cauth-query-secret", Section: "RFC 6749 §2.3.1", Level: Must, Needs: []Input{NeedConfidential, NeedUser}, Run: querySecret,
			Expected: "Client credentials in the URL are refused.",
			Means:    "Client secrets get into access logs, proxies and histories, and whoever reads those has them.",
		},
		Case{
			ID: "cauth-two-methods", Section: "RFC 6749 §2.3, §5.2", Level: Must, Needs: []Input{NeedBasic, NeedUser}, Run: twoMethods,
			Expected: "The right secret by Basic and in the body at once is 400 invalid_request.",
			Means:    "Two components may each look at another credential, so that one lets pass what the other would refuse.",
		},
		Case{
			ID: "cauth-basic-plus-other-id", Section: "RFC 6749 §2.3, §3.2.1", Level: BCP, Needs: []Input{NeedBasic, NeedUser}, Run: otherID,
			Expected: "Basic for one client with the client_id of another in the body is refused, 400 or 401.",
			Means:    "One client may get or use tokens in the name of another.",
		},
	)
}

func basicOK(ctx context.Context, p *Probe) Verdict {
	return issued(p.send(ctx, p.as(p.target.basic(), p.passwordForm(p.target.User))))
}

func basicPercent(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.header.Set("Authorization", basicHeader(percent(c.ID), percent(c.Secret)))
	return issued(p.send(ctx, q))
}

// percent encodes every octet, as App. B allows.
func percent(s string) string {
	var b strings.Builder
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(s) {
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// wrongBasic sends a wrong secret by Basic.
func wrongBasic(judge judge) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		c := p.target.basic()
		p.signIn(ctx, c)
		c.Secret = random("wrong")
		return judge(p.send(ctx, p.as(c, p.passwordForm(p.target.User))))
	}
}

func challenged(a answer) Verdict {
	switch parameters, ok := challengeOf("Basic", a); {
	case !ok:
		return fail("there is no Basic challenge")
	case parameters["realm"] == nil: // RFC 7617 §2
		return fail("the Basic challenge has no realm")
	}
	return pass()
}

func noChallenge(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	a := p.send(ctx, p.as(p.target.Client, refreshForm(random("garbage"))))
	switch {
	case a.status == 401:
		return undecided("a wrong refresh token is answered 401: no 400 to look at")
	case len(a.header.Values("WWW-Authenticate")) > 0:
		return fail("a %d has a challenge", a.status)
	}
	return pass()
}

func postOK(ctx context.Context, p *Probe) Verdict {
	if !p.advertised(AuthPost) {
		return absent("token_endpoint_auth_methods_supported does not list client_secret_post")
	}
	return issued(p.send(ctx, p.as(p.target.post(), p.passwordForm(p.target.User))))
}

func publicOK(ctx context.Context, p *Probe) Verdict {
	if !p.advertised(AuthNone) {
		return absent("token_endpoint_auth_methods_supported does not list none")
	}
	return issued(p.send(ctx, p.as(p.target.public(), p.passwordForm(p.target.User))))
}

func needsAuth(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.signIn(ctx, c)
	q := p.as(Client{ID: c.ID, Method: AuthNone}, p.passwordForm(p.target.User))
	return refusedWith([]int{400, 401}, "invalid_client")(p.send(ctx, q))
}

func unknownSame(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.signIn(ctx, c)
	c.Secret = random("wrong")
	wrong := p.send(ctx, p.as(c, p.passwordForm(p.target.User)))
	c.ID = random("nobody")
	unknown := p.send(ctx, p.as(c, p.passwordForm(p.target.User)))
	return same(wrong, unknown)
}

// same wants two refusals that cannot be told apart.
func same(one, two answer) Verdict {
	switch {
	case one.hasToken() || two.hasToken():
		return fail("a token was issued")
	case one.status != two.status:
		return fail("the status is %d, then %d", one.status, two.status)
	case !bytes.Equal(one.stable(), two.stable()):
		return fail("the bodies differ")
	}
	return pass()
}

// passing are the parts of an answer that are of its request alone: numbers,
// dates, and ids of sixteen or more hexadecimal digits.
var passing = regexp.MustCompile(`[0-9A-Fa-f-]{16,}|[0-9]+`)

// stable is the body without what passes.
func (a answer) stable() []byte { return passing.ReplaceAll(a.body, []byte("#")) }

// querySecret really puts the secret into a URL: a wrong one would be refused
// anywhere.
func querySecret(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.signIn(ctx, c)
	q := p.as(Client{Method: AuthNone}, nil)
	q.body = p.passwordForm(p.target.User)
	q.query = params{{"client_id", c.ID}, {"client_secret", c.Secret}}
	return refusedWith([]int{400, 401}, "invalid_client", "invalid_request")(p.send(ctx, q))
}

func twoMethods(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.body = q.body.and("client_id", c.ID).and("client_secret", c.Secret)
	return refused("invalid_request")(p.send(ctx, q))
}

func otherID(ctx context.Context, p *Probe) Verdict {
	c, t := p.target.basic(), p.target
	other := first(func(o Client) bool { return o.ID != c.ID }, t.Second, t.Client, t.Public, t.Post, t.Strict)
	if !other.known() {
		return Verdict{Skipped, "give " + string(NeedSecond)}
	}
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(t.User))
	q.body = q.body.and("client_id", other.ID)
	return refusedWith([]int{400, 401}, "invalid_request", "invalid_client")(p.send(ctx, q))
}
