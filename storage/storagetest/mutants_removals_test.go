package storagetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// leavesSessions removes the user alone.
type leavesSessions struct{ *Model }

func (b leavesSessions) RemoveUser(ctx context.Context, id uuid.UUID) (int, error) {
	left := map[storage.SessionID]storage.Session{}
	with(b.Model, func(s *state) {
		for sid, session := range s.sessions {
			left[sid] = session
		}
	})
	n, err := b.Model.RemoveUser(ctx, id)
	with(b.Model, func(s *state) { s.sessions = left })
	return n, err
}

// buries disables a user for ever, and keeps the name.
type buries struct{ *Model }

func (b buries) RemoveUser(ctx context.Context, id uuid.UUID) (int, error) {
	u, err := b.UserByID(ctx, id)
	if err != nil {
		return 0, err
	}
	n, err := b.Model.RemoveUser(ctx, id)
	u.Disabled = true
	with(b.Model, func(s *state) { s.users[id] = u })
	return n, err
}

type racyRemoval struct{ *Model }

func (b racyRemoval) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	time.Sleep(500 * time.Microsecond)
	return b.Model.CreateSession(ctx, n)
}

func (b racyRemoval) RemoveUser(ctx context.Context, id uuid.UUID) (n int, err error) {
	sessions, _ := b.UserSessions(ctx, id, 1000)
	pause()
	with(b.Model, func(s *state) {
		if _, ok := s.users[id]; !ok {
			err = storage.ErrNotFound
		}
		delete(s.users, id)
		for _, e := range sessions {
			delete(s.sessions, e.ID)
			n++
		}
	})
	return n, err
}

// numbersAgain counts the clients that there are.
type numbersAgain struct{ *Model }

func (b numbersAgain) CreateClient(ctx context.Context, c storage.Client) (storage.Client, error) {
	with(b.Model, func(s *state) {
		s.numbered = 0
		for n := range s.clients {
			s.numbered = max(s.numbered, n)
		}
	})
	return b.Model.CreateClient(ctx, c)
}

// orphans are listed, ended and counted as if their client were there.
type orphans struct{ *Model }

func (b orphans) Sessions(ctx context.Context, after storage.SessionID, limit int) (out []storage.SessionEntry, err error) {
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if order(id, after) > 0 {
				out = append(out, storage.SessionEntry{Session: session, Username: s.users[session.User].Name, ClientID: s.clients[session.Client].ID})
			}
		}
	})
	slices.SortFunc(out, func(a, b storage.SessionEntry) int { return order(a.ID, b.ID) })
	return out[:min(len(out), max(limit, 0))], nil
}

func (b orphans) EndSessions(_ context.Context, user uuid.UUID, keep storage.SessionID, why storage.EndReason, now time.Time) (n int, _ error) {
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if session.User == user && session.EndedAt.IsZero() && id != keep {
				s.sessions[id] = session.End(now, why)
				n++
			}
		}
	})
	return n, nil
}

// shortPages takes a page first and then leaves the sessions of removed clients out.
type shortPages struct{ *Model }

func (b shortPages) Sessions(ctx context.Context, after storage.SessionID, limit int) (out []storage.SessionEntry, err error) {
	page, err := orphans(b).Sessions(ctx, after, limit)
	for _, e := range page {
		if e.ClientID != "" {
			out = append(out, e)
		}
	}
	return out, err
}

type keepsOrphans struct{ *Model }

func (b keepsOrphans) SweepSessions(ctx context.Context, after storage.SessionID, limit int, now time.Time) (storage.SessionID, int, error) {
	kept, n := map[storage.SessionID]storage.Session{}, 0
	with(b.Model, func(s *state) {
		for id, session := range s.sessions {
			if _, there := s.clients[session.Client]; !there && !session.RemovableAt(now) {
				kept[id] = session
			}
		}
	})
	next, removed, err := b.Model.SweepSessions(ctx, after, limit, now)
	with(b.Model, func(s *state) {
		for id, session := range kept {
			if _, there := s.sessions[id]; !there {
				s.sessions[id] = session
				n++
			}
		}
	})
	return next, removed - n, err
}

// staleNames remembers what users were called when they signed in.
type staleNames struct {
	*Model
	names map[storage.SessionID]string
}

func (b staleNames) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	s, err := b.Model.CreateSession(ctx, n)
	if err == nil {
		with(b.Model, func(st *state) { b.names[s.ID] = st.users[n.User].Name })
	}
	return s, err
}

func (b staleNames) Sessions(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error) {
	out, err := b.Model.Sessions(ctx, after, limit)
	for i := range out {
		out[i].Username = b.names[out[i].ID]
	}
	return out, err
}

type allUsers struct{ *Model }

func (b allUsers) UserSessions(ctx context.Context, _ uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	return b.Model.Sessions(ctx, storage.SessionID{}, limit)
}

type noLimit struct{ *Model }

func (b noLimit) UserSessions(ctx context.Context, user uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	if limit <= 0 {
		limit = 1000
	}
	return b.Model.UserSessions(ctx, user, limit)
}

// endsAgain writes the last reason over the first.
type endsAgain struct{ *Model }

func (b endsAgain) EndSession(_ context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (e storage.SessionEntry, err error) {
	with(b.Model, func(s *state) {
		if session, ok := s.sessions[id]; ok {
			s.sessions[id] = session.End(now, why)
		}
		e, err = s.entry(id)
	})
	return e, err
}

// endsQuietly does not say that there is none.
type endsQuietly struct{ *Model }

func (b endsQuietly) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	e, err := b.Model.EndSession(ctx, id, why, now)
	if verdict(err) == storage.ErrNotFound {
		err = nil
	}
	return e, err
}

// endsBefore answers with the session as it was.
type endsBefore struct{ *Model }

func (b endsBefore) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (storage.SessionEntry, error) {
	before, err := b.SessionByID(ctx, id)
	if err == nil {
		_, err = b.Model.EndSession(ctx, id, why, now)
	}
	return before, err
}

type keepsNone struct{ *Model }

func (b keepsNone) EndSessions(ctx context.Context, user uuid.UUID, _ storage.SessionID, why storage.EndReason, now time.Time) (int, error) {
	return b.Model.EndSessions(ctx, user, storage.SessionID{}, why, now)
}

// racyEnd writes the row back that it has read.
type racyEnd struct{ *Model }

func (b racyEnd) EndSession(ctx context.Context, id storage.SessionID, why storage.EndReason, now time.Time) (e storage.SessionEntry, err error) {
	if e, err = b.SessionByID(ctx, id); err != nil || !e.EndedAt.IsZero() {
		return e, err
	}
	pause()
	e.Session = e.Session.End(now, why)
	with(b.Model, func(s *state) { s.sessions[id] = e.Session })
	return e, nil
}

type noDevice struct{ *Model }

func (b noDevice) CreateSession(ctx context.Context, n storage.NewSession) (storage.Session, error) {
	n.Device = n.Device[:min(len(n.Device), storage.MaxDevice)]
	return b.Model.CreateSession(ctx, n)
}

// soundTokens finds those alone that have not expired.
type soundTokens struct{ *Model }

func (b soundTokens) OperatorToken(ctx context.Context, d storage.Digest) (storage.OperatorToken, error) {
	t, err := b.Model.OperatorToken(ctx, d)
	if err == nil && !t.ExpiresAt.IsZero() && t.ExpiresAt.Before(time.Now()) {
		return storage.OperatorToken{}, storage.ErrNotFound
	}
	return t, err
}

type tokensOverwritten struct{ *Model }

func (b tokensOverwritten) CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error {
	err := b.Model.CreateOperatorToken(ctx, t)
	if err != nil {
		with(b.Model, func(s *state) { s.tokens[t.Name] = keepToken(t) })
	}
	return err
}

// anyDigest looks at the name alone.
type anyDigest struct{ *Model }

func (b anyDigest) CreateOperatorToken(_ context.Context, t storage.OperatorToken) (err error) {
	with(b.Model, func(s *state) {
		if _, taken := s.tokens[t.Name]; taken {
			err = storage.ErrConflict
			return
		}
		s.tokens[t.Name] = keepToken(t)
	})
	return err
}

type racyTokens struct{ *Model }

func (b racyTokens) CreateOperatorToken(ctx context.Context, t storage.OperatorToken) error {
	tokens, err := b.OperatorTokens(ctx)
	for _, other := range tokens {
		if other.Name == t.Name || other.Digest.Equal(t.Digest) {
			return storage.ErrConflict
		}
	}
	pause()
	with(b.Model, func(s *state) { s.tokens[t.Name] = keepToken(t) })
	return err
}

type tokensUnordered struct{ *Model }

func (b tokensUnordered) OperatorTokens(ctx context.Context) ([]storage.OperatorToken, error) {
	out, err := b.Model.OperatorTokens(ctx)
	slices.SortFunc(out, func(a, b storage.OperatorToken) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return out, err
}

type removesQuietly struct{ *Model }

func (b removesQuietly) RemoveOperatorToken(ctx context.Context, name string) error {
	if err := b.Model.RemoveOperatorToken(ctx, name); verdict(err) != storage.ErrNotFound {
		return err
	}
	return nil
}
