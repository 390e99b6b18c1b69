package keys

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestRevokeEverything: no key that was there is in the key set or signs, each
// line of the schedule has a fresh key that signs at once, and a running
// process that reads its key-encryption keys again follows.
func TestRevokeEverything(t *testing.T) {
	s := newSite(t)
	old, fresh := testKEK(1), testKEK(101)
	file := [][]byte{old} // as the process reads it
	two := func(c *RotatorConfig) { c.Schedule = brisk(ES256, EdDSA) }
	serving := s.started(two, func(c *RotatorConfig) {
		c.Reopen = func(context.Context) (*Sealer, error) { return NewSealer(file...) }
	})
	deaf := s.started(two)
	before := serving.Ring()

	operator := s.rotator(func(c *RotatorConfig) { c.Sealer = must(NewSealer(fresh, old)) })
	after, err := operator.EditSealed(t.Context(), func(r Ring, now Instant, generate Generate) (Ring, error) {
		return r.RevokeAll("the host was stolen", now, generate)
	})
	s.must(err)
	for _, k := range before.Keys() {
		is := after.keys[after.find(k.ID)]
		if !is.revoked() || is.Public != nil || is.private != nil || is.Reason != "the host was stolen" {
			t.Errorf("%s is %+v", k, is)
		}
	}
	for _, alg := range before.Schedule().Algorithms {
		now := Instant{s.now(), must(s.ServiceTime(t.Context()))}
		if k, ok := after.Signer(alg, now); !ok || k.Algorithm != alg || before.find(k.ID) >= 0 {
			t.Errorf("%s signs for %s", k, alg)
		}
		if n := after.line(alg).published(); n != 2 {
			t.Errorf("%d %s keys are published", n, alg)
		}
	}
	sealed, _ := s.backup()
	if _, err := must(NewSealer(old)).Open(sealed); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old key-encryption key opens it: %v", err)
	}

	// The file was not replaced yet: the process says what it lacks and goes on.
	s.pass(brisk().Poll)
	if err := serving.Look(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("%v", err)
	}
	file = [][]byte{fresh}
	s.pass(brisk().Poll)
	s.must(serving.Look(t.Context()))
	if kid := s.sign(serving); before.find(kid) >= 0 || after.find(kid) < 0 {
		t.Errorf("it signs with %s", kid)
	}
	if !strings.Contains(s.logged(), "was replaced") {
		t.Error("nothing was logged")
	}
	// One that cannot is not to be asked any more.
	s.pass(2 * brisk().Poll)
	if err := deaf.Look(t.Context()); !errors.Is(err, ErrWrongKey) || deaf.Healthy() == nil {
		t.Errorf("look %v, healthy %v", err, deaf.Healthy())
	}
	// What is written from now on is sealed with the new one.
	s.pass(brisk().RotateEvery)
	s.must(serving.Look(t.Context()))
	if sealed, v := s.backup(); v <= after.version {
		t.Error("nothing was written")
	} else if _, err := must(NewSealer(fresh)).Open(sealed); err != nil {
		t.Error(err)
	}
}

// TestReopenFails: where the keys cannot be read again, both reasons are said.
func TestReopenFails(t *testing.T) {
	s := newSite(t)
	s.started()
	r := s.rotator(func(c *RotatorConfig) {
		c.Sealer = must(NewSealer(testKEK(7)))
		c.Reopen = func(context.Context) (*Sealer, error) { return nil, errors.New("no such file") }
	})
	if err := r.Start(t.Context()); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}

func TestReasonIsOneLine(t *testing.T) {
	r := started(t, brisk())
	for _, reason := range []string{"two\nlines", "\x1b[31m", "\xff", strings.Repeat("x", maxReason+1)} {
		if _, err := r.Revoke(r.keys[0].ID, reason, at(0), cheap()); err == nil {
			t.Errorf("%q is a reason", reason)
		}
		if _, err := r.RevokeAll(reason, at(0), cheap()); err == nil {
			t.Errorf("%q is a reason for all", reason)
		}
	}
}

// TestEmergency: the bounds are poll + 2 × max-age, or the verifier's own time
// behind a cache, or as long as it runs.
func TestEmergency(t *testing.T) {
	bounds := DefaultSchedule().Emergency()
	if got, want := bounds[0].AcceptedFor, 5*time.Second+10*time.Minute; got != want {
		t.Errorf("a verifier that honours max-age: %s, want %s", got, want)
	}
	for i, b := range bounds[1:] {
		if b.AcceptedFor != 0 && b.AcceptedFor < bounds[i].AcceptedFor {
			t.Errorf("%s: %s is out of order", b.Verifier, b.AcceptedFor)
		}
	}
	if last := bounds[len(bounds)-1]; last.AcceptedFor != 0 {
		t.Errorf("a frozen verifier: %s", last.AcceptedFor)
	}
}

// TestFormats: a ring is written in the first form that can hold it, and what
// needs a newer one says so.
func TestFormats(t *testing.T) {
	plain := poll(t, started(t, brisk(ES256, RS256)), 0, 310*time.Second)
	for name, c := range map[string]struct {
		ring Ring
		want string
	}{
		"what an older program knows": {plain, `"format":1`},
		"a reason":                    {must(plain.Revoke(plain.keys[0].ID, "why", at(310*time.Second), cheap())), `"format":2`},
		"another algorithm":           {started(t, brisk(EdDSA)), `"format":2`},
		"a line that ends":            {rescheduled(t, plain, at(310*time.Second), only(ES256)), `"format":2`},
		"a shorter keep-after":        {rescheduled(t, plain, at(310*time.Second), func(s *Schedule) { s.KeepAfter = 100 * time.Second }), `"format":2`},
		"larger keys":                 {rescheduled(t, plain, at(310*time.Second), func(s *Schedule) { s.RSABits = 3072 }), `"format":2`},
	} {
		for i, k := range c.ring.keys {
			if _, ok := k.private.(facade); ok {
				c.ring.keys[i].private = nil // it cannot be written
				c.ring.keys[i].GoneAt = at(time.Hour).Wall
			}
		}
		text := string(must(c.ring.at(1).encode()))
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: %.60s", name, text)
		}
		if again := must(decodeRing([]byte(text))); !again.same(c.ring) {
			t.Errorf("%s: it came back otherwise", name)
		}
	}
}
