package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/clientauth"
)

// wellKnown holds the public documents, rendered once per change of the ring.
type wellKnown struct {
	metadata discovery.Holder
	keySet   discovery.Holder
}

// Publish renders the key set and the metadata for a ring and serves them from
// now on. The key set goes first: metadata never names an algorithm whose keys
// cannot be found.
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
	maxAge := ring.Schedule().MaxAge // what the timetable of the keys reckons with
	s.published.keySet.Store(keySet.WithMaxAge(maxAge))
	s.published.metadata.Store(metadata.WithMaxAge(maxAge))
	return nil
}

// metadata is assembled from what serves requests, so it cannot promise what
// is not there. Libraries take their list of acceptable algorithms from
// id_token_signing_alg_values_supported, so it lists those of every published
// key, though no ID tokens are issued and "openid" is not offered.
func (s *Server) metadata(algs []string) discovery.Metadata {
	return discovery.Metadata{
		Issuer:                            s.issuer,
		TokenEndpoint:                     s.issuer + tokenPath,
		JWKSURI:                           s.issuer + jwksPath,
		GrantTypesSupported:               slices.Sorted(maps.Keys(s.grants)),
		TokenEndpointAuthMethodsSupported: clientauth.Methods(),
		SubjectTypesSupported:             []string{"public"}, // "sub" is the same for all; some libraries want it said
		IDTokenSigningAlgValuesSupported:  algs,
	}
}

const jwksPath = "/.well-known/jwks.json"
