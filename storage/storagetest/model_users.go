package storagetest

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// CreateUser reports ErrConflict when the id, the name or the foreign id is taken.
func (m *Model) CreateUser(ctx context.Context, u storage.User) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, other := range s.users {
		if other.ID == u.ID || other.Name == u.Name || other.ForeignID == u.ForeignID && u.ForeignID != "" {
			return storage.ErrConflict
		}
	}
	if u, err = keepUser(u); err != nil {
		return err
	}
	s.users[u.ID] = u
	return s.record(ctx, storage.UserAdded(ctx, u)...)
}

// UserByName reports ErrNotFound.
func (m *Model) UserByName(ctx context.Context, name string) (storage.User, error) {
	return m.user(ctx, func(u storage.User) bool { return u.Name == name })
}

// Users returns at most limit users by name.
func (m *Model) Users(ctx context.Context, after string, limit int) ([]storage.User, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var out []storage.User
	for _, u := range s.users {
		if u.Name > after {
			u, err := keepUser(u)
			if err != nil {
				return nil, err
			}
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b storage.User) int { return strings.Compare(a.Name, b.Name) })
	return out[:min(len(out), max(limit, 0))], nil
}

// UserByID reports ErrNotFound.
func (m *Model) UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) {
	return m.user(ctx, func(u storage.User) bool { return u.ID == id })
}

// UserByForeignID reports ErrNotFound.
func (m *Model) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	return m.user(ctx, func(u storage.User) bool { return u.ForeignID == id && id != "" })
}

func (m *Model) user(ctx context.Context, is func(storage.User) bool) (storage.User, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.User{}, err
	}
	for _, u := range s.users {
		if is(u) {
			return keepUser(u)
		}
	}
	return storage.User{}, storage.ErrNotFound
}

// ChangeUser does what storage.UserChange says.
func (m *Model) ChangeUser(ctx context.Context, id uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.User{}, 0, err
	}
	before, ok := s.users[id]
	if !ok {
		return storage.User{}, 0, storage.ErrNotFound
	}
	u, why, err := c.Apply(before)
	if err != nil {
		return before, 0, err
	}
	for _, other := range s.users {
		if other.ID != id && (other.Name == u.Name || other.ForeignID == u.ForeignID && u.ForeignID != "") {
			return before, 0, storage.ErrConflict
		}
	}
	if u, err = keepUser(u); err != nil {
		return before, 0, err
	}
	s.users[id] = u
	ended := 0
	if why != "" {
		ended = s.endSessions(id, c.Keep, why, c.Now)
	}
	if r, changed := storage.UserChanged(before, u, c, why, ended); changed {
		r.At = c.Now
		if err := s.record(ctx, r); err != nil {
			return before, 0, err
		}
	}
	u, err = keepUser(u)
	return u, ended, err
}

// RemoveUser removes the user's sessions too.
func (m *Model) RemoveUser(ctx context.Context, id uuid.UUID) (sessions int, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	u, ok := s.users[id]
	if !ok {
		return 0, storage.ErrNotFound
	}
	delete(s.users, id)
	for sid, session := range s.sessions {
		if session.User == id {
			delete(s.sessions, sid)
			sessions++
		}
	}
	return sessions, s.record(ctx, storage.UserRemoved(u, sessions))
}

// Rehash reports ErrConflict when the hash is no longer the old one.
func (m *Model) Rehash(ctx context.Context, user uuid.UUID, old, new string) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	u, ok := s.users[user]
	switch {
	case !ok:
		return storage.ErrNotFound
	case u.PasswordHash != old:
		return storage.ErrConflict
	}
	u.PasswordHash = new
	s.users[user] = u
	return nil
}

func keepUser(u storage.User) (storage.User, error) {
	claims, err := kept(u.Claims)
	u.Claims, u.CreatedAt, u.CameAt, u.NotBefore = claims, whole(u.CreatedAt), whole(u.CameAt), whole(u.NotBefore)
	return u, err
}
