package server

import (
	"context"
	"errors"

	"github.com/hallmark-auth/hallmark/storage"
)

// exchangeGrant begins a session with an old refresh token of Simple JWT. The
// rules are storage.Exchange's: the token is good once, but for retries.
func (s *Server) exchangeGrant(ctx context.Context, client storage.Client, old oldToken, device string) (Grant, error) {
	e, err := s.exchange(ctx, client, old)
	if err != nil {
		return Grant{}, err
	}
	e.Nonce, e.Device = storage.NewNonce(), device
	done, err := s.store.ExchangeToken(ctx, e)
	if err != nil {
		if refusedToken(err) {
			s.refreshFails(ctx, storage.EventRefreshFailed, done, "old token: "+err.Error())
		}
		return Grant{}, refuseRefresh(eventOf(ctx), e.Token, done, err)
	}
	return s.refreshed(ctx, done), nil
}

// exchange is what an old token asks for in the name of the client.
func (s *Server) exchange(ctx context.Context, client storage.Client, old oldToken) (storage.Exchange, error) {
	token, err := storage.ForeignToken(old.signature)
	if err != nil {
		return storage.Exchange{}, err
	}
	scope, audience, err := requested(client, tokenRequest{})
	if err != nil {
		return storage.Exchange{}, err
	}
	return storage.Exchange{
		ID: storage.SpentID(old.id), Token: token, User: old.user, IssuedAt: old.issued, ExpiresAt: old.expires, Mark: old.mark,
		Client: client.Number, Scope: scope, Audience: audience,
		AbsoluteLifetime: either(client.AbsoluteLifetime, s.cfg.AbsoluteLifetime), IdleLifetime: s.idleLifetime(client),
		Address: eventOf(ctx).addr.String(), Now: s.now(),
	}, nil
}

// openOld returns a verified old token; ok is false for what cannot be one, or
// where none are taken.
func (s *Server) openOld(text string) (old oldToken, ok bool, err error) {
	if !s.cfg.SimpleJWT.Old.enabled() || !isOld(text) {
		return old, false, nil
	}
	old, err = s.cfg.SimpleJWT.Old.read(text, s.cfg.SimpleJWT.claim(), s.now())
	switch {
	case errors.Is(err, errOldType):
		err = errWrongType.because(err)
	case err != nil:
		err = errTokenNotValid.because(err)
	}
	return old, true, err
}

// lookAtOld reports whether an old token would be taken, and changes nothing.
func (s *Server) lookAtOld(ctx context.Context, client storage.Client, old oldToken) error {
	e, err := s.exchange(ctx, client, old)
	if err != nil {
		return err
	}
	spent, err := s.store.SpentToken(ctx, e.ID)
	switch {
	case err == nil && spent.Session == storage.SessionID{}:
		return inactive(storage.ErrEnded)
	case err == nil:
		if _, err = s.wouldRefresh(ctx, client, e.Token); errors.Is(err, storage.ErrNotFound) {
			return inactive(storage.ErrEnded) // the session's row is gone
		}
		return err
	case !errors.Is(err, storage.ErrNotFound):
		return err
	}
	user, err := s.store.UserByForeignID(ctx, e.User)
	if err != nil {
		return orGone(err)
	}
	if err := e.May(user, client); err != nil {
		return inactive(err)
	}
	return nil
}

// blacklistOld has an old token begin no session any more, and ends the one that
// it began.
func (s *Server) blacklistOld(ctx context.Context, client storage.Client, old oldToken) error {
	e, err := s.exchange(ctx, client, old)
	if err != nil {
		return err
	}
	spent := storage.Spent{ID: e.ID, ExpiresAt: e.ExpiresAt}
	if user, err := s.store.UserByForeignID(ctx, e.User); err == nil {
		spent.User = user.ID
	}
	added, err := s.store.SpendTokens(ctx, spent)
	if err != nil || added > 0 {
		return err
	}
	session, err := s.sessionOf(ctx, client, e.Token)
	if errors.Is(err, storage.ErrNotFound) {
		return errBlacklisted.because(err)
	}
	if err != nil {
		return err
	}
	return s.logOut(ctx, session)
}
