package storagetest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

type anyCase struct{ *Model }

func (b anyCase) UserByName(ctx context.Context, name string) (storage.User, error) {
	users, err := b.Users(ctx, "", 1000)
	for _, u := range users {
		if strings.EqualFold(u.Name, name) {
			return u, nil
		}
	}
	if err == nil {
		err = storage.ErrNotFound
	}
	return storage.User{}, err
}

type unordered struct{ *Model }

func (b unordered) Users(ctx context.Context, after string, limit int) ([]storage.User, error) {
	users, err := b.Model.Users(ctx, after, 1000)
	slices.SortFunc(users, func(a, b storage.User) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return users[:min(len(users), max(limit, 0))], err
}

type racyUsers struct{ *Model }

func (b racyUsers) CreateUser(ctx context.Context, u storage.User) error {
	if _, err := b.UserByName(ctx, u.Name); err == nil {
		return storage.ErrConflict
	}
	pause()
	with(b.Model, func(s *state) { s.users[u.ID] = u })
	return nil
}

type overwrites struct{ *Model }

func (b overwrites) CreateUser(ctx context.Context, u storage.User) error {
	if was, err := b.UserByName(ctx, u.Name); err == nil {
		with(b.Model, func(s *state) { u.ID = was.ID; s.users[was.ID] = u })
		return storage.ErrConflict
	}
	return b.Model.CreateUser(ctx, u)
}

type milliseconds struct{ *Model }

func (b milliseconds) CreateUser(ctx context.Context, u storage.User) error {
	u.CreatedAt = u.CreatedAt.Truncate(time.Millisecond)
	return b.Model.CreateUser(ctx, u)
}

type noClaims struct{ *Model }

func (b noClaims) CreateUser(ctx context.Context, u storage.User) error {
	u.Claims.Extra = nil
	return b.Model.CreateUser(ctx, u)
}

type endsNothing struct{ *Model }

func (b endsNothing) ChangeUser(_ context.Context, user uuid.UUID, c storage.UserChange) (u storage.User, _ int, err error) {
	with(b.Model, func(s *state) {
		u, _, err = c.Apply(s.users[user])
		s.users[user] = u
	})
	return u, 4, err
}

type endsLive struct{ *Model }

// ChangeUser takes the clock's word for what is expired.
func (b endsLive) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	expired := map[storage.SessionID]storage.Session{}
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if session.ExpiredAt(c.Now) {
				expired[id] = session
			}
		}
	})
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	with(b.Model, func(s *state) { maps.Copy(s.sessions, expired) })
	return u, n, err
}

type endsAll struct{ *Model }

func (b endsAll) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if c.Disabled != nil && *c.Disabled && session.EndedAt.IsZero() {
				s.sessions[id] = session.End(c.Now, storage.EndedDisabled)
			}
		}
	})
	return u, n, err
}

type revives struct{ *Model }

func (b revives) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if c.Disabled != nil && !*c.Disabled && session.User == user && session.EndReason == storage.EndedDisabled {
				session.EndedAt, session.EndReason = time.Time{}, ""
				s.sessions[id] = session
			}
		}
	})
	return u, n, err
}

type rehashesAny struct{ *Model }

func (b rehashesAny) Rehash(ctx context.Context, user uuid.UUID, _, new string) error {
	var old string
	with(b.Model, func(s *state) { old = s.users[user].PasswordHash })
	return b.Model.Rehash(ctx, user, old, new)
}

type rehashEnds struct{ *Model }

func (b rehashEnds) Rehash(ctx context.Context, user uuid.UUID, old, new string) error {
	if err := b.Model.Rehash(ctx, user, old, new); err != nil {
		return err
	}
	_, err := setPassword(ctx, b, user, new, time.Now())
	return err
}

type oneNumber struct{ *Model }

func (b oneNumber) CreateClient(ctx context.Context, c storage.Client) (storage.Client, error) {
	c, err := b.Model.CreateClient(ctx, c)
	c.Number = 1
	return c, err
}

// poisoned fails whoever comes after a conflict, as a transaction does that
// was not rolled back to a savepoint.
type poisoned struct {
	*Model
	broken atomic.Bool
}

func (b *poisoned) CreateUser(ctx context.Context, u storage.User) error {
	if b.broken.Swap(false) {
		return storage.ErrUnavailable
	}
	err := b.Model.CreateUser(ctx, u)
	if err != nil {
		b.broken.Store(true)
	}
	return err
}

// interrupted takes its neighbours with it when a caller leaves.
type interrupted struct {
	*Model
	left atomic.Bool
}

func (b *interrupted) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	pause()
	if ctx.Err() != nil {
		b.left.Store(true)
		return storage.Refreshed{}, ctx.Err()
	}
	if b.left.Load() {
		return storage.Refreshed{}, storage.ErrUnavailable
	}
	return b.Model.RotateSession(ctx, r)
}

type noContext struct{ *Model }

func (b noContext) CreateUser(ctx context.Context, u storage.User) error {
	return b.Model.CreateUser(context.WithoutCancel(ctx), u)
}
