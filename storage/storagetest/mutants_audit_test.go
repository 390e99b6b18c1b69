package storagetest

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// auditMutants are those with the records of what was done.
var auditMutants = map[string]mutant{
	"a removal unrecorded":     {func(m *Model) Backend { return silentRemoval{m} }, "audit/whatever changes leaves its record"},
	"a removal, in histories":  {func(m *Model) Backend { return silentRemoval{m} }, "histories"},
	"reuse unrecorded":         {func(m *Model) Backend { return silentReuse{m} }, "audit/a record says what was done"},
	"the refused is recorded":  {func(m *Model) Backend { return recordsRefused{m} }, "audit/what changes nothing leaves none"},
	"nobody acts":              {func(m *Model) Backend { return noActor{m} }, "audit/who acts is recorded"},
	"numbers again":            {func(m *Model) Backend { return recordNumbersAgain{m} }, "audit/numbers are never given twice"},
	"a span with its ends":     {func(m *Model) Backend { return wideSpan{m} }, "audit/a span is read from either end"},
	"the first for the newest": {func(m *Model) Backend { return firstForNewest{m} }, "audit/a span is read from either end"},
	"spans, in histories":      {func(m *Model) Backend { return wideSpan{m} }, "histories"},
	"kinds push each other":    {func(m *Model) Backend { return oneKind{m} }, "audit/what is too many goes, kind by kind"},
	"no record is too old":     {func(m *Model) Backend { return keepsRecords{m} }, "audit/what is too old goes"},
	"a sweep without slices":   {func(m *Model) Backend { return sweepsAtOnce{m} }, "audit/a slice of records is all that goes"},
	"half of a call":           {func(m *Model) Backend { return halfRecorded{m} }, "audit/all records of a call or none"},
	"forgets records": {func(m *Model) Backend {
		with(m, func(s *state) { s.records = nil })
		return m
	}, "audit/a record is found as written"},
}

// drop takes the newest record away.
func drop(m *Model) {
	with(m, func(s *state) { s.records, s.recorded = s.records[:len(s.records)-1], s.recorded-1 })
}

type silentRemoval struct{ *Model }

func (b silentRemoval) RemoveUser(ctx context.Context, id uuid.UUID) (int, error) {
	n, err := b.Model.RemoveUser(ctx, id)
	if err == nil {
		drop(b.Model)
	}
	return n, err
}

// silentReuse ends the session and says nothing.
type silentReuse struct{ *Model }

func (b silentReuse) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if err == storage.ErrReused {
		drop(b.Model)
	}
	return out, err
}

type recordsRefused struct{ *Model }

func (b recordsRefused) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	before, _ := b.Model.SessionByID(ctx, id)
	e, err := b.Model.EndSession(ctx, id, why, now)
	if err == nil && !before.EndedAt.IsZero() {
		err = b.Record(ctx, storage.SessionEnded(e, why, now))
	}
	return e, err
}

// noActor loses the context on the way to the transaction.
type noActor struct{ *Model }

func (b noActor) CreateUser(ctx context.Context, u storage.User) error {
	return b.Model.CreateUser(context.WithoutCancel(storage.WithAct(ctx, &storage.Act{})), u)
}

// recordNumbersAgain numbers from what is there, as a key without AUTOINCREMENT.
type recordNumbersAgain struct{ *Model }

func (b recordNumbersAgain) SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (int, error) {
	n, err := b.Model.SweepRecords(ctx, keep, limit, now)
	with(b.Model, func(s *state) {
		if len(s.records) == 0 {
			s.recorded = 0
		}
	})
	return n, err
}

type wideSpan struct{ *Model }

func (b wideSpan) Records(ctx context.Context, s storage.Span) ([]storage.Record, error) {
	s.After--
	return b.Model.Records(ctx, s)
}

type firstForNewest struct{ *Model }

func (b firstForNewest) Records(ctx context.Context, s storage.Span) ([]storage.Record, error) {
	s.Newest = false
	return b.Model.Records(ctx, s)
}

// oneKind removes the oldest, whatever they are.
type oneKind struct{ *Model }

func (b oneKind) SweepRecords(_ context.Context, keep storage.Retention, limit int, now time.Time) (n int, err error) {
	with(b.Model, func(s *state) {
		n = keep.Removable(s.records[:min(limit, len(s.records))], len(s.records)-keep.Rows, now)
		s.records = slices.Clone(s.records[n:])
	})
	return n, nil
}

type keepsRecords struct{ *Model }

func (b keepsRecords) SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (int, error) {
	keep.Age *= 1000
	return b.Model.SweepRecords(ctx, keep, limit, now)
}

type sweepsAtOnce struct{ *Model }

func (b sweepsAtOnce) SweepRecords(ctx context.Context, keep storage.Retention, limit int, now time.Time) (int, error) {
	if limit > 0 {
		limit = 1000
	}
	return b.Model.SweepRecords(ctx, keep, limit, now)
}

// halfRecorded writes them one by one.
type halfRecorded struct{ *Model }

func (b halfRecorded) Record(ctx context.Context, records ...storage.Record) error {
	for _, r := range records {
		if err := b.Model.Record(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
