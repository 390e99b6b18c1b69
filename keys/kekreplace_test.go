package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A kekDesk is a key file and what the ring is sealed with.
type kekDesk struct {
	*testing.T
	path string
	old  []byte
	ring string // named by KEKID
}

func newKEKDesk(t *testing.T) *kekDesk {
	path := filepath.Join(t.TempDir(), "kek")
	old := must(CreateKEKFile(path))
	return &kekDesk{t, path, old, KEKID(old)}
}

func (d *kekDesk) sealedWith() (string, error) { return d.ring, nil }

func (d *kekDesk) seal(next []byte) error {
	d.ring = KEKID(next)
	return nil
}

// opens reports whether a start finds the key of the ring, and seals with it.
func (d *kekDesk) opens() {
	d.Helper()
	found, err := ReadKEKFileFor(d.path, d.ring)
	if err != nil || KEKID(found[0]) != d.ring {
		d.Errorf("%d keys, %v: the first is not the one of the ring", len(found), err)
	}
}

// done checks the end of a replacement: the new key in its place, the old one beside it.
func (d *kekDesk) done(kept string) {
	d.Helper()
	key, err := ReadKEKFile(d.path)
	if err != nil || KEKID(key) != d.ring || bytes.Equal(key, d.old) {
		d.Errorf("in its place is %s, %v; the ring needs %s", KEKID(key), err, d.ring)
	}
	if key, err := ReadKEKFile(kept); err != nil || !bytes.Equal(key, d.old) || kept != d.path+"."+KEKID(d.old) {
		d.Errorf("the old key is not in %s: %v", kept, err)
	}
	if _, err := os.Lstat(d.path + nextKEK); !errors.Is(err, fs.ErrNotExist) {
		d.Errorf("something is left: %v", err)
	}
	d.opens()
}

func TestReplaceKEKFile(t *testing.T) {
	d := newKEKDesk(t)
	kept, finished, err := ReplaceKEKFile(d.path, d.sealedWith, d.seal)
	if err != nil || finished {
		t.Fatalf("finished %v, %v", finished, err)
	}
	d.done(kept)
	if info := must(os.Stat(d.path)); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	// Another time, for another leak.
	d.old = must(ReadKEKFile(d.path))
	kept, finished, err = ReplaceKEKFile(d.path, d.sealedWith, d.seal)
	if err != nil || finished {
		t.Fatalf("again: finished %v, %v", finished, err)
	}
	d.done(kept)
}

// TestReplaceKEKFileCutShort: at each point where it may be cut short, a start
// finds the key of the ring, and doing it again ends it.
func TestReplaceKEKFileCutShort(t *testing.T) {
	next := testKEK(9)
	for name, cut := range map[string]struct {
		state    func(*kekDesk)
		finished bool
	}{
		"before anything": {func(*kekDesk) {}, false},
		"after the link":  {func(d *kekDesk) { must(0, os.Link(d.path, d.path+"."+KEKID(d.old))) }, false},
		"before the ring": {func(d *kekDesk) {
			must(0, os.Link(d.path, d.path+"."+KEKID(d.old)))
			writeKEK(d, d.path+nextKEK, next)
		}, false},
		"after the ring": {func(d *kekDesk) {
			must(0, os.Link(d.path, d.path+"."+KEKID(d.old)))
			writeKEK(d, d.path+nextKEK, next)
			d.ring = KEKID(next)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newKEKDesk(t)
			cut.state(d)
			d.opens()
			sealed := false
			kept, finished, err := ReplaceKEKFile(d.path, d.sealedWith, func(key []byte) error {
				sealed = true
				if bytes.Equal(key, next) {
					t.Error("a key that may have leaked with the old one is taken")
				}
				return d.seal(key)
			})
			if err != nil || finished != cut.finished || sealed == cut.finished {
				t.Fatalf("finished %v, sealed %v, %v", finished, sealed, err)
			}
			d.done(kept)
		})
	}
}

func writeKEK(d *kekDesk, path string, key []byte) {
	d.Helper()
	must(0, os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)), 0o600))
}

// TestReplaceKEKFileFails: where the ring was not sealed anew the old key stays
// in its place; where it was, the new one takes it, whatever else failed.
func TestReplaceKEKFileFails(t *testing.T) {
	no := errors.New("no")
	d := newKEKDesk(t)
	if _, _, err := ReplaceKEKFile(d.path, d.sealedWith, func([]byte) error { return no }); !errors.Is(err, no) {
		t.Errorf("a store that fails: %v", err)
	}
	d.opens()
	if key := must(ReadKEKFile(d.path)); !bytes.Equal(key, d.old) {
		t.Error("the old key is not in its place")
	}
	kept, _, err := ReplaceKEKFile(d.path, d.sealedWith, func(next []byte) error { return errors.Join(d.seal(next), no) })
	if !errors.Is(err, no) {
		t.Errorf("stored nonetheless: %v", err)
	}
	d.done(kept)

	d = newKEKDesk(t)
	d.ring = "0123456789abcdef"
	if _, _, err := ReplaceKEKFile(d.path, d.sealedWith, d.seal); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key's ring: %v", err)
	}
	link := filepath.Join(t.TempDir(), "kek")
	must(0, os.Symlink(d.path, link))
	d.ring = KEKID(d.old)
	if _, _, err := ReplaceKEKFile(link, d.sealedWith, d.seal); !errors.Is(err, ErrInPlace) || !strings.Contains(err.Error(), "something else provides") {
		t.Errorf("a link: %v", err)
	}
	must(0, os.WriteFile(d.path+"."+KEKID(d.old), []byte("other"), 0o600))
	if _, _, err := ReplaceKEKFile(d.path, d.sealedWith, d.seal); !errors.Is(err, ErrInPlace) {
		t.Errorf("another file where the old key goes: %v", err)
	}
	if found, err := os.ReadDir(filepath.Dir(d.path)); err != nil || len(found) != 3 { // and the lock
		t.Errorf("left are %v, %v", found, err)
	}
}
