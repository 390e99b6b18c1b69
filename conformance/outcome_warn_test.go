package conformance_test

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What breaks no MUST warns, also in a case that fails for something else.
func TestMustCasesThatWarn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ mutation, id, why string }{
		{"rotate-at-once", "rot-announce-before-use", "fetched just before"},
		{"narrow-ignored", "rt-scope-narrow", "asked for"},
		{"jti-short", "at-jti", "too short"},
		{"none-unlisted", "meta-auth-methods-truth", "none works"},
		{"locks-quietly", "pw-throttle-user", "stops the user"},
		{"empty-keys", "jwks-keys-array", "keys is empty"},
		{"refresh-lenient", "rt-tampered", "character 66 of 66"},
		{"iat-near", "at-iat", "ahead"},
	} {
		r := only(t, newIssuer(t, tc.mutation).target(), tc.id)
		if r.Level != conformance.Must || r.Outcome != conformance.Warn || !strings.Contains(r.Why, tc.why) {
			t.Errorf("%s under %s: %s %q, want a warning with %q", tc.id, tc.mutation, r.Outcome, r.Why, tc.why)
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
