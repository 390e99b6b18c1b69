package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/hallmark-auth/hallmark/storage"
)

// refreshGrant is RFC 6749 §6. The rules are the ratchet's (storage.Refresh):
// what can refuse is decided before anything changes, in the same transaction.
func (s *Server) refreshGrant(ctx context.Context, client storage.Client, req tokenRequest) (Grant, error) {
	if req.RefreshToken.Empty() {
		return Grant{}, errMissing.because(errors.New("no refresh_token"))
	}
	token, err := storage.ParseRefreshToken(req.RefreshToken.Reveal())
	if err != nil {
		return Grant{}, errRefreshToken.because(err)
	}
	resources, err := parseResources(req.Resources, client.Audiences)
	if err != nil {
		return Grant{}, err
	}
	ev := eventOf(ctx)
	done, err := s.store.RotateSession(ctx, storage.Refresh{
		Token: token, Client: client.Number, Scope: req.Scope, Resources: resources,
		Nonce: storage.NewNonce(), Address: ev.addr.String(), Now: s.now(),
	})
	if err != nil {
		if refusedToken(err) {
			s.refreshFails(ctx, storage.EventRefreshFailed, done, err.Error())
		}
		return Grant{}, refuseRefresh(ev, token, done, err)
	}
	return s.refreshed(ctx, done), nil
}

// refreshed is the grant of a refresh that went well.
func (s *Server) refreshed(ctx context.Context, done storage.Refreshed) Grant {
	ev := eventOf(ctx)
	grant := Grant{
		Client: done.Client, User: done.User, AuthTime: done.Session.AuthTime,
		Scope: done.Scope, Audience: done.Audience,
		SessionID: &done.Session.ID, Session: done.Session, RefreshToken: &done.Token,
	}
	ev.note(append(grant.attrs(), slog.String("refresh", string(done.Outcome)))...)
	if done.Outcome == storage.Retried && done.Before.LastAddress != ev.addr.String() {
		ev.alarm("refresh_retried_from_another_address", slog.String("previous_address", done.Before.LastAddress))
		s.refreshFails(ctx, storage.EventRefreshRetried, done, "")
	}
	return grant
}

// refuseRefresh finds the public half of a refused refresh. What ended a
// session is an event of its own: which session, both addresses, and how long
// ago the token was superseded.
func refuseRefresh(ev *event, token storage.RefreshToken, done storage.Refreshed, err error) error {
	ev.note(slog.String("sid", token.SessionID().String()))
	switch {
	case errors.Is(err, storage.ErrReused), errors.Is(err, storage.ErrBehind):
		ev.alarm("session_ended_"+string(done.Session.EndReason),
			slog.String("sub", done.Session.User.String()),
			slog.String("previous_address", done.Before.LastAddress),
			slog.Int("generation", int(token.Generation())), slog.Int("current_generation", int(done.Before.Generation)),
			slog.Duration("since_last_rotation", done.Session.EndedAt.Sub(done.Before.LastUsedAt)))
		return errRefreshToken.because(err)
	case errors.Is(err, storage.ErrScope):
		return errScope.because(err)
	case errors.Is(err, storage.ErrResource):
		return errTarget.because(err)
	case errors.Is(err, storage.ErrGrant):
		return errUnauthorized.because(err)
	case refusedToken(err):
		return errRefreshToken.because(err)
	}
	return err
}

// refusedToken reports that it is the refresh token that does not hold.
func refusedToken(err error) bool {
	return slices.ContainsFunc([]error{
		storage.ErrNotFound, storage.ErrExpired, storage.ErrEnded, storage.ErrClient, storage.ErrDisabled,
	}, func(known error) bool { return errors.Is(err, known) })
}
