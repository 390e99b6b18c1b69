package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
)

func metadataTruthCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-grants-truth", Section: "RFC 8414 §2", Level: Must, Needs: signsIn(), Run: grantsTruth,
			Expected: "Advertised grants are supported, and grants that work are advertised (authorization_code and implicit when there is no list).",
			Means:    "Clients choose a way to sign in that does not work, or leave out the one that does.",
		},
		Case{
			ID: "meta-auth-methods-truth", Section: "RFC 8414 §2", Level: Must, Needs: signsIn(), Run: authMethodsTruth,
			Expected: "Advertised client authentication methods work, and others do not (only client_secret_basic does when there is no list).",
			Means:    "Clients authenticate in a way that does not work; and a way that nobody announced is one that nobody watches.",
		},
	)
}

// placeholder returns parameters that make a request of a grant well-formed,
// not valid.
func placeholder(grant string) params {
	switch grant {
	case "authorization_code":
		return params{{"code", "no-such-code"}, {"redirect_uri", "https://client.invalid/"}}
	case "refresh_token":
		return params{{"refresh_token", "no-such-token"}}
	case "urn:ietf:params:oauth:grant-type:device_code":
		return params{{"device_code", "no-such-code"}}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return params{{"assertion", "e30.e30.e30"}}
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		return params{{"subject_token", "no-such-token"}, {"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"}}
	}
	return nil
}

func grantsTruth(ctx context.Context, p *Probe) Verdict {
	client, list := p.target.Client, p.list("grant_types_supported", "authorization_code", "implicit")
	for _, grant := range list {
		if grant == "implicit" || grant == "password" { // the one has no token endpoint, the other is tried below
			continue
		}
		a := p.send(ctx, p.as(client, slices.Concat(params{{"grant_type", grant}}, placeholder(grant))))
		if a.code() == "unsupported_grant_type" {
			return fail("%s is advertised and not supported", grant)
		}
	}
	works := map[string]bool{}
	a := p.send(ctx, p.as(client, p.passwordForm(p.target.User)))
	if a.code() == "unsupported_grant_type" && slices.Contains(list, "password") {
		return fail("password is advertised and not supported")
	}
	t, ok := newTokens(a, nil)
	if !ok && a.code() != "unsupported_grant_type" {
		return undecided("the valid password request does not work, so whether the grant does cannot be told")
	}
	if works["password"] = ok; t.refresh != "" {
		_, works["refresh_token"] = newTokens(p.send(ctx, p.as(client, refreshForm(t.refresh))), nil)
	}
	for _, grant := range slices.Sorted(maps.Keys(works)) {
		if works[grant] && !slices.Contains(list, grant) {
			return fail("%s works and is not advertised", grant)
		}
	}
	return pass()
}

func authMethodsTruth(ctx context.Context, p *Probe) Verdict {
	const list = "token_endpoint_auth_methods_supported"
	advertised := p.list(list, AuthBasic)
	var untried []string
	for _, method := range advertised {
		if method == AuthKey && p.target.has(NeedJWT) {
			if _, ok := p.tryAssertion(ctx); !ok {
				return fail("%s is advertised, and client %s is refused with it", method, p.target.JWT.ID)
			}
			continue
		}
		c := p.target.clientOf(method)
		if !c.known() {
			untried = append(untried, method)
			continue
		}
		a := p.send(ctx, p.as(c, p.passwordForm(p.target.User)))
		switch _, ok := newTokens(a, nil); {
		case ok:
		case a.status == 401 || a.code() == "invalid_client":
			return fail("%s is advertised, and client %s is refused with it", method, c.ID)
		default:
			return undecided("the valid password request of client %s does not work, and not because of the client", c.ID)
		}
	}
	if len(untried) == len(advertised) {
		return undecided("%s lists %s: there is no client to try any of them with", list, strings.Join(advertised, ", "))
	}
	for _, method := range []string{AuthBasic, AuthPost, AuthNone} {
		c := or(p.target.clientOf(method), p.target.confidential())
		if c.Method = method; slices.Contains(advertised, method) || !c.known() {
			continue
		}
		if _, ok := newTokens(p.send(ctx, p.as(c, p.passwordForm(p.target.User))), nil); ok {
			v := fail("%s works for client %s and is not advertised", method, c.ID)
			if method == AuthNone { // it is no authentication: some leave it out for that
				v.Outcome = Warn
			}
			return v
		}
	}
	if len(untried) > 0 {
		return Verdict{Pass, "not tried: " + strings.Join(untried, ", ")}
	}
	return pass()
}

// clientOf returns a client that is registered for method.
func (t Target) clientOf(method string) Client {
	switch method {
	case AuthBasic:
		return t.basic()
	case AuthPost:
		return t.post()
	case AuthNone:
		return t.public()
	}
	return Client{}
}
