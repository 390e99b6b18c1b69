package keys

import (
	"strings"
	"testing"
	"time"
)

// rescheduled changes the policy as a Rotator does.
func rescheduled(t *testing.T, r Ring, now Instant, change func(*Schedule)) Ring {
	t.Helper()
	s := r.Schedule()
	change(&s)
	r = must(advance(t, r, now).Reschedule(s, now))
	return advance(t, r, now)
}

func only(algorithms ...Algorithm) func(*Schedule) {
	return func(s *Schedule) { s.Algorithms = algorithms }
}

// TestRemovedLine: a line that is taken from the schedule signs for
// PublishAhead more, then its clients get the default one; its keys stay until
// their tokens have expired, without private halves.
func TestRemovedLine(t *testing.T) {
	r := poll(t, started(t, brisk(ES256, EdDSA)), 0, 100*time.Second)
	r = rescheduled(t, r, at(100*time.Second), only(ES256))
	who := func(d time.Duration) Algorithm { k, _ := r.Signer(EdDSA, at(d)); return k.Algorithm }
	for d, want := range map[time.Duration]Algorithm{100 * time.Second: EdDSA, 160*time.Second - 1000: EdDSA, 160 * time.Second: ES256} {
		if got := who(d); got != want {
			t.Errorf("at %s a client of EdDSA gets %s, want %s", d, got, want)
		}
	}
	signer := r.line(EdDSA)[0]
	if got := r.Life(*signer, at(100*time.Second)).SignsUntil; !got.Equal(at(160 * time.Second).Wall) {
		t.Errorf("it signs until %s", got)
	}
	r = poll(t, r, 100*time.Second, 165*time.Second)
	if k := r.line(EdDSA)[0]; k.GoneAt.Before(at(160*time.Second+r.schedule.KeepAfter).Wall) || k.private == nil || r.State(*k, at(165*time.Second)) != Retired {
		t.Errorf("right after its end: %+v", k)
	}
	r = poll(t, r, 165*time.Second, 160*time.Second+r.schedule.Skew+2*r.schedule.Poll)
	for _, k := range r.line(EdDSA) {
		if k.private != nil {
			t.Errorf("%s has its private half after skew + poll", k)
		}
	}
	r = poll(t, r, 190*time.Second, 160*time.Second+r.schedule.stay()+2*r.schedule.Poll)
	if n := len(r.line(EdDSA)); n != 0 {
		t.Errorf("%d keys of the line are left", n)
	}
	if n := len(r.line(ES256)); n < 2 {
		t.Errorf("%d keys of the other line", n)
	}
}

// TestRemovedLineComesBack: before its end it just goes on; after, it is
// announced like a new one.
func TestRemovedLineComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		back time.Duration
		same bool
	}{"before its end": {130 * time.Second, true}, "after it": {170 * time.Second, false}, "long after it": {300 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			r := started(t, brisk(ES256, EdDSA))
			first := r.line(EdDSA)[0].ID
			r = rescheduled(t, poll(t, r, 0, 100*time.Second), at(100*time.Second), only(ES256))
			r = rescheduled(t, poll(t, r, 100*time.Second, c.back), at(c.back), only(ES256, EdDSA))
			k, _ := r.Signer(EdDSA, at(c.back))
			if (k.ID == first) != c.same {
				t.Errorf("%s signs, the first was %s", k, first)
			}
			ready := c.back + r.schedule.PublishAhead
			r = poll(t, r, c.back, ready)
			if k, _ := r.Signer(EdDSA, at(ready)); k.Algorithm != EdDSA {
				t.Errorf("%s signs when the line was published for long enough", k)
			}
			r = poll(t, r, ready, ready+2*r.schedule.RotateEvery) // and it goes on like any other
			if n := len(r.line(EdDSA)); n < 2 || n > 4 {
				t.Errorf("%d keys", n)
			}
		})
	}
}

// TestDefaultLineRemoved: the line that goes signs on until the one that comes
// was served for long enough, whatever the clock says.
func TestDefaultLineRemoved(t *testing.T) {
	r := rescheduled(t, started(t, brisk(ES256)), at(0), only(EdDSA))
	signs := func(now Instant, want Algorithm) {
		t.Helper()
		for _, alg := range []Algorithm{ES256, EdDSA, ""} {
			if k, ok := r.Signer(alg, now); !ok || k.Algorithm != want {
				t.Errorf("at %v a client of %q gets %s, want %s", now, alg, k, want)
			}
		}
	}
	signs(at(0), ES256)
	away := instant(200*time.Second, 10*time.Second) // an outage: nobody looked, nothing was served
	signs(away, ES256)
	r = advance(t, r, away)
	signs(away, ES256)
	if k := r.line(ES256)[0]; k.private == nil || !k.GoneAt.IsZero() {
		t.Errorf("it was retired before anybody could follow: %+v", k)
	}
	for d := time.Duration(0); d <= 60*time.Second; d += 5 * time.Second {
		r = advance(t, r, instant(200*time.Second+d, 10*time.Second+d))
	}
	signs(instant(260*time.Second, 70*time.Second), EdDSA)
}

// TestRemovedLineRevoked: an emergency does not revive a line that ends.
func TestRemovedLineRevoked(t *testing.T) {
	r := rescheduled(t, started(t, brisk(ES256, EdDSA)), at(0), only(ES256))
	r = must(r.Revoke(r.line(EdDSA)[0].ID, "leaked", at(time.Second), cheap()))
	if k, _ := r.Signer(EdDSA, at(time.Second)); k.Algorithm != ES256 {
		t.Errorf("%s signs", k)
	}
	if n := len(r.line(EdDSA)); n != 2 {
		t.Errorf("%d keys of a line that ends", n)
	}
	// And one that nobody can follow yet is followed at once.
	r = rescheduled(t, started(t, brisk(ES256)), at(0), only(EdDSA))
	r = must(r.Revoke(r.line(ES256)[0].ID, "leaked", at(time.Second), cheap()))
	if k, _ := r.Signer("", at(time.Second)); k.Algorithm != EdDSA || k.ReadyAt != 0 || k.SignsFrom.After(at(time.Second).Wall) {
		t.Errorf("%+v signs", k)
	}
}

// TestRotateEveryChanges: the waiting key moves to its new time, not before it
// is ready, and stays where an operator put it.
func TestRotateEveryChanges(t *testing.T) {
	for name, c := range map[string]struct {
		at, every time.Duration
		rotate    bool
		want      time.Duration
	}{
		"longer":                 {100 * time.Second, 400 * time.Second, false, 400 * time.Second},
		"shorter":                {100 * time.Second, 200 * time.Second, false, 200 * time.Second},
		"shorter than its age":   {100 * time.Second, 60 * time.Second, false, 100 * time.Second},
		"not before it is ready": {30 * time.Second, 60 * time.Second, false, 60 * time.Second},
		"brought forward before": {30 * time.Second, 400 * time.Second, true, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := poll(t, started(t, brisk()), 0, c.at)
			if c.rotate {
				r = must(r.Rotate("", at(c.at), false))
			}
			r = rescheduled(t, r, at(c.at), func(s *Schedule) { s.RotateEvery = c.every })
			if got := r.keys[1].SignsFrom; !got.Equal(at(c.want).Wall) {
				t.Errorf("the waiting key signs from %s, want %s", got.Sub(epoch), c.want)
			}
		})
	}
}

// TestPublishAheadChanges: a waiting key waits for as long as the schedule that
// is in force says, counted from when it was published.
func TestPublishAheadChanges(t *testing.T) {
	for _, c := range []struct{ ahead, ready time.Duration }{{100 * time.Second, 100 * time.Second}, {50 * time.Second, 50 * time.Second}} {
		r := poll(t, started(t, brisk()), 0, 40*time.Second)
		r = rescheduled(t, r, at(40*time.Second), func(s *Schedule) { s.PublishAhead = c.ahead })
		r = must(r.Rotate("", at(40*time.Second), false))
		for d, want := range map[time.Duration]int{c.ready - time.Second: 0, c.ready: 1} {
			if k, _ := r.Signer("", at(d)); k.ID != r.keys[want].ID {
				t.Errorf("publish-ahead %s: key %s signs at %s", c.ahead, k.ID, d)
			}
		}
	}
}

// TestKeepAfterShortened: tokens that were signed under the longer one verify until their end.
func TestKeepAfterShortened(t *testing.T) {
	s := brisk()
	s.KeepAfter = 500 * time.Second
	r := poll(t, started(t, s), 0, 100*time.Second)
	kid := r.keys[0].ID
	r = rescheduled(t, r, at(100*time.Second), func(s *Schedule) { s.KeepAfter = 100 * time.Second })
	if got := r.Schedule().LongestToken(); got != 15*time.Second {
		t.Errorf("tokens live for %s from now on", got)
	}
	r = must(r.Rotate("", at(110*time.Second), true))
	last := 100*time.Second + s.stay()
	r = poll(t, r, 110*time.Second, last-time.Second)
	if r.find(kid) < 0 {
		t.Error("the key is gone before the tokens of its time")
	}
	r = poll(t, r, last, 1320*time.Second) // right after a rotation
	if r.find(kid) >= 0 || r.former != (former{}) {
		t.Errorf("the former schedule is remembered: %+v", r.former)
	}
	retired := r.keys[0]
	if stay := retired.GoneAt.Sub(r.keys[1].SignsFrom); stay > r.schedule.stay()+2*r.schedule.Poll {
		t.Errorf("a later key stays for %s", stay)
	}
}

// TestKeepAfterLengthened: a process whose clock is behind signs longer tokens
// with a key that is retired already.
func TestKeepAfterLengthened(t *testing.T) {
	r := poll(t, started(t, brisk()), 0, 300*time.Second)
	if k := r.keys[0]; k.GoneAt.IsZero() || k.private == nil {
		t.Fatalf("not just retired: %+v", k)
	}
	r = rescheduled(t, r, at(305*time.Second), func(s *Schedule) { s.KeepAfter = 600 * time.Second })
	if k := r.keys[0]; k.GoneAt.Before(at(905 * time.Second).Wall) {
		t.Errorf("it is gone %s after", k.GoneAt.Sub(epoch))
	}
}

func TestRescheduleRefuses(t *testing.T) {
	r := started(t, brisk())
	for name, c := range map[string]struct {
		change func(*Schedule)
		want   string
	}{
		"unsafe":      {func(s *Schedule) { s.PublishAhead = time.Second }, "publish-ahead 1s is too short"},
		"nothing":     {func(s *Schedule) { s.Algorithms = nil }, "no algorithm is named"},
		"small keys":  {func(s *Schedule) { s.RSABits = 1024 }, "rsa-bits 1024"},
		"large keys":  {func(s *Schedule) { s.RSABits = 8192 }, "rsa-bits 8192"},
		"a constant":  {func(s *Schedule) { s.MaxAge = time.Second }, "stay as they are"},
		"another one": {func(s *Schedule) { s.Poll = time.Second }, "stay as they are"},
	} {
		s := r.Schedule()
		c.change(&s)
		if next, err := r.Reschedule(s, at(0)); err == nil || !strings.Contains(err.Error(), c.want) || !next.same(r) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRSABits: new RSA keys have the size that the schedule says.
func TestRSABits(t *testing.T) {
	s := brisk(RS256)
	for bits, want := range map[int]int{0: 2048, 3072: 3072} {
		s.RSABits = bits
		r, _, err := must(NewRing(s)).Advance(at(0), GenerateKey)
		if err != nil {
			t.Fatal(err)
		}
		if got := bitLen(r.keys[0]); got != want {
			t.Errorf("rsa-bits %d gives %d", bits, got)
		}
	}
}
