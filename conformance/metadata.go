package conformance

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
)

func metadataCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-8414-path", Section: "RFC 8414 §3, §3.1", Level: Must, Run: oauthPath,
			Expected: "The document is at the well-known segment between host and path of the issuer.",
		},
		Case{
			ID: "meta-oidc-path", Section: "OIDC Discovery §4; RFC 8414 §5", Level: Should, Run: oidcPath,
			Expected: "The document is also under {issuer}/.well-known/openid-configuration, the only place some verifiers know.",
		},
		Case{
			ID: "meta-issuer-identical", Section: "RFC 8414 §3.3, §4; OIDC Discovery §4.3", Level: Must, Run: issuerIdentical,
			Expected: "issuer is the given issuer, character by character.",
		},
		Case{
			ID: "meta-both-agree", Section: "RFC 8414 §5", Level: Should, Run: bothAgree,
			Expected: "A member that stands in both documents has the same value in both.",
		},
		Case{
			ID: "meta-no-empty-arrays", Section: "RFC 8414 §3.2; OIDC Discovery §4.2", Level: Must, Run: noEmptyArrays,
			Expected: "Members with no values are left out.",
		},
		Case{
			ID: "meta-grants-truth", Section: "RFC 8414 §2", Level: Must, Needs: signsIn(), Run: grantsTruth,
			Expected: "Advertised grants are supported, and grants that work are advertised (authorization_code and implicit when there is no list).",
		},
		Case{
			ID: "meta-signing-algs-cover-keys", Section: "OIDC Discovery §3", Level: BCP, Run: algsCoverKeys,
			Expected: "id_token_signing_alg_values_supported lists the algorithm of every signing key: verifiers take their allow-list from it.",
		},
	)
}

func oauthPath(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.target.oauthURL(), nil)
	if a.status != 200 || a.json == nil {
		return fail("no document there")
	}
	return pass()
}

func oidcPath(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.target.oidcURL(), nil)
	switch {
	case a.status == 404:
		return absent("404: no claim to OpenID Connect; go-oidc, Kubernetes and others will not find this issuer")
	case a.status != 200 || a.json == nil:
		return fail("neither a document nor 404")
	}
	return pass()
}

// documents fetches those of the two documents that are served.
func (p *Probe) documents(ctx context.Context) []answer {
	var served []answer
	for _, address := range []string{p.target.oauthURL(), p.target.oidcURL()} {
		if a := p.get(ctx, address, nil); a.status == 200 && a.json != nil {
			served = append(served, a)
		}
	}
	if len(served) == 0 {
		panic(stop{undecided("no metadata document is served")})
	}
	return served
}

func issuerIdentical(ctx context.Context, p *Probe) Verdict {
	for _, doc := range p.documents(ctx) {
		if got := doc.text("issuer"); got != p.target.Issuer {
			return fail("issuer is %q, asked for %q", got, p.target.Issuer)
		}
	}
	return pass()
}

func bothAgree(ctx context.Context, p *Probe) Verdict {
	docs := p.documents(ctx)
	if len(docs) < 2 {
		return absent("only one of the two documents is served")
	}
	var differ []string
	for _, name := range sortedNames(docs[0].json) {
		if other, ok := docs[1].json[name]; ok && !reflect.DeepEqual(docs[0].json[name], other) {
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 {
		return fail("the documents differ in %s", strings.Join(differ, ", "))
	}
	return pass()
}

func noEmptyArrays(ctx context.Context, p *Probe) Verdict {
	for _, doc := range p.documents(ctx) {
		for _, name := range sortedNames(doc.json) {
			if values, ok := doc.json[name].([]any); ok && len(values) == 0 {
				return fail("%s is an empty array", name)
			}
		}
	}
	return pass()
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
