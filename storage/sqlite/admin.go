package sqlite

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// SessionByID finds a session; storage.ErrNotFound, also when its client was removed.
func (s *Store) SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error) {
	return read(s, func(q sqlstore.Querier) (storage.SessionEntry, error) { return sqlstore.SessionByID(ctx, q, id) })
}

// UserSessions returns at most limit of a user's sessions.
func (s *Store) UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.SessionEntry, error) {
		return sqlstore.UserSessions(ctx, q, user, limit)
	})
}

// Sessions returns at most limit sessions whose ids come after one, by id.
func (s *Store) Sessions(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.SessionEntry, error) {
		return sqlstore.Sessions(ctx, q, after, limit)
	})
}

// EndSession ends a session and returns it as it is now; storage.ErrNotFound.
// What has ended stays as it ended.
func (s *Store) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (storage.SessionEntry, error) {
		return sqlstore.EndSession(ctx, q, id, why, now)
	})
}

// EndSessions ends a user's sessions but one to keep (zero: none), and tells how many.
func (s *Store) EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (ended int, err error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
		return sqlstore.EndSessions(ctx, q, user, keep, why, now)
	})
}

// EndMatching looks at the limit sessions after an id, those of one user if the
// match names one, and ends those that match, in one transaction. next is where
// to go on, zero at the end. The writer is bothered only if there is one to end.
func (s *Store) EndMatching(ctx context.Context, after storage.SessionID, limit int, m storage.SessionMatch, why storage.EndReason, now time.Time) (next storage.SessionID, ended []storage.SessionID, err error) {
	ids, err := read(s, func(q sqlstore.Querier) (ids []storage.SessionID, err error) {
		next, ids, err = sqlstore.ScanMatching(ctx, q, after, limit, m)
		return ids, err
	})
	if err != nil || len(ids) == 0 {
		return next, nil, err
	}
	ended, err = write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) ([]storage.SessionID, error) {
		return sqlstore.EndMatching(ctx, q, ids, m, why, now)
	})
	return next, ended, err
}

// CreateOperatorToken adds a token; storage.ErrConflict when its name is taken.
func (s *Store) CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error { return sqlstore.CreateOperatorToken(ctx, q, t) })
}

// OperatorToken finds a token by its digest; storage.ErrNotFound.
func (s *Store) OperatorToken(ctx context.Context, d storage.Digest) (storage.OperatorToken, error) {
	return read(s, func(q sqlstore.Querier) (storage.OperatorToken, error) { return sqlstore.OperatorToken(ctx, q, d) })
}

// OperatorTokens returns every token, by name.
func (s *Store) OperatorTokens(ctx context.Context) ([]storage.OperatorToken, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.OperatorToken, error) { return sqlstore.OperatorTokens(ctx, q) })
}

// RemoveOperatorToken removes a token by its name; storage.ErrNotFound.
func (s *Store) RemoveOperatorToken(ctx context.Context, name string) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error { return sqlstore.RemoveOperatorToken(ctx, q, name) })
}
