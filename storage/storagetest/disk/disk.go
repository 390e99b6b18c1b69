// Package disk is a disk for tests that forgets what was not synced when its
// power fails, and is as slow to sync as one likes. It works on real programs
// that reach their files through the C library, as SQLite does: a library that
// is preloaded writes down each write and each sync, and Cut undoes after the
// program was killed what no sync had covered.
package disk

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed testdata/disk.c
var source []byte

// A Disk is the compiled library and a journal.
type Disk struct{ library, journal string }

// ErrNoCompiler is reported where there is no gcc.
var ErrNoCompiler = errors.New("gcc")

// New makes a disk whose own files are in dir.
func New(dir string) (*Disk, error) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil, ErrNoCompiler
	}
	d := &Disk{library: filepath.Join(dir, "disk.so"), journal: filepath.Join(dir, "disk.journal")}
	c := filepath.Join(dir, "disk.c")
	if err := os.WriteFile(c, source, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command(gcc, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o", d.library, c, "-ldl").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return d, nil
}

// Slow is the environment of a program whose every sync takes so long. What it
// writes is not written down.
func (d *Disk) Slow(sync time.Duration) []string {
	return []string{"LD_PRELOAD=" + d.library, fmt.Sprint("DISK_DELAY=", sync.Microseconds())}
}

// Forgetful is Slow for a program whose power may be cut.
func (d *Disk) Forgetful(sync time.Duration) []string {
	return append(d.Slow(sync), "DISK_JOURNAL="+d.journal)
}

// Lying is Forgetful for a disk that reports a sync and does none: to a program
// on it, it is as if it never synced.
func (d *Disk) Lying() []string {
	return []string{"LD_PRELOAD=" + d.library, "DISK_JOURNAL=" + d.journal, "DISK_LIES=1"}
}

// Frail is the environment of a program whose files become read-only while
// there is a file called fault.
func (d *Disk) Frail(fault string) []string {
	return []string{"LD_PRELOAD=" + d.library, "DISK_FAULT=" + fault}
}

// Cut makes the files what a power cut would have left, after every program on
// the disk was killed. Of what no sync had covered, keep is asked for each
// write of n bytes how many of them the disk had done: none, all, or some
// sectors. It tells how many writes there were, and how many of them no sync
// had covered, and begins a new journal.
func (d *Disk) Cut(keep func(n int) int) (writes, unsynced int, err error) {
	text, err := os.ReadFile(d.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	pending := map[string][]record{}
	for at := uint64(0); ; {
		r, next, ok := parse(text, at)
		if !ok { // the end, or a record that was cut: its write was never begun
			break
		}
		if r.kind == 'S' {
			pending[r.name] = after(pending[r.name], r.size)
		} else {
			pending[r.name] = append(pending[r.name], r)
			writes++
		}
		at = next
	}
	for name, records := range pending {
		unsynced += len(records)
		if err := undo(name, records, keep); err != nil {
			return 0, 0, err
		}
	}
	return writes, unsynced, os.Remove(d.journal)
}
