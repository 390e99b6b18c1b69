//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"io/fs"
	"syscall"
)

// rootOwns reports whether a file is root's, so that no user of a service can
// have opened it to others by mistake.
func rootOwns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}
