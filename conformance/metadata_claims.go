package conformance

import (
	"context"
	"slices"
	"strings"
	"time"
)

// metadataClaimCases are about features that a server may leave alone: what it
// says of them must hold once it claims them.
func metadataClaimCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-auth-signing-algs", Section: "RFC 8414 §2", Level: Must, Run: inEach(authSigningAlgs),
			Expected: "Where clients may authenticate by JWT, its algorithms are listed, RS256 among them and none not.",
			Means:    "Clients sign with an algorithm that is refused, or need not sign at all.",
		},
		Case{
			ID: "meta-revocation-endpoint", Section: "RFC 8414 §2", Level: Should,
			Expected: "A revocation_endpoint answers a client that authenticates as the metadata says (by client_secret_basic when it does not).",
			Means:    "Logging out does not end anything, and the client cannot tell.",
			Run:      worksAsSaid("revocation_endpoint", revoked),
		},
		Case{
			ID: "meta-introspection-endpoint", Section: "RFC 8414 §2", Level: BCP,
			Expected: "An introspection_endpoint answers a client that authenticates as the metadata says; where it says nothing there is nothing to be held to.",
			Means:    "Resource servers that ask about tokens cannot, and refuse them all.",
			Run:      worksAsSaid("introspection_endpoint", introspected),
		},
		Case{
			ID: "meta-pkce-methods", Section: "RFC 9700 §2.1.1; RFC 8414 §2", Level: Should, Run: inEach(authorizing(pkceMethods)),
			Expected: "Where there is an authorization endpoint, code_challenge_methods_supported lists S256.",
			Means:    "Clients leave out PKCE or use plain, and who sees an authorization code can use it.",
		},
		Case{
			ID: "meta-iss-param-flag", Section: "RFC 9207 §3", Level: BCP, Run: inEach(authorizing(issParameter)),
			Expected: "Where there is an authorization endpoint, authorization_response_iss_parameter_supported is true.",
			Means:    "Clients of several issuers can be made to send the code of one to another.",
		},
		Case{
			ID: "meta-dpop-algs", Section: "RFC 9449 §5.1, §4.2", Level: Must, Run: dpopAlgs,
			Expected: "Where DPoP is supported, its algorithms are listed, asymmetric ones only.",
			Means:    "Clients do not find out that they can bind their tokens, or do it with a secret that others know.",
		},
	)
}

func authSigningAlgs(doc answer) Verdict {
	const list = "token_endpoint_auth_signing_alg_values_supported"
	methods, _ := doc.list("token_endpoint_auth_methods_supported")
	byJWT := func(method string) bool { return method == "private_key_jwt" || method == "client_secret_jwt" }
	if !slices.ContainsFunc(methods, byJWT) {
		return absent("token_endpoint_auth_methods_supported lists neither private_key_jwt nor client_secret_jwt")
	}
	algs, ok := doc.list(list)
	switch {
	case !ok || len(algs) == 0:
		return fail("clients may authenticate by JWT, and %s is missing", list)
	case slices.Contains(algs, "none"):
		return fail("%s lists none", list)
	case !slices.Contains(algs, "RS256"):
		return Verdict{Warn, list + " does not list RS256"}
	}
	return pass()
}

// worksAsSaid asks an endpoint about a token that does not exist, as a client
// whose method is listed for it.
func worksAsSaid(member string, answered judge) func(context.Context, *Probe) Verdict {
	list := member + "_auth_methods_supported"
	return func(ctx context.Context, p *Probe) Verdict {
		p.documents(ctx) // the evidence
		if p.doc.text(member) == "" {
			return absent("there is no %s", member)
		}
		var def []string
		if member == "revocation_endpoint" {
			def = []string{AuthBasic} // RFC 8414 §2
		}
		methods := p.list(list, def...)
		if len(methods) == 0 { // RFC 8414 §2: then it is told elsewhere
			return absent("%s is missing, and has no default", list)
		}
		t := p.target
		c := first(func(c Client) bool { return slices.Contains(methods, c.method()) }, t.Client, t.Basic, t.Post, t.Public, t.Second)
		if !c.known() {
			return Verdict{Skipped, "give a client that authenticates by one of " + strings.Join(methods, ", ") + ", with --basic-client-id or --client-id"}
		}
		q := p.as(c, params{{"token", random("garbage")}})
		q.to = member
		a := p.send(ctx, q)
		if a.status == 401 || a.code() == "invalid_client" {
			return fail("client %s authenticates by %s, as it should, and is refused", c.ID, c.method())
		}
		return answered(a)
	}
}

func revoked(a answer) Verdict {
	if a.status != 200 { // RFC 7009 §2.2
		return fail("an unknown token is answered %d, not 200", a.status)
	}
	return pass()
}

func introspected(a answer) Verdict {
	if a.status == 403 {
		return undecided("the client may not introspect")
	}
	if active, ok := a.json["active"].(bool); a.status != 200 || !ok || active { // RFC 7662 §2.2
		return fail("an unknown token is not answered 200 with active false")
	}
	return pass()
}

// authorizing asks only of servers that have an authorization endpoint.
func authorizing(look judge) judge {
	return func(doc answer) Verdict {
		if doc.text("authorization_endpoint") == "" {
			return absent("there is no authorization_endpoint")
		}
		return look(doc)
	}
}

func pkceMethods(doc answer) Verdict {
	methods, _ := doc.list("code_challenge_methods_supported")
	if doc.json["code_challenge_methods_supported"] == nil { // RFC 9700 §2.1.1: RECOMMENDED, there may be another way to tell
		return Verdict{Warn, "code_challenge_methods_supported is missing: clients cannot see whether they can use PKCE"}
	}
	if !slices.Contains(methods, "S256") {
		return fail("code_challenge_methods_supported is %q, without S256", methods)
	}
	return pass()
}

func issParameter(doc answer) Verdict {
	if doc.json["authorization_response_iss_parameter_supported"] != true {
		return fail("authorization_response_iss_parameter_supported is not true")
	}
	return pass()
}

// dpopAlgs does not take silence for absence where it can try.
func dpopAlgs(ctx context.Context, p *Probe) Verdict {
	v := inEach(dpopList)(ctx, p)
	if v.Outcome != NA || !p.target.has(NeedClient) || !p.target.has(NeedUser) {
		return v
	}
	q := p.as(p.target.Client, p.passwordForm(p.target.User))
	q.header.Set("DPoP", newDPoPKey().proof(p.doc.text("token_endpoint"), "", time.Now()))
	if a := p.send(ctx, q); strings.EqualFold(a.text("token_type"), "DPoP") {
		return Verdict{Warn, "a DPoP proof gets a token that is bound to it, and dpop_signing_alg_values_supported, by which clients know, is missing"}
	}
	return v
}

func dpopList(doc answer) Verdict {
	const list = "dpop_signing_alg_values_supported"
	if doc.json[list] == nil {
		return absent("there is no " + list)
	}
	algs, ok := doc.list(list)
	if !ok || len(algs) == 0 {
		return fail("%s is not an array of algorithms", list)
	}
	for _, alg := range algs {
		if alg == "none" || strings.HasPrefix(alg, "HS") { // RFC 9449 §4.2
			return fail("%s lists %s", list, alg)
		}
	}
	return pass()
}
