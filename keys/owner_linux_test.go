package keys

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestMarkOfRoot: what root raises, the user of the service reads and raises on:
// the mark and its lock stay whose they were, or become the directory's.
func TestMarkOfRoot(t *testing.T) {
	switch root := os.Geteuid() == 0; {
	case !root && os.Getenv("HALLMARK_REQUIRE_PEERS") != "":
		t.Fatal("required and not here: root")
	case !root:
		t.Skip("not here: root")
	}
	const service = 12345
	owner := func(path string) uint32 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	dir := t.TempDir()
	if err := os.Chown(dir, service, service); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kek.seen")
	s := NewSeen(path)
	for n := range 2 {
		if err := s.Raise(revokedRing(storage.Version(n+1), n)); err != nil {
			t.Fatal(err)
		}
		if owner(path) != service || owner(path+".lock") != service {
			t.Errorf("the mark is %d's, its lock %d's", owner(path), owner(path+".lock"))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}
