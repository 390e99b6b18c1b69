package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// An Error is a refusal. Its public half is constants that we wrote and that
// say what to do; its private half, the cause, goes to the log only.
type Error struct {
	ID          string // names it in docs/errors.md, and never changes: a-z and -
	Code        string // RFC 6749 §5.2, RFC 6750 §3.1 or a registered extension of them (RFC 6749 §11.4)
	Description string // %x20-21 / %x23-5B / %x5D-7E only
	Status      int
	RetryAfter  time.Duration    // answered on 429 and 503
	Challenge   string           // the scheme of WWW-Authenticate: basic or bearer; empty: none
	Scope       string           // that the access token should have; with bearer
	Problems    operator.Invalid // all that is wrong, for operators only
	Fields      fieldErrors      // all that is wrong, at Simple JWT's paths only
	Help        Help
	cause       error
}

// Help is what docs/errors.md says about an Error, in Markdown.
type Help struct {
	Why      string // what brings it about
	Client   string // what the author of a client does about it
	Operator string // what an operator does about it; empty: nothing
}

// The schemes of challenges.
const (
	basic  = "Basic"  // RFC 7617
	bearer = "Bearer" // RFC 6750
)

// errorDocs is where the errors are explained; the ID follows as fragment.
const errorDocs = "https://github.com/hallmark-auth/hallmark/blob/main/docs/errors.md#"

// URI is the error_uri (RFC 6749 §5.2).
func (e *Error) URI() string { return errorDocs + e.ID }

// Error returns both halves: for logs, never for answers.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Code + ": " + e.Description
	}
	return e.Code + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// because returns the refusal with its private half.
func (e Error) because(cause error) *Error {
	e.cause = cause
	return &e
}

func (e Error) retryAfter(d time.Duration) Error {
	e.RetryAfter = d
	return e
}

const retryUnavailable = 5 * time.Second

// asError gives any failure a public half: an *Error has one, a store that is
// away may come back, and the rest says nothing.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled): // the caller is gone; nobody reads this
		return errBusy.retryAfter(retryBusy).because(err)
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable.retryAfter(retryUnavailable).because(err)
	}
	return errInternal.because(err)
}

// render writes the refusal as JSON (RFC 6749 §5.2, App. A.7, App. A.8, App. A.9).
// The request id is in its header only: refusals for different reasons stay
// alike to the byte.
func (e *Error) render(w http.ResponseWriter) {
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge())
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.Status, struct {
		Code        string           `json:"error"`
		Description string           `json:"error_description"`
		URI         string           `json:"error_uri"`
		Problems    operator.Invalid `json:"problems,omitempty"`
	}{e.Code, e.Description, e.URI(), e.Problems})
}

// challenge is the value of WWW-Authenticate.
func (e *Error) challenge() string {
	if e.Challenge == basic {
		return `Basic realm="hallmark", charset="UTF-8"` // RFC 7617 §2.1
	}
	challenge := `Bearer realm="hallmark"`
	if e.ID != errNoToken.ID { // RFC 6750 §3.1: no code where there was no token
		challenge += `, error="` + e.Code + `", error_description="` + e.Description + `", error_uri="` + e.URI() + `"`
	}
	if e.Scope != "" {
		challenge += `, scope="` + e.Scope + `"` // RFC 6750 §3
	}
	return challenge
}
