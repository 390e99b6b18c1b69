package main

import (
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestOperatorsUnderLoad: beside a server that rotates without a rest, on a
// disk that takes 8 ms to sync, commands that write get in within a second.
func TestOperatorsUnderLoad(t *testing.T) {
	t.Parallel()
	slow := newDisk(t).Slow(8 * time.Millisecond)
	w := newWreck(newDesk(t), 64, 0, slow) // strict: every refresh rotates
	w.desk.ok("", "user", "add", "bob", "--no-password")
	w.raise()
	var stop atomic.Bool
	var rotations atomic.Int64
	var tabs sync.WaitGroup
	began := time.Now()
	for _, l := range w.ledgers {
		tabs.Go(func() {
			for token := l.held.Reveal(); !stop.Load(); rotations.Add(1) {
				next, err := w.refresh(token)
				if err != nil {
					t.Error(err)
					return
				}
				token = next
			}
		})
	}
	var took []time.Duration
	for range 5 {
		for _, args := range [][]string{{"user", "disable", "bob"}, {"session", "revoke", "--user", "bob", "--yes"}, {"user", "enable", "bob"}} {
			cmd := exec.Command(w.vessel.cmd.Path, append(args, "--data", w.data)...)
			cmd.Env = append(os.Environ(), slow...)
			at := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("hallmark %q: %v: %s", args, err, out)
			}
			took = append(took, time.Since(at))
		}
	}
	stop.Store(true)
	tabs.Wait()
	slices.Sort(took)
	perSecond := float64(rotations.Load()) / time.Since(began).Seconds()
	t.Logf("beside %.0f rotations/s, %d commands took %v in the middle and %v at most, starting included", perSecond, len(took), took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > time.Second { // the middle: a machine that is busy otherwise delays one now and then
		t.Errorf("commands took %v", took)
	}
	if perSecond < 100 { // one transaction for each would make 125 at most
		t.Errorf("%.0f rotations/s are no load", perSecond)
	}
}

// TestStopAnswers: each request that is under way when the server is told to
// end is answered, and outlasts a power cut at the end of the process.
func TestStopAnswers(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	w := newWreck(newDesk(t), 64, crashWindow, d.Forgetful(8*time.Millisecond))
	w.raise()
	release := outages["locked"](w.desk).begin()
	var requests sync.WaitGroup
	for _, l := range w.ledgers {
		requests.Go(func() {
			next, err := w.refresh(l.holds().Reveal())
			if err != nil {
				l.refused(err.Error())
				return
			}
			l.answer(next, true)
		})
	}
	time.Sleep(time.Second) // all of them wait for the store
	if err := w.vessel.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	release()
	requests.Wait()
	if err := w.vessel.cmd.Wait(); err != nil {
		t.Errorf("ended with %v: %s", err, w.vessel.log.String())
	}
	w.vessel = nil
	if _, _, err := d.Cut(func(int) int { return 0 }); err != nil {
		t.Fatal(err)
	}
	w.raise()
	checkLosses(t, w.losses())
	for i, l := range w.ledgers {
		if l.answered[1] == "" {
			t.Errorf("session %d was not rotated", i)
		}
	}
}
