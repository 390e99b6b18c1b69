//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// rootOwns reports whether a file is root's, so that no user of a service can
// have opened it to others by mistake.
func rootOwns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}

// giveTo lets those use a file who use another one, whoever runs this.
func giveTo(path string, as fs.FileInfo) error {
	if stat, ok := as.Sys().(*syscall.Stat_t); ok && (os.Geteuid() == 0 || int(stat.Uid) != os.Geteuid()) {
		if err := os.Chown(path, int(stat.Uid), int(stat.Gid)); err != nil {
			return fmt.Errorf("%w; run it as the owner of the file, or as root", err)
		}
	}
	return os.Chmod(path, as.Mode().Perm())
}

// leaveTo gives a file that root made in a directory to the user of the service:
// to whom the file that it replaces belongs, or else the directory.
func leaveTo(path, place string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(place)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(place))
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}
