package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A real limit of the operating system, met when the log is written rather
// than when a page is taken. It needs a process of its own.
func TestNoRoomToCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	if out, err := child(t, "cramped", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if verdict := scalar[string](t, path, "PRAGMA integrity_check"); verdict != "ok" {
		t.Error(verdict)
	}
}

// cramped writes until its files may grow no more, compares what it was told
// with what is there, gets room and goes on.
func cramped(path string) error {
	const users = 400
	signal.Ignore(syscall.SIGXFSZ) // so that the write fails instead
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.CreateUser(ctx, aUser("ada")); err != nil {
		return err
	}
	log, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	if err := limitFiles(uint64(log.Size()) + 300_000); err != nil {
		return err
	}
	told := createAtOnce(s, "first", users)
	if err := compare(s, told); err != nil {
		return err
	}
	if n := len(told); n == 0 || n == users {
		return fmt.Errorf("%d of %d were created: the limit was not met on the way", n, users)
	}
	for i := 0; !errors.Is(s.Check(ctx), storage.ErrUnavailable); i++ {
		if i == 1000 {
			return errors.New("without room, Check is content")
		}
	}
	if err := limitFiles(syscall.RLIM_INFINITY & (1<<63 - 1)); err != nil {
		return err
	}
	if n := len(createAtOnce(s, "second", users)); n != users {
		return fmt.Errorf("with room again, %d of %d were created", n, users)
	}
	return compare(s, told)
}

func limitFiles(bytes uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	l.Cur = min(bytes, l.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
}

// createAtOnce returns the names of the users that it was told were created.
// An error other than ErrUnavailable counts as a name that nobody has.
func createAtOnce(s *sqlite.Store, prefix string, n int) map[string]bool {
	var mu sync.Mutex
	told := map[string]bool{}
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() {
			u := aUser(fmt.Sprint(prefix, i))
			u.Claims.Roles = []string{strings.Repeat("r", 3000)}
			err := s.CreateUser(context.Background(), u)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				told[u.Name] = true
			case !errors.Is(err, storage.ErrUnavailable):
				told[fmt.Sprint("error: ", err)] = true
			}
		})
	}
	g.Wait()
	return told
}

// compare reports an error unless exactly the users called first… that were
// told of are there.
func compare(s *sqlite.Store, told map[string]bool) error {
	users, err := s.Users(ctx, "", 10_000)
	if err != nil {
		return err
	}
	found := 0
	for _, u := range users {
		if !strings.HasPrefix(u.Name, "first") {
			continue
		}
		if found++; !told[u.Name] {
			return fmt.Errorf("%s is there, and its caller got an error", u.Name)
		}
	}
	if found != len(told) {
		return fmt.Errorf("%d are there, %d were told of: %v", found, len(told), told)
	}
	return nil
}
