package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	passwordPath = "/account/password"
	sessionsPath = "/account/sessions"

	// sessionsScope is needed for looking at sessions and ending them. Changing
	// the password needs none: the current password is asked for.
	sessionsScope = "sessions"
)

// A holder is who calls with an access token: a user, in a session that lives.
type holder struct {
	user    storage.User
	session storage.SessionEntry
}

// holder authenticates a request by its access token (RFC 6750 §2.1) and
// wants a scope of it, unless that is empty. Unlike an API, this server knows
// which sessions live, so a token of a session that is over is refused at once.
func (s *Server) holder(w http.ResponseWriter, r *http.Request, scope string) (holder, error) {
	s.allowOrigin(w, r)
	if err := checkQuery(r.URL.RawQuery); err != nil { // RFC 6750 §2.3: never in the URL
		return holder{}, err
	}
	raw, err := bearerToken(r.Header.Values("Authorization"))
	if err != nil {
		return holder{}, err
	}
	claims, err := s.verify(r.Context(), raw)
	if err != nil {
		return holder{}, err
	}
	eventOf(r.Context()).note(slog.String("client_id", claims.ClientID), slog.String("sub", claims.Subject), slog.String("sid", claims.SessionID))
	h, err := s.alive(r.Context(), claims)
	if err != nil {
		return holder{}, err
	}
	eventOf(r.Context()).by(storage.ByUser, "")
	eventOf(r.Context()).client = h.session.ClientID
	client, err := s.store.ClientByID(r.Context(), h.session.ClientID)
	switch {
	case errors.Is(err, storage.ErrNotFound): // removed a moment ago
		return holder{}, errToken.because(err)
	case err != nil:
		return holder{}, err
	}
	if err := s.checkOrigin(w, r, client); err != nil {
		return holder{}, err
	}
	if scope != "" && !slices.Contains(claims.Scope, scope) {
		refusal := errTokenScope
		refusal.Scope = scope
		return holder{}, refusal.because(fmt.Errorf("the token's scope is %q", claims.Scope))
	}
	return h, nil
}

// bearerToken takes the token from the header.
func bearerToken(values []string) (string, error) {
	if len(values) > 1 {
		return "", errBearer.because(fmt.Errorf("%d Authorization headers", len(values)))
	}
	scheme, token, _ := strings.Cut(strings.Join(values, ""), " ")
	if !strings.EqualFold(scheme, bearer) { // RFC 9110 §11.1
		return "", errNoToken.because(errors.New("no Authorization header of the scheme Bearer"))
	}
	token = strings.Trim(token, " ") // RFC 9110 §11.4: one or more spaces
	if token == "" || strings.ContainsAny(token, " \t,\"") {
		return "", errBearer.because(errors.New("not one token"))
	}
	return token, nil
}

// verify returns the claims of a token that is for this server and nobody
// else: an API that is sent one for itself as well could act for its user here.
func (s *Server) verify(ctx context.Context, raw string) (*verify.Claims, error) {
	v := s.tokens.Load()
	if v == nil {
		return nil, errUnavailable.retryAfter(retryUnavailable).because(errors.New("no keys are published"))
	}
	claims, err := v.Verify(ctx, raw)
	switch {
	case err != nil:
		return nil, errToken.because(err)
	case len(claims.Audience) != 1:
		return nil, errToken.because(fmt.Errorf("aud is %q: the issuer must be the only one", claims.Audience))
	}
	return claims, nil
}

// alive returns the living session that a token is of, and its user.
func (s *Server) alive(ctx context.Context, claims *verify.Claims) (h holder, err error) {
	if claims.SessionID == "" {
		return h, errToken.because(errors.New("the token is of no session"))
	}
	id, err := storage.ParseSessionID(claims.SessionID)
	if err != nil {
		return h, errToken.because(err)
	}
	if h.session, err = s.store.SessionByID(ctx, id); err == nil {
		h.user, err = s.store.UserByID(ctx, h.session.User)
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return h, errToken.because(fmt.Errorf("session or user: %w", err))
	case err != nil:
		return h, err
	case h.session.User.String() != claims.Subject || h.session.ClientID != claims.ClientID:
		return h, errToken.because(errors.New("the session is of another user or client than the token"))
	}
	return h, h.refused(s.now())
}

// refused reports why somebody may not go on.
func (h holder) refused(now time.Time) error {
	switch {
	case !h.session.EndedAt.IsZero():
		return errToken.because(fmt.Errorf("%w: %s", storage.ErrEnded, h.session.EndReason))
	case h.session.ExpiredAt(now):
		return errToken.because(storage.ErrExpired)
	case h.user.Disabled:
		return errToken.because(storage.ErrDisabled)
	}
	return nil
}
