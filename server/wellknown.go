package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/clientauth"
)

// wellKnown holds the public documents, rendered once per change of the ring.
type wellKnown struct {
	metadata discovery.Holder
	keySet   discovery.Holder
}

// Publish renders the key set and the metadata for a ring and serves them from
// now on (OIDC Core §10.1.1). The key set goes first: metadata never names an
// algorithm whose keys cannot be found.
func (s *Server) Publish(ring keys.Ring) error {
	var set []jose.JSONWebKey
	algs := map[string]bool{}
	for _, key := range ring.Published(s.now()) {
		set = append(set, key.JWK())
		algs[string(key.Algorithm)] = true
	}
	keySet, err := discovery.NewKeySet(set)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	metadata, err := s.metadata(slices.Sorted(maps.Keys(algs))).Document()
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	current := keyRing{keySet.Bytes(), ring.Schedule().Skew}
	tokens, err := s.verifier(current, s.issuer)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	s.tokens.Store(tokens)
	s.ring.Store(&current)
	maxAge := ring.Schedule().MaxAge // what the timetable of the keys reckons with
	s.published.keySet.Store(keySet.WithMaxAge(maxAge))
	s.published.metadata.Store(metadata.WithMaxAge(maxAge))
	return nil
}

// A keyRing is what the server's own tokens are verified with.
type keyRing struct {
	keySet []byte
	skew   time.Duration
}

// verifier returns what checks this server's tokens for an audience; nil if
// there are no keys. Another replica's clock may be off by the skew.
func (s *Server) verifier(ring keyRing, audience string) (*verify.Verifier, error) {
	leeway := verify.WithLeeway(min(ring.skew, 10*time.Minute))
	v, err := verify.New(context.Background(), s.issuer, audience, verify.WithKeySet(ring.keySet), verify.WithClock(s.clock), leeway)
	if errors.Is(err, discovery.ErrNoKeys) {
		return nil, nil
	}
	return v, err
}

// document serves a public document. Its refusals are those of any endpoint,
// and it comes whole: a part of it is of use to nobody.
func (s *Server) document(h *discovery.Holder) http.Handler {
	methods := []string{"GET", "HEAD", "OPTIONS"}
	allow := strings.Join(methods, ", ")
	refuse := s.handle("well-known", func(w http.ResponseWriter, r *http.Request) error {
		if h.Load() == nil {
			return errUnavailable.retryAfter(retryUnavailable).because(errors.New("nothing is published yet"))
		}
		return notAllowed(allow)(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Load() == nil || !slices.Contains(methods, r.Method) {
			refuse.ServeHTTP(w, r)
			return
		}
		r.Header.Del("Range")    // RFC 9110 §14.2: a server may ignore it
		r.Header.Del("If-Match") // no state is changed; RFC 9110 §13.1.1 is about updates
		r.Header.Del("If-Unmodified-Since")
		s.harden(w.Header())
		h.ServeHTTP(w, r)
	})
}

// metadata is assembled from what serves requests, so it cannot promise what
// is not there. Libraries take their list of acceptable algorithms from
// id_token_signing_alg_values_supported, so it lists those of every published
// key (OIDC Discovery §3), though no ID tokens are issued and "openid" is not offered.
func (s *Server) metadata(algs []string) discovery.Metadata {
	return discovery.Metadata{
		Issuer:                                 s.issuer, // as configured, whatever Host says: RFC 8414 §3.3, §4, §6.2; OIDC Discovery §4.3; RFC 9700 §4.13
		TokenEndpoint:                          s.issuer + tokenPath,
		RevocationEndpoint:                     s.issuer + revokePath,
		IntrospectionEndpoint:                  s.issuer + introspectPath,
		JWKSURI:                                s.issuer + jwksPath,
		GrantTypesSupported:                    slices.Sorted(maps.Keys(s.grants)),
		TokenEndpointAuthMethodsSupported:      clientauth.Methods(),
		RevocationEndpointAuthMethodsSupported: clientauth.Methods(),
		IntrospectionEndpointAuthMethodsSupported: clientauth.SecretMethods(),
		SubjectTypesSupported:                     []string{"public"}, // "sub" is the same for all; some libraries want it said
		IDTokenSigningAlgValuesSupported:          algs,
	}
}

const jwksPath = "/.well-known/jwks.json"
