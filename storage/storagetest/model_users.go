package storagetest

import (
	"context"
	"slices"
	"strings"
	"time"

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
	return nil
}

// UserByName reports ErrNotFound.
func (m *Model) UserByName(ctx context.Context, name string) (storage.User, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.User{}, err
	}
	for _, u := range s.users {
		if u.Name == name {
			return keepUser(u)
		}
	}
	return storage.User{}, storage.ErrNotFound
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

// SetPassword ends the user's sessions.
func (m *Model) SetPassword(ctx context.Context, user uuid.UUID, hash string, now time.Time) (ended int, err error) {
	return m.change(ctx, user, now, func(u *storage.User) (storage.EndReason, error) {
		u.PasswordHash = hash
		return storage.EndedPassword, nil
	})
}

// Rehash reports ErrConflict when the hash is no longer the old one.
func (m *Model) Rehash(ctx context.Context, user uuid.UUID, old, new string) error {
	_, err := m.change(ctx, user, time.Time{}, func(u *storage.User) (storage.EndReason, error) {
		if u.PasswordHash != old {
			return "", storage.ErrConflict
		}
		u.PasswordHash = new
		return "", nil
	})
	return err
}

// SetDisabled ends the user's sessions if it disables.
func (m *Model) SetDisabled(ctx context.Context, user uuid.UUID, disabled bool, now time.Time) (ended int, err error) {
	return m.change(ctx, user, now, func(u *storage.User) (storage.EndReason, error) {
		u.Disabled = disabled
		if !disabled {
			return "", nil
		}
		return storage.EndedDisabled, nil
	})
}

// change changes a user and ends the user's sessions if a reason is given.
func (m *Model) change(ctx context.Context, user uuid.UUID, now time.Time, apply func(*storage.User) (storage.EndReason, error)) (ended int, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	u, ok := s.users[user]
	if !ok {
		return 0, storage.ErrNotFound
	}
	why, err := apply(&u)
	if err != nil {
		return 0, err
	}
	s.users[user] = u
	for id, session := range s.sessions {
		if why != "" && session.User == user && session.EndedAt.IsZero() {
			s.sessions[id] = session.End(now, why)
			ended++
		}
	}
	return ended, nil
}

func keepUser(u storage.User) (storage.User, error) {
	claims, err := kept(u.Claims)
	u.Claims, u.CreatedAt = claims, whole(u.CreatedAt)
	return u, err
}
