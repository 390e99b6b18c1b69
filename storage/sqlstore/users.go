package sqlstore

import (
	"context"
	"database/sql"
	"errors"

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
	Imported     []byte         `db:"imported"`
	CreatedAt    int64          `db:"created_at"`
	CameAt       int64          `db:"came_at"`
	NotBefore    int64          `db:"not_before"`
}

const (
	userColumns = `id, name, password_hash, disabled, claims, foreign_id, imported, created_at, came_at, not_before`

	insertUser = `INSERT INTO users (` + userColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`
	selectUser            = `SELECT ` + userColumns + ` FROM users WHERE id = $1`
	selectUserByName      = `SELECT ` + userColumns + ` FROM users WHERE name = $1`
	selectUserByForeignID = `SELECT ` + userColumns + ` FROM users WHERE foreign_id = $1`
	selectUsers           = `SELECT ` + userColumns + ` FROM users WHERE name > $1 ORDER BY name LIMIT $2`
	updateRehash          = `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`
	updateUser            = `UPDATE users SET name = $1, password_hash = $2, disabled = $3, claims = $4, foreign_id = $5, imported = $6, not_before = $7
		WHERE id = $8`
	updateCame         = `UPDATE users SET came_at = $1 WHERE id = $2 AND came_at = 0`
	updateNotBefore    = `UPDATE users SET not_before = $1 WHERE id = $2 AND not_before < $1`
	deleteUser         = `DELETE FROM users WHERE id = $1`
	deleteUserSessions = `DELETE FROM sessions WHERE user_id = $1`
)

// CreateUser reports ErrConflict when the id, the name or the foreign id is taken.
func CreateUser(ctx context.Context, q Querier, u storage.User) error {
	r, err := userRowOf(u)
	if err != nil {
		return err
	}
	err = must(ctx, q, storage.ErrConflict, insertUser, r.ID, r.Name, r.PasswordHash, r.Disabled, r.Claims, r.ForeignID, r.Imported,
		r.CreatedAt, r.CameAt, r.NotBefore)
	if err != nil {
		return err
	}
	return Record(ctx, q, storage.UserAdded(ctx, u)...)
}

// UserByName compares the name exactly; ErrNotFound.
func UserByName(ctx context.Context, q Querier, name string) (storage.User, error) {
	return user(ctx, q, selectUserByName, name)
}

// UserByID finds a user by the subject identifier; ErrNotFound.
func UserByID(ctx context.Context, q Querier, id uuid.UUID) (storage.User, error) {
	return user(ctx, q, selectUser, id[:])
}

// UserByForeignID compares exactly; ErrNotFound, also for an empty id.
func UserByForeignID(ctx context.Context, q Querier, id string) (storage.User, error) {
	return user(ctx, q, selectUserByForeignID, id)
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

// ChangeUser does what storage.UserChange says and ends the sessions that it
// ends; it returns the user as it is now, and how many. ErrNotFound;
// ErrConflict when the name or the foreign id is somebody else's.
func ChangeUser(ctx context.Context, q Querier, id uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	before, err := UserByID(ctx, q, id)
	if err != nil {
		return storage.User{}, 0, err
	}
	after, why, err := c.Apply(before)
	if err != nil {
		return before, 0, err
	}
	if err := free(ctx, q, before, after); err != nil {
		return before, 0, err
	}
	r, err := userRowOf(after)
	if err != nil {
		return before, 0, err
	}
	if after, err = r.user(); err != nil { // as it will be read
		return before, 0, err
	}
	err = must(ctx, q, storage.ErrNotFound, updateUser, r.Name, r.PasswordHash, r.Disabled, r.Claims, r.ForeignID, r.Imported, r.NotBefore, r.ID)
	if err != nil {
		return after, 0, err
	}
	ended := 0
	if why != "" {
		if ended, err = endSessions(ctx, q, id, c.Keep, why, c.Now); err != nil {
			return after, 0, err
		}
	}
	if r, changed := storage.UserChanged(before, after, c, why, ended); changed {
		r.At = c.Now
		err = Record(ctx, q, r)
	}
	return after, ended, err
}

// free reports ErrConflict when somebody else has the name or the foreign id.
func free(ctx context.Context, q Querier, before, after storage.User) error {
	for _, taken := range []struct {
		changed bool
		find    func() (storage.User, error)
	}{
		{after.Name != before.Name, func() (storage.User, error) { return UserByName(ctx, q, after.Name) }},
		{after.ForeignID != before.ForeignID && after.ForeignID != "", func() (storage.User, error) { return UserByForeignID(ctx, q, after.ForeignID) }},
	} {
		if !taken.changed {
			continue
		}
		switch _, err := taken.find(); {
		case err == nil:
			return storage.ErrConflict
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
	}
	return nil
}

// RemoveUser removes a user and the user's sessions, and tells how many; ErrNotFound.
func RemoveUser(ctx context.Context, q Querier, id uuid.UUID) (sessions int, err error) {
	u, err := UserByID(ctx, q, id)
	if err != nil {
		return 0, err
	}
	if sessions, err = change(ctx, q, deleteUserSessions, id[:]); err != nil {
		return 0, err
	}
	if err := must(ctx, q, storage.ErrNotFound, deleteUser, id[:]); err != nil {
		return 0, err
	}
	return sessions, Record(ctx, q, storage.UserRemoved(u, sessions))
}

// Rehash replaces a hash by another of the same password, if it is still the
// old one: else ErrConflict, or ErrNotFound without the user.
func Rehash(ctx context.Context, q Querier, user uuid.UUID, old, next string) error {
	err := must(ctx, q, storage.ErrConflict, updateRehash, next, user[:], old)
	if errors.Is(err, storage.ErrConflict) {
		if _, gone := UserByID(ctx, q, user); gone != nil {
			return gone
		}
	}
	return err
}

func userRowOf(u storage.User) (userRow, error) {
	claims, err := encode("claims", u.Claims)
	r := userRow{
		ID: u.ID[:], Name: u.Name, PasswordHash: u.PasswordHash, Disabled: u.Disabled, Claims: claims,
		ForeignID: sql.NullString{String: u.ForeignID, Valid: u.ForeignID != ""}, CreatedAt: micros(u.CreatedAt),
		CameAt: micros(u.CameAt), NotBefore: micros(u.NotBefore),
	}
	if u.Imported != (storage.Digest{}) {
		r.Imported = u.Imported[:]
	}
	return r, err
}

func (r userRow) user() (storage.User, error) {
	var d decoder
	u := storage.User{
		Name: r.Name, PasswordHash: r.PasswordHash, Disabled: r.Disabled,
		ForeignID: r.ForeignID.String, CreatedAt: instant(r.CreatedAt),
		CameAt: instant(r.CameAt), NotBefore: instant(r.NotBefore),
	}
	d.fixed("users.id", u.ID[:], r.ID)
	d.optional("users.imported", u.Imported[:], r.Imported)
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
