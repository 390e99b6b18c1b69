package conformance

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// clientAuthJWTCases are about clients that authenticate with a key.
func clientAuthJWTCases() []Case {
	cases := slices.Concat(assertionCases(), assertionClaimCases())
	for i := range cases {
		cases[i].Method, cases[i].Needs = AuthKey, append([]Input{NeedJWT}, cases[i].Needs...)
	}
	return group("cauth", cases...)
}

// assertionCases are about what authenticates at all.
func assertionCases() []Case {
	return []Case{
		{
			ID: "cauth-pkjwt-ok", Section: "RFC 7523 §2.2, §3; RFC 7521 §4.2", Level: Must, Run: assertionOK,
			Expected: "An assertion that the client signed, for this server and for a minute, authenticates it.",
			Means:    "Clients with a key, which have no secret to lose, cannot get a token.",
		},
		{
			ID: "cauth-pkjwt-jti-replay", Section: "RFC 7523 §3; RFC 7521 §8.2", Level: BCP, Run: assertionReplay,
			Expected: "An assertion works once: not again, and once of eight times at the same moment, as far as --rate allows.",
			Means:    "Whoever reads an assertion in a log acts as the client until it expires.",
		},
		{
			ID: "cauth-pkjwt-jti-missing", Section: "RFC 7523 §3", Level: BCP, Run: assertionNoJTI,
			Expected: "A server that refuses an assertion the second time does not take one without jti twice.",
			Means:    "The protection against replay is left out by who needs to be kept from replaying.",
		},
		{
			ID: "cauth-pkjwt-sig", Section: "RFC 7523 §3; RFC 8725 §3.1", Level: Must, Run: eachDisclaimed(badSignatures),
			Expected: "Without a valid signature of the client's registered key the client is not authenticated.",
			Means:    "Anybody who knows the public client_id can act as the client.",
		},
		{
			ID: "cauth-pkjwt-assertion-type", Section: "RFC 7521 §4.2, §4.2.1", Level: Must, Run: badAssertionParams,
			Expected: "An assertion of no type or another one, an empty one, and two of them are refused.",
			Means:    "Two components read different clients out of one request, or none where there is one.",
		},
		{
			ID: "cauth-pkjwt-client-id-mismatch", Section: "RFC 7521 §4.2", Level: Must, Run: assertionOtherID,
			Expected: "A client_id beside the assertion must be that of its subject.",
			Means:    "A client authenticates as itself and acts as another one.",
		},
		{
			ID: "cauth-pkjwt-typ", Section: "draft-ietf-oauth-rfc7523bis §4; RFC 8725 §3.11", Level: Should, Run: assertionTyp,
			Expected: "An assertion has the typ client-authentication+jwt, JWT or none, and is refused with at+jwt.",
			Means:    "A JWT that a client's key signed for another purpose authenticates the client, or a common library is locked out.",
		},
		{
			ID: "cauth-pkjwt-as-token", Section: "RFC 8725 §3.12", Level: Must, Run: tokenAsAssertion,
			Expected: "A token of this server is no assertion of a client.",
			Means:    "An API that gets a token can use it to act as the client.",
		},
	}
}

// assertionOK is the control of the others, and judges it.
func assertionOK(ctx context.Context, p *Probe) Verdict {
	if _, ok := p.tryAssertion(ctx); !ok {
		return fail("a valid assertion does not authenticate client %s: not for the issuer and not for the token endpoint", p.target.JWT.ID)
	}
	return pass()
}

// sentTwice sends one assertion twice, and reports whether each got a token.
func (p *Probe) sentTwice(ctx context.Context, change func(*assertion)) (first, second bool) {
	a := p.assertion()
	change(&a)
	q := p.byAssertion(p.assertions.form, a.params, a.compact())
	_, first = newTokens(p.send(ctx, q), nil)
	_, second = newTokens(p.send(ctx, q), nil)
	return first, second
}

func unchanged(*assertion) {}

func assertionReplay(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	if _, second := p.sentTwice(ctx, unchanged); second {
		return fail("an assertion works twice")
	}
	a := p.assertion()
	worked := 0
	for _, answer := range p.race(ctx, 8, p.byAssertion(p.assertions.form, a.params, a.compact())) {
		if _, ok := newTokens(answer, nil); ok {
			worked++
		}
	}
	if worked > 1 {
		return fail("of eight requests with one assertion at the same moment %d worked", worked)
	}
	return pass()
}

func assertionNoJTI(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	if _, second := p.sentTwice(ctx, unchanged); second {
		return absent("an assertion works twice, with jti too")
	}
	if first, second := p.sentTwice(ctx, claim("", "jti", nil).change); first && second {
		return fail("an assertion without jti works twice, one with it once")
	}
	return pass()
}

// badSignatures are forgeries that take no key, or one that is public.
func badSignatures(p *Probe) []variant {
	stranger := newDPoPKey().private
	public := jose.JSONWebKey{Key: p.target.JWT.Key.Public().Key}
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		panic(stop{undecided("the client's public key: %v", err)})
	}
	return []variant{
		{"a claim that was changed after the signature", func(a *assertion) { a.rewrite = prolonged }},
		{"alg none", func(a *assertion) { a.header["alg"], a.key = "none", nil }},
		{"no signature", func(a *assertion) { a.key = nil }},
		{"HS256 with the public key", func(a *assertion) {
			a.header["alg"], a.key = "HS256", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		}},
		{"another key", func(a *assertion) { a.header["alg"], a.key = "ES256", stranger }},
		{"another key that the header brings along", func(a *assertion) {
			a.header["alg"], a.key = "ES256", stranger
			a.header["jwk"] = jose.JSONWebKey{Key: stranger.Public()}
		}},
	}
}

// prolonged is a JWT with another exp than it was signed with.
func prolonged(compact string) string {
	parts := strings.Split(compact, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	claims := object(text)
	if err != nil || claims == nil {
		panic(stop{undecided("an assertion of our own cannot be read")})
	}
	claims["exp"] = minutes(2)
	text, _ = json.Marshal(claims)
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + parts[2]
}

// badAssertionParams may be refused as a request that is malformed.
func badAssertionParams(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	good := func() string { return p.assertion().compact() }
	for _, v := range []struct {
		what       string
		typ        string
		assertions []string
	}{
		{"no client_assertion_type", "", []string{good()}},
		{"another client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", []string{good()}},
		{"an empty client_assertion", assertionType, []string{""}},
		{"two assertions", assertionType, []string{good(), good()}},
	} {
		body := slices.Clone(p.assertions.form)
		if v.typ != "" {
			body = body.and("client_assertion_type", v.typ)
		}
		for _, a := range v.assertions {
			body = body.and("client_assertion", a)
		}
		a := p.send(ctx, call{method: http.MethodPost, header: http.Header{}, body: body, encode: formEncoded})
		if verdict := disclaimed(a, "invalid_request"); verdict.Outcome != Pass {
			return fail("%s: %s", v.what, verdict.Why)
		}
	}
	return pass()
}

func assertionOtherID(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	naming := func(id string) func(*assertion) {
		return func(a *assertion) { a.params = a.params.and("client_id", id) }
	}
	if _, ok := newTokens(p.asserted(ctx, naming(p.target.JWT.ID)), nil); !ok {
		return fail("the client's own client_id beside the assertion is refused")
	}
	other := first(func(c Client) bool { return c.ID != p.target.JWT.ID }, p.target.Client, p.target.Second, p.target.Public)
	return disclaimed(p.asserted(ctx, naming(or(other.ID, random("client")))), "invalid_request")
}

func assertionTyp(ctx context.Context, p *Probe) Verdict {
	p.asserts(ctx)
	typed := func(typ string) func(*assertion) {
		return func(a *assertion) {
			if a.header["typ"] = typ; typ == "" {
				delete(a.header, "typ")
			}
		}
	}
	for _, typ := range []string{"client-authentication+jwt", "JWT", ""} {
		if _, ok := newTokens(p.asserted(ctx, typed(typ)), nil); !ok {
			return fail("typ %q is refused", typ)
		}
	}
	if v := disclaimed(p.asserted(ctx, typed("at+jwt"))); v.Outcome != Pass {
		return fail("typ at+jwt: %s", v.Why)
	}
	return pass()
}

// tokenAsAssertion also names the client whose token it is, as an API could.
func tokenAsAssertion(ctx context.Context, p *Probe) Verdict {
	t := p.asserts(ctx)
	for _, token := range []string{t.access, t.text("id_token")} {
		for _, with := range []params{nil, {{"client_id", p.target.JWT.ID}}} {
			if token == "" {
				continue
			}
			q := p.byAssertion(p.assertions.form, append(params{{"client_assertion_type", assertionType}}, with...), token)
			if v := disclaimed(p.send(ctx, q), "invalid_request"); v.Outcome != Pass {
				return v
			}
		}
	}
	return pass()
}
