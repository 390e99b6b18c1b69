package conformance

import (
	"context"
	"strconv"
	"time"
)

// assertionClaimCases are about what an assertion says, and for whom.
func assertionClaimCases() []Case {
	return []Case{
		{
			ID: "cauth-pkjwt-aud-issuer", Section: "RFC 7523 §3; draft-ietf-oauth-rfc7523bis §4", Level: Should, Run: audIssuer,
			Expected: "An assertion for the issuer's name, as its metadata has it, authenticates the client.",
			Means:    "Clients that name the server in the one way that is safe everywhere are locked out.",
		},
		{
			ID: "cauth-pkjwt-aud-token-url", Section: "RFC 7523 §3; draft-ietf-oauth-rfc7523bis §4; FAPI 2 SP §5.3.2.1", Level: Should, Run: audTolerated(func(p *Probe) any { return p.doc.text("token_endpoint") }),
			Expected: "An assertion for the token endpoint's address authenticates the client, as RFC 7523 has it, or is invalid_client, as its successor will.",
			Means:    "Clients cannot tell from the answer that their audience is to be changed.",
		},
		{
			ID: "cauth-pkjwt-aud-array", Section: "draft-ietf-oauth-rfc7523bis §4", Level: Should, Run: audTolerated(func(p *Probe) any { return []string{p.assertions.aud, "https://other.invalid"} }),
			Expected: "An assertion for this server and another one authenticates the client, as RFC 7523 has it, or is invalid_client.",
			Means:    "Clients cannot tell from the answer that their audience is to be changed.",
		},
		{
			ID: "cauth-pkjwt-aud-wrong", Section: "RFC 7523 §3, §3.2", Level: Must, Run: eachDisclaimed(wrongAudiences),
			Expected: "An assertion for another server, for none or for nobody is invalid_client.",
			Means:    "A server that a client talks to can act as that client here.",
		},
		{
			ID: "cauth-pkjwt-iss-sub", Section: "RFC 7523 §3", Level: Must, Run: eachDisclaimed(wrongNames),
			Expected: "An assertion whose iss or sub is missing or is not the client is invalid_client.",
			Means:    "A client with a key of its own can act as any other one.",
		},
		{
			ID: "cauth-pkjwt-exp", Section: "RFC 7523 §3", Level: Must, Run: assertionExp,
			Expected: "An assertion without exp, with one in the past or with one that is a string is invalid_client.",
			Means:    "An assertion that turns up in an old log still authenticates the client.",
		},
		{
			ID: "cauth-pkjwt-nbf-iat", Section: "RFC 7523 §3; FAPI 2 SP §5.3.2.1", Level: Should, Run: assertionNbf,
			Expected: "An assertion whose nbf is 8 seconds ahead authenticates the client, one that is 5 minutes ahead does not.",
			Means:    "Clients whose clock is a little fast are locked out; or an assertion that was made for later works now.",
		},
	}
}

// audIssuer looks at the name apart from what asserts has found to work.
func audIssuer(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	if _, ok := newTokens(p.asserted(ctx, claim("", "aud", p.target.Issuer).change), nil); !ok {
		return fail("an assertion for the issuer is refused, one for %s is not", p.assertions.aud)
	}
	return pass()
}

// audTolerated is about what RFC 7523 §3 allows and its successor forbids.
func audTolerated(aud func(*Probe) any) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.asserts(ctx)
		a := p.asserted(ctx, claim("", "aud", aud(p)).change)
		if _, ok := newTokens(a, nil); ok {
			return pass()
		}
		return disclaimed(a)
	}
}

func wrongAudiences(*Probe) []variant {
	return []variant{
		claim("aud of another server", "aud", "https://other.invalid"),
		claim("aud of other servers", "aud", []string{"https://other.invalid", "https://another.invalid"}),
		claim("aud missing", "aud", nil),
		claim("aud empty", "aud", ""),
		claim("aud without values", "aud", []string{}),
	}
}

func wrongNames(p *Probe) []variant {
	other := first(func(c Client) bool { return c.ID != p.target.JWT.ID }, p.target.Client, p.target.Second, p.target.Public)
	name := or(other.ID, random("client"))
	return []variant{
		claim("iss missing", "iss", nil), claim("sub missing", "sub", nil),
		claim("iss of another client", "iss", name), claim("sub of another client", "sub", name),
		{"iss and sub of another client", func(a *assertion) { a.claims["iss"], a.claims["sub"] = name, name }},
	}
}

func assertionExp(ctx context.Context, p *Probe) Verdict {
	v := eachDisclaimed(func(*Probe) []variant {
		return []variant{
			claim("exp missing", "exp", nil), claim("exp in the past", "exp", minutes(-10)),
			claim("exp as a string", "exp", strconv.FormatInt(minutes(1), 10)),
		}
	})(ctx, p)
	if v.Outcome != Pass {
		return v
	}
	if p.asserted(ctx, claim("", "exp", minutes(24*60)).change).hasToken() {
		return Verdict{Pass, "an assertion that is good for a day authenticates the client, which RFC 7523 §3 lets the server refuse"}
	}
	return pass()
}

func assertionNbf(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	soon := time.Now().Add(8 * time.Second).Unix()
	if _, ok := newTokens(p.asserted(ctx, claim("", "nbf", soon).change), nil); !ok {
		return fail("nbf 8 seconds ahead is refused")
	}
	if v := disclaimed(p.asserted(ctx, claim("", "nbf", minutes(5)).change)); v.Outcome != Pass {
		return fail("nbf 5 minutes ahead: %s", v.Why)
	}
	return pass()
}

// minutes are so many from now.
func minutes(n int) int64 { return time.Now().Add(time.Duration(n) * time.Minute).Unix() }
