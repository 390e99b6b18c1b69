package interop

import (
	"context"
	"errors"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// keyFunc verifies with golang-jwt and the keys of keyfunc.
func keyFunc(ctx context.Context, issuer, audience string, maxAge time.Duration) (verifier, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{issuer + "/.well-known/jwks.json"}, keyfunc.Override{
		RefreshInterval:  maxAge,      // an hour by default
		RateLimitWaitMax: time.Second, // a minute by default, for which a request with an unknown kid waits
	})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithValidMethods([]string{"ES256", "RS256"}))
	return func(_ context.Context, raw string) (subject string, err error) {
		token, err := parser.Parse(raw, keys.Keyfunc)
		if err != nil {
			return "", err
		}
		if token.Header["typ"] != "at+jwt" {
			return "", errors.New("not an access token")
		}
		return token.Claims.GetSubject()
	}, nil
}
