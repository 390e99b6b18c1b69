package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// signInAttempts bounds how often a sign-in starts over because the password
// was changed (or its hash renewed by a parallel sign-in) while it was checked.
const signInAttempts = 3

// passwordGrant is RFC 6749 §4.3, §4.3.3. Everything that can refuse the request
// without the password is decided before any hashing.
func (s *Server) passwordGrant(ctx context.Context, client storage.Client, req tokenRequest) (Grant, error) {
	if req.Username == "" || req.Password.Empty() { // RFC 6749 §4.3.2: both REQUIRED
		return Grant{}, errMissing.because(errors.New("no username or no password"))
	}
	scope, audience, err := requested(client, req)
	if err != nil {
		return Grant{}, err
	}
	grant := Grant{Client: client, Scope: scope, Audience: audience}
	began := time.Now()
	for range signInAttempts {
		grant.AuthTime = s.now()
		if grant.User, err = s.signIn(ctx, began, req.Username, req.Password); err != nil {
			return Grant{}, err
		}
		if err = s.openSession(ctx, &grant, req.Device); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	switch {
	case errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrDisabled), errors.Is(err, storage.ErrNotFound):
		s.signInFails(ctx, storage.EventSignInFailed, grant.User, "the user was disabled, removed or changed meanwhile")
		return Grant{}, s.refuseLate(ctx, began, errCredentials.because(err)) // disabled, removed or changed a moment ago
	case err != nil:
		return Grant{}, err
	}
	eventOf(ctx).note(grant.attrs()...)
	return grant, nil
}

// openSession opens a session, if the user still is who was verified. A client
// without the refresh_token grant gets no refresh token (RFC 6749 §1.5), so
// there is none to keep: then it only looks.
func (s *Server) openSession(ctx context.Context, g *Grant, device string) error {
	token := storage.NewRefreshToken()
	opening := storage.NewSession{
		Token: token, User: g.User.ID, PasswordHash: g.User.PasswordHash, Client: g.Client.Number,
		Scope: g.Scope, Audience: g.Audience,
		AbsoluteLifetime: either(g.Client.AbsoluteLifetime, s.cfg.AbsoluteLifetime),
		IdleLifetime:     s.idleLifetime(g.Client),
		Address:          eventOf(ctx).addr.String(),
		Device:           device,
		Now:              g.AuthTime,
	}
	if !slices.Contains(g.Client.Grants, storage.GrantRefreshToken) {
		user, err := s.store.UserByName(ctx, g.User.Name)
		if err != nil {
			return err
		}
		if err := opening.May(user); err != nil {
			return err
		}
		opening.Token = storage.RefreshToken{} // of no session
		return s.store.Record(ctx, storage.SignedIn(opening, g.Client.ID))
	}
	session, err := s.store.CreateSession(ctx, opening)
	if err != nil {
		return err
	}
	g.SessionID, g.Session, g.RefreshToken = &session.ID, session, &token
	return nil
}

// idleLifetime is never so short that a client which refreshes inside its retry
// window, where nothing is recorded, seems idle.
func (s *Server) idleLifetime(c storage.Client) time.Duration {
	return max(either(c.IdleLifetime, s.cfg.IdleLifetime), 2*c.RetryWindow)
}

// either returns a client's own lifetime or the server's default.
func either(own, standard time.Duration) time.Duration {
	if own > 0 {
		return own
	}
	return standard
}
