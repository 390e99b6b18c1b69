package keys

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestStart(t *testing.T) {
	s := newSite(t)
	var changes []Ring
	r := s.rotator(func(c *RotatorConfig) {
		c.Schedule, c.OnChange = brisk(ES256, RS256), func(ring Ring) { changes = append(changes, ring) }
	})
	if err := r.Healthy(); err == nil || len(r.Ring().Keys()) != 0 {
		t.Errorf("before Start: %v, %v", err, r.Ring())
	}
	if got := r.Ring().Schedule().LongestToken(); got != brisk().LongestToken() {
		t.Errorf("before Start the longest token is %s", got)
	}
	s.must(r.Start(t.Context()))
	if len(changes) != 1 || changes[0].Version() != 1 || len(changes[0].Published(epoch)) != 4 {
		t.Errorf("published: %v", changes)
	}
	if got := s.row(); !got.same(r.Ring()) || got.Version() != 1 {
		t.Errorf("stored: %v", got)
	}
	if m := must(s.seen("a").Read()); m.Version != 1 {
		t.Errorf("seen: %+v", m)
	}
	if err := r.Healthy(); err != nil || r.failures.Load() != 0 {
		t.Error(err)
	}
	s.sign(r)
	s.must(r.Look(t.Context()))
	if len(changes) != 1 {
		t.Error("published again without a change")
	}
	// The next process takes the ring, schedule and all.
	next := s.started(func(c *RotatorConfig) { c.Schedule = DefaultSchedule() })
	if !next.Ring().same(r.Ring()) || s.writes != 1 {
		t.Errorf("the second process has %v, after %d writes", next.Ring(), s.writes)
	}
}

func TestStartRefuses(t *testing.T) {
	s := newSite(t)
	if err := s.rotator(func(c *RotatorConfig) { c.Schedule.PublishAhead = time.Second }).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "2 × max-age") {
		t.Errorf("an unsafe schedule: %v", err)
	}
	away := errors.New("no route")
	s.setFail(away)
	if err := s.rotator().Start(t.Context()); !errors.Is(err, away) {
		t.Errorf("a store that is away: %v", err)
	}
	s.setFail(nil)
	if err := s.rotator(on(NewSeen("/nowhere/seen"))).Start(t.Context()); err == nil {
		t.Error("a mark that cannot be written")
	}
}

// TestRace: twenty processes at once on an empty store publish one key per
// line, and add one each when the time for it comes.
func TestRace(t *testing.T) {
	s := newSite(t)
	rotators := make([]*Rotator, 20)
	together := func(f func(*Rotator) error) {
		var wg sync.WaitGroup
		for _, r := range rotators {
			wg.Go(func() {
				if err := f(r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, r := range rotators {
			s.must(r.Look(t.Context()))
			if !r.Ring().same(rotators[0].Ring()) {
				t.Fatalf("%v and %v", r.Ring(), rotators[0].Ring())
			}
		}
	}
	for i := range rotators {
		rotators[i] = s.rotator()
	}
	together(func(r *Rotator) error { return r.Start(t.Context()) })
	if got := len(rotators[0].Ring().Keys()); got != 2 || s.writes != 1 {
		t.Errorf("%d keys after %d writes", got, s.writes)
	}
	s.pass(brisk().RotateEvery)
	together(func(r *Rotator) error { return r.Look(t.Context()) })
	if got := states(rotators[0].Ring(), ES256, at(brisk().RotateEvery)); !slices.Equal(got, []State{Retired, Signing, Waiting}) || s.writes != 2 {
		t.Errorf("%v after %d writes", got, s.writes)
	}
}

// TestRun: two processes that poll rotate on time, without a word to each
// other, and stop when they are told to.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		began := time.Now()
		s.memory.service = func() storage.ServiceTime { return storage.ServiceTime(1).Add(time.Since(began)) }
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var rotators []*Rotator
		var mu sync.Mutex
		published := make([]map[string]time.Time, 2)
		for i := range published {
			published[i] = map[string]time.Time{}
			r := s.rotator(func(c *RotatorConfig) {
				c.Now = time.Now
				c.OnChange = func(ring Ring) {
					mu.Lock()
					defer mu.Unlock()
					for _, k := range ring.Published(time.Now()) {
						if published[i][k.ID].IsZero() {
							published[i][k.ID] = time.Now()
						}
					}
				}
			})
			s.must(r.Start(ctx))
			wg.Go(func() { r.Run(ctx) })
			rotators = append(rotators, r)
			time.Sleep(time.Second)
		}
		signed := map[string]bool{}
		for time.Since(began) < 4*brisk().RotateEvery-5*time.Second {
			time.Sleep(time.Second)
			for i, r := range rotators {
				token, err := r.Sign(ctx, "", "", []byte("{}"))
				s.must(err)
				for j, other := range rotators {
					kid, err := verify(token, other.Ring(), time.Now())
					s.must(err)
					mu.Lock()
					ago := time.Since(published[j][kid])
					mu.Unlock()
					if first := len(signed) == 0; !signed[kid] && !first && ago < brisk().PublishAhead-brisk().Poll {
						t.Errorf("process %d signs with a key that process %d published %s ago", i, j, ago)
					}
					signed[kid] = true
				}
			}
		}
		for _, r := range rotators {
			if err := r.Healthy(); err != nil || r.failures.Load() != 0 {
				t.Errorf("%v, %d failures", err, r.failures.Load())
			}
		}
		if len(signed) != 4 {
			t.Errorf("%d keys signed in 4 periods", len(signed))
		}
		if s.writes > 20 {
			t.Errorf("%d writes", s.writes)
		}
		cancel()
		wg.Wait()
	})
}

// TestStoreAway: everybody signs on, says so, and heals.
func TestStoreAway(t *testing.T) {
	s := newSite(t)
	r := s.started()
	kid := s.sign(r)
	s.setFail(errors.New("no route"))
	loads := 0
	for range 20 {
		s.pass(time.Second)
		before := r.failures.Load()
		for range 10 {
			if got := s.sign(r); got != kid {
				t.Error("another key signs")
			}
		}
		loads += int(r.failures.Load() - before)
	}
	// Stale after 15 of the 20 seconds, and one look per poll from then on.
	if loads != 1 {
		t.Errorf("%d looks by those who sign, want 1", loads)
	}
	if err := r.Healthy(); err == nil || !strings.Contains(err.Error(), "last looked at 20s ago") {
		t.Errorf("healthy: %v", err)
	}
	if err := r.Look(t.Context()); err == nil || r.failures.Load() != 2 || !strings.Contains(s.logged(), "no route") {
		t.Errorf("%v, %d failures, log %s", err, r.failures.Load(), s.logged())
	}
	if err := r.Healthy(); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("healthy does not say why: %v", err)
	}
	s.setFail(nil)
	s.must(r.Look(t.Context()))
	s.must(r.Healthy())
}

// TestLooksBeforeSigning: a process that slept does not sign with a key that
// was revoked meanwhile.
func TestLooksBeforeSigning(t *testing.T) {
	s := newSite(t)
	slept, other := s.started(), s.started(on(s.seen("b")))
	leaked := s.sign(slept)
	s.pass(brisk().stale())
	ring, err := other.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(leaked, "", now, cheap()) })
	s.must(err)
	if got := s.sign(slept); got != leaked {
		t.Fatal("it looks before it is stale: the test shows nothing")
	}
	s.pass(time.Microsecond)
	if got := s.sign(slept); got == leaked || !slept.Ring().same(ring) {
		t.Error("it signs with a revoked key")
	}
}

// TestAge: a clock that stands still, or the monotonic reading of a suspended
// process, does not hide how long ago the last look was.
func TestAge(t *testing.T) {
	now := time.Now()
	r := NewRotator(RotatorConfig{Now: func() time.Time { return now }})
	for name, h := range map[string]held{
		"the clock was set back": {looked: now.Add(-time.Hour), wall: now.Round(0).Add(time.Hour)},
		"suspended":              {looked: now.Add(-time.Second), wall: now.Round(0).Add(-time.Hour)},
	} {
		if got := r.age(&h); got != time.Hour {
			t.Errorf("%s: %s", name, got)
		}
	}
	// A look is as old as its beginning: what it found may be.
	s := newSite(t)
	slow := s.started(func(c *RotatorConfig) {
		c.ServiceTime = func(context.Context) (storage.ServiceTime, error) { s.pass(time.Minute); return 1, nil }
	})
	if err := slow.Healthy(); err == nil {
		t.Error("a look that took a minute is taken for a fresh one")
	}
}

// TestPanics: whatever panics in a look is logged and counted; signing goes on.
func TestPanics(t *testing.T) {
	s := newSite(t)
	boom := ""
	blow := func(what string) {
		if boom == what {
			panic("boom")
		}
	}
	r := s.started(func(c *RotatorConfig) {
		service := c.ServiceTime
		c.ServiceTime = func(ctx context.Context) (storage.ServiceTime, error) { blow("service"); return service(ctx) }
		c.OnChange = func(Ring) { blow("change") }
	})
	kid := s.sign(r)
	for i, what := range []string{"service", "change"} {
		boom = what
		s.pass(brisk().RotateEvery + time.Second)
		if err := r.Look(t.Context()); err == nil || r.failures.Load() != int64(i+1) {
			t.Errorf("%s: %v, %d failures", what, err, r.failures.Load())
		}
	}
	if !strings.Contains(s.logged(), "boom") || !strings.Contains(s.logged(), "rotator_test.go") {
		t.Errorf("log: %s", s.logged())
	}
	boom = ""
	s.must(r.Look(t.Context()))
	if got := s.sign(r); got == kid {
		t.Error("the rotation was lost")
	}
}

// TestChangesAreLogged: an operator can see what happened to each key.
func TestChangesAreLogged(t *testing.T) {
	s := newSite(t)
	r := s.started()
	s.pass(100 * time.Second)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, false) }))
	s.pass(time.Second)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) {
		return r.Revoke(r.keys[0].ID, "", now, GenerateKey)
	}))
	s.pass(time.Second)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, false) }))
	if strings.Contains(s.logged(), "0001-01-01") || !strings.Contains(s.logged(), "gone_at=2026-") {
		t.Errorf("gone_at is not where it is set alone:\n%s", s.logged())
	}
	for _, want := range []string{`msg="key published"`, `msg="key retired"`, `msg="key revoked"`, `msg="key rescheduled"`, "version=4", "kid=" + r.Ring().keys[0].ID, "alg=ES256"} {
		if !strings.Contains(s.logged(), want) {
			t.Errorf("%s is missing in:\n%s", want, s.logged())
		}
	}
}
