package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// revokedRing is a ring of a version with records of n revoked keys.
func revokedRing(v storage.Version, n int) Ring {
	r := must(NewRing(brisk()))
	for i := range n {
		k := Key{ID: fmt.Sprintf("%043d", i), Algorithm: ES256, PublishedAt: epoch, SignsFrom: epoch}
		k.revoke(epoch, r.schedule, "")
		r.keys = append(r.keys, k)
	}
	return r.at(v)
}

func TestSeen(t *testing.T) {
	s := NewSeen(filepath.Join(t.TempDir(), "seen.json"))
	if m, err := s.Read(); err != nil || m.Version != 0 || m.Revoked != nil {
		t.Errorf("no file: %+v, %v", m, err)
	}
	for _, c := range []struct {
		ring    Ring
		version storage.Version
		revoked int
	}{
		{revokedRing(3, 1), 3, 1},
		{revokedRing(2, 0), 3, 1}, // lower: nothing is forgotten
		{revokedRing(2, 2), 3, 2}, // a revocation alone
		{revokedRing(9, 0), 9, 2}, // a record that has gone from the ring stays here
	} {
		if err := s.Raise(c.ring); err != nil {
			t.Fatal(err)
		}
		m, err := s.Read()
		if err != nil || m.Version != c.version || len(m.Revoked) != c.revoked {
			t.Errorf("after %v: %+v, %v", c.ring, m, err)
		}
		if !m.covers(c.ring) {
			t.Errorf("%+v does not cover %v", m, c.ring)
		}
	}
	if info := must(os.Stat(s.path)); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	before := must(os.Stat(s.path))
	if err := s.Raise(revokedRing(9, 2)); err != nil || !os.SameFile(before, must(os.Stat(s.path))) {
		t.Errorf("written again for nothing, or %v", err)
	}
	if left := must(filepath.Glob(filepath.Dir(s.path) + "/.*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSeenStay: a machine remembers for how long tokens of the newest ring count
// on retired keys; a recovery from a backup with a shorter policy keeps to it.
func TestSeenStay(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, oldVersion := s.backup()
	s.pass(time.Second)
	longer := brisk()
	longer.KeepAfter = 4 * brisk().KeepAfter
	long := must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Reschedule(longer, now) })).stay()
	if m := must(s.seen("a").Read()); m.Stay != int64(long.Seconds()) {
		t.Errorf("the mark says %d s, the ring %s", m.Stay, long)
	}
	kid := s.sign(r)
	s.restore(old, oldVersion)
	ring := must(s.rotator().Recover(t.Context(), false))
	if k := ring.keys[ring.find(kid)]; k.GoneAt.Before(s.now().Add(long)) {
		t.Errorf("after a recovery %s is gone at %s, tokens of it are about until %s", kid, k.GoneAt, s.now().Add(long))
	}
	// What ended is forgotten, by the ring and by the mark.
	again := s.started()
	for range 3 {
		s.pass(long)
		s.must(again.Look(t.Context()))
	}
	if m := must(s.seen("a").Read()); again.Ring().stay() != brisk().stay() || m.Stay != int64(brisk().stay().Seconds()) {
		t.Errorf("long after, the ring says %s, the mark %d s", again.Ring().stay(), m.Stay)
	}
}

// TestProbe: it says before what Raise would say, and leaves nothing behind.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	s := NewSeen(filepath.Join(dir, "seen.json"))
	for range 2 {
		before := must(s.Read())
		if err := s.Probe(); err != nil || must(s.Read()).Version != before.Version {
			t.Errorf("%v", err)
		}
		if left := must(filepath.Glob(dir + "/.*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		if err := s.Raise(revokedRing(3, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Seen{"damaged": s, "no directory": NewSeen(filepath.Join(dir, "nowhere", "seen")), "a directory": NewSeen(t.TempDir()),
		"a place for the lock alone": NewSeen(filepath.Join(dir, strings.Repeat("x", 248))), // the new file's name would be too long
	} {
		if err := s.Probe(); !errors.Is(err, ErrMark) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (*Seen)(nil).Probe(); err != nil {
		t.Errorf("no file is needed: %v", err)
	}
}

// TestSeenTogether: writers in several processes do not lower or lose anything.
// An advisory lock belongs to an open file, so goroutines stand for processes.
func TestSeenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seen.json")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for v := range storage.Version(5) {
				r := revokedRing(v+1, 0)
				k := Key{ID: fmt.Sprintf("%042d%d", v, i), Algorithm: ES256}
				k.revoke(epoch, r.schedule, "")
				r.keys = append(r.keys, k)
				if err := NewSeen(path).Raise(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	m, err := NewSeen(path).Read()
	slices.Sort(m.Revoked)
	if err != nil || m.Version != 5 || len(slices.Compact(m.Revoked)) != 40 {
		t.Errorf("version %d, %d kids, error %v", m.Version, len(m.Revoked), err)
	}
}

func TestSeenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seen.json")
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "no version": "{}", "a version below 1": `{"version":-1}`,
		"not a kid": `{"version":1,"revoked":["a kid"]}`, "too big": `{"version":1}` + strings.Repeat(" ", maxMarkBytes),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSeen(path).Read(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if err := NewSeen(path).Raise(revokedRing(1, 0)); err == nil || string(must(os.ReadFile(path))) != content {
			t.Errorf("%s: overwritten, or no error: %v", name, err)
		}
	}
	if err := NewSeen(filepath.Join(t.TempDir(), "nowhere", "seen")).Raise(revokedRing(1, 0)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestSeenIsBounded(t *testing.T) {
	m := Mark{Version: 1}.raise(revokedRing(1, maxMarkRevoked+5))
	if len(m.Revoked) != maxMarkRevoked || !strings.HasSuffix(m.Revoked[0], "05") {
		t.Errorf("%d kids from %s on", len(m.Revoked), m.Revoked[0])
	}
}

// TestSeenLocked: a stopped process that holds the lock delays, but does not block.
func TestSeenLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeen(filepath.Join(t.TempDir(), "seen.json"))
		unlock := must(lockFile(s.path + ".lock"))
		began := time.Now()
		if err := s.Raise(revokedRing(1, 0)); err == nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		unlock()
		if err := s.Raise(revokedRing(1, 0)); err != nil {
			t.Error(err)
		}
	})
}

// No file is needed where nothing is to be remembered.
func TestNoSeen(t *testing.T) {
	var s *Seen
	if m, err := s.Read(); err != nil || m.Version != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := s.Raise(revokedRing(1, 0)); err != nil || s.String() != "no file" {
		t.Errorf("%v, %s", err, s)
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"version":7,"revoked":["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMark(data)
		if (err == nil) != (m.Version >= 1) || err != nil && m.Revoked != nil {
			t.Fatalf("%+v, %v", m, err)
		}
	})
}
