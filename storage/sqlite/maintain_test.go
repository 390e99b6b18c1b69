package sqlite_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

func TestMaintainBeats(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		stop, cancel := context.WithCancel(ctx)
		var g sync.WaitGroup
		g.Go(func() { s.Maintain(stop) })
		time.Sleep(time.Minute + time.Second)
		if got := stored(t, path).Sub(1); got != time.Minute {
			t.Errorf("a minute of beats counts for %v", got)
		}
		cancel()
		g.Wait()
		time.Sleep(time.Minute)
		if got := stored(t, path).Sub(1); got != time.Minute {
			t.Errorf("beats after its end: %v", got)
		}
	})
}

func TestCloseEndsMaintain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		var g sync.WaitGroup
		g.Go(func() { s.Maintain(ctx) })
		time.Sleep(time.Second)
		must(t, s.Close())
		g.Wait() // a deadlock here is found by synctest
	})
}

// Sessions whose time is over are gone an hour after they may go, and the
// others stay, through restarts.
func TestMaintainRemovesWhatIsOver(t *testing.T) {
	const sessions = 1000
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		l := newLogin(t, s)
		parallel(t, sessions, func(i int) error {
			n := l.session()
			n.Now = time.Now().Add(-storage.KeepEnded)
			n.AbsoluteLifetime = time.Hour
			if i%4 == 0 {
				n.AbsoluteLifetime = 1000 * time.Hour
			}
			_, err := s.CreateSession(ctx, n)
			return err
		})
		left := func() int { return scalar[int](t, path, "SELECT count(*) FROM sessions") }
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		var g sync.WaitGroup
		g.Go(func() { s.Maintain(stop) })
		time.Sleep(59 * time.Minute)
		if n := left(); n != sessions {
			t.Errorf("%d of %d are left too early", n, sessions)
		}
		time.Sleep(time.Hour + 2*time.Minute)
		if n := left(); n != sessions/4 {
			t.Errorf("%d are left, want %d", n, sessions/4)
		}
		cancel()
		g.Wait()
	})
}

// What is kept of tokens of another system goes a day after they are over.
func TestMaintainForgetsTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		const half = 210 // more than a slice
		began := time.Now()
		for i := range 2*half + 1 {
			_, err := s.SpendTokens(ctx, storage.Spent{ID: storage.SpentID(fmt.Sprint(i)), ExpiresAt: began.Add(time.Duration(i%2) * 1000 * time.Hour)})
			must(t, err)
		}
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		var g sync.WaitGroup
		g.Go(func() { s.Maintain(stop) })
		left := func() int { return scalar[int](t, path, "SELECT count(*) FROM spent_tokens") }
		time.Sleep(storage.KeepEnded - time.Second)
		if n := left(); n != 2*half+1 {
			t.Errorf("%d are left too early", n)
		}
		time.Sleep(20 * time.Minute)
		if n := left(); n != half {
			t.Errorf("%d are left, want %d", n, half)
		}
		cancel()
		g.Wait()
	})
}

// However big the table: a walk takes an hour at least and a day at most, and
// steps come no thicker than the day demands.
func TestPaceOfTheWalk(t *testing.T) {
	const slice = 200
	at := func(share float64) (id storage.SessionID) {
		binary.BigEndian.PutUint64(id[:8], uint64(share*math.MaxUint64))
		return id
	}
	for _, rows := range []float64{1, 200, 20_000, 1e6, 1e7, 1e8, 1e9} {
		steps := max(1, rows/slice)
		var walk time.Duration
		switch {
		case steps == 1:
			walk = sqlite.Spacing(storage.SessionID{}, storage.SessionID{})
		default:
			each := sqlite.Spacing(at(0.5), at(0.5+1/steps))
			if each < 80*time.Millisecond && rows < 2e8 {
				t.Errorf("%g rows: a step each %v", rows, each)
			}
			walk = time.Duration(float64(each) * steps)
		}
		if walk < 59*time.Minute || walk > 24*time.Hour+time.Minute {
			t.Errorf("%g rows: a walk takes %v", rows, walk)
		}
	}
	var sum time.Duration // of steps of any size, to the end
	for i, cuts := 0, []float64{0, 0.1, 0.11, 0.5, 0.9}; i < len(cuts); i++ {
		to := storage.SessionID{}
		if i+1 < len(cuts) {
			to = at(cuts[i+1])
		}
		sum += sqlite.Spacing(at(cuts[i]), to)
	}
	if sum.Round(time.Second) != time.Hour {
		t.Errorf("a small table takes %v", sum)
	}
}

// The walk by slices meets every session once.
func TestSweepInSlices(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	l.open(t, 50)
	later := epoch.Add(365 * 24 * time.Hour)
	commits := countCommits(t, s)
	var at storage.SessionID
	var steps, removed int
	for {
		next, n, err := s.SweepSessions(ctx, at, 7, epoch)
		must(t, err)
		removed += n
		if at = next; at == (storage.SessionID{}) {
			break
		}
	}
	if removed != 0 || commits.Load() != 0 {
		t.Errorf("removed %d live sessions in %d transactions", removed, commits.Load())
	}
	for {
		next, n, err := s.SweepSessions(ctx, at, 7, later)
		must(t, err)
		steps++
		removed += n
		if at = next; at == (storage.SessionID{}) {
			break
		}
	}
	if removed != 50 || steps != 8 {
		t.Errorf("removed %d in %d steps", removed, steps)
	}
}
