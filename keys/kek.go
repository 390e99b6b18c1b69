package keys

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	kekBytes       = 32
	maxKEKText     = 1024
	kekCommandTime = 30 * time.Second
)

const howToMakeKEK = "make one with: head -c 32 /dev/urandom | base64"

// ParseKEK reads a key-encryption key: 32 bytes in base64, in either alphabet,
// padded or not, with white space around it. No error shows what was read.
func ParseKEK(text string) ([]byte, error) {
	if len(text) > maxKEKText {
		return nil, errors.New("too long for a key-encryption key: 32 bytes in base64 are needed; " + howToMakeKEK)
	}
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, errors.New("not a key-encryption key: 32 bytes in base64 are needed; " + howToMakeKEK)
	}
	if err := checkKEK(key); err != nil {
		return nil, err
	}
	return key, nil
}

// checkKEK refuses what cannot be a random key.
func checkKEK(key []byte) error {
	if len(key) != kekBytes {
		return fmt.Errorf("a key-encryption key has 32 bytes, not %d; %s", len(key), howToMakeKEK)
	}
	seen := map[byte]bool{}
	for _, b := range key {
		seen[b] = true
	}
	if len(seen) < 2 {
		return errors.New("a key-encryption key is random, not one byte repeated; " + howToMakeKEK)
	}
	return nil
}

// ReadKEKFile reads a key-encryption key, as ParseKEK, from a file that only
// its owner can read, or the group of a file of root's. A file that is not there is fs.ErrNotExist.
func ReadKEKFile(path string) ([]byte, error) {
	text, err := readPrivately(path, maxKEKText+1)
	if err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	key, err := ParseKEK(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// readPrivately reads the beginning of a file that nobody else can use.
func readPrivately(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case !private(info):
		return nil, fmt.Errorf("others can use %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// private reports whether nobody but its owner, and root, can use a file. A
// file of root's may be read by its group: by the service's alone, and so does
// a credential of systemd look, which a service has by an access control list.
func private(info fs.FileInfo) bool {
	perm := info.Mode().Perm()
	return perm&0o077 == 0 || perm&0o077 == 0o040 && rootOwns(info)
}

// RunKEKCommand reads a key-encryption key, as ParseKEK, from the standard
// output of a shell command, which has 30 seconds.
func RunKEKCommand(ctx context.Context, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kekCommandTime)
	defer cancel()
	out := &limited{}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout = out
	cmd.WaitDelay = time.Second // for what the shell left behind
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("key-encryption key command: no answer in time: %w", ctx.Err())
	case out.full:
		return nil, errors.New("key-encryption key command: too much output: only the key in base64 may be printed")
	case err != nil:
		return nil, fmt.Errorf("key-encryption key command: %w; run it by hand to see what it says", err)
	}
	key, err := ParseKEK(string(out.text))
	if err != nil {
		return nil, fmt.Errorf("key-encryption key command: %w", err)
	}
	return key, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	text []byte
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.text)+len(p) > maxKEKText {
		l.full = true
		return 0, io.ErrShortWrite
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

// CreateKEKFile makes a random key-encryption key and writes it, whole or not
// at all, to a new file of mode 0600. A file that exists is never touched:
// fs.ErrExist, and ReadKEKFile is what to do.
func CreateKEKFile(path string) ([]byte, error) {
	key := make([]byte, kekBytes)
	rand.Read(key) // never fails
	err := writeDurably(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), os.Link)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("key-encryption key: %s: %w", path, fs.ErrExist)
	}
	if err != nil {
		return nil, fmt.Errorf("create key-encryption key: %w", err)
	}
	return key, nil
}

// writeDurably writes a file of mode 0600 beside its place and moves it there.
func writeDurably(path string, data []byte, move func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more after a rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := move(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
