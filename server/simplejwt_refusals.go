package server

import "net/http"

// tokenNotValid is Simple JWT's code for any token that it does not take.
const tokenNotValid = "token_not_valid"

// The refusals of Simple JWT's paths, in its words and codes. Those of any
// endpoint come in the same form there.
var (
	errNoAccount = Error{
		ID: "simplejwt-credentials", Code: "no_active_account", Status: http.StatusUnauthorized, Challenge: bearer,
		Description: "No active account found with the given credentials",
		Help: Help{
			Why:      "The user is unknown, disabled or without a password, or the password is wrong. The answer is the same for all of them, and comes after the same time. The code is in the log, not in the answer, as with Simple JWT.",
			Client:   "Show it to the user and let them type again. Do not try again by yourself: failures are counted.",
			Operator: "The record says which it was.",
		},
	}
	errTokenNotValid = Error{
		ID: "simplejwt-token", Code: tokenNotValid, Status: http.StatusUnauthorized, Challenge: bearer,
		Description: "Token is invalid or expired",
		Help: Help{
			Why:      "It is no token of this surface, or expired, or of a user who is disabled. Refresh tokens of `/oauth2/token` are not taken here, nor tokens of another client; refresh tokens of the Django before only where and as long as they are [exchanged](simplejwt.md#old-refresh-tokens).",
			Client:   "Where it was an access token, refresh and try again once; otherwise sign the user in.",
			Operator: "The record says which it was.",
		},
	}
	errBlacklisted = Error{
		ID: "simplejwt-blacklisted", Code: tokenNotValid, Status: http.StatusUnauthorized, Challenge: bearer,
		Description: "Token is blacklisted",
		Help: Help{
			Why:      "The session of the refresh token has ended: it was blacklisted, the password was changed, an operator ended it; or the token had been replaced longer than the retry window ago, which ends the session. So it is with an old token of Simple JWT that was exchanged, or was issued before all of the user's sessions were ended, or less than two minutes after.",
			Client:   "Drop the stored tokens and sign the user in.",
			Operator: "The record says how the session ended.",
		},
	}
	errWrongType = Error{
		ID: "simplejwt-token-type", Code: tokenNotValid, Status: http.StatusUnauthorized, Challenge: bearer,
		Description: "Token has wrong type",
		Help: Help{
			Why:    "An access token stands where a refresh token belongs.",
			Client: "Send what was answered as `refresh`.",
		},
	}
	errFields = Error{
		ID: "simplejwt-fields", Code: "invalid", Status: http.StatusBadRequest,
		Description: "The answer says by field what is wrong.",
		Help: Help{
			Why:    "A field is missing, empty, null, or no string. The answer has a member for each, with a list of what is wrong with it, and `non_field_errors` where the body is no object.",
			Client: "Show the text beside the field.",
		},
	}
	errParse = Error{
		ID: "simplejwt-json", Code: "parse_error", Status: http.StatusBadRequest,
		Description: "JSON parse error - send one JSON object in UTF-8, each member once, and nothing after it",
		Help: Help{
			Why:    "The body is not JSON, a member is repeated, half of a surrogate pair stands alone, or something follows the object.",
			Client: "Let a library write the JSON: passwords have quotation marks and backslashes.",
		},
	}
	errUnsupportedMedia = Error{
		ID: "simplejwt-media-type", Code: "unsupported_media_type", Status: http.StatusUnsupportedMediaType,
		Description: "Unsupported media type in request. Send application/json or application/x-www-form-urlencoded, in UTF-8.",
		Help: Help{
			Why:    "The `Content-Type` is missing, sent twice, or another. Multipart forms are not read.",
			Client: "Send JSON with `Content-Type: application/json`.",
		},
	}
)
