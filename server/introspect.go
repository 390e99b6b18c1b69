package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/storage"
)

const introspectPath = "/oauth2/introspect"

// errInactive wraps why a token is not active, which only the log gets.
var errInactive = errors.New("inactive")

func inactive(cause error) error { return fmt.Errorf("%w: %w", errInactive, cause) }

// introspect is the introspection endpoint (RFC 7662 §2). It tells at once what
// offline verification cannot: that a session has ended, that a user is
// disabled. It changes nothing, also where a refresh token is presented again.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	who, err := s.caller(ctx, presented(r, f), errIntrospector)
	switch {
	case err != nil:
		return err
	case !who.Confidential(): // RFC 7662 §2.1, §4: anybody can say a client_id
		return errIntrospector.because(errors.New("the client is public"))
	}
	if err := s.checkOrigin(w, r, who.Client()); err != nil {
		return err
	}
	if f.get("token") == "" {
		return errMissing.because(errors.New("no token"))
	}
	found, err := s.look(ctx, who.Client(), f.get("token"))
	switch {
	case errors.Is(err, errInactive): // RFC 7662 §2.2: nothing else is said
		found = map[string]any{"active": false}
		eventOf(ctx).note(slog.String("outcome", err.Error()))
	case err != nil:
		return err
	default:
		eventOf(ctx).note(slog.String("outcome", "active"))
	}
	writeJSON(w, http.StatusOK, found)
	return nil
}

// look returns what a client may learn of an active token. token_type_hint is
// a hint: one look says what it is (RFC 7662 §2.1).
func (s *Server) look(ctx context.Context, client storage.Client, raw string) (map[string]any, error) {
	if token, err := storage.ParseRefreshToken(raw); err == nil {
		return s.lookAtRefreshToken(ctx, client, token)
	}
	return s.lookAtAccessToken(ctx, client, raw)
}

// lookAtRefreshToken tells a client of its own refresh token: active is one
// that a refresh would accept now, by the very rules of a refresh.
func (s *Server) lookAtRefreshToken(ctx context.Context, client storage.Client, token storage.RefreshToken) (map[string]any, error) {
	eventOf(ctx).note(slog.String("target_sid", token.SessionID().String()))
	session, err := s.store.SessionByID(ctx, token.SessionID())
	if err != nil {
		return nil, orGone(err)
	}
	user, err := s.store.UserByID(ctx, session.User)
	if err != nil {
		return nil, orGone(err)
	}
	at, err := s.store.ServiceTime(ctx)
	if err != nil {
		return nil, err
	}
	would, err := storage.Refresh{Token: token, Client: client.Number, Now: s.now()}.Decide(session.Session, user, client, at)
	if err != nil { // what it would write is not written
		return nil, inactive(err)
	}
	members := map[string]any{
		"active": true, "client_id": client.ID, "iss": s.issuer, "sub": user.ID.String(), "aud": would.Audience,
		"sid": session.ID.String(), "auth_time": session.AuthTime.Unix(), "exp": session.OverAt().Unix(),
	}
	if len(would.Audience) == 1 { // as in access tokens
		members["aud"] = would.Audience[0]
	}
	if len(would.Scope) > 0 {
		members["scope"] = strings.Join(would.Scope, " ")
	}
	return members, nil
}

// lookAtAccessToken tells the client that an access token was issued to, and
// the API that it is for, what is in it.
func (s *Server) lookAtAccessToken(ctx context.Context, client storage.Client, raw string) (map[string]any, error) {
	claims, err := s.verifyFor(ctx, client, raw)
	if err != nil {
		return nil, err
	}
	eventOf(ctx).note(slog.String("target_client_id", claims.ClientID), slog.String("sub", claims.Subject), slog.String("target_sid", claims.SessionID))
	switch {
	case claims.ClientID != client.ID && !common(claims.Audience, client.Introspects):
		return nil, inactive(fmt.Errorf("neither issued to the client nor for it: aud is %q", claims.Audience)) // RFC 7662 §4
	case !s.now().Before(claims.ExpiresAt): // RFC 7662 §4; the leeway is for other replicas' iat
		return nil, inactive(errors.New("expired"))
	}
	if err := s.goesOn(ctx, claims); err != nil {
		return nil, err
	}
	text, err := claims.MarshalJSON()
	if err != nil {
		return nil, err
	}
	members, err := discovery.DecodeObject(text)
	if err != nil {
		return nil, err
	}
	// After the claims: a free one may bear these names.
	members["active"], members["token_type"] = true, bearer
	return members, nil
}

// verifyFor verifies an access token for the audience that it claims to have;
// of several, for one that the client is the API of. Its key may be one that
// another process made less than a poll ago.
func (s *Server) verifyFor(ctx context.Context, client storage.Client, raw string) (*verify.Claims, error) {
	claimed, err := claimedAudience(raw)
	if err != nil {
		return nil, inactive(err)
	}
	audience := claimed[0]
	for _, a := range claimed {
		if slices.Contains(client.Introspects, a) {
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
