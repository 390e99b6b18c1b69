package keys

import (
	"errors"
	"testing"
	"time"
)

// TestStatus follows a process from before its start through an outage.
func TestStatus(t *testing.T) {
	s := newSite(t)
	r := s.rotator()
	if got := r.Status(); !got.Stale || got.Ring.Version() != 0 || got.Failures != 0 {
		t.Errorf("before Start: %+v", got)
	}
	s.must(r.Start(t.Context()))
	if got := r.Status(); got.Stale || got.LookAge != 0 || got.Ring.Version() != 1 || got.Ring.State(got.Ring.keys[0], got.Now) != Signing {
		t.Errorf("after Start: %+v", got)
	}
	s.setFail(errors.New("no route"))
	s.pass(brisk().stale())
	if got := r.Status(); got.Stale || got.LookAge != brisk().stale() {
		t.Errorf("three polls later: %+v", got)
	}
	s.pass(time.Microsecond)
	_ = r.Look(t.Context())
	if got := r.Status(); !got.Stale || got.Failures != 1 || r.Healthy() == nil {
		t.Errorf("later yet: %+v", got)
	}
	s.setFail(nil)
	s.must(r.Look(t.Context()))
	if got := r.Status(); got.Stale || got.LookAge != 0 || got.Failures != 1 {
		t.Errorf("after the outage: %+v", got)
	}
}
