package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage/storagetest/disk"
)

// A wreck is a server process under a crowd that is killed again and again, on
// one directory and one address.
type wreck struct {
	*desk
	*crowd
	address string
	environ []string // of the process, beside what tests have
	vessel  *vessel
}

func newWreck(d *desk, sessions int, window time.Duration, environ []string) *wreck {
	t := d.T
	t.Helper()
	d.serve("--issuer", someIssuer).stop(t) // makes the keys
	w := &wreck{desk: d, address: freeAddress(t), environ: environ}
	w.crowd = d.crowded(w.address, sessions, window)
	t.Cleanup(w.kill)
	return w
}

// raise starts the process; it says nothing of requests that go well.
func (w *wreck) raise() {
	w.Helper()
	w.vessel = &vessel{T: w.T, cmd: exec.Command(buildProgram(w.T), "serve", "--issuer", someIssuer, "--listen", w.address, "--ops-listen", "127.0.0.1:0", "--data", w.data, "--log-level", "warn")}
	w.vessel.cmd.Env = append(os.Environ(), w.environ...)
	w.vessel.cmd.Stderr = &w.vessel.log
	if err := w.vessel.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.vessel.until(30*time.Second, "serves", func() bool {
		resp, err := http.Get("http://" + w.address + "/.well-known/jwks.json")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
}

// kill is -9, of this very process.
func (w *wreck) kill() {
	if w.vessel != nil {
		w.vessel.cmd.Process.Kill()
		w.vessel.cmd.Wait()
		w.vessel = nil
	}
}

// crashes kills the process n times at random moments under the crowd, does
// what happens while it is away, and starts it again.
func (w *wreck) crashes(n int, away func(crash int)) {
	w.Helper()
	w.raise()
	w.begin()
	for crash := range n {
		w.caughtUp()
		time.Sleep(rand.N(1500 * time.Millisecond))
		w.deaf.Store(true) // some have lost their last answer
		time.Sleep(100*time.Millisecond + rand.N(300*time.Millisecond))
		w.kill()
		away(crash)
		w.deaf.Store(false)
		w.raise()
		if (crash+1)%20 == 0 {
			w.Logf("%d crashes: %d attempts answered, %d not", crash+1, w.asked.Load(), w.failed.Load())
		}
	}
	w.settle()
}

// caughtUp waits until who lost an answer to the last crash has it: within the
// retry window the service lives that long, else it may be too late to ask.
func (w *wreck) caughtUp() {
	few := int64(len(w.ledgers) / 10) // who loses answers meanwhile as well
	for end := time.Now().Add(crashWindow); w.waiting.Load() > few && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(250 * time.Millisecond) // one more try of each
}

// checkLosses reports what was lost, at most a few of it.
func checkLosses(t *testing.T, losses []string) {
	t.Helper()
	for _, loss := range losses[:min(len(losses), 10)] {
		t.Error(loss)
	}
	if len(losses) > 10 {
		t.Errorf("%d losses in all", len(losses))
	}
}

func (w *wreck) report() {
	w.Helper()
	generations := uint32(0)
	for _, l := range w.ledgers {
		generations += l.holds().Generation()
	}
	w.Logf("%d sessions, %d rotations, %d answers, %d attempts without one", len(w.ledgers), generations, w.asked.Load(), w.failed.Load())
}

// long is how much more of a test than by default, by HALLMARK_LONG: a share of most.
func long(t *testing.T, usual, most int) int {
	t.Helper()
	text := os.Getenv("HALLMARK_LONG")
	if text == "" {
		return usual
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return max(usual, int(share*float64(most)))
}

func openReadOnly(path string) (*sql.DB, error) {
	return sql.Open("sqlite3", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "_query_only=on&_busy_timeout=5000"}).String())
}

const crashWindow = 3 * time.Second // for a retry; of service time

// TestCrash kills the server under the load of hundreds of sessions. Nothing
// that was answered is lost and nobody is logged out, also when the service was
// away for three times as long as a client may take to ask again.
func TestCrash(t *testing.T) {
	t.Parallel()
	w := newWreck(newDesk(t), long(t, 100, 300), crashWindow, nil)
	w.crashes(long(t, 3, 200), func(crash int) {
		if crash%25 == 1 {
			time.Sleep(3 * crashWindow)
		}
	})
	w.report()
	checkLosses(t, w.losses())
	tried, wrong := w.onlyOneIsGood(crashWindow)
	if tried < len(w.ledgers)/2 {
		t.Errorf("only %d sessions were ever refreshed", tried)
	}
	checkLosses(t, wrong)
	if w.failed.Load() == 0 {
		t.Error("no request met a crash")
	}
}

// TestCrashIsSeen: TestCrash would see a service time that went on while the
// service was away, as wall time does.
func TestCrashIsSeen(t *testing.T) {
	t.Parallel()
	w := newWreck(newDesk(t), 100, crashWindow, nil)
	w.crashes(3, func(int) {
		execSQL(t, filepath.Join(w.data, "hallmark.db"), fmt.Sprint("UPDATE service_time SET reading = reading + ", 2*crashWindow.Microseconds()))
	})
	if found := w.losses(); !strings.Contains(strings.Join(found, "\n"), "logged out") {
		t.Errorf("nobody was logged out: %q", found)
	}
}

// newDisk is a disk that can lose its power, where there is a compiler for it.
func newDisk(t *testing.T) *disk.Disk {
	t.Helper()
	d, err := disk.New(t.TempDir())
	if errors.Is(err, disk.ErrNoCompiler) {
		lacking(t, "gcc", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPowerLoss is TestCrash with a disk that loses what was written and not
// synced, wholly, in part, or here and there.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	w := newWreck(newDesk(t), long(t, 200, 300), crashWindow, d.Forgetful(2*time.Millisecond))
	unsynced := 0
	w.crashes(long(t, 3, 100), func(crash int) {
		_, lost, err := d.Cut([]func(int) int{
			func(int) int { return 0 },
			func(n int) int { return rand.IntN(3) * 512 % (n + 1) },
			func(n int) int { return n * rand.IntN(2) },
		}[crash%3])
		if err != nil {
			t.Fatal(err)
		}
		unsynced += lost
	})
	w.report()
	t.Logf("%d writes were not synced", unsynced)
	checkLosses(t, w.losses())
}

// TestPowerLossIsSeen: so it would be seen if the server did not sync, which no
// setting makes it do: here the disk only says that it has.
func TestPowerLossIsSeen(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	w := newWreck(newDesk(t), 100, crashWindow, d.Lying())
	w.crashes(1, func(int) {
		if writes, unsynced, err := d.Cut(func(int) int { return 0 }); err != nil || writes == 0 || unsynced != writes {
			t.Fatalf("%d writes, %d not synced, %v", writes, unsynced, err)
		}
	})
	if len(w.losses()) == 0 {
		t.Error("nothing was lost")
	}
}
