// Package sqlstore is the SQL that backends share: the statements of the verbs
// and the way between rows and records. It knows no engine. A backend opens the
// database, owns the transactions and calls these functions inside them; the
// rules themselves are package storage's.
//
// A function that writes wants a Querier that is a transaction which no other
// writer can cross (SQLite's BEGIN IMMEDIATE). One that only reads may have a
// connection or a pool. Every function reports the errors of package storage,
// ErrRecord, or whatever the driver said, unwrapped.
//
// How rows are written: an id is its 16 bytes, a digest its 32; times are
// microseconds since 1970 UTC with 0 for "never"; durations are microseconds;
// lists of scopes and audiences are joined by spaces. Parameters are $1, $2, …
// and appear first in that order, which is how PostgreSQL and SQLite come to
// read them alike.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
)

// A Querier runs statements: *sqlx.Tx, *sqlx.Conn or *sqlx.DB.
type Querier interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// ErrRecord is reported for a record that cannot be written as a row, and for a
// row that cannot be read as a record. The transaction is as it was.
var ErrRecord = errors.New("the record cannot be stored or read")

// one reads a single row into T; no row is ErrNotFound.
func one[T any](ctx context.Context, q Querier, query string, args ...any) (T, error) {
	var row T
	err := sqlx.GetContext(ctx, q, &row, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		err = storage.ErrNotFound
	}
	return row, err
}

// all reads every row into T.
func all[T any](ctx context.Context, q Querier, query string, args ...any) ([]T, error) {
	var rows []T
	err := sqlx.SelectContext(ctx, q, &rows, query, args...)
	return rows, err
}

// change executes a statement and tells how many rows it changed.
func change(ctx context.Context, q Querier, query string, args ...any) (int, error) {
	res, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// must executes a statement that has to change a row; otherwise it reports missing.
func must(ctx context.Context, q Querier, missing error, query string, args ...any) error {
	switch n, err := change(ctx, q, query, args...); {
	case err != nil:
		return err
	case n == 0:
		return missing
	}
	return nil
}
