package storagetest

import (
	"context"
	"errors"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

type anyHash struct{ *Model }

func (b anyHash) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	with(b.Model, func(s *state) {
		if u, ok := s.users[n.User]; ok {
			n.PasswordHash = u.PasswordHash
			u.Disabled = false
			s.users[n.User] = u
		}
	})
	return b.Model.CreateSession(ctx, n)
}

// nanoseconds answers a login with more than it keeps.
type nanoseconds struct{ *Model }

func (b nanoseconds) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	s, err := b.Model.CreateSession(ctx, n)
	s.AuthTime = n.Now
	return s, err
}

// racyLogin looks at the user, and writes when the user may be another.
type racyLogin struct{ *Model }

func (b racyLogin) CreateSession(_ context.Context, n storage.NewSession) (storage.Session, error) {
	var u storage.User
	with(b.Model, func(s *state) { u = s.users[n.User] })
	if err := n.May(u); err != nil {
		return storage.Session{}, err
	}
	pause()
	with(b.Model, func(s *state) { s.sessions[n.Token.SessionID()] = n.Session() })
	return n.Session(), nil
}

// racyRotation swaps without comparing.
type racyRotation struct{ *Model }

func (b racyRotation) RotateSession(_ context.Context, r storage.Refresh) (out storage.Refreshed, err error) {
	with(b.Model, func(s *state) {
		row := s.sessions[r.Token.SessionID()]
		out, err = r.Decide(row, s.users[row.User], s.clients[row.Client], s.at)
	})
	if out.Writes() {
		pause()
		with(b.Model, func(s *state) { s.sessions[out.Session.ID] = out.Session })
	}
	return out, err
}

// rollsBack reports an outcome as an error, and undoes it as one.
type rollsBack struct{ *Model }

func (b rollsBack) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	before := rowOf(b.Model, r.Token)
	out, err := b.Model.RotateSession(ctx, r)
	if errors.Is(err, storage.ErrReused) || errors.Is(err, storage.ErrBehind) {
		with(b.Model, func(s *state) { s.sessions[before.ID] = before })
	}
	return out, err
}

type refusalWrites struct{ *Model }

func (b refusalWrites) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if errors.Is(err, storage.ErrScope) {
		with(b.Model, func(s *state) {
			row := s.sessions[r.Token.SessionID()]
			row.LastAddress = r.Address
			s.sessions[row.ID] = row
		})
	}
	return out, err
}

type retryWrites struct{ *Model }

func (b retryWrites) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if out.Outcome == storage.Retried {
		with(b.Model, func(s *state) {
			row := s.sessions[r.Token.SessionID()]
			row.LastAddress = "of the retry"
			s.sessions[row.ID] = row
		})
	}
	return out, err
}

type wallWindow struct{ *Model }

func (b wallWindow) RotateSession(_ context.Context, r storage.Refresh) (out storage.Refreshed, err error) {
	with(b.Model, func(s *state) {
		row := s.sessions[r.Token.SessionID()]
		out, err = r.Decide(row, s.users[row.User], s.clients[row.Client], storage.ServiceTime(r.Now.UnixMicro()))
		if out.Writes() {
			s.sessions[row.ID] = out.Session
		}
	})
	return out, err
}

type bareError struct{ *Model }

func (b bareError) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if errors.Is(err, storage.ErrScope) {
		out = storage.Refreshed{}
	}
	return out, err
}

type sweepsEnded struct{ *Model }

func (b sweepsEnded) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (storage.SessionID, int, error) {
	return b.Model.SweepSessions(ctx, after, limit, now.Add(storage.KeepEnded))
}

type sweepSkips struct{ *Model }

func (b sweepSkips) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (storage.SessionID, int, error) {
	next, n, err := b.Model.SweepSessions(ctx, after, limit, now)
	if next != (storage.SessionID{}) {
		next, _, err = b.Model.SweepSessions(ctx, next, 1, time.Time{})
	}
	return next, n, err
}

type sweepEndless struct{ *Model }

func (b sweepEndless) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (storage.SessionID, int, error) {
	next, n, err := b.Model.SweepSessions(ctx, after, limit, now)
	if next == (storage.SessionID{}) {
		next = after
		next[15] |= 1
	}
	return next, n, err
}

type anyVersion struct{ *Model }

func (b anyVersion) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	if next <= old {
		with(b.Model, func(s *state) { old, next = s.version, s.version+1 })
	}
	return b.Model.ReplaceRing(ctx, old, next, sealed)
}

type racyRing struct{ *Model }

func (b racyRing) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	_, v, err := b.LoadRing(ctx)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if v != old || next <= old {
		return storage.ErrConflict
	}
	pause()
	with(b.Model, func(s *state) { s.sealed, s.version = sealed, next })
	return nil
}

type fastService struct{ *Model }

func (b fastService) ServiceTime(ctx context.Context) (storage.ServiceTime, error) {
	b.AddService(time.Second)
	return b.Model.ServiceTime(ctx)
}

type neverCloses struct{ *Model }

func (neverCloses) Close() error { return nil }
