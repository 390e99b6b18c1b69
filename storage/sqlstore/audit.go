package sqlstore

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

type recordRow struct {
	Number    int64  `db:"number"`
	At        int64  `db:"at"`
	Event     string `db:"event"`
	ActorKind string `db:"actor_kind"`
	Actor     string `db:"actor"`
	User      []byte `db:"user_id"`
	Client    string `db:"client_id"`
	Session   []byte `db:"session_id"`
	Address   string `db:"address"`
	Request   string `db:"request_id"`
	Reason    string `db:"reason"`
	Detail    string `db:"detail"`
}

const (
	recordColumns = `at, event, actor_kind, actor, user_id, client_id, session_id, address, request_id, reason, detail`

	insertRecord = `INSERT INTO audit (` + recordColumns + `, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	selectFirst  = `SELECT number, ` + recordColumns + ` FROM audit WHERE number > $1 AND number < $2 ORDER BY number LIMIT $3`
	selectNewest = `SELECT number, ` + recordColumns + ` FROM audit WHERE number > $1 AND number < $2 ORDER BY number DESC LIMIT $3`

	selectOldest  = `SELECT number, at FROM audit WHERE kind = $1 ORDER BY number LIMIT $2`
	countRecords  = `SELECT count(*) FROM audit WHERE kind = $1`
	deleteRecords = `DELETE FROM audit WHERE kind = $1 AND number <= $2`
)

// Record adds records at the end.
func Record(ctx context.Context, q Querier, records ...storage.Record) error {
	for _, r := range records {
		row, err := recordRowOf(ctx, r)
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, insertRecord, row.At, row.Event, row.ActorKind, row.Actor, row.User, row.Client, row.Session,
			row.Address, row.Request, row.Reason, row.Detail, int(r.Event.Kind()))
		if err != nil {
			return err
		}
	}
	return nil
}

// Records returns those of a span, the oldest first.
func Records(ctx context.Context, q Querier, s storage.Span) ([]storage.Record, error) {
	if s.Limit <= 0 { // to SQL it might mean all
		return nil, nil
	}
	query, before := selectFirst, s.Before
	if s.Newest {
		query = selectNewest
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := all[recordRow](ctx, q, query, s.After, before, s.Limit)
	if err != nil {
		return nil, err
	}
	if s.Newest {
		slices.Reverse(rows)
	}
	return records(rows, recordRow.record)
}

// ScanRecords finds the records of a kind that may go: up to which number, 0 if
// none may. Of a kind at most limit are looked at.
func ScanRecords(ctx context.Context, q Querier, kind storage.AuditKind, keep storage.Retention, limit int, now time.Time) (upTo int64, err error) {
	if limit <= 0 {
		return 0, nil
	}
	n, err := one[int](ctx, q, countRecords, int(kind))
	if err != nil || n == 0 {
		return 0, err
	}
	rows, err := all[recordRow](ctx, q, selectOldest, int(kind), limit)
	if err != nil {
		return 0, err
	}
	oldest := make([]storage.Record, len(rows))
	for i, r := range rows {
		oldest[i].At = instant(r.At)
	}
	if n = keep.Removable(oldest, n-keep.Share(), now); n == 0 {
		return 0, nil
	}
	return rows[n-1].Number, nil
}

// RemoveRecords removes the records of a kind up to a number.
func RemoveRecords(ctx context.Context, q Querier, kind storage.AuditKind, upTo int64) (int, error) {
	return change(ctx, q, deleteRecords, int(kind), upTo)
}

func recordRowOf(ctx context.Context, r storage.Record) (recordRow, error) {
	r, err := r.Entered(ctx, time.Now())
	if err != nil {
		return recordRow{}, err
	}
	row := recordRow{
		At: micros(r.At), Event: string(r.Event), ActorKind: string(r.Actor.Kind), Actor: r.Actor.Name, Client: r.Client,
		Address: r.Address, Request: r.Request, Reason: r.Reason,
	}
	if r.User != (uuid.UUID{}) {
		row.User = r.User[:]
	}
	if r.Session != (storage.SessionID{}) {
		row.Session = r.Session[:]
	}
	if len(r.Detail) > 0 {
		row.Detail, err = encode("audit.detail", r.Detail)
	}
	return row, err
}

func (row recordRow) record() (storage.Record, error) {
	var d decoder
	r := storage.Record{
		Number: row.Number, At: instant(row.At), Event: storage.Event(row.Event),
		Actor: storage.Actor{Kind: storage.ActorKind(row.ActorKind), Name: row.Actor}, Client: row.Client,
		Address: row.Address, Request: row.Request, Reason: row.Reason,
	}
	d.optional("audit.user_id", r.User[:], row.User)
	d.optional("audit.session_id", r.Session[:], row.Session)
	if row.Detail != "" {
		d.json("audit.detail", row.Detail, &r.Detail)
	}
	return r, d.err
}
