package keys

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"
)

// minutes is a schedule under which keys turn over every few minutes.
func minutes(r *rand.Rand) Schedule {
	s := Schedule{
		Algorithms: simAlgorithms(r), Skew: 2 * time.Minute,
		MaxAge: time.Duration(10+r.IntN(50)) * time.Second, Poll: time.Duration(10+r.IntN(30)) * time.Second,
	}
	s.PublishAhead = 2*s.MaxAge + s.Poll + s.Skew
	s.RotateEvery = s.PublishAhead + time.Duration(r.IntN(100))*time.Second
	s.KeepAfter = time.Second + leeway + s.Skew + s.Poll + time.Duration(1+r.IntN(120))*time.Second
	return s
}

// simAlgorithms are one line or more, most of keys that are quickly made and read.
func simAlgorithms(r *rand.Rand) []Algorithm {
	return [][]Algorithm{{RS256, PS256}, {ES256, EdDSA}, {EdDSA, RS256, PS256}, {RS256, EdDSA, PS256, ES256}}[r.IntN(4)]
}

// hours is a schedule under which verifiers may keep the key set for a day.
func hours(r *rand.Rand) Schedule {
	s := DefaultSchedule()
	s.Algorithms = simAlgorithms(r)
	s.Poll = time.Duration(30+r.IntN(20)) * time.Second
	s.RotateEvery = s.PublishAhead + time.Duration(r.IntN(10))*time.Hour
	return s
}

func simPlanOf(seed uint64, dir string) simPlan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := simPlan{schedule: minutes(r), replicas: 2 + r.IntN(2)*r.IntN(3), turns: 40, dir: dir}
	if seed%128 == 63 {
		p.schedule, p.turns = hours(r), 6
	}
	p.trouble = []float64{0, 0.2, 0.5, 1, 3}[r.IntN(5)]
	p.late = []float64{0, 0.02, 0.2}[r.IntN(3)]
	p.seen = seed%4 == 0
	return p
}

// memoryDir is a directory for the marks, in memory where there is such a
// place: they are forced to the disk at every change.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "hallmark-sim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// simulate runs worlds on every core until enough is done, and returns the totals.
func simulate(t *testing.T, seed func(i int) uint64, enough func(i int, c simCounts) bool) simCounts {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much is made and little kept
	base := memoryDir(t)
	var (
		mu       sync.Mutex
		wg       sync.WaitGroup
		total    simCounts
		next     int
		failures int
	)
	take := func(done simCounts) (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		total.add(done)
		if failures > 4 || enough(next, total) {
			return 0, false
		}
		next++
		return seed(next - 1), true
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var done simCounts
			for {
				seed, more := take(done)
				if !more {
					return
				}
				dir := fmt.Sprintf("%s/%d", base, seed)
				os.Mkdir(dir, 0o700)
				s := newSim(simPlanOf(seed, dir), seed)
				err := s.run()
				os.RemoveAll(dir)
				if err != nil {
					t.Errorf("HALLMARK_SEED=%d: %v", seed, err)
					mu.Lock()
					failures++
					mu.Unlock()
				}
				done = s.counts
			}
		})
	}
	wg.Wait()
	return total
}

// TestSimulation lives the same lives in each run, and others until its time is up.
func TestSimulation(t *testing.T) {
	same := []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 63} // in the last one, verifiers keep the key set for a day
	enough := 18 * time.Second
	if raceEnabled { // each life takes it ten times as long, and is lived by one goroutine
		same, enough = same[:2], 5*time.Second
	}
	fresh := rand.Uint64() >> 16
	t.Logf("fresh seeds from %d", fresh)
	began := time.Now()
	total := simulate(t, func(i int) uint64 {
		if i < len(same) {
			return same[i]
		}
		return fresh + uint64(i)
	}, func(i int, _ simCounts) bool { return i >= len(same) && time.Since(began) > enough })
	t.Logf("%s in %s", total, time.Since(began).Round(time.Second))
}

// TestSimulationLong is for make long. HALLMARK_LONG is what share of a million
// rotations and a hundred million token checks is asked for: 1, or 0.02 for a look.
func TestSimulationLong(t *testing.T) {
	share, err := strconv.ParseFloat(os.Getenv("HALLMARK_LONG"), 64)
	if err != nil {
		t.Skip("HALLMARK_LONG is not set")
	}
	first := rand.Uint64() >> 16
	began, told := time.Now(), time.Now()
	total := simulate(t, func(i int) uint64 { return first + uint64(i) }, func(_ int, c simCounts) bool {
		if time.Since(told) > time.Minute {
			told = time.Now()
			fmt.Printf("after %s: %d rotations, %d token checks\n", time.Since(began).Round(time.Second), c.rotations, c.checks)
		}
		return float64(c.rotations) >= share*1e6 && float64(c.checks) >= share*1e8
	})
	fmt.Printf("seeds from %d, %s: %s\n", first, time.Since(began).Round(time.Second), total)
}

// TestSimulationSeed lives one life again and tells it: HALLMARK_SEED=8.
func TestSimulationSeed(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("HALLMARK_SEED"), 10, 64)
	if err != nil {
		t.Skip("no HALLMARK_SEED")
	}
	s := newSim(simPlanOf(seed, t.TempDir()), seed)
	s.tell = t.Logf
	s.note("%+v", s.plan)
	if err := s.run(); err != nil {
		t.Error(err)
	}
	t.Logf("%+v", s.counts)
}
