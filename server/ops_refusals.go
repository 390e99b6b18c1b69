package server

import (
	"errors"
	"net/http"
	"slices"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// The refusals of the operators' API, beside those that any endpoint has.
var (
	errOperatorToken = Error{
		ID: "operator-token", Code: "invalid_token", Status: http.StatusUnauthorized, Challenge: bearer, // RFC 6750 §3.1
		Description: "The operator token is not valid. Make one with: hallmark operator token add.",
		Help: Help{
			Why:      "The token is unknown, removed, expired, or not an operator token at all: those begin with `hmo_`. Access tokens of users are not accepted here.",
			Client:   "Send `Authorization: Bearer hmo_…` with a token that an operator made for you.",
			Operator: "`hallmark operator token list` shows which tokens there are and when they expire. The log record has the reason.",
		},
	}
	errOperatorScope = Error{
		ID: "operator-scope", Code: "insufficient_scope", Status: http.StatusForbidden, Challenge: bearer, // RFC 6750 §3.1
		Description: "The operator token is not for this area.",
		Help: Help{
			Why:      "Each area (users, clients, sessions, keys, audit) has a scope of its own for looking and changing; `read` is for looking at all of them.",
			Client:   "The challenge names the scope. Ask an operator for a token that has it.",
			Operator: "Make a new token with the scopes that the program needs, and remove the old one: a token's scopes never change.",
		},
	}
	errOpsInvalid = Error{
		ID: "invalid-members", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "The request has members or parameters that are wrong. The problems member lists them all.",
		Help: Help{
			Why:    "Everything that is wrong is listed at once, with what to write instead. Nothing was done.",
			Client: "Go through `problems`: each has the `field` and an `advice`.",
		},
	}
	errOpsConflict = Error{
		ID: "conflict", Code: "invalid_request", Status: http.StatusConflict,
		Description: "It exists already, or was changed by somebody else meanwhile. Nothing was done.",
		Help: Help{
			Why:    "Another user has the name or the foreign id, another client the `client_id`; or a client has two secrets already; or many programs change the same record at once.",
			Client: "`problems`, if it is there, names what is in the way; if it is not, try again. To create or update a user whichever it takes, use `PUT /users/by-foreign-id/{foreign_id}`.",
		},
	}
	errOpsUnknown = Error{
		ID: "unknown-record", Code: "invalid_request", Status: http.StatusNotFound,
		Description: "There is no such user, client, session or key.",
		Help: Help{
			Why:    "It was removed, or the id is another's. Sessions are removed a day after they are over.",
			Client: "The lists (`GET /users`, `/clients`, `/sessions`, `/keys`) show what there is. To remove what is gone already is done, not failed.",
		},
	}
	errOpsKeys = Error{
		ID: "keys-unusable", Code: "server_error", Status: http.StatusInternalServerError,
		Description: "The signing keys cannot be changed now. Nothing was changed. The log has the reason under this request id.",
		Help: Help{
			Why:      "The key ring in the store is older than one that was seen, or cannot be opened, or the file that remembers the newest one cannot be written.",
			Client:   "Nothing to do: an operator has to look.",
			Operator: "The record says which it is and which command helps: `hallmark doctor` checks all of them.",
		},
	}
)

// maxProblems is how many are listed: a body has room for thousands.
const maxProblems = 50

// wrong refuses a request for all that is wrong with it.
func wrong(problems ...operator.Problem) error {
	problems = problems[:min(len(problems), maxProblems)]
	refusal := errOpsInvalid
	refusal.Problems = problems
	return refusal.because(operator.Invalid(problems))
}

// memberNames are the API's for what the acts call otherwise.
func memberNames(area string) map[string]string {
	if area == areaUsers {
		return map[string]string{"name": "username"}
	}
	return map[string]string{
		"id": "client_id", "name": "client_name", "auth_method": "token_endpoint_auth_method",
		"grants": "grant_types", "scopes": "scope", "default_scopes": "default_scope",
	}
}

func renamed(problems operator.Invalid, area string) operator.Invalid {
	names, out := memberNames(area), slices.Clone(problems)
	for i, p := range out {
		if name, other := names[p.Field]; other {
			out[i].Field = name
		}
	}
	return out
}

// opsRefusal gives what an act of an area reports a public half.
func opsRefusal(err error, area string) error {
	var invalid operator.Invalid
	var conflict operator.Conflict
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &invalid):
		return wrong(renamed(invalid, area)...)
	case errors.As(err, &conflict):
		refusal := errOpsConflict
		refusal.Problems = renamed(operator.Invalid{operator.Problem(conflict)}, area)
		return refusal.because(err)
	case errors.Is(err, storage.ErrConflict):
		return errOpsConflict.because(err)
	case errors.Is(err, storage.ErrNotFound):
		return errOpsUnknown.because(err)
	case errors.Is(err, password.ErrBusy):
		return errBusy.retryAfter(retryBusy).because(err)
	case errors.Is(err, keys.ErrBehind), errors.Is(err, keys.ErrMark), errors.Is(err, keys.ErrCorrupt), errors.Is(err, keys.ErrWrongKey):
		return errOpsKeys.because(err)
	}
	return err
}
