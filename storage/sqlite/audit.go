package sqlite

import (
	"context"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

const (
	retainSlice = 200                    // records of a kind, or spent tokens, that are removed in one transaction
	retainEvery = 10 * time.Minute       // how far looks are apart,
	retainNext  = 250 * time.Millisecond // and while there is something to remove
)

// Record adds records to the audit, all or none. What a verb changes it records itself.
func (s *Store) Record(ctx context.Context, records ...storage.Record) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error { return sqlstore.Record(ctx, q, records...) })
}

// Records returns those of a span, the oldest first.
func (s *Store) Records(ctx context.Context, span storage.Span) ([]storage.Record, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.Record, error) { return sqlstore.Records(ctx, q, span) })
}

// SweepRecords removes the oldest records of each kind that are too old or too
// many, at most limit of a kind, and tells how many. The writer is bothered only
// if there is something to remove.
func (s *Store) SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (removed int, err error) {
	for _, kind := range storage.AuditKinds() {
		upTo, err := read(s, func(q sqlstore.Querier) (int64, error) { return sqlstore.ScanRecords(ctx, q, kind, keep, limit, now) })
		if err != nil {
			return removed, err
		}
		if upTo == 0 {
			continue
		}
		n, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
			return sqlstore.RemoveRecords(ctx, q, kind, upTo)
		})
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// KeepRecords says how long Maintain keeps records.
func (s *Store) KeepRecords(keep storage.Retention) { s.keep.Store(&keep) }

// retain removes records in slices, as long as there are some to remove.
func (s *Store) retain(ctx context.Context) {
	s.remove(ctx, "old records of the audit", func() (int, error) {
		return s.SweepRecords(ctx, *s.keep.Load(), retainSlice, time.Now())
	})
}

// remove calls what removes a slice of something, at once again while there is
// something to remove, until ctx ends.
func (s *Store) remove(ctx context.Context, what string, slice func() (int, error)) {
	failing := false
	for {
		removed, err := slice()
		wait := retainEvery
		switch {
		case err == nil && removed > 0:
			wait = retainNext
			s.log.Debug("storage/sqlite: "+what+" are removed", "removed", removed)
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			s.log.Error("storage/sqlite: "+what+" cannot be removed", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
