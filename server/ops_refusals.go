package server

import "net/http"

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
			Why:      "Each area (users, clients, sessions, keys) has a scope of its own for looking and changing; `read` is for looking at all of them.",
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
			Why:    "Another user has the name or the foreign id, another client the `client_id`; or a client has two secrets already.",
			Client: "`problems`, if it is there, names what is in the way. To create or update a user whichever it takes, use `PUT /users/by-foreign-id/{foreign_id}`.",
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
