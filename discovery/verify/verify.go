// Package verify checks access tokens where they are used: at a resource
// server, offline, against the issuer's published keys. It takes JWT access
// tokens as RFC 9068 defines them and nothing else.
//
//	v, err := verify.New(ctx, "https://auth.example.com", "https://api.example.com")
//	…
//	mux.Handle("/orders", v.Require("orders")(orders)) // inside: verify.FromContext
//
// What it promises. Issuer and audience are required and compared exactly. The
// algorithm is the key's. Anything unusual is refused: repeated members,
// another alphabet, bytes too many, a missing claim; a token without kid. The
// cheap checks come first; tokens with invented keys cost at most one fetch in
// 30 seconds and never delay others. The keys are refreshed in the background;
// when the issuer is away the last ones serve on for 24 hours, then nothing is
// accepted until it is back.
//
// What it does not do: ask the issuer whether a token was revoked, check
// sender-constrained tokens (cnf), introspect opaque ones.
package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A Verifier checks the access tokens of one issuer for one audience. It is
// safe for concurrent use. Only New makes one.
type Verifier struct {
	config
	issuer   string
	audience string
	keys     func(ctx context.Context, kid string) (discovery.Key, error)
	close    func()
}

// New returns a verifier for tokens of the issuer that are meant for the
// audience. It fetches the issuer's metadata and keys, unless WithKeySet gives
// the keys; ctx bounds that, and has no effect later. Close ends the refreshing
// of keys.
func New(ctx context.Context, issuer, audience string, options ...Option) (*Verifier, error) {
	v := &Verifier{config: defaults(), issuer: issuer, audience: audience, close: func() {}}
	if err := discovery.CheckIssuer(issuer); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if audience == "" { // RFC 8725 §3.9
		return nil, errors.New("verify: the audience is empty")
	}
	for _, option := range options {
		if err := option(&v.config); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	if v.static != nil {
		v.keys = v.staticKey
		return v, nil
	}
	r, err := startRemote(ctx, issuer, v.config)
	if err != nil {
		return nil, fmt.Errorf("verify: keys of %s: %w", issuer, err)
	}
	v.keys, v.close = r.key, r.close
	return v, nil
}

// Close stops the background work and waits for its end. The verifier goes on
// with the keys that it has, until they are too old.
func (v *Verifier) Close() { v.close() }

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

func (v *Verifier) staticKey(_ context.Context, kid string) (discovery.Key, error) {
	found, ok := v.static.Key(kid)
	if !ok {
		return found, errUnknownKey
	}
	return found, nil
}

// An Error says which check a token failed. Its text is for logs, not for
// clients: they get the same answer for whatever is wrong (RFC 6750 §3.1).
type Error struct {
	// Check is the name of the check, as Explain has it: size, form, header,
	// typ, alg, crit, kid, claims, iss, aud, exp, nbf, iat, sub, client_id, jti,
	// scope, session, key, signature.
	Check   string
	Section string // what asks for it: "RFC 9068 §4"
	// Unavailable means that nothing can be said about the token, because there
	// are no keys that are recent enough: the issuer's fault, not the client's.
	Unavailable bool

	err error
}

// Error names the check and the cause.
func (e *Error) Error() string { return "token refused: " + e.Check + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

var (
	errUnknownKey  = errors.New("no key with this kid is published")
	errUnavailable = errors.New("the issuer's keys could not be fetched for too long")
)
