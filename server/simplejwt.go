package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// SimpleJWT says whom the paths of djangorestframework-simplejwt act for:
//
//	/api/token/            {username, password} → {access, refresh}
//	/api/token/refresh/    {refresh}            → {access[, refresh]}
//	/api/token/verify/     {token}              → {} or 401
//	/api/token/blacklist/  {refresh}            → {}
//
// The forms of requests and answers are Simple JWT's; the grants, sessions,
// limits and the minting are those of the token endpoint. docs/simplejwt.md has
// what differs.
type SimpleJWT struct {
	// Client is the client_id of a public client with both grants; empty: the
	// paths are not served. Nobody is asked to authenticate as it.
	Client string
	// UserIDClaim names the claim with the user's id in that client's tokens;
	// "sub" adds none. "user_id" if empty.
	UserIDClaim string
	// Old are the refresh tokens of the Django before that are taken.
	Old OldTokens
}

const (
	simpleJWTPath      = "/api/token"
	defaultUserIDClaim = "user_id"
)

// claim is the name of the claim with the user's id.
func (c SimpleJWT) claim() string {
	if c.UserIDClaim == "" {
		return defaultUserIDClaim
	}
	return c.UserIDClaim
}

// Check refuses a name that would take the place of another claim.
func (c SimpleJWT) Check() error {
	var err error
	switch name := c.claim(); name {
	case "sub":
	case innerClaim:
		err = errors.New("is the server's own to set: choose another name")
	default:
		err = operator.CheckClaim(name)
	}
	if err != nil {
		return fmt.Errorf("the claim of the user's id: %q %w", c.UserIDClaim, err)
	}
	return c.Old.Check()
}

// simpleJWTEndpoints has each path with the final slash and without: a redirect
// would turn POST into GET.
func (s *Server) simpleJWTEndpoints() (out []endpoint) {
	if s.cfg.SimpleJWT.Client == "" {
		return nil
	}
	for _, e := range []endpoint{
		{"simplejwt_obtain", "", nil, "", s.simpleJWTObtain},
		{"simplejwt_refresh", "/refresh", nil, "", s.simpleJWTRefresh},
		{"simplejwt_verify", "/verify", nil, "", s.simpleJWTVerify},
		{"simplejwt_blacklist", "/blacklist", nil, "", s.simpleJWTBlacklist},
	} {
		for _, slash := range []string{"", "/"} {
			out = append(out, endpoint{e.name, simpleJWTPath + e.path + slash, []string{"POST"}, "Content-Type", e.serve})
		}
	}
	return out
}

// simpleJWTTokens are what is answered; their order in the answer is Simple JWT's.
type simpleJWTTokens struct {
	Refresh string `json:"refresh,omitempty"`
	Access  string `json:"access"`
}

// simpleJWTObtain signs a user in.
func (s *Server) simpleJWTObtain(w http.ResponseWriter, r *http.Request) error {
	client, fields, err := s.simpleJWTRequest(w, r, "username", "password")
	if err != nil {
		return err
	}
	grant, err := s.passwordGrant(r.Context(), client, tokenRequest{
		Username: fields["username"], Password: storage.NewSecret(fields["password"]), Device: deviceLabel(r.UserAgent()),
	})
	if isRefusal(err, errCredentials) {
		return errNoAccount.because(err)
	}
	if err != nil {
		return err
	}
	return s.answerSimpleJWT(w, r, grant, true)
}

// simpleJWTRefresh answers another refresh token where the client rotates them,
// and for an old one that is exchanged.
func (s *Server) simpleJWTRefresh(w http.ResponseWriter, r *http.Request) error {
	client, fields, err := s.simpleJWTRequest(w, r, "refresh")
	if err != nil {
		return err
	}
	grant, old, err := s.simpleJWTGrant(r, client, fields["refresh"])
	switch {
	case errors.Is(err, storage.ErrEnded), errors.Is(err, storage.ErrReused):
		return errBlacklisted.because(err)
	case isRefusal(err, errRefreshToken):
		return errTokenNotValid.because(err)
	case err != nil:
		return err
	}
	return s.answerSimpleJWT(w, r, grant, client.Rotate || old)
}

// simpleJWTGrant takes a refresh token of ours, or an old one.
func (s *Server) simpleJWTGrant(r *http.Request, client storage.Client, refresh string) (g Grant, old bool, err error) {
	if token, old, err := s.openOld(refresh); old {
		if err != nil {
			return g, true, err
		}
		g, err = s.exchangeGrant(r.Context(), client, token, deviceLabel(r.UserAgent()))
		return g, true, err
	}
	token, err := s.openRefresh(refresh)
	if err != nil {
		return g, false, err
	}
	g, err = s.refreshGrant(r.Context(), client, tokenRequest{RefreshToken: storage.NewSecret(token.Reveal())})
	return g, false, err
}

func (s *Server) answerSimpleJWT(w http.ResponseWriter, r *http.Request, g Grant, withRefresh bool) error {
	eventOf(r.Context()).note(slog.String("client_id", g.Client.ID))
	minted, err := s.mint(r.Context(), g)
	if err != nil {
		return err
	}
	tokens := simpleJWTTokens{Access: minted.AccessToken}
	if withRefresh {
		if tokens.Refresh, err = s.signRefresh(g); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, tokens)
	return nil
}

// simpleJWTVerify looks at an access or a refresh token. Unlike Simple JWT it
// refuses those of a session that is over or of a disabled user.
func (s *Server) simpleJWTVerify(w http.ResponseWriter, r *http.Request) error {
	client, fields, err := s.simpleJWTRequest(w, r, "token")
	if err != nil {
		return err
	}
	if isAccessToken(fields["token"]) {
		err = s.lookAtAccess(r.Context(), client, fields["token"])
	} else {
		err = s.lookAtRefresh(r.Context(), client, fields["token"])
	}
	switch {
	case errors.Is(err, storage.ErrEnded) && !isAccessToken(fields["token"]):
		return errBlacklisted.because(err)
	case errors.Is(err, errInactive):
		return errTokenNotValid.because(err)
	case err != nil:
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// simpleJWTBlacklist ends the session of a refresh token, as revoke does.
func (s *Server) simpleJWTBlacklist(w http.ResponseWriter, r *http.Request) error {
	client, fields, err := s.simpleJWTRequest(w, r, "refresh")
	if err != nil {
		return err
	}
	old, isOld, err := s.openOld(fields["refresh"])
	switch {
	case err != nil:
	case isOld:
		err = s.blacklistOld(r.Context(), client, old)
	default:
		err = s.blacklist(r.Context(), client, fields["refresh"])
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

func (s *Server) blacklist(ctx context.Context, client storage.Client, refresh string) error {
	token, err := s.openRefresh(refresh)
	if err != nil {
		return err
	}
	session, err := s.sessionOf(ctx, client, token)
	if err != nil {
		return err
	}
	eventOf(ctx).note(slog.String("sub", session.User.String()))
	return s.logOut(ctx, session)
}

// isRefusal reports an error with the public half of another.
func isRefusal(err error, of Error) bool {
	var e *Error
	return errors.As(err, &e) && e.ID == of.ID
}

// simpleJWTClient is the client that the paths act for. It has to be one that
// anybody can act for, since nobody authenticates here.
func (s *Server) simpleJWTClient(ctx context.Context) (storage.Client, error) {
	client, err := s.store.ClientByID(ctx, s.cfg.SimpleJWT.Client)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return client, errInternal.because(fmt.Errorf("there is no client %q, which Simple JWT's paths are to act for", s.cfg.SimpleJWT.Client))
	case err != nil:
		return client, err
	case client.AuthMethod != storage.AuthNone,
		!slices.Contains(client.Grants, storage.GrantPassword), !slices.Contains(client.Grants, storage.GrantRefreshToken):
		return client, errInternal.because(fmt.Errorf("the client %q, which Simple JWT's paths are to act for, must be public and have the grants password and refresh_token", client.ID))
	}
	eventOf(ctx).by(storage.ByClient, client.ID)
	return client, nil
}
