package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

const revokePath = "/oauth2/revoke"

// revoke is the revocation endpoint (RFC 7009 §2). A refresh token of any
// generation ends its session: whoever has one has held a token of the session,
// and a thief must not be able to keep what the user gives up.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	s.allowOrigin(w, r)
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if f.get("token") == "" {
		return errMissing.because(errors.New("no token"))
	}
	client, err := s.authenticate(r.Context(), presented(r, f))
	if err != nil {
		return err
	}
	if err := s.checkOrigin(w, r, client); err != nil {
		return err
	}
	// token_type_hint is a hint: one look says what it is (RFC 7009 §2.1).
	token, err := storage.ParseRefreshToken(f.get("token"))
	switch {
	case err == nil:
		err = s.revokeSession(r.Context(), client, token)
	case isAccessToken(f.get("token")): // RFC 7009 §2.2.1
		err = errTokenType.because(errors.New("an access token was presented"))
	default: // RFC 7009 §2.2: what is no token is as good as revoked
		eventOf(r.Context()).note(slog.String("outcome", err.Error()))
		err = nil
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// revokeSession ends the session of a client's refresh token. RFC 7009 §2.1
// would have another client told; it is told nothing, so that a stolen token
// cannot be tried out on the way. Operators see it.
func (s *Server) revokeSession(ctx context.Context, client storage.Client, token storage.RefreshToken) error {
	ev := eventOf(ctx)
	target, err := s.store.SessionByID(ctx, token.SessionID())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		ev.note(slog.String("outcome", "no such session"))
		return nil
	case err != nil:
		return err
	case target.Client != client.Number:
		ev.alarm("revocation_by_another_client", slog.String("target_sid", target.ID.String()))
		s.fails(ctx, storage.Record{Event: storage.EventRevokeForeign, User: target.User, Client: client.ID, Session: target.ID})
		return nil
	}
	ev.note(slog.String("sub", target.User.String()))
	return s.logOut(ctx, target)
}

// isAccessToken recognises our access tokens by their type, expired or not.
func isAccessToken(token string) bool { return typeOf(token) == accessTokenType }

// typeOf is the typ in the header of what may be a JWS; empty without one.
func typeOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	raw, err := discovery.DecodeBase64URL(head)
	if err != nil || strings.Count(token, ".") != 2 {
		return ""
	}
	header, err := discovery.DecodeObject(raw)
	if err != nil {
		return ""
	}
	typ, _ := header["typ"].(string)
	return typ
}
