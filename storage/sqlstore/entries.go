package sqlstore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

type entryRow struct {
	sessionRow
	Username string `db:"username"`
	ClientID string `db:"client_id"`
}

const (
	// The inner tables are asked by primary key.
	selectEntry = `SELECT ` + sessionColumns + `,
		(SELECT name FROM users WHERE id = user_id) AS username, (SELECT client_id FROM clients WHERE number = client) AS client_id
		FROM sessions WHERE EXISTS (SELECT 1 FROM clients WHERE number = client) AND `
	selectEntryByID     = selectEntry + `id = $1`
	selectEntriesByUser = selectEntry + `user_id = $1 ORDER BY id LIMIT $2`
	selectEntries       = selectEntry + `id > $1 ORDER BY id LIMIT $2`

	updateEnded = `UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0`
	// What is over its lifetime by this clock is ended too: the clock may be wrong.
	updateUserEnded = `UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE user_id = $3 AND ended_at = 0 AND id <> $4
		AND EXISTS (SELECT 1 FROM clients WHERE number = client)`
)

// SessionByID finds a session whose client was not removed; ErrNotFound.
func SessionByID(ctx context.Context, q Querier, id storage.SessionID) (storage.SessionEntry, error) {
	row, err := one[entryRow](ctx, q, selectEntryByID, id[:])
	if err != nil {
		return storage.SessionEntry{}, err
	}
	return row.entry()
}

// UserSessions returns at most limit of a user's sessions.
func UserSessions(ctx context.Context, q Querier, user uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	return entries(ctx, q, limit, selectEntriesByUser, user[:])
}

// Sessions returns at most limit sessions whose ids come after one.
func Sessions(ctx context.Context, q Querier, after storage.SessionID, limit int) ([]storage.SessionEntry, error) {
	return entries(ctx, q, limit, selectEntries, after[:])
}

func entries(ctx context.Context, q Querier, limit int, query string, key any) ([]storage.SessionEntry, error) {
	if limit <= 0 { // to SQL it might mean all
		return nil, nil
	}
	rows, err := all[entryRow](ctx, q, query, key, limit)
	if err != nil {
		return nil, err
	}
	return records(rows, entryRow.entry)
}

// EndSession ends a session that has not ended and returns it as it is now;
// ErrNotFound. What has ended stays as it ended.
func EndSession(ctx context.Context, q Querier, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	ended, err := change(ctx, q, updateEnded, micros(now), string(why), id[:])
	if err != nil {
		return storage.SessionEntry{}, err
	}
	e, err := SessionByID(ctx, q, id)
	if err != nil || ended == 0 {
		return e, err
	}
	return e, Record(ctx, q, storage.SessionEnded(e, why, now))
}

// EndSessions ends whatever of the user's has not ended, but one to keep
// (zero: none), and tells how many. Tokens of other systems from before now are
// not taken any more.
func EndSessions(ctx context.Context, q Querier, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (int, error) {
	if _, err := change(ctx, q, updateNotBefore, micros(now), user[:]); err != nil {
		return 0, err
	}
	ended, err := endSessions(ctx, q, user, keep, why, now)
	if err != nil || ended == 0 {
		return 0, err
	}
	return ended, Record(ctx, q, storage.SessionsEnded(user, keep, why, now, ended))
}

func endSessions(ctx context.Context, q Querier, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (int, error) {
	return change(ctx, q, updateUserEnded, micros(now), string(why), user[:], keep[:])
}

func (r entryRow) entry() (storage.SessionEntry, error) {
	s, err := r.session()
	return storage.SessionEntry{Session: s, Username: r.Username, ClientID: r.ClientID}, err
}
