// Package server is Hallmark's HTTP side: the endpoints and the decisions
// behind them.
//
//	path                                       method  spec
//	{issuer}/oauth2/token                      POST    RFC 6749 §3.2; grants password (§4.3), refresh_token (§6)
//	{issuer}/oauth2/revoke                     POST    RFC 7009; ends the session of a refresh token
//	{issuer}/oauth2/introspect                 POST    RFC 7662; for confidential clients, access and refresh tokens
//	{issuer}/api/token/…                       POST    what Simple JWT has there, if a client is named; simplejwt.go
//	{issuer}/account/password                  POST    a user's new password; RFC 6750 with aud = issuer, as those below
//	{issuer}/account/sessions                  GET     a user's own sessions; scope sessions
//	{issuer}/account/sessions                  DELETE  ends all of them; scope sessions
//	{issuer}/account/sessions/others           DELETE  ends all but the one that asks; scope sessions
//	{issuer}/account/sessions/{id}             DELETE  ends one of them; scope sessions
//	/.well-known/oauth-authorization-server…   GET     RFC 8414 §3, issuer path inserted (§3.1)
//	{issuer}/.well-known/openid-configuration  GET     the same document where OIDC libraries look (OIDC Discovery §4, RFC 8414 §5)
//	{issuer}/.well-known/jwks.json             GET     RFC 7517 §5
//
// and on the operators' listener /healthz, /readyz, /metrics and the operators' API,
// which openapi.json describes.
//
// The life of a request: handle sets headers and starts its event; token reads
// the form once (params.go) and learns who is calling (clientauth); the
// function of the grant_type returns a Grant, which says what was proven and
// allowed; mint turns it into tokens; token writes the answer. Any step may
// return an *Error, which only handle writes and logs; each is explained in
// docs/errors.md. What the metadata promises is read from the same tables that
// serve requests.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/server/throttle"
)

// Config is what a Server needs. All fields down to Ready are required.
type Config struct {
	// Issuer is "iss", byte for byte: an absolute URL without query, fragment or final slash.
	Issuer string
	// The lifetimes of clients whose record does not set them.
	AccessLifetime, IdleLifetime, AbsoluteLifetime time.Duration

	Store     Store
	Keys      Signer
	Passwords *password.Pool
	Throttle  *throttle.Throttle
	Log       *slog.Logger
	// Ready says whether the process should get requests, for /readyz.
	Ready func(context.Context) error

	// SimpleJWT is whom Simple JWT's paths act for; without a client they are not served.
	SimpleJWT SimpleJWT

	// Operator is what the operators' API acts with; nil: only the probes are served.
	Operator *operator.Operator

	// TrustedProxies are believed what they say in X-Forwarded-For. Without
	// them, everybody behind a proxy is one network to the throttle.
	TrustedProxies []netip.Prefix
	// Now is the wall clock; time.Now if nil.
	Now func() time.Time
	// FailAfter is how long after its beginning a failed sign-in is answered,
	// whatever the reason: longer than a wait for a place and a hash. 1.5 s if zero.
	FailAfter time.Duration
}

// A Server answers requests. It is made by New; Run goes beside its handlers.
type Server struct {
	issuer    string
	paths     discovery.Paths
	https     bool
	cfg       Config
	store     Store
	keys      Signer
	passwords *password.Pool
	throttle  *throttle.Throttle
	log       *slog.Logger
	clock     func() time.Time
	grants    map[string]grantFunc
	origins   *origins
	failing   chan struct{} // a place for each failed sign-in that waits for its answer
	published wellKnown
	metrics   *metrics
	failures  *failures                       // for the audit: that anybody can cause
	misuses   *failures                       // and that take a genuine token
	tokens    atomic.Pointer[verify.Verifier] // of access tokens that are for this server itself; nil without keys
	ring      atomic.Pointer[keyRing]         // as it is published
}

const (
	defaultFailAfter = 1500 * time.Millisecond
	maxFailing       = 4096
)

// New returns a server for an issuer. Publish must be called before it serves.
func New(cfg Config) (*Server, error) {
	paths, err := discovery.WellKnown(cfg.Issuer)
	switch {
	case err != nil:
		return nil, err
	case strings.HasSuffix(cfg.Issuer, "/"):
		return nil, fmt.Errorf("issuer %q: it must not end with a slash", cfg.Issuer)
	case cfg.AccessLifetime <= 0 || cfg.IdleLifetime <= 0 || cfg.AbsoluteLifetime <= 0:
		return nil, errors.New("the access, idle and absolute lifetimes must be set")
	}
	if err := cfg.SimpleJWT.Check(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FailAfter == 0 {
		cfg.FailAfter = defaultFailAfter
	}
	s := &Server{
		issuer: cfg.Issuer, paths: paths, https: strings.HasPrefix(cfg.Issuer, "https:"),
		cfg: cfg, store: cfg.Store, keys: cfg.Keys, passwords: cfg.Passwords, throttle: cfg.Throttle,
		log: cfg.Log, clock: cfg.Now,
		origins: newOrigins(cfg.Issuer, cfg.Store),
		failing: make(chan struct{}, maxFailing),
	}
	s.grants = s.grantTypes()
	s.failures = newFailures(cfg.Store.Record, s.now, cfg.Log)
	s.misuses = newFailures(cfg.Store.Record, s.now, cfg.Log)
	s.metrics = newMetrics(func() keys.Status { return s.keys.Status() })
	return s, nil
}

// now is the wall clock at the store's resolution.
func (s *Server) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// An endpoint is a path below the issuer and what answers there.
type endpoint struct {
	name, path string // name: in the log
	methods    []string
	headers    string // that a page of a registered origin may send
	serve      handlerFunc
}

func (s *Server) endpoints() []endpoint {
	return []endpoint{
		{"token", tokenPath, []string{"POST"}, "Content-Type", s.token},
		{"revocation", revokePath, []string{"POST"}, "Content-Type", s.revoke},
		{"introspection", introspectPath, []string{"POST"}, "Content-Type", s.introspect},
		{"password", passwordPath, []string{"POST"}, "Authorization, Content-Type", s.changePassword},
		{"sessions", sessionsPath, []string{"GET", "HEAD", "DELETE"}, "Authorization", s.ownSessions},
		{"others", sessionsPath + "/others", []string{"DELETE"}, "Authorization", s.endOthers}, // before what stands for any id
		{"session", sessionsPath + "/{id}", []string{"DELETE"}, "Authorization", s.endSession},
	}
}

func (e endpoint) allow() string { return strings.Join(append(e.methods, "OPTIONS"), ", ") }

// Handler serves the public listener.
func (s *Server) Handler() http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath() // never a redirect that resends credentials
	r.NotFoundHandler = s.handle("none", notFound)

	base := strings.TrimSuffix(s.paths.KeySet, jwksPath)
	mount := func(endpoints []endpoint, refuse refuseFunc) {
		for _, e := range endpoints {
			r.Handle(base+e.path, s.handleAs(e.name, e.serve, refuse)).Methods(e.methods...)
			r.Handle(base+e.path, s.handleAs(e.name, s.preflight(e), refuse)).Methods("OPTIONS")
			r.Handle(base+e.path, s.handleAs(e.name, notAllowed(e.allow()), refuse))
		}
	}
	mount(s.endpoints(), (*Error).render)
	mount(s.simpleJWTEndpoints(), (*Error).renderSimpleJWT)
	documents := map[string]http.Handler{ // every verifier fetches them: the router would take a fifth of their time
		s.paths.KeySet: s.document(&s.published.keySet),
		s.paths.OAuth:  s.document(&s.published.metadata),
		s.paths.OpenID: s.document(&s.published.metadata),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// RFC 9112 §6.1: chunks with a Content-Length beside them, which net/http
		// takes away, may be two requests to a proxy: nothing may follow them.
		if len(req.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		if d, ok := documents[req.URL.EscapedPath()]; ok {
			d.ServeHTTP(w, req)
			return
		}
		r.ServeHTTP(w, req)
	})
}
