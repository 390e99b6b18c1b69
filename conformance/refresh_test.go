package conformance_test

import (
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// A grant with openid may bring ID tokens, always of the same sign-in.
func TestIDTokensOfRefreshes(t *testing.T) {
	t.Parallel()
	for mutation, want := range map[string]conformance.Outcome{
		"":               conformance.Pass,
		"id-token-brief": conformance.Pass,
		"id-token-once":  conformance.Pass,
		"id-token-other": conformance.Fail,
		"id-token-more":  conformance.Pass, // OIDC Core §12.2: aud includes what it had
		"id-token-time":  conformance.Fail,
	} {
		is := newIssuer(t, mutation)
		target := is.target()
		target.Scope = "openid read"
		report := run(t, target, conformance.Options{Only: []string{"rt-no-id-token-widening", "rt-is-not-access"}})
		if got := report.Results[0]; got.ID != "rt-is-not-access" || got.Outcome != conformance.Pass {
			t.Errorf("%q: %+v", mutation, got)
		}
		if got := report.Results[1]; got.Outcome != want {
			t.Errorf("%q: %+v, want %s", mutation, got, want)
		}
		noSecrets(t, is, report)
	}
	if got := only(t, newIssuer(t, "id-token-late").target(), "rt-no-id-token-widening"); got.Outcome != conformance.Warn {
		t.Errorf("without openid: %+v, want a warning", got)
	}
}
