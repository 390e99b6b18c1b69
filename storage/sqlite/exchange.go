package sqlite

import (
	"context"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// ExchangeToken takes a refresh token of another system as storage.Exchange says;
// storage.ErrNotFound for one of a user or client that is not there. With
// storage.ErrReused the session's end is committed.
func (s *Store) ExchangeToken(ctx context.Context, e storage.Exchange) (storage.Refreshed, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (storage.Refreshed, error) {
		return sqlstore.ExchangeToken(ctx, q, e, at)
	})
}

// SpentToken finds what is kept of such a token; storage.ErrNotFound.
func (s *Store) SpentToken(ctx context.Context, id storage.Digest) (storage.Spent, error) {
	return read(s, func(q sqlstore.Querier) (storage.Spent, error) { return sqlstore.SpentToken(ctx, q, id) })
}

// SpendTokens keeps tokens of another system that are not to be taken, and tells
// how many were not there yet. One that began a session stays as it is.
func (s *Store) SpendTokens(ctx context.Context, tokens ...storage.Spent) (added int, err error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
		return sqlstore.SpendTokens(ctx, q, tokens...)
	})
}

// SweepSpent removes at most limit of those that are over for a day. The writer
// is bothered only if there is one.
func (s *Store) SweepSpent(ctx context.Context, limit int, now time.Time) (removed int, err error) {
	over, err := read(s, func(q sqlstore.Querier) ([]storage.Spent, error) { return sqlstore.ScanSpent(ctx, q, limit, now) })
	if err != nil || len(over) == 0 {
		return 0, err
	}
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
		return sqlstore.RemoveSpent(ctx, q, over)
	})
}

// forget removes in slices what is kept of tokens that are over.
func (s *Store) forget(ctx context.Context) {
	s.remove(ctx, "tokens of another system that are over", func() (int, error) {
		return s.SweepSpent(ctx, retainSlice, time.Now())
	})
}
