package verify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

// An Option changes what New sets up.
type Option func(*config) error

type config struct {
	static *discovery.KeySet // nil: discover
	client *http.Client      // nil: a new one
	leeway time.Duration
	now    func() time.Time
	log    *slog.Logger
}

func defaults() config {
	return config{leeway: time.Minute, now: time.Now, log: slog.Default()}
}

// maxLeeway keeps a leeway from becoming a lifetime.
const maxLeeway = 10 * time.Minute

// WithKeySet gives the issuer's keys as a JSON Web Key Set (RFC 7517) instead
// of discovering them. Nothing is fetched, ever.
func WithKeySet(jwks []byte) Option {
	return func(c *config) (err error) {
		if c.static, err = discovery.ParseKeySet(jwks); err != nil {
			return fmt.Errorf("key set: %w", err)
		}
		return nil
	}
}

// WithHTTPClient sets the client that fetches metadata and keys: its transport
// and timeout are used, its cookies are not, and it follows no redirects.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("the HTTP client is nil")
		}
		c.client = client
		return nil
	}
}

// WithLeeway sets by how much the issuer's clock and this one may differ when
// exp, nbf and iat are judged: a minute by default, ten at most.
func WithLeeway(leeway time.Duration) Option {
	return func(c *config) error {
		if leeway < 0 || leeway > maxLeeway {
			return fmt.Errorf("a leeway of %s is not between 0 and %s", leeway, maxLeeway)
		}
		c.leeway = leeway
		return nil
	}
}

// WithClock sets the clock by which tokens are judged, for tests. The
// refreshing of keys does not follow it.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("the clock is nil")
		}
		c.now = now
		return nil
	}
}

// WithLogger sets where failed refreshes (warnings) and refused tokens (debug)
// are logged; slog.Default by default. Tokens are never logged.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) error {
		if log == nil {
			return errors.New("the logger is nil")
		}
		c.log = log
		return nil
	}
}
