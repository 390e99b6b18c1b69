package conformance_test

import (
	"context"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// A case gives its hook the time that the caller gives it.
func TestHooksHaveTheirTime(t *testing.T) {
	t.Parallel()
	target := newIssuer(t).target()
	target.Hooks.Timeout = time.Hour
	target.Hooks.Restart = func(ctx context.Context) error {
		if end, limited := ctx.Deadline(); limited && time.Until(end) < time.Hour {
			t.Errorf("the hook has %v", time.Until(end))
		}
		return nil
	}
	if r := only(t, target, "rot-restart"); r.Outcome != conformance.Pass {
		t.Errorf("%s %q", r.Outcome, r.Why)
	}
}

// A watch that is cut short leaves no hook running.
func TestInterruptedHooksAreWaitedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	target, ended := newIssuer(t).target(), false
	target.Hooks.Rotate = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
		ended = true
		return ctx.Err()
	}
	report, err := conformance.Run(ctx, target, conformance.Options{Only: []string{"rot-old-stays"}})
	if err == nil || !report.Partial || !ended {
		t.Errorf("%v, partial %v, the hook ended: %v", err, report.Partial, ended)
	}
}
