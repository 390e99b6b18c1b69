package verify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

// An Option changes what New sets up.
type Option func(*config) error

type config struct {
	trust
	others   []trust // of WithIssuer
	within   bool    // WithIssuer: this is about one issuer only
	leeway   time.Duration
	now      func() time.Time
	log      *slog.Logger
	revoked  func(*Claims) bool // nil: nobody is asked
	resource string             // RFC 9728; empty: nothing is published
	scopes   []string           // of the resource
}

func defaults(issuer string) config {
	return config{trust: trust{issuer: issuer, longest: longestStale}, leeway: time.Minute, now: time.Now, log: slog.Default()}
}

const (
	maxLeeway = 10 * time.Minute // keeps a leeway from becoming a lifetime
	minOutage = 2 * time.Minute
	maxOutage = 30 * 24 * time.Hour
)

// whole is an option that is about the verifier, not about one of its issuers.
func whole(name string, set func(*config) error) Option {
	return func(c *config) error {
		if c.within {
			return fmt.Errorf("%s is for New, not for one of several issuers", name)
		}
		return set(c)
	}
}

// WithIssuer trusts tokens of a further issuer too. The options are WithKeySet,
// WithHTTPClient, WithOutage, AllowTyp and AllowMissing: they are about this
// issuer, as those of New are about the first, and keys are never shared.
func WithIssuer(issuer string, options ...Option) Option {
	return whole("WithIssuer", func(c *config) error {
		other := defaults(issuer)
		other.within = true
		for _, option := range options {
			if err := option(&other); err != nil {
				return fmt.Errorf("issuer %s: %w", issuer, err)
			}
		}
		if c.issuer == issuer || slices.ContainsFunc(c.others, func(t trust) bool { return t.issuer == issuer }) {
			return fmt.Errorf("issuer %s is there twice", issuer)
		}
		c.others = append(c.others, other.trust)
		return nil
	})
}

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

// WithOutage says what happens while the issuer is away. Its last keys serve on
// for longest: 24 hours by default, from two minutes to 30 days. With fromStart
// New does not wait for the issuer: until its keys are there, tokens are neither
// good nor bad but Unavailable.
func WithOutage(longest time.Duration, fromStart bool) Option {
	return func(c *config) error {
		if longest < minOutage || longest > maxOutage {
			return fmt.Errorf("an outage of %s is not between %s and %s", longest, minOutage, maxOutage)
		}
		c.longest, c.fromStart = longest, fromStart
		return nil
	}
}

// WithLeeway sets by how much the issuer's clock and this one may differ when
// exp, nbf and iat are judged: a minute by default, ten at most.
func WithLeeway(leeway time.Duration) Option {
	return whole("WithLeeway", func(c *config) error {
		if leeway < 0 || leeway > maxLeeway {
			return fmt.Errorf("a leeway of %s is not between 0 and %s", leeway, maxLeeway)
		}
		c.leeway = leeway
		return nil
	})
}

// WithRevoked sets what is asked about each token that is good otherwise, also
// about one that was seen before: a list of revoked jti or sid, perhaps. It is
// called at every request, by many at once, and must be quick.
func WithRevoked(revoked func(*Claims) bool) Option {
	return whole("WithRevoked", func(c *config) error {
		if revoked == nil {
			return errors.New("the function of WithRevoked is nil")
		}
		c.revoked = revoked
		return nil
	})
}

// WithResource says which resource the API is (RFC 9728): its https URL, and
// the scopes that it knows. ResourceMetadata publishes that, and challenges say
// where. The URL is often the audience too.
func WithResource(resource string, scopes ...string) Option {
	return whole("WithResource", func(c *config) error {
		for _, scope := range scopes {
			if !isScope(scope) {
				return fmt.Errorf("%q is not a scope", scope)
			}
		}
		if resource == "" {
			return errors.New("the resource is empty")
		}
		c.resource, c.scopes = resource, scopes
		return nil
	})
}

// WithClock sets the clock by which tokens are judged, for tests. The
// refreshing of keys does not follow it.
func WithClock(now func() time.Time) Option {
	return whole("WithClock", func(c *config) error {
		if now == nil {
			return errors.New("the clock is nil")
		}
		c.now = now
		return nil
	})
}

// WithLogger sets where failed refreshes (warnings) and refused tokens (debug)
// are logged; slog.Default by default. Tokens are never logged.
func WithLogger(log *slog.Logger) Option {
	return whole("WithLogger", func(c *config) error {
		if log == nil {
			return errors.New("the logger is nil")
		}
		c.log = log
		return nil
	})
}
