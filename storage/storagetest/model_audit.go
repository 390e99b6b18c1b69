package storagetest

import (
	"context"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// Record adds records at the end.
func (m *Model) Record(ctx context.Context, records ...storage.Record) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.record(ctx, records...)
}

// record is Record inside a transaction.
func (s *state) record(ctx context.Context, records ...storage.Record) error {
	added := make([]storage.Record, 0, len(records))
	for _, r := range records {
		r, err := r.Entered(ctx, time.Now())
		if err != nil {
			return err
		}
		if r, err = keepRecord(r); err != nil {
			return err
		}
		r.Number = s.recorded + int64(len(added)) + 1
		added = append(added, r)
	}
	s.recorded += int64(len(added))
	s.records = append(s.records, added...)
	return nil
}

// Records returns those of a span.
func (m *Model) Records(ctx context.Context, span storage.Span) (out []storage.Record, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, r := range s.records {
		if r.Number > span.After && (span.Before == 0 || r.Number < span.Before) {
			if r, err = keepRecord(r); err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	limit := min(max(span.Limit, 0), len(out))
	if span.Newest {
		return out[len(out)-limit:], nil
	}
	return out[:limit], nil
}

// SweepRecords removes what Retention.Removable says.
func (m *Model) SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (removed int, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, kind := range storage.AuditKinds() {
		var of []storage.Record
		for _, r := range s.records {
			if r.Event.Kind() == kind {
				of = append(of, r)
			}
		}
		n := keep.Removable(of[:min(len(of), max(limit, 0))], len(of)-keep.Share(), now)
		s.records = slices.DeleteFunc(s.records, func(r storage.Record) bool {
			return r.Event.Kind() == kind && n > 0 && r.Number <= of[n-1].Number
		})
		removed += n
	}
	return removed, nil
}

// keepRecord is a record as a store gives it back.
func keepRecord(r storage.Record) (storage.Record, error) {
	var err error
	if len(r.Detail) == 0 {
		r.Detail = nil
		return r, nil
	}
	r.Detail, err = kept(r.Detail)
	return r, err
}
