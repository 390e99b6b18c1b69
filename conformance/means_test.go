package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What a case means for users is a sentence of its own, about them and not
// about what the server did wrong.
func TestMeans(t *testing.T) {
	seen := map[string]string{}
	for _, c := range conformance.Cases() {
		if !slices.Contains([]string{"metadata", "jwks", "at", "intro", "bear"}, c.Group) {
			continue
		}
		if !strings.HasSuffix(c.Means, ".") || c.Means == c.Expected || strings.Contains(c.Means, "\n") {
			t.Errorf("%s: means %q", c.ID, c.Means)
		}
		seen[c.ID] = c.Means
	}
	if len(seen) < 100 {
		t.Errorf("%d cases say what they mean", len(seen))
	}
}
