package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A lifeRow is what Session.RemovableAt looks at, and no more: a row that is
// damaged elsewhere must not stop the walk.
type lifeRow struct {
	ID           []byte `db:"id"`
	ExpiresAt    int64  `db:"expires_at"`
	IdleLifetime int64  `db:"idle_lifetime"`
	LastUsedAt   int64  `db:"last_used_at"`
	EndedAt      int64  `db:"ended_at"`
	Orphan       bool   `db:"orphan"` // its client was removed
}

const (
	lifeColumns = `id, expires_at, idle_lifetime, last_used_at, ended_at,
		NOT EXISTS (SELECT 1 FROM clients WHERE number = client) AS orphan`
	selectSlice   = `SELECT ` + lifeColumns + ` FROM sessions WHERE id > $1 ORDER BY id LIMIT $2`
	selectLife    = `SELECT ` + lifeColumns + ` FROM sessions WHERE id = $1`
	deleteSession = `DELETE FROM sessions WHERE id = $1`
)

// ScanSessions looks at one slice of the walk by primary key: at most limit
// sessions after one id. It names those that may be removed at now, and where
// the next slice begins: zero when this was the last.
func ScanSessions(ctx context.Context, q Querier, after storage.SessionID, limit int, now time.Time) (
	next storage.SessionID, removable []storage.SessionID, err error,
) {
	if limit <= 0 { // to SQL it might mean all
		return next, nil, nil
	}
	rows, err := all[lifeRow](ctx, q, selectSlice, after[:], limit)
	if err != nil {
		return next, nil, err
	}
	for _, row := range rows {
		s := row.session()
		if row.Orphan || s.RemovableAt(now) {
			removable = append(removable, s.ID)
		}
		if len(rows) == limit {
			next = s.ID
		}
	}
	return next, removable, nil
}

// RemoveSessions removes those of the named sessions that may be removed at
// now: since they were found a clock may have been set back and one refreshed.
func RemoveSessions(ctx context.Context, q Querier, ids []storage.SessionID, now time.Time) (removed int, err error) {
	for _, id := range ids {
		row, err := one[lifeRow](ctx, q, selectLife, id[:])
		switch {
		case errors.Is(err, storage.ErrNotFound):
			continue
		case err != nil:
			return 0, err
		case !row.Orphan && !row.session().RemovableAt(now):
			continue
		}
		n, err := change(ctx, q, deleteSession, id[:])
		if err != nil {
			return 0, err
		}
		removed += n
	}
	return removed, nil
}

func (r lifeRow) session() storage.Session {
	s := storage.Session{
		ExpiresAt: instant(r.ExpiresAt), IdleLifetime: duration(r.IdleLifetime),
		LastUsedAt: instant(r.LastUsedAt), EndedAt: instant(r.EndedAt),
	}
	copy(s.ID[:], r.ID)
	return s
}
