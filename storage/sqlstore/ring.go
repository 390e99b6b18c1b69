package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-auth/hallmark/storage"
)

type ringRow struct {
	Version int64  `db:"version"`
	Sealed  []byte `db:"sealed"`
}

const (
	selectRing = `SELECT version, sealed FROM ring WHERE one = 1`
	insertRing = `INSERT INTO ring (one, version, sealed) VALUES (1, $1, $2) ON CONFLICT DO NOTHING`
	updateRing = `UPDATE ring SET version = $1, sealed = $2 WHERE one = 1 AND version = $3`

	selectServiceTime = `SELECT reading FROM service_time WHERE one = 1`
	updateServiceTime = `UPDATE service_time SET reading = $1 WHERE one = 1 AND reading <= $1`
)

// LoadRing reports ErrNotFound when there is none yet.
func LoadRing(ctx context.Context, q Querier) (sealed []byte, v storage.Version, err error) {
	row, err := one[ringRow](ctx, q, selectRing)
	return row.Sealed, storage.Version(row.Version), err
}

// ReplaceRing stores the next version if the stored one is still old (0: none
// yet) and next is above it; else ErrConflict.
func ReplaceRing(ctx context.Context, q Querier, old, next storage.Version, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{} // nil would be null
	}
	statement, args := updateRing, []any{int64(next), sealed, int64(old)}
	switch {
	case next <= old:
		return storage.ErrConflict
	case old == 0:
		statement, args = insertRing, args[:2]
	}
	if err := must(ctx, q, storage.ErrConflict, statement, args...); err != nil {
		return err
	}
	return Record(ctx, q, storage.RingReplaced(ctx, next)...)
}

// ServiceTime reads the stored counter. The schema comes with its row, so that
// a missing one is ErrRecord: a verb's ErrNotFound would mean something else.
func ServiceTime(ctx context.Context, q Querier) (storage.ServiceTime, error) {
	reading, err := one[int64](ctx, q, selectServiceTime)
	if errors.Is(err, storage.ErrNotFound) {
		err = fmt.Errorf("%w: service_time: no row", ErrRecord)
	}
	return storage.ServiceTime(reading), err
}

// SetServiceTime stores the counter's next reading; a lower one is not stored.
func SetServiceTime(ctx context.Context, q Querier, at storage.ServiceTime) error {
	_, err := change(ctx, q, updateServiceTime, int64(at))
	return err
}
