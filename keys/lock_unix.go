//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockFile holds an advisory lock that ends with the process at the latest.
// A process that was stopped while it holds it keeps the others waiting for
// 2 seconds each, not for ever.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for range 200 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { f.Close() }, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.Close()
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
