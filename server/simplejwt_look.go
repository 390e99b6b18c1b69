package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-auth/hallmark/storage"
)

// lookAtAccess checks an access token of the client, for any of its audiences.
func (s *Server) lookAtAccess(ctx context.Context, client storage.Client, token string) error {
	claims, err := s.verifyFor(ctx, client.Audiences, token)
	switch {
	case err != nil:
		return err
	case !common(claims.Audience, client.Audiences):
		return inactive(errors.New("aud is none of the client's"))
	case claims.ClientID != client.ID:
		return inactive(errors.New("the access token is another client's"))
	case !claims.ExpiresAt.After(s.now()): // without the leeway: the caller wants to know whether to refresh
		return inactive(errors.New("the access token is expired"))
	}
	return s.goesOn(ctx, claims)
}

// lookAtRefresh checks a refresh token.
func (s *Server) lookAtRefresh(ctx context.Context, client storage.Client, text string) error {
	if old, isOld, err := s.openOld(text); isOld {
		if isRefusal(err, errWrongType) { // an old access token: one of ours is a refresh away
			err = errTokenNotValid.because(err)
		}
		if err != nil {
			return err
		}
		return s.lookAtOld(ctx, client, old)
	}
	token, err := s.openRefresh(text)
	if err != nil {
		return err
	}
	_, err = s.wouldRefresh(ctx, client, token)
	return err
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
