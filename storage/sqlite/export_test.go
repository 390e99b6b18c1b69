package sqlite

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// What tests may see of the inside.
const (
	ApplicationID = applicationID
	MaxBatch      = maxBatch
	MaxQueue      = maxQueue
)

var (
	WriterDSN = writerDSN
	Spacing   = spacing
	Explain   = explain
	Scripts   = scripts
	Poll      = poll
	Place     = place
)

// Do runs any statements as one operation of a batch.
func (s *Store) Do(ctx context.Context, run func(q sqlstore.Querier) error) error {
	return exec(ctx, s, func(_ context.Context, q sqlstore.Querier) error { return run(q) })
}

// OnWriter runs inside a batch, on the driver's own connection.
func (s *Store) OnWriter(ctx context.Context, run func(*sqlite3.SQLiteConn)) error {
	return s.Do(ctx, func(sqlstore.Querier) error {
		return s.writer.conn.Raw(func(c any) error {
			run(c.(*sqlite3.SQLiteConn))
			return nil
		})
	})
}

// SetLockWait shortens the minute that the writer waits for its lock.
func (s *Store) SetLockWait(ctx context.Context, d time.Duration) error {
	return s.Do(ctx, func(sqlstore.Querier) error {
		s.writer.lockWait = d
		return nil
	})
}

// Readers is the pool that reads.
func (s *Store) Readers() *sqlx.DB { return s.readers }

// Sweep is the walk of Maintain, with a step when pace returns, which is told
// how long Maintain would wait.
func (s *Store) Sweep(ctx context.Context, pace func(time.Duration)) {
	s.sweep(ctx, func(from, to storage.SessionID) time.Duration {
		pace(spacing(from, to))
		return 0
	})
}

// Waiting is how many operations the writer has not begun.
func (s *Store) Waiting() int { return len(s.writer.queue) }

// Advance lets d pass in service time.
func (s *Store) Advance(ctx context.Context, d time.Duration) error {
	_, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (struct{}, error) {
		return struct{}{}, sqlstore.SetServiceTime(ctx, q, at.Add(d))
	})
	return err
}

// WithoutSyncs makes the store what no setting can: one that syncs nothing. It
// is for a store that nothing was written to yet.
func (s *Store) WithoutSyncs() error {
	_, err := s.writer.db.Exec("PRAGMA synchronous = OFF")
	return err
}

// RotateEarly is RotateSession, answered when the statements have run and
// before they are committed.
func (s *Store) RotateEarly(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	type result struct {
		out storage.Refreshed
		err error
	}
	early := make(chan result, 2)
	go func() {
		out, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (storage.Refreshed, error) {
			out, err := sqlstore.RotateSession(ctx, q, r, at)
			early <- result{out, err}
			return out, err
		})
		early <- result{out, err}
	}()
	got := <-early
	return got.out, got.err
}
