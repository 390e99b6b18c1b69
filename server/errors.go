package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// An Error is a refusal. Its public half is constants that we wrote and that
// say what to do; its private half, the cause, goes to the log only.
type Error struct {
	Code        string // RFC 6749 §5.2 or a registered extension of it
	Description string // %x20-21 / %x23-5B / %x5D-7E only
	Status      int
	RetryAfter  time.Duration // answered on 429 and 503
	Challenge   bool          // answer WWW-Authenticate: Basic; 401 only
	cause       error
}

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

// The refusals. RFC 6749 §5.2 unless noted.
var (
	errTooLarge      = Error{Code: "invalid_request", Status: http.StatusRequestEntityTooLarge, Description: "The request body is larger than 64 KiB."}
	errSlow          = Error{Code: "invalid_request", Status: http.StatusRequestTimeout, Description: "The request body did not arrive in time. Send it at once."}
	errCutOff        = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "The request body ended too early: it is shorter than announced, or its chunks are malformed."}
	errContentType   = Error{Code: "invalid_request", Status: http.StatusUnsupportedMediaType, Description: "Send the parameters as one application/x-www-form-urlencoded body in UTF-8."}
	errMalformed     = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "The body is not well-formed: check percent-encoding, UTF-8 and control characters."}
	errQuery         = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "Send OAuth parameters in the body, never in the URL. Treat a password or secret that was sent in a URL as exposed."}
	errRepeated      = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "A parameter is repeated or has no name. Send each parameter once; only resource may be repeated."}
	errMissing       = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "A required parameter is missing or empty: grant_type always, username and password for the password grant, refresh_token for the refresh_token grant."}
	errTwoMethods    = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "Use exactly one client authentication method, the one the client is registered for."}
	errClientID      = Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "client_id differs from the client in the Authorization header. Send the same one or leave it out."}
	errClient        = Error{Code: "invalid_client", Status: http.StatusBadRequest, Description: "Client authentication failed. Check client_id, secret and the registered authentication method."}
	errGrantType     = Error{Code: "unsupported_grant_type", Status: http.StatusBadRequest, Description: "This grant_type is not supported. The metadata document lists those that are."}
	errUnauthorized  = Error{Code: "unauthorized_client", Status: http.StatusBadRequest, Description: "The client is not registered for this grant_type."}
	errOrigin        = Error{Code: "unauthorized_client", Status: http.StatusBadRequest, Description: "The client is not registered for the Origin that this request comes from."}
	errScope         = Error{Code: "invalid_scope", Status: http.StatusBadRequest, Description: "The scope is malformed, or more than the client or the session may have."}
	errTarget        = Error{Code: "invalid_target", Status: http.StatusBadRequest, Description: "A resource must be an absolute URI without fragment that the client and the session may name."} // RFC 8707 §2
	errCredentials   = Error{Code: "invalid_grant", Status: http.StatusBadRequest, Description: "The user name or password is wrong."}
	errRefreshToken  = Error{Code: "invalid_grant", Status: http.StatusBadRequest, Description: "The refresh token is invalid, expired or revoked, or belongs to another client. Sign in again."}
	errThrottled     = Error{Code: "slow_down", Status: http.StatusTooManyRequests, Description: "Too many failed sign-ins. Wait as long as Retry-After says, then try again."} // RFC 6585 §4; code of RFC 8628 §3.5
	errBusy          = Error{Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable, Description: "The server is busy. Try again after Retry-After."}
	errUnavailable   = Error{Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable, Description: "The server cannot reach its store. Nothing was changed. Try again after Retry-After."}
	errInternal      = Error{Code: "server_error", Status: http.StatusInternalServerError, Description: "The server failed. The log has the reason under this request id."}
	errMethod        = Error{Code: "invalid_request", Status: http.StatusMethodNotAllowed, Description: "The method is not allowed here. The Allow header lists those that are."}
	errNotFound      = Error{Code: "invalid_request", Status: http.StatusNotFound, Description: "There is nothing at this path. The metadata document lists the endpoints."}
	retryUnavailable = 5 * time.Second
)

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

// render writes the refusal as RFC 6749 §5.2 JSON.
func (e *Error) render(w http.ResponseWriter) {
	if e.Challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="hallmark", charset="UTF-8"`) // RFC 7617 §2.1
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.Status, struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description})
}
