package sqlstore

import (
	"context"
	"errors"

	"github.com/hallmark-auth/hallmark/storage"
)

type sessionRow struct {
	ID           []byte `db:"id"`
	User         []byte `db:"user_id"`
	Client       int64  `db:"client"`
	Scope        string `db:"scope"`
	Audience     string `db:"audience"`
	AuthTime     int64  `db:"auth_time"`
	ExpiresAt    int64  `db:"expires_at"`
	IdleLifetime int64  `db:"idle_lifetime"`
	LastUsedAt   int64  `db:"last_used_at"`
	LastAddress  string `db:"last_address"`
	Device       string `db:"device"`
	EndedAt      int64  `db:"ended_at"`
	EndReason    string `db:"end_reason"`
	Generation   int64  `db:"generation"`
	Current      []byte `db:"current"`
	Previous     []byte `db:"previous"`
	Nonce        []byte `db:"nonce"`
	RotatedAt    int64  `db:"rotated_at"`
}

const (
	sessionColumns = `id, user_id, client, scope, audience, auth_time, expires_at, idle_lifetime,
		last_used_at, last_address, device, ended_at, end_reason, generation, current, previous, nonce, rotated_at`

	insertSession = `INSERT INTO sessions (` + sessionColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING`
	selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE id = $1`

	// Every column that a refresh changes; none of them is in an index.
	updateSession = `UPDATE sessions SET last_used_at = $1, last_address = $2, ended_at = $3, end_reason = $4,
		generation = $5, current = $6, previous = $7, nonce = $8, rotated_at = $9
		WHERE id = $10 AND generation = $11 AND current = $12`
)

// errMissed is reported when a row changed between two statements of a
// transaction that was to exclude other writers.
var errMissed = errors.New("the session changed inside the transaction: the transaction does not exclude other writers")

// CreateSession opens a session as storage.NewSession says.
func CreateSession(ctx context.Context, q Querier, n storage.NewSession) (storage.Session, error) {
	u, err := UserByID(ctx, q, n.User)
	if err != nil {
		return storage.Session{}, err
	}
	if err := n.May(u); err != nil {
		return storage.Session{}, err
	}
	c, err := clientByNumber(ctx, q, n.Client)
	if err != nil {
		return storage.Session{}, err
	}
	s := n.Session()
	if err := begin(ctx, q, u, s); err != nil {
		return storage.Session{}, err
	}
	return s, Record(ctx, q, storage.SignedIn(n, c.ID))
}

// begin inserts a session, and marks its user as somebody who has been here.
func begin(ctx context.Context, q Querier, u storage.User, s storage.Session) error {
	r, err := rowOf(s)
	if err != nil {
		return err
	}
	err = must(ctx, q, storage.ErrConflict, insertSession, r.ID, r.User, r.Client, r.Scope, r.Audience,
		r.AuthTime, r.ExpiresAt, r.IdleLifetime, r.LastUsedAt, r.LastAddress, r.Device, r.EndedAt, r.EndReason,
		r.Generation, r.Current, r.Previous, r.Nonce, r.RotatedAt)
	if err != nil || !u.CameAt.IsZero() {
		return err
	}
	_, err = change(ctx, q, updateCame, r.LastUsedAt, r.User)
	return err
}

// RotateSession reads the session that the token names, its user and its
// client, decides, and writes if there is something to write. With ErrReused and
// ErrBehind the end of the session has been written: commit it.
func RotateSession(ctx context.Context, q Querier, r storage.Refresh, at storage.ServiceTime) (storage.Refreshed, error) {
	s, err := sessionByID(ctx, q, r.Token.SessionID())
	if err != nil {
		return storage.Refreshed{}, err
	}
	u, err := UserByID(ctx, q, s.User)
	if err != nil {
		return storage.Refreshed{}, err
	}
	c, err := clientByNumber(ctx, q, s.Client)
	if err != nil {
		return storage.Refreshed{}, err
	}
	out, refused := r.Decide(s, u, c, at)
	if out.Writes() {
		if err := replaceSession(ctx, q, out.Before, out.Session); err != nil {
			return storage.Refreshed{}, err
		}
	}
	if errors.Is(refused, storage.ErrReused) || errors.Is(refused, storage.ErrBehind) {
		if err := Record(ctx, q, r.RefreshEnded(out)); err != nil {
			return storage.Refreshed{}, err
		}
	}
	return out, refused
}

func sessionByID(ctx context.Context, q Querier, id storage.SessionID) (storage.Session, error) {
	row, err := one[sessionRow](ctx, q, selectSession, id[:])
	if err != nil {
		return storage.Session{}, err
	}
	return row.session()
}

// replaceSession is the compare-and-swap of the ratchet.
func replaceSession(ctx context.Context, q Querier, before, after storage.Session) error {
	r, err := rowOf(after)
	if err != nil {
		return err
	}
	return must(ctx, q, errMissed, updateSession, r.LastUsedAt, r.LastAddress, r.EndedAt, r.EndReason,
		r.Generation, r.Current, r.Previous, r.Nonce, r.RotatedAt,
		r.ID, int64(before.Generation), before.Current[:])
}

func rowOf(s storage.Session) (sessionRow, error) {
	scope, err := join("sessions.scope", s.Scope)
	if err != nil {
		return sessionRow{}, err
	}
	audience, err := join("sessions.audience", s.Audience)
	if err != nil {
		return sessionRow{}, err
	}
	r := sessionRow{
		ID: s.ID[:], User: s.User[:], Client: s.Client, Scope: scope, Audience: audience,
		AuthTime: micros(s.AuthTime), ExpiresAt: micros(s.ExpiresAt), IdleLifetime: s.IdleLifetime.Microseconds(),
		LastUsedAt: micros(s.LastUsedAt), LastAddress: s.LastAddress, Device: s.Device,
		EndedAt: micros(s.EndedAt), EndReason: string(s.EndReason),
		Generation: int64(s.Generation), Current: s.Current[:], RotatedAt: int64(s.RotatedAt),
	}
	if s.Previous != (storage.Digest{}) { // a public form; no secret is compared
		r.Previous = s.Previous[:]
	}
	if s.Nonce != (storage.Nonce{}) {
		r.Nonce = s.Nonce[:]
	}
	return r, nil
}

func (r sessionRow) session() (storage.Session, error) {
	var d decoder
	s := storage.Session{
		Client: r.Client, Scope: split(r.Scope), Audience: split(r.Audience),
		AuthTime: instant(r.AuthTime), ExpiresAt: instant(r.ExpiresAt), IdleLifetime: duration(r.IdleLifetime),
		LastUsedAt: instant(r.LastUsedAt), LastAddress: r.LastAddress, Device: r.Device,
		EndedAt: instant(r.EndedAt), EndReason: storage.EndReason(r.EndReason),
	}
	s.Generation, s.RotatedAt = uint32(r.Generation), storage.ServiceTime(r.RotatedAt)
	if int64(s.Generation) != r.Generation {
		d.fail("sessions.generation", "out of range")
	}
	d.fixed("sessions.id", s.ID[:], r.ID)
	d.fixed("sessions.user_id", s.User[:], r.User)
	d.fixed("sessions.current", s.Current[:], r.Current)
	d.optional("sessions.previous", s.Previous[:], r.Previous)
	d.optional("sessions.nonce", s.Nonce[:], r.Nonce)
	return s, d.err
}
