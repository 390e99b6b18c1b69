package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
)

// A Restoration puts a backup in the place of a store:
//
//	Stage    a copy of the backup is made beside the store, migrated, marked as a backup, its sessions ended
//	Hold     nobody else can open the store that is to be replaced
//	Swap     one rename: the copy is in place, the store that was there is kept under another name
//	Release  the mark is taken off
//
// Killed at any point before the rename it leaves the store as it was, and
// after it a file that Open refuses until a restore was gone through.
type Restoration struct {
	path   string // of the store
	temp   string // the copy, until it is in its place
	remove func()
	old    *sqlx.DB // the store that is there, to look at; nil: none, or it cannot be read
	held   *sqlx.DB // one connection, which keeps others from it
	ended  int
	itself bool // the backup lies in the store's place already
}

// StageOptions says what becomes of the copy.
type StageOptions struct {
	KeepSessions bool // else every session is ended, as storage.EndedRestored
	Now          time.Time
}

// Stage makes the copy. file may be the store itself: a backup that was put in
// its place by other means.
func Stage(ctx context.Context, file, path string, o StageOptions) (*Restoration, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil { // the copy goes where the store really is
		path = real
	}
	r := &Restoration{path: path}
	if r.temp, r.remove, err = beside(path); err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	if err := r.prepare(ctx, file, o); err != nil {
		r.remove()
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	return r, nil
}

func (r *Restoration) prepare(ctx context.Context, file string, o StageOptions) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if err := snapshot(ctx, file, r.temp); err != nil {
		return err
	}
	if err := r.giveAway(); err != nil {
		return err
	}
	if r.itself, err = same(file, r.path); err != nil {
		return err
	}
	if err := r.renew(ctx, o); err != nil {
		return explain(r.temp, err)
	}
	if err := mark(ctx, r.temp, time.Time{}); err != nil {
		return explain(r.temp, err)
	}
	return nil
}

// giveAway has the copy belong to whom the store does, or the directory where
// there is none.
func (r *Restoration) giveAway() error {
	as, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		as, err = os.Stat(filepath.Dir(r.path))
	}
	if err != nil {
		return err
	}
	return giveTo(r.temp, as)
}

// same tells whether two names are one file's; the second may be nobody's.
func same(file, other string) (bool, error) {
	a, err := os.Stat(file)
	if err != nil {
		return false, err
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b), nil
}

// renew makes of the copy what it is to be.
func (r *Restoration) renew(ctx context.Context, o StageOptions) error {
	db, err := connect(aloneDSN(r.temp), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrate(ctx, db, applicationID, backupID); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "DELETE FROM replicas"); err != nil { // none of them serves this
		return err
	}
	if o.KeepSessions {
		return nil
	}
	if err := db.GetContext(ctx, &r.ended, "SELECT count(*) FROM sessions WHERE "+fmt.Sprintf(living, micros(o.Now))); err != nil {
		return err
	}
	if _, err = db.ExecContext(ctx, "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE ended_at = 0", micros(o.Now), string(storage.EndedRestored)); err != nil {
		return err
	}
	// Nobody knows which tokens of another system were exchanged or blacklisted since.
	_, err = db.ExecContext(ctx, "UPDATE users SET not_before = max(not_before, ?)", micros(o.Now))
	return err
}

// Ended is how many sessions that lived were ended in the copy.
func (r *Restoration) Ended() int { return r.ended }

// Store is where the store is, or will be, behind all links.
func (r *Restoration) Store() string { return r.path }

// Path is where the copy is now.
func (r *Restoration) Path() string { return r.temp }

// holdWait is for a command that is about to end, not for a server.
const holdWait = time.Second

// ErrInUse is reported where another process has the store open.
var ErrInUse = errors.New("another process has it open: stop the server first, and see that no other command works on it")

// Hold keeps everybody else from going to work on the store until Close, having
// made one file of it: its write-ahead log is taken into it. Where another
// process has it open, that is ErrInUse. A file that SQLite cannot read, and
// none, need no holding. The copy's audit goes on behind the numbers of what is held.
func (r *Restoration) Hold(ctx context.Context) error {
	if err := r.hold(ctx); err != nil {
		return err
	}
	return r.numberOn(ctx)
}

func (r *Restoration) hold(ctx context.Context) error {
	if !exists(r.path) {
		return nil
	}
	if broken(ctx, r.path) {
		if inUse(r.path) {
			return fmt.Errorf("storage/sqlite: %s: %w", r.path, ErrInUse)
		}
		return nil
	}
	db, err := connect(dsn(r.path, map[string]string{"mode": "rw", "_busy_timeout": "0", "_synchronous": "FULL"}), 1)
	if err != nil {
		return fmt.Errorf("storage/sqlite: %w", err)
	}
	err = poll(ctx.Done(), holdWait, func() error { return alone(ctx, db) })
	switch {
	case err == nil:
		r.held = db
		return r.View()
	case busy(err):
		err = fmt.Errorf("%s: %w", r.path, ErrInUse)
	}
	return errors.Join(fmt.Errorf("storage/sqlite: %w", err), db.Close())
}

// broken reports a file that SQLite cannot read. It is not opened for writing,
// which would remove the log beside it.
func broken(ctx context.Context, path string) bool {
	db, err := connect(probeDSN(path), 1)
	if err != nil {
		return false
	}
	defer db.Close()
	var tables int
	code := code(db.GetContext(ctx, &tables, "SELECT count(*) FROM sqlite_schema"))
	return code == sqlite3.ErrNotADB || code == sqlite3.ErrCorrupt
}

// alone leaves the write-ahead log, which is refused while anybody else has the
// file open, whatever they do with it, and takes the write lock: without it
// nobody gets the log back, and without the log no Store opens.
func alone(ctx context.Context, db *sqlx.DB) error {
	for _, statement := range []string{"PRAGMA journal_mode = DELETE", "BEGIN IMMEDIATE"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	var mode string
	if err := db.GetContext(ctx, &mode, "PRAGMA journal_mode"); err != nil || mode == "delete" {
		return err
	}
	_, _ = db.ExecContext(ctx, "ROLLBACK") // somebody was faster
	return sqlite3.Error{Code: sqlite3.ErrBusy}
}

// View opens the store that is to be replaced for Differences alone: others go
// on with it.
func (r *Restoration) View() error {
	if !exists(r.path) {
		return nil
	}
	db, err := connect(probeDSN(r.path), 1)
	if err != nil {
		return fmt.Errorf("storage/sqlite: %w", err)
	}
	r.old = db
	return nil
}

// Swap gives the copy the store's name, and the store that was there, with
// whatever belongs to it, the name kept. After a crash there is either of them
// under the store's name, and the one that was there is never lost. After an
// error everything is as it was, unless Path is the store's.
func (r *Restoration) Swap(kept string) error {
	if err := r.swap(kept); err != nil {
		return fmt.Errorf("storage/sqlite: %w", err)
	}
	return nil
}

func (r *Restoration) swap(kept string) (err error) {
	if kept == "" {
		return errors.New("there must be a name for what is replaced")
	}
	for _, suffix := range companions {
		if exists(r.temp + suffix) {
			return fmt.Errorf("%s%s is still there: somebody has the copy open", r.temp, suffix)
		}
	}
	var undo []func() error
	defer func() {
		if r.temp != r.path {
			for _, back := range undo {
				err = errors.Join(err, back())
			}
		}
	}()
	if exists(r.path) {
		if err := r.forget(); err != nil {
			return err
		}
		if err := os.Link(r.path, kept); err != nil {
			return fmt.Errorf("%w: move %s away yourself and run it again", err, r.path)
		}
		undo = append(undo, func() error { return os.Remove(kept) })
	}
	// A log that stayed would be taken for that of the new file. There is none
	// beside a store that was held.
	for _, suffix := range companions {
		switch err := os.Rename(r.path+suffix, kept+suffix); {
		case err == nil:
			undo = append(undo, func() error { return os.Rename(kept+suffix, r.path+suffix) })
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if err := errors.Join(syncPath(r.temp), syncPath(filepath.Dir(r.path))); err != nil {
		return err
	}
	if err := os.Rename(r.temp, r.path); err != nil {
		return err
	}
	r.temp = r.path
	return syncPath(filepath.Dir(r.path))
}

// forget removes second names of the store that a swap which was cut short left.
func (r *Restoration) forget() error {
	store, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(literal(filepath.Dir(r.path)), literal(filepath.Base(r.path))+KeptSuffix+"*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if other, err := os.Lstat(name); err == nil && os.SameFile(store, other) {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close lets go of the store that was replaced, and removes the copy if it did
// not come into its place.
func (r *Restoration) Close() error {
	if r.temp != r.path {
		r.remove()
	}
	var errs []error
	if r.old != nil {
		errs = append(errs, r.old.Close())
	}
	if r.held != nil {
		_, err := r.held.Exec("ROLLBACK")
		if errs = append(errs, err); r.temp != r.path {
			_, _ = r.held.Exec("PRAGMA journal_mode = WAL") // as it was; else the next who opens it does so
		}
		errs = append(errs, r.held.Close())
	}
	return errors.Join(errs...)
}

// OpenBackup opens a file that is marked as a backup, and no other.
func OpenBackup(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	s, err := open(ctx, path, backupID, log)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	return s, nil
}

// Release takes the mark off: the file is a store from now on.
func (r *Restoration) Release(ctx context.Context) error {
	if err := unmark(ctx, r.path); err != nil {
		return fmt.Errorf("storage/sqlite: %w", explain(r.path, err))
	}
	return nil
}
