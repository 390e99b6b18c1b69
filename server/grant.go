package server

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A Grant is what has been proven and allowed, free of HTTP. Every grant type
// ends in one and every token starts from one.
type Grant struct {
	Client       storage.Client
	User         storage.User
	AuthTime     time.Time
	Scope        []string
	Audience     []string              // never empty
	SessionID    *storage.SessionID    // nil: no session, no refresh token
	Session      storage.Session       // as it is now; zero without one
	RefreshToken *storage.RefreshToken // to answer
}

func (g Grant) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("sub", g.User.ID.String())}
	if g.SessionID != nil {
		attrs = append(attrs, slog.String("sid", g.SessionID.String()))
	}
	return attrs
}

// requested resolves what a first grant asks for against the client's record:
// nothing asked for is the default (RFC 6749 §3.3, RFC 8707 §2).
func requested(client storage.Client, req tokenRequest) (scope, audience []string, err error) {
	scope, audience = req.Scope, nil
	if scope == nil {
		scope = client.DefaultScopes
	}
	if audience, err = parseResources(req.Resources, client.Audiences); err != nil {
		return nil, nil, err
	}
	if audience == nil {
		audience = client.DefaultAudiences
	}
	switch {
	case !within(scope, client.Scopes):
		return nil, nil, errScope.because(errors.New("scope not allowed to the client"))
	case !within(audience, client.Audiences):
		return nil, nil, errTarget.because(errors.New("resource not allowed to the client"))
	case len(audience) == 0: // a token without aud is good everywhere: never
		return nil, nil, errTarget.because(errors.New("the client has no audience"))
	}
	return scope, audience, nil
}

func within(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(v string) bool { return !slices.Contains(whole, v) })
}
