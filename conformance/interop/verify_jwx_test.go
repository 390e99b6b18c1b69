package interop

import (
	"context"
	"time"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// jwx verifies with github.com/lestrrat-go/jwx, whose cache fetches the keys
// by the clock alone.
func jwx(ctx context.Context, issuer, audience string, maxAge time.Duration) (verifier, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	uri := issuer + "/.well-known/jwks.json"
	if err := cache.Register(ctx, uri, jwk.WithConstantInterval(maxAge)); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(uri)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParseOption{
		jwt.WithKeySet(keys), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithRequiredClaim("exp"), jwt.WithRequiredClaim("sub"), jwt.WithRequiredClaim("client_id"), jwt.WithRequiredClaim("jti"),
	}
	return func(_ context.Context, raw string) (subject string, err error) {
		token, err := jwt.ParseString(raw, options...)
		if err != nil {
			return "", err
		}
		subject, _ = token.Subject()
		return subject, nil
	}, nil
}
