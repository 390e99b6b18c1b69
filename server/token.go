package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/hallmark-auth/hallmark/server/clientauth"
	"github.com/hallmark-auth/hallmark/storage"
)

const tokenPath = "/oauth2/token"

// A tokenRequest is a well-formed request to the token endpoint; the raw form
// is out of reach after it. Which parameters a grant needs is the grant's to say.
type tokenRequest struct {
	GrantType    string
	Client       clientauth.Presented
	Username     string
	Password     storage.Secret
	RefreshToken storage.Secret
	Scope        []string // nil: not asked for
	Resources    []string // as sent; checked against the client
	Device       string   // for people
}

// A tokenResponse is RFC 6749 §5.1, App. A.12.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// A grantFunc proves one grant_type. When it is called, the client is
// authenticated and registered for the type.
type grantFunc func(context.Context, storage.Client, tokenRequest) (Grant, error)

// grantTypes is the table of grants, for requests and metadata alike.
func (s *Server) grantTypes() map[string]grantFunc {
	return map[string]grantFunc{
		storage.GrantPassword:     s.passwordGrant,
		storage.GrantRefreshToken: s.refreshGrant,
	}
}

// token is the token endpoint (RFC 6749 §3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	s.allowOrigin(w, r)
	req, err := readTokenRequest(w, r)
	if err != nil {
		return err
	}
	client, err := s.authenticate(r.Context(), req.Client)
	if err != nil {
		return err
	}
	if err := s.checkOrigin(w, r, client); err != nil {
		return err
	}
	grant, err := s.grant(r.Context(), client, req)
	if err != nil {
		return err
	}
	resp, err := s.mint(r.Context(), grant)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, resp)
	return nil
}

func readTokenRequest(w http.ResponseWriter, r *http.Request) (tokenRequest, error) {
	f, err := readForm(w, r)
	if err != nil {
		return tokenRequest{}, err
	}
	scope, err := parseScope(f.get("scope"))
	if err != nil {
		return tokenRequest{}, err
	}
	req := tokenRequest{
		GrantType: f.get("grant_type"),
		Client:    presented(r, f),
		Username:  f.get("username"), Password: f.secret("password"),
		RefreshToken: f.secret("refresh_token"),
		Scope:        scope, Resources: f.all("resource"),
		Device: deviceLabel(r.UserAgent()),
	}
	if req.GrantType == "" {
		return req, errMissing.because(errors.New("no grant_type"))
	}
	return req, nil
}

// presented is what a request says about the client that sends it.
func presented(r *http.Request, f form) clientauth.Presented {
	return clientauth.Presented{
		Authorization: r.Header.Values("Authorization"),
		ClientID:      f.get("client_id"), ClientSecret: f.secret("client_secret"),
	}
}

// authenticate returns the client that calls (RFC 6749 §2.3, §3.2.1).
func (s *Server) authenticate(ctx context.Context, p clientauth.Presented) (storage.Client, error) {
	refusal := errClient
	if p.UsedHeader() { // RFC 6749 §5.2, RFC 9110 §15.5.2: a challenge where a header failed, and on 401 only
		refusal.Status, refusal.Challenge = http.StatusUnauthorized, basic
	}
	who, err := s.caller(ctx, p, refusal)
	return who.Client(), err
}

// caller is authenticate, for all that is no client with this refusal.
func (s *Server) caller(ctx context.Context, p clientauth.Presented, refusal Error) (clientauth.Authenticated, error) {
	who, err := clientauth.Authenticate(ctx, s.store.ClientByID, p)
	switch {
	case err == nil:
		eventOf(ctx).note(slog.String("client_id", who.Client().ID))
		eventOf(ctx).by(storage.ByClient, who.Client().ID)
		return who, nil
	case errors.Is(err, clientauth.ErrTwoMethods):
		return who, errTwoMethods.because(err)
	case errors.Is(err, clientauth.ErrMismatch):
		return who, errClientID.because(err)
	case !errors.Is(err, clientauth.ErrInvalid):
		return who, err
	}
	eventOf(ctx).note(slog.String("claimed_client_id", fmt.Sprintf("%.128s", p.ClientID)))
	s.clientFails(ctx, p, err)
	return who, refusal.because(err)
}

// clientFails records that somebody is not the client that it says. What is
// said is recorded only if there is such a client.
func (s *Server) clientFails(ctx context.Context, p clientauth.Presented, why error) {
	r := storage.Record{Event: storage.EventClientFailed, Reason: why.Error()}
	if c, err := s.store.ClientByID(ctx, p.Claimed()); err == nil {
		r.Client = c.ID
	}
	s.fails(ctx, r)
}

// grant dispatches on grant_type.
func (s *Server) grant(ctx context.Context, client storage.Client, req tokenRequest) (Grant, error) {
	prove, ok := s.grants[req.GrantType]
	if !ok {
		return Grant{}, errGrantType.because(errors.New("unknown grant_type"))
	}
	eventOf(ctx).note(slog.String("grant_type", req.GrantType))
	if !slices.Contains(client.Grants, req.GrantType) {
		return Grant{}, errUnauthorized.because(fmt.Errorf("the client's grants are %q", client.Grants))
	}
	return prove(ctx, client, req)
}
