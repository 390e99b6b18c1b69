// Package sqlite keeps Hallmark's records in one SQLite file. It is the
// embedded default: nothing to install, and one machine is enough for it.
//
//	verbs that write ─► queue ─► writer: one goroutine, one connection
//	                              BEGIN IMMEDIATE
//	                                SAVEPOINT · verb · RELEASE     for whatever is waiting
//	                              COMMIT (one fsync) ─► every caller is answered
//	verbs that read ──► pool of query_only connections
//
// Group commit: the operations that wait while the disk is busy with one
// transaction share the next. What one of them reports (a conflict, an unknown
// session) undoes its own savepoint; what breaks the transaction (a full disk)
// undoes it wholly and every caller in it is told so. A caller's context ends
// the caller's wait and never a statement, because SQLite answers an
// interrupted statement by rolling back everybody's transaction.
//
// Any number of processes may have the file open. Each polls for the write
// lock, and each lets go of it for a moment when it has had it for long, so an
// operator's command gets its turn beside a busy server.
package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// A Store is an open database file. Its verbs may be called from any number of
// goroutines.
type Store struct {
	log     *slog.Logger
	clock   *clock
	writer  *writer
	readers *sqlx.DB
	close   func() error
	closing chan struct{}
	keep    atomic.Pointer[storage.Retention] // of the audit
}

// Open opens the database at path, a plain path, and makes it (mode 0600) if
// there is none; the directory must exist. A schema older than this program's is
// brought up to date. Whatever else the file turns out to be is left as it is,
// and the error says in one line what to do. ctx bounds the opening only.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	s, err := open(ctx, path, applicationID, log)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, path string, id int64, log *slog.Logger) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := create(path, log); err != nil {
		return nil, err
	}
	var db *sqlx.DB
	// Whoever opens, recovers or closes the file at this moment holds it for a moment only.
	err = poll(ctx.Done(), lockWait, func() (err error) {
		db, err = prepare(ctx, path, id)
		return err
	})
	switch {
	case err == errLeft:
		return nil, fmt.Errorf("%s: %w", path, ctx.Err())
	case err != nil:
		return nil, explain(path, err)
	}
	readers, err := connect(readerDSN(path), max(4, runtime.NumCPU()))
	if err != nil {
		db.Close()
		return nil, err
	}
	stored, err := sqlstore.ServiceTime(ctx, readers)
	if err != nil {
		readers.Close()
		db.Close()
		return nil, explain(path, err)
	}
	s := &Store{log: log, clock: newClock(stored), readers: readers, closing: make(chan struct{})}
	s.writer = newWriter(db, s.clock, log)
	s.KeepRecords(storage.DefaultRetention())
	s.close = sync.OnceValue(s.shut)
	return s, nil
}

// Close commits and answers what was accepted, for which it may have to wait
// for the write lock like anyone else, and closes the file. Every later call,
// but another Close, reports storage.ErrUnavailable.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.closing)
	s.writer.drain()
	err := s.readers.Close()
	// The writer's is the last connection: closing it empties the write-ahead log.
	if e := s.writer.db.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("storage/sqlite: %w", err)
	}
	return nil
}

// connect opens a pool of at most size connections, which stay open.
func connect(dsn string, size int) (*sqlx.DB, error) {
	db, err := sqlx.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}
