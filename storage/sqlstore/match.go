package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// A matchRow is what SessionMatch.Matches looks at.
type matchRow struct {
	ID         []byte `db:"id"`
	User       []byte `db:"user_id"`
	Client     int64  `db:"client"`
	Device     string `db:"device"`
	AuthTime   int64  `db:"auth_time"`
	LastUsedAt int64  `db:"last_used_at"`
	EndedAt    int64  `db:"ended_at"`
	Orphan     bool   `db:"orphan"` // its client was removed
}

const (
	matchColumns = `SELECT id, user_id, client, device, auth_time, last_used_at, ended_at,
		NOT EXISTS (SELECT 1 FROM clients WHERE number = client) AS orphan FROM sessions WHERE `
	selectMatch       = matchColumns + `id = $1`
	selectMatchSlice  = matchColumns + `id > $1 ORDER BY id LIMIT $2`
	selectMatchOfUser = matchColumns + `user_id = $1 AND id > $2 ORDER BY id LIMIT $3`
)

// ScanMatching looks at one slice: at most limit sessions after an id, by
// primary key, or by their user if the match names one. It names those that
// match, and where the next slice begins: zero when this was the last.
func ScanMatching(ctx context.Context, q Querier, after storage.SessionID, limit int, m storage.SessionMatch) (
	next storage.SessionID, matching []storage.SessionID, err error,
) {
	if limit <= 0 { // to SQL it might mean all
		return next, nil, nil
	}
	query, args := selectMatchSlice, []any{after[:], limit}
	if m.User != uuid.Nil {
		query, args = selectMatchOfUser, []any{m.User[:], after[:], limit}
	}
	rows, err := all[matchRow](ctx, q, query, args...)
	if err != nil {
		return next, nil, err
	}
	for _, row := range rows {
		s := row.session()
		if !row.Orphan && m.Matches(s) {
			matching = append(matching, s.ID)
		}
		if len(rows) == limit {
			next = s.ID
		}
	}
	return next, matching, nil
}

// EndMatching ends those of the named sessions that still match: one that was
// refreshed since it was found is not idle any more. It names those it ended, and
// records that it did.
func EndMatching(ctx context.Context, q Querier, ids []storage.SessionID, m storage.SessionMatch, why storage.EndReason, now time.Time) (ended []storage.SessionID, err error) {
	for _, id := range ids {
		row, err := one[matchRow](ctx, q, selectMatch, id[:])
		switch {
		case errors.Is(err, storage.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		case row.Orphan || !m.Matches(row.session()):
			continue
		}
		if err := must(ctx, q, errMissed, updateEnded, micros(now), string(why), id[:]); err != nil {
			return nil, err
		}
		ended = append(ended, id)
	}
	if len(ended) == 0 {
		return nil, nil
	}
	clientID := ""
	if m.Client != 0 {
		c, err := client(ctx, q, selectClient, m.Client)
		if err != nil {
			return nil, err
		}
		clientID = c.ID
	}
	return ended, Record(ctx, q, storage.SessionsMatched(m, clientID, why, now, ended))
}

func (r matchRow) session() storage.Session {
	s := storage.Session{
		Client: r.Client, Device: r.Device, AuthTime: instant(r.AuthTime), LastUsedAt: instant(r.LastUsedAt), EndedAt: instant(r.EndedAt),
	}
	copy(s.ID[:], r.ID)
	copy(s.User[:], r.User)
	return s
}
