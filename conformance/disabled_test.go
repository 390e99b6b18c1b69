package conformance_test

import (
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What a hook did to a user may show later.
func TestDisablingIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"rt-revoked-user", "pw-disabled-user"} {
		target := newIssuer(t, "disabled-late").target()
		target.Hooks.Wait = time.Minute
		if r := only(t, target, id); r.Outcome != conformance.Pass {
			t.Errorf("%s: %s %q", id, r.Outcome, r.Why)
		}
	}
}
