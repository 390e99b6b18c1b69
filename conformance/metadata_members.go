package conformance

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

func metadataMemberCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-token-endpoint", Section: "RFC 8414 §2; RFC 6749 §3.2", Level: Must, Run: inEach(tokenEndpointForm),
			Expected: "token_endpoint is there, an absolute https URL without fragment.",
			Means:    "Clients do not know where to send passwords, or send them in the clear.",
		},
		Case{
			ID: "meta-jwks-uri", Section: "RFC 8414 §2; RFC 9068 §4", Level: Must, Run: jwksURIForm,
			Expected: "jwks_uri is https, can be fetched, and belongs to the issuer's domain; where access tokens are JWTs and it is missing, that is a warning.",
			Means:    "Resource servers cannot verify tokens, or take the keys from whoever is on the way.",
		},
		Case{
			ID: "meta-response-types", Section: "RFC 8414 §2, §3.2", Level: Must, Run: inEach(responseTypes),
			Expected: "response_types_supported is an array of strings; without an authorization endpoint it may be missing.",
			Means:    "Strict libraries refuse the document.",
		},
		Case{
			ID: "meta-no-empty-arrays", Section: "RFC 8414 §3.2; OIDC Discovery §4.2", Level: Must, Run: inEach(noEmptyArrays),
			Expected: "Members with no values are left out.",
			Means:    "Strict libraries refuse the document, lenient ones fall back on defaults that are not true.",
		},
		Case{
			ID: "meta-types", Section: "RFC 8414 §2", Level: Must, Run: inEach(memberTypes),
			Expected: "Registered members have the registered JSON type; endpoints are absolute https URLs.",
			Means:    "Libraries in typed languages refuse the whole document.",
		},
		Case{
			ID: "meta-unknown-members", Section: "RFC 8414 §2, §7.1", Level: BCP, Run: inEach(unknownMembers),
			Expected: "All members are registered; others are reported and never a failure.",
			Means:    "A misspelt member is one that no client reads, and nobody notices.",
		},
		Case{
			ID: "meta-scopes", Section: "RFC 8414 §2; RFC 6749 §3.3", Level: Should, Run: inEach(scopes),
			Expected: "scopes_supported holds legal scope values, openid among them for OpenID Connect.",
			Means:    "Clients ask for a scope that cannot be written in a request, or do not ask for openid where they need it.",
		},
		Case{
			ID: "meta-oidc-required", Section: "OIDC Discovery §3", Level: Must, Run: oidcRequired,
			Expected: "The document under the OpenID name has the members that OpenID Connect requires; a server that does not claim it may lack them.",
			Means:    "Libraries for OpenID Connect refuse the document.",
		},
		Case{
			ID: "meta-signing-algs-cover-keys", Section: "OIDC Discovery §3; measured go-oidc v3.21.0", Level: BCP, Run: algsCoverKeys,
			Expected: "id_token_signing_alg_values_supported lists the algorithm of every signing key: verifiers take their allow-list from it.",
			Means:    "After a change of algorithm, verifiers that take their list from here refuse every token.",
		},
	)
}

// notSecure says what keeps address from being an https URL, or "". Plain http
// is for loopback.
func notSecure(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return "not an absolute URL"
	case !safe(u):
		return "not https"
	}
	return ""
}

func tokenEndpointForm(doc answer) Verdict {
	address := doc.text("token_endpoint")
	switch why := notSecure(address); {
	case address == "":
		return fail("there is no token_endpoint")
	case why != "":
		return fail("token_endpoint %q is %s", address, why)
	case strings.Contains(address, "#"):
		return fail("token_endpoint %q has a fragment", address)
	}
	return pass()
}

func jwksURIForm(ctx context.Context, p *Probe) Verdict {
	address := p.doc.text("jwks_uri")
	if address == "" {
		if !p.target.has(NeedClient) || !p.target.has(NeedUser) {
			return Verdict{Skipped, "give " + string(NeedClient) + " and " + string(NeedUser) + ": without jwks_uri it takes a token to tell whether it is missing"}
		}
		p.accessToken(ctx) // n/a when it is no JWT
		p.documents(ctx)   // the evidence
		return Verdict{Warn, "access tokens are JWTs, and there is no jwks_uri: RFC 8414 §2 leaves it to the server, RFC 9068 §4 says SHOULD"}
	}
	if why := notSecure(address); why != "" {
		p.documents(ctx) // the evidence
		return fail("jwks_uri %q is %s", address, why)
	}
	if a := p.get(ctx, address, nil); a.status != 200 {
		return fail("jwks_uri answers %d", a.status)
	}
	if !related(p.target.Issuer, address) {
		return Verdict{Warn, "jwks_uri is at another domain than the issuer: who controls that one can sign"}
	}
	return pass()
}

// related reports whether two URLs have the same host, or hosts that share
// their last two labels. That is a guess at a domain's owner, good for a
// warning only.
func related(one, two string) bool {
	var tails [2]string
	for i, address := range []string{one, two} {
		u, err := url.Parse(address)
		if err != nil {
			return false
		}
		host := strings.ToLower(u.Hostname())
		labels := strings.Split(host, ".")
		if tails[i] = host; !loopback(u) {
			tails[i] = strings.Join(labels[max(0, len(labels)-2):], ".")
		}
	}
	return tails[0] == tails[1]
}

func responseTypes(doc answer) Verdict {
	value, there := doc.json["response_types_supported"]
	types, ok := doc.list("response_types_supported")
	switch {
	case there && !ok:
		return fail("response_types_supported is not an array of strings: %v", value)
	case len(types) > 0:
		return pass()
	case doc.text("authorization_endpoint") != "":
		return fail("there is an authorization_endpoint, and response_types_supported is missing or empty")
	}
	return Verdict{Warn, "response_types_supported is missing or empty: RFC 8414 §2 requires it, yet there is no authorization endpoint it could speak of"}
}

func noEmptyArrays(doc answer) Verdict {
	for _, name := range sortedNames(doc.json) {
		if values, ok := doc.json[name].([]any); ok && len(values) == 0 {
			return fail("%s is an empty array", name)
		}
	}
	return pass()
}

func memberTypes(doc answer) Verdict {
	registered := registeredMembers()
	for _, name := range sortedNames(doc.json) {
		if kind, ok := registered[name]; ok {
			if why := kind.mismatch(doc, name); why != "" {
				return fail("%s is %s", name, why)
			}
		}
	}
	return pass()
}

func unknownMembers(doc answer) Verdict {
	registered := registeredMembers()
	unknown := slices.DeleteFunc(sortedNames(doc.json), func(name string) bool { _, ok := registered[name]; return ok })
	if len(unknown) > 0 {
		return fail("not registered: %s", strings.Join(unknown, ", "))
	}
	return pass()
}

// openID says by what the document claims OpenID Connect, or "".
func openID(doc answer) string {
	scopes, _ := doc.list("scopes_supported")
	types, _ := doc.list("response_types_supported")
	switch {
	case slices.Contains(scopes, "openid"):
		return "the scope openid"
	case doc.text("userinfo_endpoint") != "":
		return "a userinfo_endpoint"
	case strings.Contains(strings.Join(types, " "), "id_token"):
		return "a response type with id_token"
	}
	return ""
}

func scopes(doc answer) Verdict {
	if doc.json["scopes_supported"] == nil {
		return absent("there is no scopes_supported")
	}
	list, ok := doc.list("scopes_supported")
	if !ok {
		return fail("scopes_supported is not an array of strings")
	}
	for _, scope := range list {
		if scope == "" || strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) { // RFC 6749 §3.3
			return fail("%q is not a legal scope value", scope)
		}
	}
	if claim := openID(doc); claim != "" && !slices.Contains(list, "openid") {
		return fail("OpenID Connect is claimed by %s, and openid is not listed", claim)
	}
	return pass()
}

func oidcRequired(ctx context.Context, p *Probe) Verdict {
	doc := p.get(ctx, p.target.oidcURL(), nil)
	if !served(doc) {
		return absent("no document under the OpenID name: it answers %d", doc.status)
	}
	var missing []string
	for _, name := range []string{"authorization_endpoint", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"} {
		if doc.json[name] == nil {
			missing = append(missing, name)
		}
	}
	if algs, ok := doc.list("id_token_signing_alg_values_supported"); ok && !slices.Contains(algs, "RS256") {
		missing = append(missing, "RS256 in id_token_signing_alg_values_supported")
	}
	switch claim := openID(doc); {
	case len(missing) == 0:
		return pass()
	case claim == "":
		return Verdict{Warn, "OpenID Connect is not claimed; its clients would miss " + strings.Join(missing, ", ")}
	default:
		return fail("OpenID Connect is claimed by %s; missing: %s", claim, strings.Join(missing, ", "))
	}
}

func algsCoverKeys(ctx context.Context, p *Probe) Verdict {
	keys := p.keySet(ctx)
	docs := p.documents(ctx)
	last := docs[len(docs)-1] // the OpenID one, if it is there: its readers are the ones concerned
	listed, ok := last.json["id_token_signing_alg_values_supported"].([]any)
	if !ok && last.json["subject_types_supported"] == nil && len(docs) < 2 {
		return absent("no OpenID document and no id_token_signing_alg_values_supported")
	}
	for _, k := range keys {
		alg, _ := k["alg"].(string)
		if alg != "" && k["use"] != "enc" && !slices.Contains(listed, any(alg)) {
			return fail("%s is the algorithm of a key and not listed", alg)
		}
	}
	return pass()
}
