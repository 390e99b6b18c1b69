package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

const introspectPath = "/oauth2/introspect"

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
// that a refresh would accept now.
func (s *Server) lookAtRefreshToken(ctx context.Context, client storage.Client, token storage.RefreshToken) (map[string]any, error) {
	would, err := s.wouldRefresh(ctx, client, token)
	if err != nil {
		return nil, err
	}
	session := would.Before
	members := map[string]any{
		"active": true, "client_id": client.ID, "iss": s.issuer, "sub": would.User.ID.String(), "aud": would.Audience,
		"sid": session.ID.String(), "exp": session.OverAt().Unix(),
	}
	if !session.AuthTime.IsZero() { // a token of another system did not say
		members["auth_time"] = session.AuthTime.Unix()
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
	claims, err := s.verifyFor(ctx, client.Introspects, raw)
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
