package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-auth/hallmark/storage"
)

// lookAtAccess checks an access token of the client, for any of its audiences.
func (s *Server) lookAtAccess(ctx context.Context, client storage.Client, token string) error {
	ring := s.ring.Load()
	if ring == nil {
		return errUnavailable.retryAfter(retryUnavailable).because(errors.New("nothing is published yet"))
	}
	audience, err := audienceOf(token, client.Audiences)
	if err != nil {
		return errTokenNotValid.because(err)
	}
	v, err := s.verifier(*ring, audience)
	if err != nil {
		return err
	}
	if v == nil {
		return errUnavailable.retryAfter(retryUnavailable).because(errors.New("no keys are published"))
	}
	claims, err := v.Verify(ctx, token)
	switch {
	case err != nil:
		return errTokenNotValid.because(err)
	case !claims.ExpiresAt.After(s.now()): // without the leeway: the caller wants to know whether to refresh
		return errTokenNotValid.because(errors.New("the access token is expired"))
	case claims.ClientID != client.ID:
		return errTokenNotValid.because(errors.New("the access token is another client's"))
	}
	_, err = s.alive(ctx, claims)
	return err
}

// lookAtRefresh checks a refresh token and changes nothing, even where it was
// superseded and would end its session at a refresh.
func (s *Server) lookAtRefresh(ctx context.Context, client storage.Client, text string) error {
	token, err := s.openRefresh(text)
	if err != nil {
		return err
	}
	session, err := s.sessionOf(ctx, client, token)
	if err != nil {
		return err
	}
	user, err := s.store.UserByID(ctx, session.User)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return errTokenNotValid.because(err)
	case err != nil:
		return err
	case !session.Takes(token, client.ClientPolicy, s.now()):
		return errTokenNotValid.because(errors.New("the refresh token is superseded"))
	}
	return holder{user, session}.refused(s.now())
}

// sessionOf finds the living session of a client's refresh token.
func (s *Server) sessionOf(ctx context.Context, client storage.Client, token storage.RefreshToken) (storage.SessionEntry, error) {
	session, err := s.store.SessionByID(ctx, token.SessionID())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return session, errTokenNotValid.because(err)
	case err != nil:
		return session, err
	case session.Client != client.Number:
		return session, errTokenNotValid.because(storage.ErrClient)
	case !session.EndedAt.IsZero():
		return session, errBlacklisted.because(fmt.Errorf("%w: %s", storage.ErrEnded, session.EndReason))
	case session.ExpiredAt(s.now()):
		return session, errTokenNotValid.because(storage.ErrExpired)
	}
	return session, nil
}
