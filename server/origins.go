package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// originsFresh is how long the union of registered origins is remembered, so
// that preflights cost the store nothing.
const originsFresh = 5 * time.Second

// origins knows from which browser origins the endpoints may be called.
// A preflight does not name its client, so it is answered for the union of all
// registered origins; the request itself must come from its own client's.
type origins struct {
	own     string // the issuer's, which pages of the server itself come from
	clients func(context.Context) ([]storage.Client, error)

	mu    sync.Mutex
	read  time.Time
	union map[string]bool
}

func newOrigins(issuer string, store Clients) *origins {
	o := &origins{clients: store.Clients}
	if u, err := url.Parse(issuer); err == nil {
		o.own = u.Scheme + "://" + u.Host
	}
	return o
}

// registered reports whether any client is registered for the origin.
func (o *origins) registered(ctx context.Context, origin string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.read) >= originsFresh {
		clients, err := o.clients(ctx)
		if err != nil {
			return o.union[origin] // the last known
		}
		o.read, o.union = time.Now(), map[string]bool{}
		for _, c := range clients {
			for _, v := range c.Origins {
				o.union[v] = true
			}
		}
	}
	return o.union[origin]
}

// allows reports whether the request may come from where it does: no browser,
// our own pages, or an origin of this client.
func (o *origins) allows(client storage.Client, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == o.own || slices.Contains(client.Origins, origin)
}

// checkOrigin refuses a request from another client's origin, whose page may
// not read that either.
func (s *Server) checkOrigin(w http.ResponseWriter, r *http.Request, client storage.Client) error {
	if s.origins.allows(client, r) {
		return nil
	}
	disallowOrigin(w)
	return errOrigin.because(errors.New("origin of another client"))
}

// allowOrigin lets the browser read the answer, refusals included, when the
// origin is registered. Credentials in the browser's sense are never allowed.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !s.origins.registered(r.Context(), origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After, Request-Id, WWW-Authenticate")
	return true
}

func disallowOrigin(w http.ResponseWriter) { w.Header().Del("Access-Control-Allow-Origin") }

// preflight answers OPTIONS (WHATWG Fetch). Browser clients are public: they
// send no Authorization header to authenticate themselves, only access tokens.
func (s *Server) preflight(e endpoint) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", e.allow())
		if s.allowOrigin(w, r) {
			w.Header().Set("Access-Control-Allow-Methods", strings.Join(e.methods, ", "))
			w.Header().Set("Access-Control-Allow-Headers", e.headers)
			w.Header().Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
