package sqlstore

import (
	"context"

	"github.com/hallmark-auth/hallmark/storage"
)

type operatorTokenRow struct {
	Digest    []byte `db:"digest"`
	Name      string `db:"name"`
	Scopes    string `db:"scopes"`
	CreatedAt int64  `db:"created_at"`
	ExpiresAt int64  `db:"expires_at"`
}

const (
	operatorTokenColumns = `digest, name, scopes, created_at, expires_at`

	insertOperatorToken = `INSERT INTO operator_tokens (` + operatorTokenColumns + `)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	selectOperatorToken  = `SELECT ` + operatorTokenColumns + ` FROM operator_tokens WHERE digest = $1`
	selectOperatorTokens = `SELECT ` + operatorTokenColumns + ` FROM operator_tokens ORDER BY name`
	deleteOperatorToken  = `DELETE FROM operator_tokens WHERE name = $1`
)

// CreateOperatorToken reports ErrConflict when the name or the digest is taken.
func CreateOperatorToken(ctx context.Context, q Querier, t storage.OperatorToken) error {
	scopes, err := join("operator_tokens.scopes", t.Scopes)
	if err != nil {
		return err
	}
	err = must(ctx, q, storage.ErrConflict, insertOperatorToken, t.Digest[:], t.Name, scopes, micros(t.CreatedAt), micros(t.ExpiresAt))
	if err != nil {
		return err
	}
	return Record(ctx, q, storage.TokenAdded(t))
}

// OperatorToken finds a token by its digest; ErrNotFound.
func OperatorToken(ctx context.Context, q Querier, d storage.Digest) (storage.OperatorToken, error) {
	row, err := one[operatorTokenRow](ctx, q, selectOperatorToken, d[:])
	if err != nil {
		return storage.OperatorToken{}, err
	}
	return row.token()
}

// OperatorTokens returns every token, by name.
func OperatorTokens(ctx context.Context, q Querier) ([]storage.OperatorToken, error) {
	rows, err := all[operatorTokenRow](ctx, q, selectOperatorTokens)
	if err != nil {
		return nil, err
	}
	return records(rows, operatorTokenRow.token)
}

// RemoveOperatorToken reports ErrNotFound.
func RemoveOperatorToken(ctx context.Context, q Querier, name string) error {
	if err := must(ctx, q, storage.ErrNotFound, deleteOperatorToken, name); err != nil {
		return err
	}
	return Record(ctx, q, storage.TokenRemoved(name))
}

func (r operatorTokenRow) token() (storage.OperatorToken, error) {
	var d decoder
	t := storage.OperatorToken{
		Name: r.Name, Scopes: split(r.Scopes), CreatedAt: instant(r.CreatedAt), ExpiresAt: instant(r.ExpiresAt),
	}
	d.fixed("operator_tokens.digest", t.Digest[:], r.Digest)
	return t, d.err
}
