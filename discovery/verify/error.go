package verify

import (
	"errors"
	"net/http"
)

// An Error says which check a token, or the request that bears it, failed. Its
// text is for logs, not for clients: they get the same answer for whatever is
// wrong with a token, and find it in Status and Challenge.
type Error struct {
	// Check is the name of the check, as Explain has it: size, form, header,
	// alg, crit, kid, claims, iss, typ, aud, exp, nbf, iat, sub, client_id, jti,
	// scope, session, key, signature, revoked.
	Check   string
	Section string // what asks for it: "RFC 9068 §4"
	// Unavailable means that nothing can be said about the token, because there
	// are no keys that are recent enough: the issuer's fault, not the client's.
	Unavailable bool

	Status    int    // of the HTTP answer: 401, or 503 with Unavailable
	Code      string // RFC 6750 §3.1: invalid_token; empty with Unavailable
	Challenge string // the answer's WWW-Authenticate (RFC 6750 §3); empty with Unavailable

	err error
}

// Error names the check and the cause.
func (e *Error) Error() string { return "token refused: " + e.Check + ": " + e.err.Error() }

var (
	errUnknownKey  = errors.New("no key with this kid is published")
	errUnavailable = errors.New("the issuer's keys could not be fetched for too long")
	errRevoked     = errors.New("the program says that the token is revoked")
)

// refused is what becomes of a token that failed a check.
func (v *Verifier) refused(c *check, err error) *Error {
	e := &Error{Check: c.name, Section: c.section, err: err}
	if errors.Is(err, errUnavailable) {
		e.Unavailable, e.Status = true, http.StatusServiceUnavailable
		return e
	}
	e.Status, e.Code, e.Challenge = badToken.status, badToken.code, v.invalid
	return e
}
