package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// backupID marks a file that is a backup ("HALB"). Open refuses it, so that a
// copy which was simply put in a store's place does not come into service.
const backupID = 0x48414C42

// Backup copies the database at path to file (mode 0600), while others read and
// write it: the copy is the database as it was at one moment. The copy is marked
// as a backup, examined, made durable and then given its name, so that there is
// never half a file under it. A file that is there is fs.ErrExist unless it is
// to be replaced. The database is not migrated.
func Backup(ctx context.Context, path, file string, replace bool, now time.Time) (Summary, error) {
	s, err := backup(ctx, path, file, replace, now)
	if err != nil {
		return Summary{}, fmt.Errorf("storage/sqlite: %w", err)
	}
	return s, nil
}

func backup(ctx context.Context, path, file string, replace bool, now time.Time) (Summary, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Summary{}, err
	}
	if file, err = filepath.Abs(file); err != nil {
		return Summary{}, err
	}
	if err := free(path, file, replace); err != nil {
		return Summary{}, err
	}
	var c Condition
	err = poll(ctx.Done(), lockWait, func() error { return c.read(ctx, path) })
	switch {
	case err != nil:
		return Summary{}, explain(path, err)
	case c.Schema == 0:
		return Summary{}, fmt.Errorf("%s is empty: there is nothing to back up yet", path)
	}
	temp, remove, err := beside(file)
	if err != nil {
		return Summary{}, err
	}
	defer remove()
	if err := snapshot(ctx, path, temp); err != nil {
		return Summary{}, err
	}
	if err := mark(ctx, temp, now); err != nil {
		return Summary{}, explain(temp, err)
	}
	s, err := examine(ctx, temp, now)
	if err != nil {
		return Summary{}, fmt.Errorf("the copy is not good: %w", err)
	}
	if err := free(path, file, replace); err != nil { // somebody may have been faster
		return Summary{}, err
	}
	return s, place(temp, file, replace)
}

// free refuses what a backup must not replace.
func free(path, file string, replace bool) error {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return irregular(file, info)
	case !replace:
		return fmt.Errorf("%s: %w", file, fs.ErrExist)
	}
	if store, err := os.Stat(path); err == nil && os.SameFile(info, store) {
		return fmt.Errorf("%s is the store itself: name another file", file)
	}
	return nil
}

// beside makes an empty file next to a file that is to be made. remove also
// takes what SQLite may have left beside it, and does no harm after a rename.
func beside(file string) (temp string, remove func(), err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return "", nil, fmt.Errorf("%w: the user that runs hallmark must be able to write in that directory", err)
	}
	remove = func() {
		for _, suffix := range append(companions, "") {
			_ = os.Remove(f.Name() + suffix) // mostly not there
		}
	}
	if err := f.Close(); err != nil {
		remove()
		return "", nil, err
	}
	return f.Name(), remove, nil
}

// companions are what SQLite keeps beside a file under its name.
var companions = []string{"-wal", "-shm", "-journal"}

// snapshot copies a database into an empty file: one read transaction, beside
// which others write on. Free pages are left out, and with them whatever they
// held.
func snapshot(ctx context.Context, path, into string) error {
	db, err := connect(sourceDSN(path), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	err = poll(ctx.Done(), lockWait, func() error {
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", into)
		return err
	})
	if err != nil {
		return explain(path, err)
	}
	return nil
}

// mark makes a copy a backup of a moment, if it is none yet.
func mark(ctx context.Context, file string, now time.Time) error {
	return alter(ctx, aloneDSN(file), fmt.Sprintf(`
		CREATE TABLE IF NOT EXISTS backup (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), taken_at INTEGER NOT NULL) STRICT;
		INSERT OR IGNORE INTO backup (one, taken_at) VALUES (1, %d);
		PRAGMA application_id = %d`, micros(now), backupID))
}

// unmark is the last act of a restore: from now on the file can be opened. It is
// in its place, and is a store in write-ahead mode already.
func unmark(ctx context.Context, file string) error {
	return alter(ctx, writerDSN(file), fmt.Sprintf("DROP TABLE IF EXISTS backup; PRAGMA application_id = %d", applicationID))
}

// alter runs a script in one durable transaction.
func alter(ctx context.Context, dsn, script string) error {
	db, err := connect(dsn, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	return tx.Commit()
}

// place makes a finished file durable and gives it its name. Unless it is to
// replace one, a file that somebody made meanwhile stays.
func place(temp, file string, replace bool) error {
	if err := syncPath(temp); err != nil {
		return err
	}
	err := errors.ErrUnsupported
	if !replace {
		err = os.Link(temp, file)
	}
	switch {
	case err == nil:
		err = os.Remove(temp)
	case !errors.Is(err, fs.ErrExist): // to be replaced, or a file system without links
		err = os.Rename(temp, file)
	}
	if err != nil {
		return err
	}
	return syncPath(filepath.Dir(file))
}

// syncPath makes a file or a directory durable. Nobody in this process may have
// it open through SQLite: closing it drops the locks on it.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// micros is a time as the tables have it; 0: none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// A Summary says what is in a database file.
type Summary struct {
	Bytes          int64
	Schema         int
	Ring           storage.Version // of the key ring; 0: there is none yet
	Users, Clients int
	Sessions       int       // that live
	TakenAt        time.Time // when Backup made it; zero for any other copy
}
