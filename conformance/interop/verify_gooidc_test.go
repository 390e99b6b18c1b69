package interop

import (
	"context"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// goOIDC verifies with go-oidc, which keeps keys until a token fails: a new
// key set now and then lets it forget a revoked one.
func goOIDC(ctx context.Context, issuer, audience string, maxAge time.Duration) (verifier, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var tokens *oidc.IDTokenVerifier
	var until time.Time
	current := func() *oidc.IDTokenVerifier {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.After(until) {
			tokens, until = provider.VerifierContext(ctx, &oidc.Config{ClientID: audience}), now.Add(maxAge)
		}
		return tokens
	}
	return func(ctx context.Context, raw string) (subject string, err error) {
		token, err := current().Verify(ctx, raw)
		if err != nil {
			return "", err
		}
		return token.Subject, nil
	}, nil
}
