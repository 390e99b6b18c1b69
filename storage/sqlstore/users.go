package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

type userRow struct {
	ID           []byte         `db:"id"`
	Name         string         `db:"name"`
	PasswordHash string         `db:"password_hash"`
	Disabled     bool           `db:"disabled"`
	Claims       string         `db:"claims"`
	ForeignID    sql.NullString `db:"foreign_id"`
	CreatedAt    int64          `db:"created_at"`
}

const (
	userColumns = `id, name, password_hash, disabled, claims, foreign_id, created_at`

	insertUser = `INSERT INTO users (` + userColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`
	selectUser       = `SELECT ` + userColumns + ` FROM users WHERE id = $1`
	selectUserByName = `SELECT ` + userColumns + ` FROM users WHERE name = $1`
	selectUsers      = `SELECT ` + userColumns + ` FROM users WHERE name > $1 ORDER BY name LIMIT $2`
	updatePassword   = `UPDATE users SET password_hash = $1 WHERE id = $2`
	updateRehash     = `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`
	updateDisabled   = `UPDATE users SET disabled = $1 WHERE id = $2`
)

// CreateUser reports ErrConflict when the id, the name or the foreign id is taken.
func CreateUser(ctx context.Context, q Querier, u storage.User) error {
	claims, err := encode("claims", u.Claims)
	if err != nil {
		return err
	}
	return must(ctx, q, storage.ErrConflict, insertUser, u.ID[:], u.Name, u.PasswordHash, u.Disabled,
		claims, sql.NullString{String: u.ForeignID, Valid: u.ForeignID != ""}, micros(u.CreatedAt))
}

// UserByName compares the name exactly; ErrNotFound.
func UserByName(ctx context.Context, q Querier, name string) (storage.User, error) {
	return user(ctx, q, selectUserByName, name)
}

func userByID(ctx context.Context, q Querier, id uuid.UUID) (storage.User, error) {
	return user(ctx, q, selectUser, id[:])
}

func user(ctx context.Context, q Querier, query string, key any) (storage.User, error) {
	row, err := one[userRow](ctx, q, query, key)
	if err != nil {
		return storage.User{}, err
	}
	return row.user()
}

// Users returns at most limit users whose names come after one name, ascending by bytes.
func Users(ctx context.Context, q Querier, after string, limit int) ([]storage.User, error) {
	if limit <= 0 { // to SQL it might mean all
		return nil, nil
	}
	rows, err := all[userRow](ctx, q, selectUsers, after, limit)
	if err != nil {
		return nil, err
	}
	return records(rows, userRow.user)
}

// SetPassword stores a hash and ends every session of the user; ErrNotFound.
func SetPassword(ctx context.Context, q Querier, user uuid.UUID, hash string, now time.Time) (ended int, err error) {
	if err := must(ctx, q, storage.ErrNotFound, updatePassword, hash, user[:]); err != nil {
		return 0, err
	}
	return endSessions(ctx, q, user, now, storage.EndedPassword)
}

// Rehash replaces a hash by another of the same password, if it is still the
// old one: else ErrConflict, or ErrNotFound without the user.
func Rehash(ctx context.Context, q Querier, user uuid.UUID, old, next string) error {
	err := must(ctx, q, storage.ErrConflict, updateRehash, next, user[:], old)
	if errors.Is(err, storage.ErrConflict) {
		if _, gone := userByID(ctx, q, user); gone != nil {
			return gone
		}
	}
	return err
}

// SetDisabled disables a user, which ends every session, or enables one again; ErrNotFound.
func SetDisabled(ctx context.Context, q Querier, user uuid.UUID, disabled bool, now time.Time) (ended int, err error) {
	err = must(ctx, q, storage.ErrNotFound, updateDisabled, disabled, user[:])
	if err != nil || !disabled {
		return 0, err
	}
	return endSessions(ctx, q, user, now, storage.EndedDisabled)
}

func (r userRow) user() (storage.User, error) {
	var d decoder
	u := storage.User{
		Name: r.Name, PasswordHash: r.PasswordHash, Disabled: r.Disabled,
		ForeignID: r.ForeignID.String, CreatedAt: instant(r.CreatedAt),
	}
	d.fixed("users.id", u.ID[:], r.ID)
	d.json("users.claims", r.Claims, &u.Claims)
	return u, d.err
}

// records maps rows to records and stops at the first that is damaged.
func records[R, T any](rows []R, record func(R) (T, error)) ([]T, error) {
	out := make([]T, 0, len(rows))
	for _, row := range rows {
		v, err := record(row)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
