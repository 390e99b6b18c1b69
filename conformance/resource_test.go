package conformance_test

import (
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What RFC 8707 leaves to the issuer: names of its own for resources, tokens
// for one resource at a time, and no resources at all.
func TestResourcesByOtherRules(t *testing.T) {
	t.Parallel()
	for mutation, unlike := range map[string]map[string]conformance.Outcome{
		"resource-mapped": {"res-aud": conformance.Warn}, // RFC 9068 §3 wants the same name
		"resource-single": {"res-narrow-refresh": conformance.NA},
		"resource-ignored": { // RFC 6749 §3.2
			"res-aud": conformance.NA, "res-multi": conformance.NA, "res-relative": conformance.NA, "res-fragment": conformance.NA,
			"res-unknown": conformance.NA, "res-narrow-refresh": conformance.NA, "rt-resource-bound": conformance.NA,
			"res-scope-per-resource": conformance.NA,
		},
	} {
		for _, r := range run(t, newIssuer(t, mutation).target(), conformance.Options{Only: []string{"res-*", "rt-resource-bound"}}).Results {
			want, named := unlike[r.ID]
			if !named {
				want = conformance.Pass
			}
			if r.Outcome != want {
				t.Errorf("%s: %s: %s %s, want %s", mutation, r.ID, r.Outcome, r.Why, want)
			}
		}
	}
}
