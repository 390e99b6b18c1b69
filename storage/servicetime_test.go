package storage

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type advancer func(stored, seen ServiceTime, elapsed time.Duration) ServiceTime

// An observer is a process that holds the store open.
type observer struct {
	seen ServiceTime
	when time.Duration // of the process's monotonic clock, which is real time here
}

// counterLaws plays any number of processes that beat, commit, pause, start
// again and lose the store, on one counter. Real time begins at 0.
func counterLaws(rt *rapid.T, advance advancer) error {
	const start = ServiceTime(1)
	stored, real := start, time.Duration(0)
	processes := make([]observer, rapid.IntRange(1, 4).Draw(rt, "processes"))
	for i := range processes {
		processes[i].seen = start
	}
	pass := func(limit time.Duration) {
		real += time.Duration(rapid.Int64Range(0, limit.Microseconds()).Draw(rt, "µs")) * time.Microsecond
	}
	type mark struct {
		at   ServiceTime
		real time.Duration
	}
	readings, outages := []mark{{start, 0}}, []mark(nil)
	for range rapid.IntRange(1, 60).Draw(rt, "steps") {
		p := &processes[rapid.IntRange(0, len(processes)-1).Draw(rt, "process")]
		switch rapid.SampledFrom([]string{"commit", "commit", "soon", "beat", "outage", "start"}).Draw(rt, "step") {
		case "soon":
			pass(100 * time.Millisecond)
		case "beat":
			pass(Beat)
		case "outage": // nothing reaches the store
			before := stored
			pass(48 * time.Hour)
			outages = append(outages, mark{before, real})
		case "start": // the process, again
			*p = observer{seen: stored, when: real}
		case "commit":
			next := advance(stored, p.seen, real-p.when)
			if next < stored {
				return fmt.Errorf("from %d back to %d", stored, next)
			}
			stored = next
			*p = observer{seen: stored, when: real}
			readings = append(readings, mark{stored, real})
		}
		if stored.Sub(start) > real {
			return fmt.Errorf("%v in service after %v of real time", stored.Sub(start), real)
		}
		for _, r := range readings { // what a retry window rests on
			if stored.Sub(r.at) > real-r.real+maxAdvance {
				return fmt.Errorf("%v go by in %v", stored.Sub(r.at), real-r.real)
			}
		}
		for _, o := range outages {
			if stored.Sub(o.at) > real-o.real+maxAdvance {
				return fmt.Errorf("an outage counted for %v", stored.Sub(o.at)-(real-o.real))
			}
		}
	}
	return nil
}

func TestAdvance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if err := counterLaws(rt, Advance); err != nil {
			rt.Fatal(err)
		}
	})
}

// The laws find what is wrong with other ways to count.
func TestAdvanceMutants(t *testing.T) {
	const histories = 500
	for name, advance := range map[string]advancer{
		"every process adds its own": func(stored, _ ServiceTime, d time.Duration) ServiceTime { return stored.Add(min(d, maxAdvance)) },
		"an outage counts":           func(stored, seen ServiceTime, d time.Duration) ServiceTime { return max(stored, seen.Add(d)) },
		"the slower process wins":    func(_, seen ServiceTime, d time.Duration) ServiceTime { return seen.Add(min(d, maxAdvance)) },
		"more than two beats at once": func(stored, seen ServiceTime, d time.Duration) ServiceTime {
			return max(stored, seen.Add(min(d, 3*Beat)))
		},
		"a microsecond for good luck": func(stored, seen ServiceTime, d time.Duration) ServiceTime { return Advance(stored, seen, d) + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			play := rapid.Custom(func(rt *rapid.T) error { return counterLaws(rt, advance) })
			for seed := range histories {
				if play.Example(seed) != nil {
					return
				}
			}
			t.Errorf("not found in %d histories", histories)
		})
	}
}

func TestAdvanceSteps(t *testing.T) {
	for name, c := range map[string]struct {
		stored, seen ServiceTime
		elapsed      time.Duration
		want         ServiceTime
	}{
		"a new store":                      {1, 1, 0, 1},
		"a beat":                           {100, 100, Beat, 5_000_100},
		"two beats":                        {100, 100, 2 * Beat, 10_000_100},
		"an hour":                          {100, 100, time.Hour, 10_000_100},
		"for ever":                         {100, 100, math.MaxInt64, 10_000_100},
		"less than a microsecond":          {100, 100, 999, 100},
		"rounded down":                     {100, 100, 1999, 101},
		"a clock that runs back":           {100, 100, -time.Hour, 100},
		"another process was ahead":        {9_000_000, 100, Beat, 9_000_000},
		"another process was behind":       {2_000_000, 100, Beat, 5_000_100},
		"the store was set back meanwhile": {50, 100, Beat, 5_000_100},
		"set back, and the clock too":      {50, 100, -time.Hour, 100},
	} {
		if got := Advance(c.stored, c.seen, c.elapsed); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// In service, nothing is lost: beats add up to the time that went by.
func TestAdvanceKeepsUp(t *testing.T) {
	stored := ServiceTime(1)
	for range 1000 {
		stored = Advance(stored, stored, Beat)
	}
	if got := stored.Sub(1); got != 1000*Beat {
		t.Errorf("%v after %v", got, 1000*Beat)
	}
}

func TestServiceTimeArithmetic(t *testing.T) {
	if got := ServiceTime(5).Add(90 * time.Second); got != 90_000_005 {
		t.Errorf("Add: %d", got)
	}
	if got := ServiceTime(5).Sub(90_000_005); got != -90*time.Second {
		t.Errorf("Sub: %v", got)
	}
}
