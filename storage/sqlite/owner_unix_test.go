//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// TestRestoreKeepsTheOwner: what root restores is the service's, as the store
// was, or the directory; for everybody else it is their own anyway.
func TestRestoreKeepsTheOwner(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 54321, 54322
	}
	for name, there := range map[string]bool{"of a store": true, "of a directory": false} {
		b := newSetBack(t)
		must(t, b.s.Close())
		owned := b.path
		if !there {
			must(t, os.Remove(b.path))
			owned = filepath.Dir(b.path)
		}
		must(t, os.Chown(owned, uid, gid))
		b.restore(sqlite.StageOptions{Now: epoch})
		for _, suffix := range []string{"", "-wal", "-shm"} { // it is open
			info, err := os.Stat(b.path + suffix)
			must(t, err)
			if stat := info.Sys().(*syscall.Stat_t); int(stat.Uid) != uid || int(stat.Gid) != gid || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: hallmark.db%s belongs to %d:%d, mode %v, want %d:%d", name, suffix, stat.Uid, stat.Gid, info.Mode(), uid, gid)
			}
		}
		if info, err := os.Stat(b.file); err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			t.Errorf("%s: the backup does not belong to whoever made it: %v", name, err)
		}
	}
}
