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

// A book is what a process has reported, and when.
type book struct {
	mu       sync.Mutex
	versions []storage.Version
	times    []time.Duration
	began    time.Time
	answer   func(context.Context) error
}

func (b *book) report(ctx context.Context, v storage.Version) error {
	b.mu.Lock()
	b.versions, b.times = append(b.versions, v), append(b.times, time.Since(b.began))
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		return answer(ctx)
	}
	return nil
}

// take returns what was reported since the last call.
func (b *book) take() (versions []storage.Version, times []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	versions, times, b.versions, b.times = b.versions, b.times, nil, nil
	return versions, times
}

// reporting plays with a process that runs and reports, in virtual time.
func reporting(t *testing.T, play func(s *site, r *Rotator, b *book, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSite(t), &book{began: time.Now()}
		s.memory.service = func() storage.ServiceTime { return storage.ServiceTime(1).Add(time.Since(b.began)) }
		r := s.rotator(func(c *RotatorConfig) { c.Now, c.Report = time.Now, b.report })
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		stop := func() { cancel(); wg.Wait() }
		defer stop()
		s.must(r.Start(ctx))
		if v, _ := b.take(); v != nil {
			t.Error("Start reports: an operator's command would")
		}
		wg.Go(func() { r.Run(ctx) })
		play(s, r, b, stop)
	})
}

// TestReports: the version is reported at once when it changes, also when
// somebody else changed it, and every minute besides.
func TestReports(t *testing.T) {
	reporting(t, func(s *site, r *Rotator, b *book, stop func()) {
		synctest.Wait()
		if v, at := b.take(); !slices.Equal(v, []storage.Version{1}) || at[0] != 0 {
			t.Errorf("at first: %v at %v", v, at)
		}
		time.Sleep(3*time.Minute + time.Second)
		if v, at := b.take(); !slices.Equal(v, []storage.Version{1, 1, 1}) || at[0] != time.Minute || at[2] != 3*time.Minute {
			t.Errorf("without a change: %v at %v", v, at)
		}
		reseal := func(r *Rotator) { must(r.Reseal(s.Context())) }
		reseal(r)
		synctest.Wait()
		if v, at := b.take(); !slices.Equal(v, []storage.Version{2}) || at[0] != 3*time.Minute+time.Second {
			t.Errorf("after a change of its own: %v at %v", v, at)
		}
		reseal(s.rotator(func(c *RotatorConfig) {
			c.Now, c.Report = time.Now, func(context.Context, storage.Version) error { t.Error("an operator's command reports"); return nil }
		}))
		time.Sleep(brisk().Poll)
		if v, at := b.take(); !slices.Equal(v, []storage.Version{3}) || at[0] > 3*time.Minute+time.Second+brisk().Poll {
			t.Errorf("after somebody else's change: %v at %v", v, at)
		}
		stop()
		time.Sleep(time.Hour)
		if v, _ := b.take(); v != nil {
			t.Errorf("after its end: %v", v)
		}
	})
}

// TestReportsFail: a report that fails, panics or hangs changes nothing but one
// record in the log, and is tried again.
func TestReportsFail(t *testing.T) {
	for name, answer := range map[string]func(context.Context) error{
		"fails":  func(context.Context) error { return errors.New("no route") },
		"panics": func(context.Context) error { panic("no route") },
		"hangs":  func(ctx context.Context) error { <-ctx.Done(); return errors.Join(ctx.Err(), errors.New("no route")) },
	} {
		t.Run(name, func(t *testing.T) {
			reporting(t, func(s *site, r *Rotator, b *book, stop func()) {
				b.mu.Lock()
				b.answer = answer
				b.mu.Unlock()
				must(r.Reseal(s.Context()))
				b.take()
				for range 60 { // an hour, nearly
					time.Sleep(59 * time.Second)
					began := time.Now()
					if _, err := r.Sign(s.Context(), "", "", []byte("{}")); err != nil || time.Since(began) != 0 {
						t.Fatalf("a signature took %s, %v", time.Since(began), err)
					}
					s.must(r.Look(s.Context()))
					s.must(r.Healthy())
					if time.Since(began) != 0 {
						t.Fatalf("a look took %s", time.Since(began))
					}
				}
				if n := strings.Count(s.logged(), "cannot be reported"); n != 1 || !strings.Contains(s.logged(), "no route") || r.failures.Load() != 0 {
					t.Errorf("%d records, %d failures:\n%s", n, r.failures.Load(), s.logged())
				}
				if v, _ := b.take(); len(v) < 150 {
					t.Errorf("tried %d times in an hour", len(v))
				}
				time.Sleep(5 * time.Minute)
				if n := strings.Count(s.logged(), "cannot be reported"); n != 2 {
					t.Errorf("%d records in an hour and five minutes", n)
				}
				b.mu.Lock()
				b.answer = nil
				b.mu.Unlock()
				time.Sleep(reportAgain + reportTime)
				b.take()
				time.Sleep(10 * time.Minute)
				if v, _ := b.take(); len(v) < 10 || len(v) > 20 || v[len(v)-1] != r.Ring().Version() {
					t.Errorf("afterwards: %v", v)
				}
			})
		})
	}
}
