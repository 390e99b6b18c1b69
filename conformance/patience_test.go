package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// A server that asks to come back in a second is asked once more, if that is
// not longer than the caller has patience.
func TestOneRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mutation string
		patience time.Duration
		requests int // more than one for the metadata
		want     conformance.Outcome
	}{
		{"busy-once", 0, 3, conformance.Pass}, // the control twice, and the request that the case is about
		{"busy-once", 500 * time.Millisecond, 1, conformance.Inconclusive},
		{"busy", time.Minute, 2, conformance.Inconclusive},
	} {
		is := newIssuer(t, tc.mutation)
		base := newIssuer(t)
		run(t, base.target(), conformance.Options{Only: []string{"rt-unknown"}, Skip: []string{"rt-unknown"}})
		r := run(t, is.target(), conformance.Options{Only: []string{"tok-ct-json"}, MaxWait: tc.patience}).Results[0]
		if got := is.count() - base.count(); r.Outcome != tc.want || got != tc.requests || tc.want == conformance.Pass && r.Took < time.Second {
			t.Errorf("%s with patience %v: %s %q after %d requests and %v, want %s after %d", tc.mutation, tc.patience, r.Outcome, r.Why, got, r.Took, tc.want, tc.requests)
		}
		if tc.want == conformance.Inconclusive && !strings.Contains(r.Why, "--max-wait") {
			t.Errorf("%s: %q", tc.mutation, r.Why)
		}
	}
}
