// Package verify checks access tokens where they are used: at a resource
// server, offline, against the issuer's published keys. It takes JWT access
// tokens as RFC 9068 defines them, of any issuer that publishes metadata.
//
//	v, err := verify.New(ctx, "https://auth.example.com", "https://api.example.com")
//	…
//	mux.Handle("/orders", v.Require("orders")(orders)) // inside: verify.FromContext
//
// What it promises. Issuer and audience are required and compared exactly. The
// algorithm is the key's. Anything unusual is refused: repeated members,
// another alphabet, bytes too many, a missing claim; a token without kid. What
// an issuer cannot keep of RFC 9068 is allowed by name (AllowTyp, AllowMissing)
// and for that issuer alone.
//
// The cheap checks come first; tokens with invented keys cost at most one fetch
// in 30 seconds and never delay others. The keys are refreshed in the
// background; when the issuer is away the last ones serve on for 24 hours, then
// nothing is accepted until it is back. A token that was verified is remembered
// by its hash until it expires or its key goes, and costs next to nothing then.
//
// A new token costs less than with go-oidc, jwx, golang-jwt and keyfunc, or
// go-jose's jwt package, which take 1.1 to 2.4 times as long for ES256 and RS256
// on the same machine: cd conformance/vectors && go test -v -run Cost. There are
// also the published test vectors that it is held to.
//
// What it does not do: ask the issuer whether a token was revoked (WithRevoked
// lets the program say so), check sender-constrained tokens (cnf), introspect
// opaque ones.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A Verifier checks access tokens for one audience, of one issuer or several.
// It is safe for concurrent use. Only New makes one.
type Verifier struct {
	config
	audience    string
	authorities []*authority // the issuer of New first
	seen        seen
	headers     headers
	page        page
	invalid     string // the challenge for a token that is no good
}

// New returns a verifier for tokens of the issuer that are meant for the
// audience. It fetches the issuer's metadata and keys, unless WithKeySet gives
// the keys; ctx bounds that, and has no effect later. Close ends the refreshing
// of keys.
func New(ctx context.Context, issuer, audience string, options ...Option) (*Verifier, error) {
	v := &Verifier{config: defaults(issuer), audience: audience}
	if audience == "" { // RFC 8725 §3.9
		return nil, errors.New("verify: the audience is empty")
	}
	for _, option := range options {
		if err := option(&v.config); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	if err := v.publish(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	v.invalid = v.challenge(badToken, "")
	for _, t := range slices.Concat([]trust{v.trust}, v.others) {
		a, err := t.authority(ctx, v.log)
		if err != nil {
			v.Close()
			return nil, fmt.Errorf("verify: %w", err)
		}
		v.authorities = append(v.authorities, a)
	}
	return v, nil
}

// Close stops the background work and waits for its end. The verifier goes on
// with the keys that it has, until they are too old.
func (v *Verifier) Close() {
	for _, a := range v.authorities {
		a.keys.close()
	}
}

// Verify checks a token, given without its scheme, and returns what it says.
// The error is always an *Error. It may wait for a fetch if the token names a
// key that is not known yet: two seconds at most, and not longer than ctx.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Claims, error) {
	claims, err := v.verify(ctx, raw)
	if err != nil { // not returned as it is: a nil *Error is not a nil error
		return nil, err
	}
	return claims, nil
}

// An authority is an issuer that is trusted, with its keys.
type authority struct {
	trust
	keys keyring
}

// A keyring has the keys of one issuer.
type keyring interface {
	// find returns the key of this kid, and the set that it is in. It may cause
	// a fetch and wait for it.
	find(ctx context.Context, kid string) (discovery.Key, *discovery.KeySet, error)
	// current returns the set as it is.
	current() (*discovery.KeySet, error)
	close()
}

// fixed is a keyring that never changes.
type fixed struct{ set *discovery.KeySet }

func (f fixed) find(_ context.Context, kid string) (discovery.Key, *discovery.KeySet, error) {
	found, ok := f.set.Key(kid)
	if !ok {
		return found, nil, errUnknownKey
	}
	return found, f.set, nil
}

func (f fixed) current() (*discovery.KeySet, error) { return f.set, nil }

func (fixed) close() {}
