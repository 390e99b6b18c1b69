package storagetest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// SessionByID reports ErrNotFound, also when the client was removed.
func (m *Model) SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.SessionEntry{}, err
	}
	return s.entry(id)
}

// UserSessions returns at most limit of a user's sessions.
func (m *Model) UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	return m.entries(ctx, limit, func(e storage.SessionEntry) bool { return e.User == user })
}

// Sessions returns at most limit sessions by id.
func (m *Model) Sessions(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error) {
	return m.entries(ctx, limit, func(e storage.SessionEntry) bool { return order(e.ID, after) > 0 })
}

func (m *Model) entries(ctx context.Context, limit int, wanted func(storage.SessionEntry) bool) (out []storage.SessionEntry, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.sessions), order) {
		if e, err := s.entry(id); err == nil && len(out) < limit && wanted(e) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *state) entry(id storage.SessionID) (storage.SessionEntry, error) {
	session, known := s.sessions[id]
	client, there := s.clients[session.Client]
	if !known || !there {
		return storage.SessionEntry{}, storage.ErrNotFound
	}
	return storage.SessionEntry{Session: keepSession(session), Username: s.users[session.User].Name, ClientID: client.ID}, nil
}

// EndSession ends a session that has not ended.
func (m *Model) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.SessionEntry{}, err
	}
	before, ok := s.sessions[id]
	if _, there := s.clients[before.Client]; !ok || !there {
		return storage.SessionEntry{}, storage.ErrNotFound
	}
	if !before.EndedAt.IsZero() {
		return s.entry(id)
	}
	s.sessions[id] = before.End(now, why)
	e, err := s.entry(id)
	if err != nil {
		return e, err
	}
	return e, s.record(ctx, storage.SessionEnded(e, why, now))
}

// EndSessions ends a user's sessions that have not ended, but one.
func (m *Model) EndSessions(ctx context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (int, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if u, ok := s.users[user]; ok && whole(now).After(u.NotBefore) {
		u.NotBefore = whole(now)
		s.users[user] = u
	}
	ended := s.endSessions(user, keep, why, now)
	if ended == 0 {
		return 0, nil
	}
	return ended, s.record(ctx, storage.SessionsEnded(user, keep, why, now, ended))
}

// EndMatching ends what matches of one slice.
func (m *Model) EndMatching(ctx context.Context, after storage.SessionID, limit int, match storage.SessionMatch, why storage.EndReason, now time.Time) (next storage.SessionID, ended []storage.SessionID, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return next, nil, err
	}
	ids := slices.SortedFunc(maps.Keys(s.sessions), order)
	ids = slices.DeleteFunc(ids, func(id storage.SessionID) bool {
		return order(id, after) <= 0 || match.User != uuid.Nil && s.sessions[id].User != match.User
	})
	ids = ids[:min(len(ids), max(limit, 0))]
	for _, id := range ids {
		if _, there := s.clients[s.sessions[id].Client]; there && match.Matches(s.sessions[id]) {
			s.sessions[id] = s.sessions[id].End(now, why)
			ended = append(ended, id)
		}
	}
	if len(ids) == limit && limit > 0 {
		next = ids[limit-1]
	}
	if len(ended) == 0 {
		return next, nil, nil
	}
	return next, ended, s.record(ctx, storage.SessionsMatched(match, s.clients[match.Client].ID, why, now, ended))
}

func (s *state) endSessions(user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (ended int) {
	for id, session := range s.sessions {
		if _, there := s.clients[session.Client]; there && session.User == user && session.EndedAt.IsZero() && id != keep {
			s.sessions[id] = session.End(now, why)
			ended++
		}
	}
	return ended
}

// CreateOperatorToken reports ErrConflict when the name or the digest is taken.
func (m *Model) CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, other := range s.tokens {
		if other.Name == t.Name || other.Digest.Equal(t.Digest) {
			return storage.ErrConflict
		}
	}
	s.tokens[t.Name] = keepToken(t)
	return s.record(ctx, storage.TokenAdded(t))
}

// OperatorToken reports ErrNotFound.
func (m *Model) OperatorToken(ctx context.Context, d storage.Digest) (storage.OperatorToken, error) {
	tokens, err := m.OperatorTokens(ctx)
	if err != nil {
		return storage.OperatorToken{}, err
	}
	for _, t := range tokens {
		if t.Digest.Equal(d) {
			return t, nil
		}
	}
	return storage.OperatorToken{}, storage.ErrNotFound
}

// OperatorTokens returns all, by name.
func (m *Model) OperatorTokens(ctx context.Context) (out []storage.OperatorToken, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, t := range s.tokens {
		out = append(out, keepToken(t))
	}
	slices.SortFunc(out, func(a, b storage.OperatorToken) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// RemoveOperatorToken reports ErrNotFound.
func (m *Model) RemoveOperatorToken(ctx context.Context, name string) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if _, ok := s.tokens[name]; !ok {
		return storage.ErrNotFound
	}
	delete(s.tokens, name)
	return s.record(ctx, storage.TokenRemoved(name))
}

func keepToken(t storage.OperatorToken) storage.OperatorToken {
	t.Scopes, t.CreatedAt, t.ExpiresAt = slices.Clone(t.Scopes), whole(t.CreatedAt), whole(t.ExpiresAt)
	return t
}
