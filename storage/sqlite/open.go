package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// applicationID marks the file as Hallmark's ("HALM", see sqlite.org/fileformat2 §1.3.20).
const applicationID = 0x48414C4D

// checkedSize is up to which size a file is checked page by page when it is opened.
const checkedSize = 32 << 20

var (
	errForeign = errors.New("is not a Hallmark database, or is damaged: restore a backup, or name another file")
	errBackup  = errors.New("is a backup, as old as the day it was made, or a restore that was cut short: run hallmark restore on it, which is what puts it into service")
	errNewer   = errors.New("was made by a newer version of hallmark: upgrade this program")
	errNoWAL   = errors.New("is on a file system that cannot share memory (a network share?): put it on a local disk")
)

// create makes the file if there is none. A file that exists is not opened
// here: closing it again would drop the locks that this process holds on it
// through SQLite.
func create(path string, log *slog.Logger) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return irregular(path, info)
	case err == nil && info.Mode().Perm()&0o077 != 0:
		log.Warn("the database can be read by other users of this machine: chmod 600", "path", path, "mode", info.Mode().Perm().String())
		return nil
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the user that runs hallmark must be able to read and write the file and its directory", err)
	}
	if dir := filepath.Dir(path); !exists(dir) {
		return fmt.Errorf("%s does not exist: make the directory first", dir)
	}
	// SQLite gives its companions (-wal, -shm) the mode of the file.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist): // another process was faster
		return nil
	case err != nil:
		return fmt.Errorf("%w: the user that runs hallmark must be able to write in that directory", err)
	}
	return f.Close()
}

// irregular refuses what SQLite would not: opening a pipe may wait for ever.
func irregular(path string, info fs.FileInfo) error {
	if info.IsDir() {
		return fmt.Errorf("%s is a directory: name a file in it", path)
	}
	return fmt.Errorf("%s is not a regular file: name one", path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// prepare turns the file into a database of the current schema, if it is one
// of ours or empty, and returns the writer's pool of one connection.
func prepare(ctx context.Context, path string, id int64) (*sqlx.DB, error) {
	if err := probe(ctx, path, id); err != nil {
		return nil, err
	}
	db, err := connect(writerDSN(path), 1)
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, db, id); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func ready(ctx context.Context, db *sqlx.DB, id int64) error {
	var mode string
	if err := db.GetContext(ctx, &mode, "PRAGMA journal_mode"); err != nil {
		return err
	}
	if mode != "wal" {
		return errNoWAL
	}
	if err := migrate(ctx, db, id); err != nil {
		return err
	}
	if _, err := sqlstore.ServiceTime(ctx, db); errors.Is(err, sqlstore.ErrRecord) {
		return errForeign
	}
	return nil
}

// probe tells what the file is, without changing it: empty, or of a schema
// that this program knows and with the application id that is wanted, or an error.
func probe(ctx context.Context, path string, id int64) error {
	err := look(ctx, path, id)
	var e sqlite3.Error
	if !errors.As(err, &e) || e.ExtendedCode != sqlite3.ErrReadonlyRollback {
		return err
	}
	// A restore died while it made one file of it; what it had not finished is undone.
	if err := rollBack(ctx, path); err != nil {
		return err
	}
	return look(ctx, path, id)
}

// rollBack has SQLite undo what a process that died had not committed, where
// that is in a rollback journal.
func rollBack(ctx context.Context, path string) error {
	db, err := connect(dsn(path, map[string]string{"mode": "rw", "_busy_timeout": "0", "_query_only": "on", "_synchronous": "FULL"}), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	var tables int
	return db.GetContext(ctx, &tables, "SELECT count(*) FROM sqlite_schema")
}

func look(ctx context.Context, path string, id int64) error {
	db, err := connect(probeDSN(path), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTxx(ctx, nil) // one snapshot: somebody may be making the schema
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var is struct{ application, schema, tables, size int64 }
	for query, into := range map[string]*int64{
		"PRAGMA application_id":              &is.application,
		"PRAGMA user_version":                &is.schema,
		"SELECT count(*) FROM sqlite_schema": &is.tables,
		"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size": &is.size,
	} {
		if err := tx.GetContext(ctx, into, query); err != nil {
			return err
		}
	}
	switch {
	case is.application == 0 && is.schema == 0 && is.tables == 0:
		return nil // new
	case is.application == backupID && id != backupID:
		return errBackup
	case is.application != id || is.schema < 1:
		return errForeign
	case is.schema > int64(len(scripts())):
		return fmt.Errorf("%w (schema %d, known here: %d)", errNewer, is.schema, len(scripts()))
	case is.size > checkedSize:
		return nil
	}
	return check(ctx, tx)
}

func check(ctx context.Context, tx *sqlx.Tx) error {
	var verdict string
	if err := tx.GetContext(ctx, &verdict, "PRAGMA quick_check(1)"); err != nil {
		return err
	}
	if verdict != "ok" {
		return errForeign
	}
	return nil
}

// explain says what an error at opening asks of the operator, in one line.
func explain(path string, err error) error {
	var e sqlite3.Error
	switch {
	case errors.Is(err, errForeign), errors.Is(err, errNewer), errors.Is(err, errNoWAL), errors.Is(err, errBackup):
		return fmt.Errorf("%s %w", path, err)
	case !errors.As(err, &e):
		return fmt.Errorf("%s: %w", path, err)
	}
	switch e.Code {
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt:
		return fmt.Errorf("%s %w (%w)", path, errForeign, err)
	case sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return fmt.Errorf("%s: %w: the user that runs hallmark must be able to read and write the file and its directory", path, err)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf("%s: %w: another process has held it for %v: end that process", path, err, lockWait)
	case sqlite3.ErrFull:
		return fmt.Errorf("%s: %w: make room on the disk", path, err)
	case sqlite3.ErrIoErr: // a full disk too, where it is the index of the log that does not fit
		return fmt.Errorf("%s: %w: see whether the disk is full or failing", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
