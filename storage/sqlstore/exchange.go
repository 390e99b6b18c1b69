package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

type spentRow struct {
	ID        []byte `db:"id"`
	Session   []byte `db:"session_id"`
	ExpiresAt int64  `db:"expires_at"`
}

const (
	insertSpent = `INSERT INTO spent_tokens (id, session_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	selectSpent = `SELECT id, session_id, expires_at FROM spent_tokens WHERE id = $1`
	selectOver  = `SELECT id, session_id, expires_at FROM spent_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`
	deleteSpent = `DELETE FROM spent_tokens WHERE id = $1`
)

// ExchangeToken does what storage.Exchange says. ErrNotFound without such a user
// or client. With ErrReused and ErrBehind the end of the session has been
// written: commit it.
func ExchangeToken(ctx context.Context, q Querier, e storage.Exchange, at storage.ServiceTime) (storage.Refreshed, error) {
	spent, err := SpentToken(ctx, q, e.ID)
	switch {
	case err == nil && spent.Session == storage.SessionID{}:
		return storage.Refreshed{}, storage.ErrEnded
	case err == nil:
		out, err := RotateSession(ctx, q, e.Again(), at)
		if errors.Is(err, storage.ErrNotFound) { // its row is gone, or its client
			err = storage.ErrEnded
		}
		return out, err
	case !errors.Is(err, storage.ErrNotFound):
		return storage.Refreshed{}, err
	}
	u, err := UserByForeignID(ctx, q, e.User)
	if err != nil {
		return storage.Refreshed{}, err
	}
	c, err := clientByNumber(ctx, q, e.Client)
	if err != nil {
		return storage.Refreshed{}, err
	}
	out, err := e.Begin(u, c, at)
	if err != nil {
		return out, err
	}
	if err := must(ctx, q, storage.ErrConflict, insertSpent, spentArgs(e.Spends())...); err != nil {
		return storage.Refreshed{}, err
	}
	if err := begin(ctx, q, u, out.Session); err != nil {
		return storage.Refreshed{}, err
	}
	return out, Record(ctx, q, e.TokenExchanged(out))
}

// SpentToken finds a foreign token that was exchanged or blacklisted; ErrNotFound.
func SpentToken(ctx context.Context, q Querier, id storage.Digest) (storage.Spent, error) {
	row, err := one[spentRow](ctx, q, selectSpent, id[:])
	if err != nil {
		return storage.Spent{}, err
	}
	return row.spent()
}

// SpendTokens adds those that are not there yet, and tells how many. One that
// began a session stays as it is.
func SpendTokens(ctx context.Context, q Querier, tokens ...storage.Spent) (int, error) {
	var added []storage.Spent
	for _, t := range tokens {
		n, err := change(ctx, q, insertSpent, spentArgs(t)...)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			added = append(added, t)
		}
	}
	if len(added) == 0 {
		return 0, nil
	}
	return len(added), Record(ctx, q, storage.TokensSpent(added))
}

// ScanSpent finds at most limit that may be removed at now, those that were over first.
func ScanSpent(ctx context.Context, q Querier, limit int, now time.Time) ([]storage.Spent, error) {
	if limit <= 0 { // to SQL it might mean all
		return nil, nil
	}
	rows, err := all[spentRow](ctx, q, selectOver, micros(now.Add(-storage.KeepEnded)), limit)
	if err != nil {
		return nil, err
	}
	return records(rows, spentRow.spent)
}

// RemoveSpent removes those, and tells how many were there.
func RemoveSpent(ctx context.Context, q Querier, tokens []storage.Spent) (removed int, err error) {
	for _, t := range tokens {
		n, err := change(ctx, q, deleteSpent, t.ID[:])
		if err != nil {
			return 0, err
		}
		removed += n
	}
	return removed, nil
}

func spentArgs(t storage.Spent) []any {
	var session []byte
	if t.Session != (storage.SessionID{}) {
		session = t.Session[:]
	}
	return []any{t.ID[:], session, micros(t.ExpiresAt)}
}

func (r spentRow) spent() (storage.Spent, error) {
	var d decoder
	t := storage.Spent{ExpiresAt: instant(r.ExpiresAt)}
	d.fixed("spent_tokens.id", t.ID[:], r.ID)
	d.optional("spent_tokens.session_id", t.Session[:], r.Session)
	return t, d.err
}
