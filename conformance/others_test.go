package conformance_test

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What other servers do and may do is no reason to fail, and what they do
// beside what they announce is looked at.
func TestWhatOthersMayDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mutation, id string
		want         conformance.Outcome
		why          string
	}{
		{"oidc-elsewhere", "meta-status-ct", conformance.Pass, ""},
		{"oidc-elsewhere", "meta-oidc-path", conformance.Warn, "neither"},
		{"oidc-elsewhere no-8414", "meta-status-ct", conformance.Fail, "redirect"},
		{"oidc-page", "meta-status-ct", conformance.Pass, ""},
		{"oidc-page no-8414", "meta-status-ct", conformance.Fail, "text/html"},
		{"not-public", "jwks-cache-control", conformance.Pass, ""},
		{"html-404", "http-error-pages", conformance.Pass, ""},
		{"ask-first", "http-405-allow", conformance.Pass, ""},
		{"slash-first", "http-405-allow", conformance.Pass, ""},
		{"introspection-not-jwt", "intro-inactive", conformance.NA, "not introspected"},
		{"introspection-not-jwt", "intro-aud-isolation", conformance.NA, "not introspected"},
		{"introspection-access-only", "intro-revoked-now", conformance.Pass, ""},
		{"introspection-access-only revocation-access-idle", "intro-revoked-now", conformance.Fail, ""},
		{"introspection-access-only revocation-unsupported", "intro-revoked-now", conformance.NA, "does not revoke its access token"},
		{"revocation-unsaid", "rev-public-client", conformance.Pass, ""},
		{"revocation-unsaid revocation-secret-only", "rev-public-client", conformance.NA, "does not list none"},
		{"revocation-unsaid revocation-unbound", "rev-public-client", conformance.Fail, ""},
	} {
		r := only(t, newIssuer(t, strings.Fields(tc.mutation)...).target(), tc.id)
		if r.Outcome != tc.want || !strings.Contains(r.Why, tc.why) || r.Outcome == conformance.Pass && r.Why != "" {
			t.Errorf("%s under %s: %s %q, want %s with %q", tc.id, tc.mutation, r.Outcome, r.Why, tc.want, tc.why)
		}
	}
}

// A client with a secret may keep its old refresh token, and a reuse of it need
// not be noticed: RFC 6749 §6 and RFC 9700 §4.14.2 ask that of public clients only.
func TestRotationBindsPublicClients(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"rt-reuse-revokes-family", "rt-old-refused"} {
		target := newIssuer(t, "reuse-answered").target()
		if r := only(t, target, id); r.Outcome != conformance.Fail || !strings.Contains(r.Sent, "client_id=spa") {
			t.Errorf("%s with a public client: %s %q after %s", id, r.Outcome, r.Why, r.Sent)
		}
		target.Public = conformance.Client{}
		if r := only(t, target, id); r.Outcome != conformance.Warn || !strings.Contains(r.Why, "--public-client-id") {
			t.Errorf("%s without: %s %q", id, r.Outcome, r.Why)
		}
		target = newIssuer(t, "reuse-answered-secret").target()
		if r := only(t, target, id); r.Outcome != conformance.Warn || !strings.Contains(r.Why, "has a secret") || strings.Contains(r.Sent, "client_id=spa") {
			t.Errorf("%s with a public client that is right: %s %q after %s", id, r.Outcome, r.Why, r.Sent)
		}
	}
}

// A page where one of the two documents might be is not a bad document.
func TestPagesBesideADocument(t *testing.T) {
	t.Parallel()
	for _, r := range run(t, newIssuer(t, "oidc-page").target(), conformance.Options{Only: []string{"meta-*"}}).Results {
		warns := r.ID == "meta-oidc-path" && r.Outcome == conformance.Warn
		if !right(r) && !warns && r.Outcome != conformance.NA {
			t.Errorf("%s: %s: %s", r.ID, r.Outcome, r.Why)
		}
	}
}
