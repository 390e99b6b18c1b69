package sqlite

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// write has a verb run by the writer and returns what it returned, unless the
// caller left before or the transaction failed.
func write[T any](ctx context.Context, s *Store, run func(context.Context, sqlstore.Querier, storage.ServiceTime) (T, error)) (T, error) {
	var out, none T
	detached := storage.Detached(ctx) // never the caller's: see batch
	kept, err := s.writer.do(ctx, func(q sqlstore.Querier, at storage.ServiceTime) (err error) {
		out, err = run(detached, q, at)
		return err
	})
	if !kept { // out is not ours to read
		return none, err
	}
	return out, err
}

// exec is write for a verb that returns nothing.
func exec(ctx context.Context, s *Store, run func(context.Context, sqlstore.Querier) error) error {
	_, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (struct{}, error) {
		return struct{}{}, run(ctx, q)
	})
	return err
}

// read runs a query on the pool of readers.
func read[T any](s *Store, query func(q sqlstore.Querier) (T, error)) (T, error) {
	out, err := query(s.readers)
	if err != nil && !domain(err) && s.writer.isClosed() {
		err = unavailable(errClosed)
	}
	return out, fault(err)
}

// CreateUser adds a user; storage.ErrConflict when the id, the name or the foreign id is taken.
func (s *Store) CreateUser(ctx context.Context, u storage.User) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error {
		return sqlstore.CreateUser(ctx, q, u)
	})
}

// UserByName finds a user by the exact name; storage.ErrNotFound.
func (s *Store) UserByName(ctx context.Context, name string) (storage.User, error) {
	return read(s, func(q sqlstore.Querier) (storage.User, error) { return sqlstore.UserByName(ctx, q, name) })
}

// Users returns at most limit users whose names come after one, ascending by bytes.
func (s *Store) Users(ctx context.Context, after string, limit int) ([]storage.User, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.User, error) { return sqlstore.Users(ctx, q, after, limit) })
}

// UserByID finds a user by the subject identifier; storage.ErrNotFound.
func (s *Store) UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) {
	return read(s, func(q sqlstore.Querier) (storage.User, error) { return sqlstore.UserByID(ctx, q, id) })
}

// UserByForeignID finds a user by the exact id elsewhere; storage.ErrNotFound.
func (s *Store) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	return read(s, func(q sqlstore.Querier) (storage.User, error) { return sqlstore.UserByForeignID(ctx, q, id) })
}

// ChangeUser does what storage.UserChange says, and tells how many sessions it
// ended; storage.ErrNotFound, storage.ErrConflict.
func (s *Store) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (after storage.User, ended int, err error) {
	type changed struct {
		user  storage.User
		ended int
	}
	out, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (out changed, err error) {
		out.user, out.ended, err = sqlstore.ChangeUser(ctx, q, user, c)
		return out, err
	})
	return out.user, out.ended, err
}

// RemoveUser removes a user and their sessions, and tells how many; storage.ErrNotFound.
func (s *Store) RemoveUser(ctx context.Context, user uuid.UUID) (sessions int, err error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
		return sqlstore.RemoveUser(ctx, q, user)
	})
}

// Rehash replaces a hash by another of the same password; storage.ErrConflict
// when it is no longer the old one. It ends nothing.
func (s *Store) Rehash(ctx context.Context, user uuid.UUID, old, next string) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error {
		return sqlstore.Rehash(ctx, q, user, old, next)
	})
}

// CreateClient adds a client and gives it its number; storage.ErrConflict when the id is taken.
func (s *Store) CreateClient(ctx context.Context, c storage.Client) (storage.Client, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (storage.Client, error) {
		return sqlstore.CreateClient(ctx, q, c)
	})
}

// ClientByID finds a client by its client_id; storage.ErrNotFound.
func (s *Store) ClientByID(ctx context.Context, id string) (storage.Client, error) {
	return read(s, func(q sqlstore.Querier) (storage.Client, error) { return sqlstore.ClientByID(ctx, q, id) })
}

// Clients returns every client, by client_id.
func (s *Store) Clients(ctx context.Context) ([]storage.Client, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.Client, error) { return sqlstore.Clients(ctx, q) })
}

// ChangeClient does what storage.ClientChange says; storage.ErrNotFound, storage.ErrConflict.
func (s *Store) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (storage.Client, error) {
		return sqlstore.ChangeClient(ctx, q, id, c)
	})
}

// RemoveClient removes a client, whose sessions can be refreshed no more;
// storage.ErrNotFound. Their rows go with the next walk of SweepSessions.
func (s *Store) RemoveClient(ctx context.Context, id string) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error { return sqlstore.RemoveClient(ctx, q, id) })
}

// CreateSession opens a session as storage.NewSession says.
func (s *Store) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (storage.Session, error) {
		return sqlstore.CreateSession(ctx, q, n)
	})
}

// RotateSession decides a refresh as storage.Refresh says and stores what came
// of it; storage.ErrNotFound for a token of no session. With storage.ErrReused
// and storage.ErrBehind the session's end is committed.
func (s *Store) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	return write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (storage.Refreshed, error) {
		return sqlstore.RotateSession(ctx, q, r, at)
	})
}

// SweepSessions looks at the limit sessions after an id and removes those that
// are removable at now. next is where the walk goes on, zero at its end. The
// writer is bothered only if there is something to remove.
func (s *Store) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (next storage.SessionID, removed int, err error) {
	ids, err := read(s, func(q sqlstore.Querier) (ids []storage.SessionID, err error) {
		next, ids, err = sqlstore.ScanSessions(ctx, q, after, limit, now)
		return ids, err
	})
	if err != nil || len(ids) == 0 {
		return next, 0, err
	}
	removed, err = write(ctx, s, func(ctx context.Context, q sqlstore.Querier, _ storage.ServiceTime) (int, error) {
		return sqlstore.RemoveSessions(ctx, q, ids, now)
	})
	return next, removed, err
}

// LoadRing returns the sealed ring and its version; storage.ErrNotFound when there is none yet.
func (s *Store) LoadRing(ctx context.Context) (sealed []byte, v storage.Version, err error) {
	sealed, err = read(s, func(q sqlstore.Querier) (sealed []byte, err error) {
		sealed, v, err = sqlstore.LoadRing(ctx, q)
		return sealed, err
	})
	return sealed, v, err
}

// ReplaceRing stores the next version if the stored one is old (0: none yet)
// and next is above it; else storage.ErrConflict.
func (s *Store) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error {
		return sqlstore.ReplaceRing(ctx, q, old, next, sealed)
	})
}

// ServiceTime returns the reading now. It may be up to a beat above the stored one.
func (s *Store) ServiceTime(ctx context.Context) (storage.ServiceTime, error) {
	return read(s, func(q sqlstore.Querier) (storage.ServiceTime, error) {
		stored, err := sqlstore.ServiceTime(ctx, q)
		if err != nil {
			return 0, err
		}
		at, when := s.clock.reading(stored)
		if at == stored {
			s.clock.saw(stored, when)
		}
		return at, nil
	})
}

// Check commits a write and reads it back: nil if the store can serve now.
func (s *Store) Check(ctx context.Context) error {
	if err := s.beat(ctx); err != nil {
		return err
	}
	_, err := s.ServiceTime(ctx)
	return err
}

// beat stores the service time.
func (s *Store) beat(ctx context.Context) error {
	_, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (struct{}, error) {
		return struct{}{}, sqlstore.SetServiceTime(ctx, q, at)
	})
	return err
}
