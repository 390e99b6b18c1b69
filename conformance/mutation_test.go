package conformance_test

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// mutations says which broken rules each case must notice.
var mutations = map[string]string{
	"meta-8414-path":          "no-8414",
	"meta-oidc-path":          "oidc-500",
	"meta-status-ct":          "doc-html doc-redirect doc-203",
	"meta-json-strict":        "doc-twice doc-bom doc-trailing doc-latin1",
	"meta-issuer-identical":   "issuer-slash",
	"meta-issuer-form":        "issuer-query issuer-user issuer-cleartext issuer-relative",
	"meta-issuer-host-header": "host-trusted forwarded-trusted forwarded-changes",
	"meta-issuer-path-tenant": "any-tenant",
	"meta-both-agree":         "docs-differ",

	"meta-token-endpoint":          "no-token-endpoint cleartext token-fragment",
	"meta-jwks-uri":                "no-jwks-uri jwks-cleartext jwks-gone",
	"meta-response-types":          "response-types-string authorize-no-types",
	"meta-no-empty-arrays":         "empty-array",
	"meta-types":                   "flag-string list-string list-mixed page-relative endpoint-cleartext text-number object-string",
	"meta-unknown-members":         "unknown-member own-in-oauth own-in-openid",
	"meta-scopes":                  "scope-illegal openid-unlisted",
	"meta-oidc-required":           "openid-partial",
	"meta-signing-algs-cover-keys": "alg-unlisted",

	"meta-grants-truth":           "grant-unlisted grant-untrue password-off",
	"meta-auth-methods-truth":     "no-post no-public post-unlisted basic-only",
	"meta-auth-signing-algs":      "jwt-auth-no-algs jwt-auth-none",
	"meta-revocation-endpoint":    "revocation-refuses revocation-400",
	"meta-introspection-endpoint": "introspection-silent introspection-active",
	"meta-pkce-methods":           "authorize-plain",
	"meta-iss-param-flag":         "authorize-no-iss",
	"meta-dpop-algs":              "dpop-symmetric dpop-silent",

	"meta-cors":                 "no-cors no-preflight cors-credentials",
	"meta-cache":                "doc-no-store doc-no-cache",
	"meta-head":                 "head-404 head-bare",
	"meta-method-post":          "doc-post doc-no-allow",
	"meta-endpoints-https-only": "http-too",
	"meta-endpoints-alive":      "dead-endpoint broken-endpoint",

	"jwks-status-ct":        "jwks-text jwks-203",
	"jwks-keys-array":       "no-keys key-string empty-keys jwks-trailing",
	"jwks-json-strict":      "jwks-twice jwks-bom jwks-trailing jwks-latin1",
	"jwks-no-oct":           "oct-key",
	"jwks-kty":              "no-kty",
	"jwks-required-members": "no-y rsa-no-e okp-no-crv",
	"jwks-base64url":        "padded line-break stray-bits leading-zero",

	"jwks-no-private":      "private-member",
	"jwks-kid-present":     "no-kid",
	"jwks-kid-unique":      "same-kid",
	"jwks-cache-control":   "max-age-0",
	"jwks-etag":            "no-etag etag-ignored",
	"jwks-verifies-issued": "unpublished-key token-no-kid same-kid",

	"tok-post-only":             "any-method no-allow",
	"tok-query-params-ignored":  "query-merged",
	"tok-ct-json":               "json-body",
	"tok-ct-multipart":          "multipart-body",
	"tok-dup-grant-type":        "duplicates",
	"tok-dup-scope":             "duplicates",
	"tok-dup-username":          "duplicates",
	"tok-unknown-param":         "unknown-refused",
	"tok-empty-param":           "empty-kept",
	"tok-empty-required":        "empty-kept",
	"tok-grant-missing":         "no-grant-unsupported errors-with-token",
	"tok-grant-unknown":         "unknown-grant-invalid",
	"tok-success-200":           "created",
	"tok-success-ct":            "as-text",
	"tok-success-members":       "expires-string",
	"tok-no-store":              "storable",
	"tok-no-store-errors":       "errors-storable",
	"tok-error-400":             "errors-200",
	"tok-error-code-registered": "own-codes",

	"cauth-basic-ok":                "no-basic",
	"cauth-basic-percent-alnum":     "basic-compared-encoded",
	"cauth-basic-wrong-401":         "basic-400 any-secret",
	"cauth-basic-wrong-www-auth":    "no-challenge no-realm",
	"cauth-www-auth-only-on-401":    "challenge-always",
	"cauth-post-ok":                 "no-post",
	"cauth-public-ok":               "no-public",
	"cauth-confidential-needs-auth": "secret-optional",
	"cauth-unknown-client-same":     "unknown-client-told any-secret",
	"cauth-query-secret":            "query-secret",
	"cauth-two-methods":             "two-methods",
	"cauth-basic-plus-other-id":     "other-id",

	"pw-ok":               "password-off",
	"pw-bad-password":     "bad-password-403 any-password",
	"pw-unknown-user":     "unknown-user-told any-password",
	"pw-missing-username": "missing-is-wrong",
	"pw-throttle-user":    "no-throttle no-retry-after lock-out any-password",

	"rt-ok":                     "refresh-off same-access jti-session",
	"rt-unknown":                "unknown-refresh-request",
	"rt-tampered":               "prefix-lookup",
	"rt-client-bound":           "unbound",
	"rt-rotated-public":         "no-rotation",
	"rt-reuse-revokes-family":   "reuse-unnoticed reuse-answered",
	"rt-race-16":                "fork race-500",
	"rt-scope-narrow":           "narrow-ignored",
	"rt-scope-narrow-then-full": "narrow-sticks",
	"rt-scope-widen":            "widen widen-silently",

	"intro-active":        "introspection-text introspection-sub",
	"intro-auth-required": "introspection-open secret-optional any-secret",
	"intro-inactive":      "introspection-active",
	"intro-hint-wrong":    "hint-believed",
	"intro-get":           "introspection-get",
	"intro-missing-token": "introspection-anything",
	"intro-tampered-jwt":  "introspection-unverified",
	"intro-revoked-now":   "introspection-stale revocation-idle",

	"at-typ":          "typ-jwt",
	"at-kid":          "token-no-kid other-kids",
	"at-exp":          "exp-string exp-past",
	"at-iat":          "iat-ahead iat-fraction",
	"at-nbf-harmless": "nbf-ahead",
	"at-aud":          "no-aud aud-client",
	"at-client-id":    "client-id-other",
	"at-sub":          "sub-random sub-empty",
	"at-jti":          "jti-session jti-short",

	"http-nosniff": "sniff",
}

// short are the cases that cannot end in a pass at the issuer of these tests:
// it is on loopback, and claims little.
var short = map[string]conformance.Outcome{
	"meta-issuer-form":          conformance.Warn,
	"meta-response-types":       conformance.Warn,
	"meta-oidc-required":        conformance.Warn,
	"meta-auth-signing-algs":    conformance.NA,
	"meta-pkce-methods":         conformance.NA,
	"meta-iss-param-flag":       conformance.NA,
	"meta-dpop-algs":            conformance.NA,
	"meta-endpoints-https-only": conformance.NA,
}

// right reports whether r is what an issuer that keeps the rules gets.
func right(r conformance.Result) bool {
	if want, ok := short[r.ID]; ok {
		return r.Outcome == want && r.Why != ""
	}
	return r.Outcome == conformance.Pass
}

func run(t *testing.T, target conformance.Target, o conformance.Options) conformance.Report {
	t.Helper()
	report, err := conformance.Run(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAnIssuerThatKeepsTheRulesPasses(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	report := run(t, is.target(), conformance.Options{Abuse: true})
	if len(report.Results) != len(conformance.Cases()) {
		t.Errorf("%d results of %d cases", len(report.Results), len(conformance.Cases()))
	}
	for _, r := range report.Results {
		if !right(r) || r.Outcome == conformance.Pass && r.Why != "" {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
	noSecrets(t, is, report)
}

func TestEveryCaseCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range conformance.Cases() {
		if mutations[c.ID] == "" {
			t.Errorf("%s: no mutation", c.ID)
		}
		for _, mutation := range strings.Fields(mutations[c.ID]) {
			t.Run(c.ID+"/"+mutation, func(t *testing.T) {
				t.Parallel()
				is := newIssuer(t, mutation)
				target := is.target()
				if mutation == "http-too" {
					is, target = newFarIssuer(t, mutation)
				}
				r := run(t, target, conformance.Options{Only: []string{c.ID}, Abuse: true, Rate: 1000})
				want := conformance.Warn
				if c.Level == conformance.Must {
					want = conformance.Fail
				}
				got := r.Results[0]
				if got.Outcome != want || got.Why == "" || got.Sent == "" || got.Got == "" {
					t.Errorf("%+v, want %s with evidence", got, want)
				}
				noSecrets(t, is, r)
			})
		}
	}
	if len(mutations) != len(conformance.Cases()) {
		t.Errorf("mutations for %d cases of %d", len(mutations), len(conformance.Cases()))
	}
}

// One broken rule must not look like many: what does not pass under a mutation
// is listed here in full.
func TestMutationsAreNarrow(t *testing.T) {
	t.Parallel()
	for mutation, want := range map[string]string{
		"sniff":         "http-nosniff",
		"typ-jwt":       "at-typ",
		"nbf-same":      "",
		"storable":      "tok-no-store",
		"as-text":       "tok-success-ct",
		"created":       "tok-success-200 rt-ok",
		"unbound":       "rt-client-bound",
		"docs-differ":   "meta-both-agree",
		"empty-array":   "meta-no-empty-arrays",
		"max-age-0":     "jwks-cache-control",
		"two-methods":   "cauth-two-methods",
		"narrow-sticks": "rt-scope-narrow-then-full",
		"duplicates":    "tok-dup-grant-type tok-dup-scope tok-dup-username",
		"jti-session":   "rt-ok at-jti",
		"token-no-kid":  "jwks-verifies-issued at-kid",
		"no-rotation":   "rt-rotated-public rt-reuse-revokes-family",
		"no-cors":       "meta-cors",
		"head-404":      "meta-head",
		"doc-post":      "meta-method-post",
		"doc-html":      "meta-status-ct",
		"doc-no-cache":  "meta-cache",
		"doc-latin1":    "meta-json-strict",
		"any-tenant":    "meta-issuer-path-tenant",
		"flag-string":   "meta-types",
		"scope-illegal": "meta-scopes",
		"dead-endpoint": "meta-endpoints-alive",
		"jwks-text":     "jwks-status-ct",
		"jwks-twice":    "jwks-json-strict",
		"leading-zero":  "jwks-base64url",
		"post-unlisted": "meta-auth-methods-truth cauth-post-ok",
	} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, r := range run(t, newIssuer(t, mutation).target(), conformance.Options{Skip: []string{"*-race-*", "pw-throttle-*"}}).Results {
				if !right(r) {
					got = append(got, r.ID)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("not passed: %q, want %q", got, want)
			}
		})
	}
}

func TestCaseTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conformance.Cases() {
		switch {
		case seen[c.ID]:
			t.Errorf("%s: twice", c.ID)
		case c.Section == "" || c.Expected == "" || c.Group == "" || c.Run == nil:
			t.Errorf("%s: incomplete", c.ID)
		case c.Level != conformance.Must && c.Level != conformance.Should && c.Level != conformance.BCP:
			t.Errorf("%s: level %q", c.ID, c.Level)
		}
		seen[c.ID] = true
	}
}
