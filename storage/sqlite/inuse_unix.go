//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// The bytes that every reader of a database file locks (sqlite.org/src/file/src/os.h, SHARED_FIRST).
const sharedFirst, sharedSize = 0x40000002, 510

// inUse asks the system whether another process has a lock on a file that
// SQLite cannot read any more: a server that had it open before it was damaged.
func inUse(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: sharedFirst, Len: sharedSize}
	return syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock) == nil && lock.Type != syscall.F_UNLCK
}
