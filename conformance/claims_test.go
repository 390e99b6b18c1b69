package conformance_test

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What is claimed and right passes; what the specifications leave undecided
// warns, though it is about a MUST; what is not claimed is not applicable.
func TestClaims(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mutation, id string
		want         conformance.Outcome
		why          string
	}{
		{"no-8414", "meta-8414-path", conformance.Warn, "OpenID Connect's document only"},
		{"no-jwks-uri", "meta-jwks-uri", conformance.Warn, "no jwks_uri"},
		{"doc-twice", "meta-json-strict", conformance.Warn, "comes twice"},
		{"issuer-user", "meta-issuer-form", conformance.Warn, "a user in it"},
		{"dpop-silent", "meta-dpop-algs", conformance.Warn, "is missing"},
		{"exp-fraction", "at-exp", conformance.Pass, ""},
		{"aud-client", "at-aud", conformance.Warn, "unless the client is one"},
		{"cc-as-user", "at-client-credentials-sub", conformance.Warn, "in the user's tokens"},
		{"id-token-aud", "at-not-id-token", conformance.Warn, "only the typ"},
		{"typ-jwt id-token", "at-not-id-token", conformance.Warn, "only the audience"},
		{"typ-jwt id-token-aud", "at-not-id-token", conformance.Fail, "and the audience"},
		{"token-no-kid", "jwks-verifies-issued", conformance.Warn, "names no key"},
		{"same-kid", "jwks-verifies-issued", conformance.Warn, "several keys"},
		{"query-echoed", "tok-get-query-password", conformance.Warn, "has the password"},
		{"introspection-sub", "intro-active", conformance.Warn, "sub differs"},
		{"same-access", "rt-ok", conformance.Warn, "the old one"},
		{"extra-refused", "rt-extra-params", conformance.Warn, "what stands beside"},
		{"revocation-late", "rev-refresh", conformance.Warn, "once more"},
		{"no-retry-after", "pw-throttle-user", conformance.Warn, "without Retry-After"},
		{"lock-out", "pw-throttle-user", conformance.Warn, "after Retry-After"},
		{"locks-quietly", "pw-throttle-user", conformance.Warn, "stops the user"},
		{"rotate-at-once", "rot-announce-before-use", conformance.Warn, "fetched just before"},
		{"narrow-ignored", "rt-scope-narrow", conformance.Warn, "asked for"},
		{"jti-short", "at-jti", conformance.Warn, "too short"},
		{"none-unlisted", "meta-auth-methods-truth", conformance.Warn, "none works"},
		{"empty-keys", "jwks-keys-array", conformance.Warn, "keys is empty"},
		{"refresh-lenient", "rt-tampered", conformance.Warn, "character 66 of 66"},
		{"iat-near", "at-iat", conformance.Warn, "ahead"},
		{"no-jwt-auth", "meta-auth-signing-algs", conformance.NA, "private_key_jwt"},
		{"no-jwt-auth", "cauth-pkjwt-ok", conformance.NA, "private_key_jwt"},
		{"jwt-auth-no-rs", "meta-auth-signing-algs", conformance.Warn, "RS256"},
		{"revocation-unsaid", "meta-revocation-endpoint", conformance.Pass, ""},
		{"no-revocation", "meta-revocation-endpoint", conformance.NA, "no revocation_endpoint"},
		{"revocation-by-jwt", "meta-revocation-endpoint", conformance.Skipped, "--client-id"},
		{"no-introspection", "meta-introspection-endpoint", conformance.NA, "no introspection_endpoint"},
		{"no-introspection", "intro-active", conformance.NA, "no introspection_endpoint"},
		{"introspection-403", "intro-inactive", conformance.Skipped, "may not introspect"},
		{"introspection-blind", "intro-inactive", conformance.Inconclusive, "its own access token"},
		{"introspection-talks", "intro-inactive", conformance.Warn, "active iss"},
		{"introspection-aud-list", "intro-active", conformance.Pass, ""},
		{"opaque", "intro-active", conformance.Pass, ""},
		{"opaque", "intro-tampered-jwt", conformance.NA, "not a signed JWT"},
		{"no-revocation", "intro-revoked-now", conformance.NA, "no revocation_endpoint"},
		{"no-refresh", "intro-revoked-now", conformance.NA, "no refresh token"},
		{"revocation-400", "intro-revoked-now", conformance.Inconclusive, "answered 400"},
		{"introspection-403", "meta-introspection-endpoint", conformance.Inconclusive, "may not"},
		{"password-unlisted", "pw-legacy-notice", conformance.Pass, ""},
		{"no-throttle", "pw-throttle-format", conformance.NA, "not answered 429"},
		{"case-folds opaque", "pw-case-username", conformance.NA, "not a signed JWT"},
		{"case-folds", "pw-case-username", conformance.Pass, ""},
		{"no-refresh", "pw-no-refresh-unless", conformance.NA, "no refresh token"},
		{"scope-subset", "pw-scope-cap", conformance.Pass, ""},
		{"scope-spaces", "tok-scope-syntax", conformance.Warn, "stray spaces"},
		{"opaque", "tok-success-scope-echo", conformance.NA, "not a signed JWT"},
		{"opaque", "tok-success-expires-truth", conformance.NA, "not a signed JWT"},
		{"no-expires", "tok-success-expires-truth", conformance.Pass, ""},
		{"scope-subset", "tok-scope-case", conformance.Pass, ""},
		{"no-refresh", "tok-dup-each", conformance.Pass, ""},
		{"basic-only", "tok-dup-each", conformance.Pass, ""},
		{"any-secret", "tok-grant-not-allowed", conformance.Pass, ""},
		{"no-basic", "tok-grant-not-allowed", conformance.Inconclusive, "would prove nothing"},
		{"authorize", "meta-pkce-methods", conformance.Pass, ""},
		{"authorize", "meta-iss-param-flag", conformance.Pass, ""},
		{"authorize", "meta-response-types", conformance.Pass, ""},
		{"empty-array", "meta-response-types", conformance.Warn, "no authorization endpoint"},
		{"dpop", "meta-dpop-algs", conformance.Pass, ""},
		{"openid", "meta-oidc-required", conformance.Pass, ""},
		{"openid", "meta-scopes", conformance.Pass, ""},
		{"no-oidc", "meta-oidc-required", conformance.NA, "404"},
		{"no-scopes", "meta-scopes", conformance.NA, "scopes_supported"},
		{"opaque no-jwks-uri", "meta-jwks-uri", conformance.NA, "not a signed JWT"},
		{"jwks-elsewhere", "meta-jwks-uri", conformance.Warn, "another domain"},
		{"scope-elsewhere-dropped", "res-scope-per-resource", conformance.Pass, ""},
		{"kids-computed", "jwks-thumbprint-kid", conformance.Pass, "2 of 3"},
		{"kty-unknown", "jwks-kty", conformance.Pass, "quantum"},
		{"no-use", "jwks-use-sig", conformance.Pass, "[1] do not say"},
		{"ops-only", "jwks-use-vs-key-ops", conformance.Pass, ""},
		{"rs256-promised", "jwks-has-rs256", conformance.Warn, "no key is for it"},
		{"token-jwe", "at-three-parts", conformance.NA, "not a signed JWT"},
		{"opaque", "at-three-parts", conformance.NA, "not a signed JWT"},
		{"opaque", "at-charset", conformance.Pass, ""},
		{"alg-hs", "at-alg", conformance.Warn, "whoever can verify"},
		{"claim-case", "at-json-unique", conformance.Warn, "but for case"},
		{"acr-amr", "at-auth-time", conformance.Pass, ""},
		{"no-auth-time", "at-auth-time", conformance.NA, "none of auth_time"},
		{"no-refresh", "at-auth-time", conformance.Pass, ""},
		{"roles-scim", "at-groups-roles", conformance.Pass, ""},
		{"no-roles", "at-groups-roles", conformance.NA, "none of groups"},
		{"sig-zero", "at-ecdsa-raw", conformance.Fail, "r is not from 1"},
		{"claim-password", "at-no-pii", conformance.Warn, "a password"},
		{"id-token", "at-not-id-token", conformance.Pass, ""},
		{"cc", "at-client-credentials-sub", conformance.Pass, ""},
		{"cc-service", "at-client-credentials-sub", conformance.Pass, "not the client_id"},
		{"grant-untrue", "at-client-credentials-sub", conformance.Inconclusive, "no token of its own"},
		{"dpop-bound-two", "at-cnf", conformance.Warn, "more than jkt"},
		{"api-status", "bear-missing", conformance.Warn, "not 401"},
		{"dpop-bound", "at-cnf", conformance.Pass, ""},
		{"dpop-bound-nonce", "at-cnf", conformance.Pass, ""},
		{"dpop", "at-cnf", conformance.Inconclusive, "no token that is bound"},
		{"keys-rotate", "jwks-stable", conformance.Pass, ""},
		{"dpop-bound", "intro-cnf", conformance.Pass, ""},
		{"intro-jwt", "intro-jwt-response", conformance.Pass, ""},
		{"introspection-of-all introspection-aud-client", "intro-client-token", conformance.NA, "is the audience"},
		{"no-refresh", "intro-refresh-hidden", conformance.NA, "no refresh token"},
		{"introspection-of-access", "intro-refresh-hidden", conformance.Pass, ""},
		{"api-gone", "bear-header-ok", conformance.Inconclusive, "--scope"},
		{"api-busy", "bear-header-ok", conformance.Inconclusive, "busy"},
		{"api-deaf", "bear-missing", conformance.Inconclusive, "would prove nothing"},
		{"api-error-always", "bear-missing", conformance.Warn, "no token"},
		{"api-status", "bear-invalid", conformance.Warn, "not 401"},
		{"api-no-scope", "bear-scope", conformance.NA, "enough by itself"},
		{"api-second", "bear-www-auth-syntax", conformance.Pass, ""},
		{"api-first", "bear-missing", conformance.Pass, ""},
		{"api-query-strict", "bear-two-methods", conformance.Pass, ""},
		{"api-body-strict", "bear-two-methods", conformance.Pass, ""},
		{"api-header-only", "bear-two-methods", conformance.NA, "header only"},
		{"api-private", "bear-cache", conformance.Pass, ""},
		{"introspection-little", "intro-aud-isolation", conformance.Pass, "told less: active exp"},
		{"introspection-api-blind", "intro-aud-isolation", conformance.Inconclusive, "nothing else would prove"},
		{"aud-array", "intro-aud-isolation", conformance.Pass, ""},
		{"aud-one", "intro-aud-isolation", conformance.Inconclusive, "of both clients are for"},
		{"no-introspection", "intro-aud-isolation", conformance.NA, "no introspection_endpoint"},
		{"sub-random", "at-sub", conformance.Warn, "another sub"},
		{"opaque api-no-code", "bear-invalid", conformance.Warn, "not 401 with"},
		{"rsa-factor", "jwks-rsa-weak", conformance.Warn, "that 3 divides"},
		{"rsa-shared", "jwks-rsa-weak", conformance.Warn, "in common with"},
		{"rsa-roca", "jwks-rsa-weak", conformance.Warn, "Infineon"},
		{"x5c", "jwks-x5c-matches", conformance.Pass, ""},
		{"no-y", "jwks-rsa-2048", conformance.Pass, ""},
		{"no-jwks-uri", "jwks-base64url", conformance.NA, "jwks_uri"},
		{"jwks-gone", "jwks-json-strict", conformance.Inconclusive, "404"},
		{"password-off", "meta-auth-methods-truth", conformance.Inconclusive, "not because of the client"},
		{"no-8414 no-oidc", "meta-json-strict", conformance.Inconclusive, "no metadata"},
	} {
		r := only(t, newIssuer(t, strings.Fields(tc.mutation)...).target(), tc.id)
		if r.Outcome != tc.want || !strings.Contains(r.Why, tc.why) || tc.why == "" && r.Why != "" {
			t.Errorf("%s under %s: %s %q, want %s with %q", tc.id, tc.mutation, r.Outcome, r.Why, tc.want, tc.why)
		}
	}
}

// Of two documents the worse one decides and is the evidence.
func TestEvidenceIsTheWorseDocument(t *testing.T) {
	t.Parallel()
	for mutation, where := range map[string]string{"own-in-oauth": "oauth-authorization-server", "own-in-openid": "openid-configuration"} {
		r := only(t, newIssuer(t, mutation).target(), "meta-unknown-members")
		if !strings.Contains(r.Sent, where) || !strings.Contains(r.Got, "x_own") {
			t.Errorf("%s: sent %s, got %s", mutation, r.Sent, r.Got)
		}
	}
}

func TestWithoutInputs(t *testing.T) {
	t.Parallel()
	bare := conformance.Target{Issuer: newIssuer(t, "no-jwks-uri").url}
	if r := only(t, bare, "meta-jwks-uri"); r.Outcome != conformance.Skipped || !strings.Contains(r.Why, "--username") {
		t.Errorf("no way to tell whether tokens are JWTs: %s %q", r.Outcome, r.Why)
	}
	is := newIssuer(t, "basic-only")
	target := is.target()
	target.Client, target.Second = target.Public, conformance.Client{}
	target.Post, target.Public = conformance.Client{}, conformance.Client{}
	if r := only(t, target, "meta-auth-methods-truth"); r.Outcome != conformance.Inconclusive || !strings.Contains(r.Why, "no client") {
		t.Errorf("no client of an advertised method: %s %q", r.Outcome, r.Why)
	}
}

// Inputs that cannot show what a case is about.
func TestInputsThatShowLess(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	for _, tc := range []struct {
		id   string
		less func(*conformance.Target)
		want conformance.Outcome
		why  string
	}{
		{"pw-long-password", func(t *conformance.Target) { t.User, t.Victim = t.Victim, t.User }, conformance.Pass, "shorter than 72 bytes"},
		{"pw-utf8-password", func(t *conformance.Target) { t.Victim.Password = "not-a-pässword" }, conformance.Inconclusive, "--user2-password-file"},
		{"pw-scope-cap", func(t *conformance.Target) { t.Forbidden = "nobodys" }, conformance.Inconclusive, "would prove nothing"},
		{"tok-scope-case", func(t *conformance.Target) { t.Scope = "123" }, conformance.NA, "no letters"},
	} {
		target := is.target()
		tc.less(&target)
		if r := only(t, target, tc.id); r.Outcome != tc.want || !strings.Contains(r.Why, tc.why) {
			t.Errorf("%s: %s %q, want %s with %q", tc.id, r.Outcome, r.Why, tc.want, tc.why)
		}
	}
}

// Without a loopback address there is nothing to be lenient about.
func TestOnHTTPS(t *testing.T) {
	t.Parallel()
	_, target := newFarIssuer(t)
	for _, r := range run(t, target, conformance.Options{Only: []string{"meta-issuer-form", "meta-endpoints-https-only", "http-*"}, Skip: abuses(), Rate: 1000}).Results {
		if r.Outcome != conformance.Pass {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
}
