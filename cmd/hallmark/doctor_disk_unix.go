//go:build darwin || linux

package main

import (
	"fmt"
	"syscall"
)

// freeSpace is what an ordinary user may still fill on a directory's disk, in bytes.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
