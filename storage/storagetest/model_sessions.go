package storagetest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// CreateSession reports what storage.NewSession says.
func (m *Model) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Session{}, err
	}
	u, ok := s.users[n.User]
	if !ok {
		return storage.Session{}, storage.ErrNotFound
	}
	if err := n.May(u); err != nil {
		return storage.Session{}, err
	}
	client, ok := s.clients[n.Client]
	if !ok {
		return storage.Session{}, storage.ErrNotFound
	}
	if _, ok := s.sessions[n.Token.SessionID()]; ok {
		return storage.Session{}, storage.ErrConflict
	}
	session := keepSession(n.Session())
	s.begin(u, session)
	return keepSession(session), s.record(ctx, storage.SignedIn(n, client.ID))
}

// begin adds a session, and marks its user as somebody who has been here.
func (s *state) begin(u storage.User, session storage.Session) {
	s.sessions[session.ID] = session
	if u.CameAt.IsZero() {
		u.CameAt = session.LastUsedAt
		s.users[u.ID] = u
	}
}

// RotateSession returns what Refresh.Decide says of the rows.
func (m *Model) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Refreshed{}, err
	}
	return s.rotate(ctx, r)
}

func (s *state) rotate(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	session, ok := s.sessions[r.Token.SessionID()]
	if !ok {
		return storage.Refreshed{}, storage.ErrNotFound
	}
	u, err := keepUser(s.users[session.User])
	if err != nil {
		return storage.Refreshed{}, err
	}
	client, ok := s.clients[session.Client]
	if !ok {
		return storage.Refreshed{}, storage.ErrNotFound
	}
	c, err := keepClient(client)
	if err != nil {
		return storage.Refreshed{}, err
	}
	out, err := r.Decide(keepSession(session), u, c, s.at)
	if out.Writes() {
		s.sessions[session.ID] = keepSession(out.Session)
	}
	if err == storage.ErrReused || err == storage.ErrBehind {
		if err := s.record(ctx, r.RefreshEnded(out)); err != nil {
			return storage.Refreshed{}, err
		}
	}
	return out, err
}

// SweepSessions removes what may be removed of one slice.
func (m *Model) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (next storage.SessionID, removed int, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return next, 0, err
	}
	ids := slices.SortedFunc(maps.Keys(s.sessions), order)
	ids = slices.DeleteFunc(ids, func(id storage.SessionID) bool { return order(id, after) <= 0 })
	ids = ids[:min(len(ids), max(limit, 0))]
	for _, id := range ids {
		if _, ok := s.clients[s.sessions[id].Client]; !ok || s.sessions[id].RemovableAt(now) {
			delete(s.sessions, id)
			removed++
		}
	}
	if len(ids) == limit && limit > 0 {
		next = ids[limit-1]
	}
	return next, removed, nil
}

func order(a, b storage.SessionID) int { return bytes.Compare(a[:], b[:]) }

func keepSession(s storage.Session) storage.Session {
	s.Scope, s.Audience = slices.Clone(s.Scope), slices.Clone(s.Audience)
	return s
}
