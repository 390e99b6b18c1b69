package operator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// Session finds a session by its id, the "sid" of its access tokens.
func (o *Operator) Session(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error) {
	s, err := o.Sessions.SessionByID(ctx, id)
	if err != nil {
		return s, fmt.Errorf("session %s: %w", id, err)
	}
	return s, nil
}

// MostSessions is how many of a user's sessions UserSessions returns.
const MostSessions = maxPage

// UserSessions returns a user's sessions, by id, also those that are over and
// not yet removed; of very many, the first MostSessions.
func (o *Operator) UserSessions(ctx context.Context, user uuid.UUID) ([]storage.SessionEntry, error) {
	u, err := o.UserByID(ctx, user)
	if err != nil {
		return nil, err
	}
	list, err := o.Sessions.UserSessions(ctx, user, MostSessions)
	if err != nil {
		return nil, fmt.Errorf("sessions of %q: %w", u.Name, err)
	}
	return list, nil
}

// SessionPage returns up to limit sessions, by id, those after one.
func (o *Operator) SessionPage(ctx context.Context, after storage.SessionID, limit int) ([]storage.SessionEntry, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	page, err := o.Sessions.Sessions(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return page, nil
}

// ListSessions calls each with all sessions, by id.
func (o *Operator) ListSessions(ctx context.Context, each func(storage.SessionEntry) error) error {
	return everything(each, func(last *storage.SessionEntry, limit int) ([]storage.SessionEntry, error) {
		var after storage.SessionID
		if last != nil {
			after = last.ID
		}
		return o.SessionPage(ctx, after, limit)
	})
}

// EndSession ends a session and returns it as it is then: one that was ended
// before stays as it ended. Its access tokens that are out stay good until
// they expire.
func (o *Operator) EndSession(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error) {
	s, err := o.Sessions.EndSession(ctx, id, storage.EndedRevoked, o.now())
	if err != nil {
		return s, fmt.Errorf("end session %s: %w", id, err)
	}
	o.record(ctx, "session.end", slog.String("sid", id.String()), slog.String("username", s.Username), slog.String("sub", s.User.String()),
		slog.String("client_id", s.ClientID), slog.String("reason", string(s.EndReason)))
	return s, nil
}

// EndUserSessions ends all sessions of a user and tells how many.
func (o *Operator) EndUserSessions(ctx context.Context, user uuid.UUID) (int, error) {
	u, err := o.UserByID(ctx, user)
	if err != nil {
		return 0, err
	}
	ended, err := o.Sessions.EndSessions(ctx, user, storage.SessionID{}, storage.EndedRevoked, o.now())
	if err != nil {
		return 0, fmt.Errorf("end the sessions of %q: %w", u.Name, err)
	}
	o.record(ctx, "session.end_all", append(userAttrs(u), slog.Int("sessions_ended", ended))...)
	return ended, nil
}
