package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// An outage is something that keeps a running server from writing: made by
// begin, which returns how it ends.
type outage struct {
	environ []string // of the server
	begin   func() (end func())
}

// outages are made on a desk whose store is not there yet.
var outages = map[string]func(d *desk) outage{
	"locked": func(d *desk) outage {
		return outage{begin: func() (end func()) {
			db, err := sql.Open("sqlite3", filepath.Join(d.data, "hallmark.db")+"?_busy_timeout=10000&_txlock=immediate")
			if err != nil {
				d.Fatal(err)
			}
			tx, err := db.BeginTx(d.Context(), nil)
			if err != nil {
				d.Fatal(err)
			}
			return func() { tx.Rollback(); db.Close() }
		}}
	},
	// A library that is preloaded makes the files read-only: a disk cannot be
	// mounted so while the server has files on it open for writing (EBUSY).
	"read-only": func(d *desk) outage {
		fault := filepath.Join(d.TempDir(), "fault")
		return outage{newDisk(d.T).Frail(fault), func() (end func()) {
			write(d.T, fault, "")
			return func() { os.Remove(fault) }
		}}
	},
	"full": func(d *desk) outage {
		if os.Getuid() != 0 {
			lacking(d.T, "root, to mount a small disk", nil)
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", d.data).CombinedOutput(); err != nil {
			lacking(d.T, "the right to mount a small disk", fmt.Errorf("%w: %s", err, out))
		}
		d.Cleanup(func() { exec.Command("umount", d.data).Run() })
		filler := filepath.Join(d.data, "filler")
		return outage{begin: func() (end func()) {
			f, err := os.Create(filler)
			if err != nil {
				d.Fatal(err)
			}
			defer f.Close()
			for size := 1 << 16; size > 0; size /= 16 { // until not a byte is left
				for err = nil; err == nil; {
					_, err = f.Write(make([]byte, size))
				}
			}
			return func() { os.Remove(filler) }
		}}
	},
}

// outageWindow is for a retry. Service time makes up for two beats of an outage
// that the process lives through: a window must be longer to be sure to outlast it.
const outageWindow = 20 * time.Second

// TestOutages: a server that cannot write answers 503 with Retry-After, does
// nothing by half, and goes on by itself when it can.
func TestOutages(t *testing.T) {
	for name, prepare := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			o := prepare(d)
			w := newWreck(d, 20, outageWindow, o.environ)
			w.spread = crashWindow
			w.raise()
			w.begin()
			time.Sleep(time.Second)
			end := o.begin()
			if name == "locked" { // it is the one that makes requests wait
				w.sooner(8*time.Second, 3*time.Second)
			}
			for deadline := time.Now().Add(30 * time.Second); w.rejected.Load() < 20; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Errorf("only %d requests were answered 503", w.rejected.Load())
					break
				}
			}
			end()
			w.settle()
			if lost := w.failed.Load() - w.rejected.Load(); lost > 0 {
				t.Errorf("%d requests got no answer", lost)
			}
			checkLosses(t, w.losses())
		})
	}
}

// sooner checks that a request which cannot be served is answered 503 within
// the limit and some slack for a busy machine.
func (w *wreck) sooner(limit, slack time.Duration) {
	w.Helper()
	began := time.Now()
	_, err := w.refresh(storage.NewRefreshToken().Reveal())
	took := time.Since(began)
	var no *noToken
	if !errors.As(err, &no) || no.status != http.StatusServiceUnavailable || took > limit+slack {
		w.Errorf("after %s: %v, want 503 within %s", took, err, limit)
	}
}
