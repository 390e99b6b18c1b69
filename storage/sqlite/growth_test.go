package sqlite_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A refresh takes as long in a big store as in a small one. Rounds alternate,
// so that what else the machine does hits both. The files are in the memory of
// the operating system, as those of a server are that has served for a while
// on a machine with as much memory as data; the 16 MiB of SQLite's own cache
// hold the small store and not what is refreshed of the big one.
func TestGrowth(t *testing.T) { unracing(t); growth(t, 100_000, 2500, 10) }

func TestGrowthLong(t *testing.T) { growth(t, long(t, 10_000_000), 20_000, 100) }

// unracing skips what only measures where the race detector does most of the work.
func unracing(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("what the race detector costs is not of interest")
	}
}

func growth(t *testing.T, sessions, active, rounds int) {
	began := time.Now()
	small, big := grow(t, 8000, 0, 2000), grow(t, sessions-active, 0, active)
	t.Logf("%d sessions in %v, %d MB", sessions, time.Since(began).Round(time.Second), fileSize(t, big.path)>>20)
	attempts(t, func() bool {
		var a, b []time.Duration
		for range rounds {
			a = append(a, small.traffic(t, 400)...)
			b = append(b, big.traffic(t, 400)...)
		}
		few, many := spreadOf(a), spreadOf(b)
		p50, p99 := many.over(few)
		t.Logf("10000 sessions: %v; %d sessions: %v; ×%.2f and ×%.2f", few, sessions, many, p50, p99)
		return p50 <= 1.25 && p99 <= 2
	})
}

// Removing the sessions that are over does not show in the refreshes of the
// others. The walk is the real one, but so many times faster; it stands still
// in every other round, which is what it is held against.
func TestSweepBesideTraffic(t *testing.T) { unracing(t); sweepBesideTraffic(t, 10_000, 1200) }

func TestSweepBesideTrafficLong(t *testing.T) { sweepBesideTraffic(t, long(t, 1_000_000), 30) }

func sweepBesideTraffic(t *testing.T, over int, faster time.Duration) {
	attempts(t, func() bool { return sweepOnce(t, over, faster) <= 2 })
}

// sweepOnce tells how many times longer the p99 is while sessions are removed.
func sweepOnce(t *testing.T, over int, faster time.Duration) float64 {
	g := grow(t, over/10, over, 2000)
	left := func() (n int) {
		must(t, g.s.Readers().Get(&n, "SELECT count(*) FROM sessions"))
		return n
	}
	stop, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 1) // holds something in the rounds with
	wg.Go(func() {
		g.s.Sweep(stop, func(wait time.Duration) {
			time.Sleep(wait / faster)
			gate <- <-gate
		})
	})
	before := left()
	var quiet, swept []time.Duration
	for left() > before-over*19/20 {
		quiet = append(quiet, g.traffic(t, 400)...)
		gate <- struct{}{}
		swept = append(swept, g.traffic(t, 400)...)
		<-gate
	}
	gate <- struct{}{}
	cancel()
	wg.Wait()
	without, with := spreadOf(quiet), spreadOf(swept)
	p50, p99 := with.over(without)
	t.Logf("%d refreshes alone: %v; while %d of %d sessions are removed, %d times faster than in service: %v; ×%.2f and ×%.2f",
		len(quiet), without, before-left(), before, faster, with, p50, p99)
	return p99
}

// attempts measures up to four times until it holds: a machine that is busy
// with something else for a moment proves nothing.
func attempts(t *testing.T, holds func() bool) {
	t.Helper()
	for range 4 {
		if holds() {
			return
		}
	}
	t.Error("it does not hold in any of four measurements")
}

// long is the share of a size that make long asks for.
func long(t *testing.T, whole int) int {
	t.Helper()
	share, err := strconv.ParseFloat(os.Getenv("HALLMARK_LONG"), 64)
	if err != nil {
		t.Skip("HALLMARK_LONG is not set")
	}
	return max(50_000, int(share*float64(whole)))
}
