package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// nextKEK is what a key-encryption key is called until it takes its place.
const nextKEK = ".next"

// ErrInPlace: a key-encryption key cannot be replaced where it is.
var ErrInPlace = errors.New("the key-encryption key cannot be replaced where it is")

// ReadKEKFileFor reads a file of a key-encryption key as ReadKEKFile, for a ring
// that is sealed with a key. If the file was being replaced when something cut
// that short, the key that the ring is sealed with comes before the old one.
func ReadKEKFileFor(path, sealedWith string) ([][]byte, error) {
	key, err := ReadKEKFile(path)
	if err != nil || sealedWith == "" || KEKID(key) == sealedWith {
		return [][]byte{key}, err
	}
	next, err := ReadKEKFile(path + nextKEK)
	switch {
	case err == nil && KEKID(next) == sealedWith:
		return [][]byte{next, key}, nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return [][]byte{key}, nil
	}
	return nil, err
}

// ReplaceKEKFile puts a fresh key-encryption key in the place of one that
// somebody else may have. Wherever it is cut short, ReadKEKFileFor finds the key
// of the ring, and doing it again ends it:
//
//	path       path.next  path.OLDID
//	old        -          -           nothing was done
//	old        -          old         backups from before will need it
//	old        new        old         seal: now the ring needs new
//	new        -          old         done
//
// sealedWith names the key that the ring in the store is sealed with, as
// SealedWith. seal stores the ring sealed with the new key; it is not called
// where an earlier run came as far (finished). kept is where the old key is.
func ReplaceKEKFile(path string, sealedWith func() (string, error), seal func(next []byte) error) (kept string, finished bool, err error) {
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrInPlace, err)
	}
	defer unlock()
	id, err := sealedWith()
	if err != nil {
		return "", false, err
	}
	old, err := ReadKEKFile(path)
	if err != nil {
		return "", false, err
	}
	kept = path + "." + KEKID(old)
	next, err := ReadKEKFile(path + nextKEK)
	if finished = err == nil && KEKID(next) == id; !finished {
		if KEKID(old) != id {
			return "", false, fmt.Errorf("%w: it needs the one named %s, and %s is %s", ErrWrongKey, id, path, KEKID(old))
		}
		if next, err = prepareKEK(path, kept); err != nil {
			return "", false, fmt.Errorf("%w: %w", ErrInPlace, err)
		}
		err = seal(next)
		if now, unknown := sealedWith(); unknown != nil || now != KEKID(next) {
			return "", false, errors.Join(err, unknown)
		}
	} else {
		err = nil
	}
	return kept, finished, errors.Join(err, os.Rename(path+nextKEK, path), syncDir(filepath.Dir(path)))
}

// prepareKEK keeps the old key, which shows that the file can be replaced, and
// makes the next one.
func prepareKEK(path, kept string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is a link: something else provides the key", path)
	}
	// A link does not cross into another mount, as a rename would not.
	if err := os.Link(path, kept); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if key, err := ReadKEKFile(kept); err != nil || filepath.Base(path)+"."+KEKID(key) != filepath.Base(kept) {
		return nil, errors.Join(fmt.Errorf("%s is there and is another key", kept), err)
	}
	// One that is there sealed nothing, and may be known to whoever has the old one.
	if err := os.Remove(path + nextKEK); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	next, err := CreateKEKFile(path + nextKEK)
	if err != nil {
		return nil, err
	}
	return next, giveTo(path+nextKEK, info)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
