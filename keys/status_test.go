package keys

import (
	"crypto"
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

// TestSlowGenerator: a key that took long to make is served for PublishAhead
// from when it is stored, not from when it was decided on.
func TestSlowGenerator(t *testing.T) {
	s := newSite(t)
	takes := time.Duration(0)
	r := s.started(func(c *RotatorConfig) {
		c.Generate = func(alg Algorithm, rsaBits int) (crypto.Signer, error) {
			s.pass(takes)
			return GenerateKey(alg, rsaBits)
		}
	})
	s.pass(brisk().RotateEvery)
	takes = brisk().RotateEvery - 20*time.Second // so that the planned time is too soon
	s.must(r.Look(t.Context()))
	line := r.Ring().line(ES256)
	made := line[len(line)-1]
	served := at(brisk().RotateEvery + takes)
	if ahead := made.SignsFrom.Sub(served.Wall); ahead < brisk().PublishAhead || ahead > brisk().PublishAhead+time.Millisecond {
		t.Errorf("it signs %s after it was stored, want %s", ahead, brisk().PublishAhead)
	}
	if ahead := made.ReadyAt.Sub(served.Service); ahead < brisk().PublishAhead || ahead > brisk().PublishAhead+time.Millisecond {
		t.Errorf("it is ready %s of service after it was stored, want %s", ahead, brisk().PublishAhead)
	}
}
