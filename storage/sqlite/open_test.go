package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

func TestFilesAreTheOwnersOnly(t *testing.T) {
	s, path := fresh(t)
	must(t, s.CreateUser(ctx, aUser("ada")))
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(f)
		must(t, err)
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(f), got)
		}
	}
}

func TestOpenWarnsOfAFileThatOthersCanRead(t *testing.T) {
	s, path := fresh(t)
	must(t, s.Close())
	must(t, os.Chmod(path, 0o644))
	var log bytes.Buffer
	s, err := sqlite.Open(ctx, path, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	must(t, s.Close())
	if !strings.Contains(log.String(), "chmod 600") {
		t.Errorf("logged %q", &log)
	}
}

func TestReopenedStoreGoesOn(t *testing.T) {
	s, path := fresh(t)
	want := aUser("ada")
	must(t, s.CreateUser(ctx, want))
	must(t, s.Close())
	for _, left := range []string{path + "-wal", path + "-shm"} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("%s is left behind by Close", filepath.Base(left))
		}
	}
	before, err := os.ReadFile(path)
	must(t, err)
	s = reopen(t, path)
	got, err := s.UserByName(ctx, "ada")
	must(t, err)
	if got.ID != want.ID {
		t.Error("another user")
	}
	must(t, s.Close())
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("reading changed the file")
	}
	if id := scalar[int64](t, path, "PRAGMA application_id"); id != sqlite.ApplicationID {
		t.Errorf("application_id %x", id)
	}
}

// What cannot be opened is refused in one line that says what to do, and every
// byte of it stays.
func TestOpenRefuses(t *testing.T) {
	ours := func(t *testing.T, path string, statements ...string) {
		s, err := sqlite.Open(ctx, path, quiet)
		must(t, err)
		for i := range 200 {
			must(t, s.CreateUser(ctx, aUser(strings.Repeat("u", i+1))))
		}
		must(t, s.Close())
		if len(statements) > 0 {
			database(t, path, statements...)
		}
	}
	overwrite := func(t *testing.T, path string, at int64, with string) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt([]byte(with), at)
		must(t, err)
		must(t, f.Close())
	}
	cases := []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"a text", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600))
		}, "is not a Hallmark database, or is damaged: restore a backup"},
		{"a short text", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte("hello"), 0o600))
		}, "restore a backup"},
		{"another program's database", func(t *testing.T, path string) {
			database(t, path, "PRAGMA application_id = 42", "CREATE TABLE users (id)")
		}, "is not a Hallmark database"},
		{"another program's schema 1", func(t *testing.T, path string) {
			database(t, path, "PRAGMA application_id = 42", "PRAGMA user_version = 1", "CREATE TABLE users (id)")
		}, "is not a Hallmark database"},
		{"a database that nobody marked", func(t *testing.T, path string) {
			database(t, path, "CREATE TABLE users (id)")
		}, "is not a Hallmark database"},
		{"a marked database without tables", func(t *testing.T, path string) {
			database(t, path, "PRAGMA application_id = 42")
		}, "is not a Hallmark database"},
		{"a database with a write-ahead log", func(t *testing.T, path string) {
			database(t, path, "PRAGMA journal_mode = WAL", "CREATE TABLE users (id)")
		}, "is not a Hallmark database"},
		{"a database whose program was killed", func(t *testing.T, path string) {
			live := path + "-live"
			db, err := sqlx.Open("sqlite3", live)
			must(t, err)
			defer db.Close()
			db.SetMaxOpenConns(1)
			db.MustExec("PRAGMA journal_mode = WAL; CREATE TABLE users (id)")
			for _, part := range []string{"", "-wal"} {
				b, err := os.ReadFile(live + part)
				must(t, err)
				must(t, os.WriteFile(path+part, b, 0o600))
			}
		}, "is not a Hallmark database"},
		{"a newer schema", func(t *testing.T, path string) {
			ours(t, path, "PRAGMA user_version = 1000")
		}, "was made by a newer version of hallmark: upgrade this program (schema 1000"},
		{"a damaged header", func(t *testing.T, path string) {
			ours(t, path)
			overwrite(t, path, 0, strings.Repeat("x", 100))
		}, "restore a backup"},
		{"a damaged schema", func(t *testing.T, path string) {
			ours(t, path)
			overwrite(t, path, 100, strings.Repeat("x", 1000))
		}, "restore a backup"},
		{"a damaged page in the middle", func(t *testing.T, path string) {
			ours(t, path)
			overwrite(t, path, 4096*12, strings.Repeat("x", 4096))
		}, "restore a backup"},
		{"a file cut short", func(t *testing.T, path string) {
			ours(t, path)
			must(t, os.Truncate(path, 4096*5+17))
		}, "restore a backup"},
		{"an emptied counter", func(t *testing.T, path string) {
			ours(t, path, "DELETE FROM service_time")
		}, "restore a backup"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "some.db")
			c.make(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			_, err = sqlite.Open(ctx, path, quiet)
			assertRefusal(t, err, path, c.says)
			after, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func assertRefusal(t *testing.T, err error, path, says string) {
	t.Helper()
	if err == nil {
		t.Fatal("opened")
	}
	for _, part := range []string{"storage/sqlite: ", path, says} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func TestOpenRefusesPaths(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	_, err := sqlite.Open(ctx, filepath.Join(missing, "hallmark.db"), quiet)
	assertRefusal(t, err, missing, "does not exist: make the directory first")
	_, err = sqlite.Open(ctx, dir, quiet)
	assertRefusal(t, err, dir, "is a directory")
	_, err = sqlite.Open(ctx, os.DevNull, quiet)
	assertRefusal(t, err, os.DevNull, "is not a regular file")
	_, err = sqlite.Open(ctx, filepath.Join(os.DevNull, "hallmark.db"), quiet) // nor can it be looked at
	assertRefusal(t, err, os.DevNull, "the user that runs hallmark must be able to read and write")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Waiting for long is not for trying often: a minute of it would cost a core.
func TestWaitingIsCheap(t *testing.T) {
	tries := 0
	err := sqlite.Poll(nil, time.Second, func() error {
		tries++
		return sqlite3.Error{Code: sqlite3.ErrBusy}
	})
	if err == nil || tries > 300 {
		t.Errorf("tried %d times in a second, and got %v", tries, err)
	}
}

// Opening waits for whoever holds the lock, as long as it may.
func TestOpenWaitsForTheLock(t *testing.T) {
	s, path := fresh(t)
	must(t, s.Close())
	unlock := lock(t, path)
	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := sqlite.Open(brief, path, quiet); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(50*time.Millisecond, unlock)
	must(t, reopen(t, path).Check(ctx))
}

// What cannot be brought about here is at least put into words.
func TestExplanations(t *testing.T) {
	for code, says := range map[sqlite3.ErrNo]string{
		sqlite3.ErrBusy:     "another process has held it for 1m0s: end that process",
		sqlite3.ErrFull:     "make room on the disk",
		sqlite3.ErrCorrupt:  "restore a backup",
		sqlite3.ErrReadonly: "the user that runs hallmark must be able to read and write",
		sqlite3.ErrIoErr:    "disk I/O error: see whether the disk is full or failing",
	} {
		err := fmt.Errorf("storage/sqlite: %w", sqlite.Explain("/some.db", sqlite3.Error{Code: code}))
		assertRefusal(t, err, "/some.db", says)
	}
}

// An empty file is what a process leaves that was killed between making it and
// filling it.
func TestEmptyFileBecomesADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, reopen(t, path).CreateUser(ctx, aUser("ada")))
}

func TestClosedStore(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	must(t, s.Close())
	must(t, s.Close())
	calls := map[string]func() error{
		"write": func() error { return s.CreateUser(ctx, aUser("bob")) },
		"read":  func() error { _, err := s.UserByName(ctx, "ada"); return err },
		"check": func() error { return s.Check(ctx) },
		"rotate": func() error {
			_, err := s.RotateSession(ctx, l.refresh(storage.NewRefreshToken()))
			return err
		},
		"maintain": func() error { s.Maintain(ctx); return storage.ErrUnavailable },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// database runs statements on a file with settings of its own.
func database(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sqlx.Open("sqlite3", path)
	must(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		_, err := db.Exec(statement)
		must(t, err)
	}
}
