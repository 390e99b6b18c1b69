package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/storage"
)

// Looking at a token changes nothing, also where presenting it at the token
// endpoint would. What speaks against the token is wrapped in errInactive; any
// other error is a failure to look.

// errInactive wraps why a token is not active, which only the log gets.
var errInactive = errors.New("inactive")

func inactive(cause error) error { return fmt.Errorf("%w: %w", errInactive, cause) }

// wouldRefresh is what a refresh with the token would come to now, by the very
// rules of a refresh; what it would write is not written.
func (s *Server) wouldRefresh(ctx context.Context, client storage.Client, token storage.RefreshToken) (would storage.Refreshed, err error) {
	eventOf(ctx).note(slog.String("target_sid", token.SessionID().String()))
	session, err := s.store.SessionByID(ctx, token.SessionID())
	if err != nil {
		return would, orGone(err)
	}
	user, err := s.store.UserByID(ctx, session.User)
	if err != nil {
		return would, orGone(err)
	}
	at, err := s.store.ServiceTime(ctx)
	if err != nil {
		return would, err
	}
	would, err = storage.Refresh{Token: token, Client: client.Number, Now: s.now()}.Decide(session.Session, user, client, at)
	if err != nil {
		return would, inactive(err)
	}
	return would, nil
}

// verifyFor verifies an access token for an audience that it claims to have: one
// of those, if it is among them. Its key may be one that another process made
// less than a poll ago.
func (s *Server) verifyFor(ctx context.Context, audiences []string, raw string) (*verify.Claims, error) {
	claimed, err := claimedAudience(raw)
	if err != nil {
		return nil, inactive(err)
	}
	audience := claimed[0]
	for _, a := range claimed {
		if slices.Contains(audiences, a) {
			audience = a
		}
	}
	before := s.ring.Load()
	claims, err := s.verifyBy(ctx, before, audience, raw)
	var refused *verify.Error
	if !errors.As(err, &refused) || refused.Check != "key" {
		return claims, err
	}
	s.keys.LookAgain(ctx)
	if now := s.ring.Load(); now != before {
		return s.verifyBy(ctx, now, audience, raw)
	}
	return nil, err
}

// verifyBy verifies by a ring. A verifier is made in less time than it takes to
// check a signature.
func (s *Server) verifyBy(ctx context.Context, ring *keyRing, audience, raw string) (*verify.Claims, error) {
	if ring == nil {
		return nil, errUnavailable.retryAfter(retryUnavailable).because(errors.New("no keys are published"))
	}
	v, err := s.verifier(*ring, audience)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, inactive(discovery.ErrNoKeys)
	}
	claims, err := v.Verify(ctx, raw)
	if err != nil {
		return nil, inactive(err)
	}
	return claims, nil
}

// claimedAudience reads "aud" of what may be a token before anything of it is
// believed. It is never empty.
func claimedAudience(raw string) ([]string, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a token of this server")
	}
	payload, err := discovery.DecodeBase64URL(parts[1])
	if err != nil {
		return nil, errors.New("not a token of this server")
	}
	claims, err := discovery.DecodeObject(payload)
	if err != nil {
		return nil, errors.New("not a token of this server")
	}
	audience, ok := discovery.StringList(claims["aud"])
	if one, isText := claims["aud"].(string); isText {
		audience, ok = []string{one}, true
	}
	if !ok || len(audience) == 0 || slices.Contains(audience, "") {
		return nil, errors.New("no audience")
	}
	return audience, nil
}

// goesOn reports why a good access token is active no more: its session is
// over, or, if it has none, its user or client is gone.
func (s *Server) goesOn(ctx context.Context, claims *verify.Claims) error {
	if claims.SessionID != "" {
		_, err := s.alive(ctx, claims)
		var refusal *Error
		if errors.As(err, &refusal) {
			return inactive(refusal.cause)
		}
		return err
	}
	subject, err := uuid.Parse(claims.Subject)
	if err != nil {
		return inactive(err)
	}
	user, err := s.store.UserByID(ctx, subject)
	switch {
	case err != nil:
		return orGone(err)
	case user.Disabled:
		return inactive(storage.ErrDisabled)
	}
	if _, err = s.store.ClientByID(ctx, claims.ClientID); err != nil {
		return orGone(err)
	}
	return nil
}

// orGone is inactive for a record that is gone, and the failure of a store otherwise.
func orGone(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return inactive(err)
	}
	return err
}

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}
