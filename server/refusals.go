package server

import "net/http"

// The refusals of any endpoint. Codes are RFC 6749 §5.2 unless noted.
var (
	errNotFound = Error{
		ID: "not-found", Code: "invalid_request", Status: http.StatusNotFound,
		Description: "There is nothing at this path. The metadata document lists the endpoints; on the operators' listener, /openapi.json does.",
		Help: Help{
			Why:      "The path is none that this listener has. A missing issuer path, a slash at the end and two slashes in a row are the usual reasons.",
			Client:   "Take the endpoints from the metadata document, `{issuer}/.well-known/openid-configuration`, instead of putting URLs together.",
			Operator: "If a proxy stands in front, it must pass the path on as it came: the issuer's path included, nothing decoded.",
		},
	}
	errMethod = Error{
		ID: "method-not-allowed", Code: "invalid_request", Status: http.StatusMethodNotAllowed, // RFC 9110 §15.5.6
		Description: "The method is not allowed here. The Allow header lists those that are.",
		Help: Help{
			Why:    "The path exists, and not for this method. Tokens, for instance, are asked for with `POST` only.",
			Client: "Use a method of the `Allow` header. A `POST` that arrives as `GET` was redirected on its way: call the URL that the metadata has, letter by letter.",
		},
	}
	errTooLarge = Error{
		ID: "too-large", Code: "invalid_request", Status: http.StatusRequestEntityTooLarge,
		Description: "The request body is larger than 64 KiB.",
		Help: Help{
			Why:    "No request to this server needs as much.",
			Client: "Look at what is being sent: a file, or a token in place of a password, is the usual surprise.",
		},
	}
	errSlow = Error{
		ID: "slow-body", Code: "invalid_request", Status: http.StatusRequestTimeout,
		Description: "The request body did not arrive in time. Send it at once.",
		Help: Help{
			Why:      "The headers announced a body that was not there within a few seconds. Either the connection is very slow, or `Content-Length` is greater than the body.",
			Client:   "Let the HTTP library set `Content-Length`. Then try again: nothing was done.",
			Operator: "If it comes from many clients at once, look at the proxy: it may hold bodies back, or announce more than it sends.",
		},
	}
	errCutOff = Error{
		ID: "cut-off-body", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "The request body ended too early: it is shorter than announced, or its chunks are malformed.",
		Help: Help{
			Why:    "The connection or its framing broke while the body was read.",
			Client: "Try again: nothing was done. If it comes back, the `Content-Length` or the chunked encoding is made wrongly.",
		},
	}
	errContentType = Error{
		ID: "not-a-form", Code: "invalid_request", Status: http.StatusUnsupportedMediaType,
		Description: "Send the parameters as one application/x-www-form-urlencoded body in UTF-8.",
		Help: Help{
			Why:    "The `Content-Type` is missing, sent twice, or another: JSON and multipart forms are not read here ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).",
			Client: "Send `Content-Type: application/x-www-form-urlencoded` and the parameters encoded so. Most HTTP libraries do both when they are given a form instead of a string or an object.",
		},
	}
	errMalformed = Error{
		ID: "malformed-form", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "The body is not well-formed: check percent-encoding, UTF-8 and control characters.",
		Help: Help{
			Why:    "The body has a broken percent-encoding, a semicolon between parameters, bytes that are not UTF-8, control characters, or more than 64 parameters.",
			Client: "Encode each name and value by itself, with the form encoding of your library. A value with `%`, `&`, `+` or `;` that was pasted in unencoded is the usual reason: passwords have them.",
		},
	}
	errQuery = Error{
		ID: "parameters-in-url", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "Send OAuth parameters in the body, never in the URL. Treat a password or secret that was sent in a URL as exposed.",
		Help: Help{
			Why:      "The query has a parameter that belongs in the body or in a header, or is malformed. URLs are written to logs by everything on their way.",
			Client:   "Move the parameters to the body, the access token to the `Authorization` header. Change a password and replace a secret or token that was sent so.",
			Operator: "Which parameter it was is in the record. If it was a password or a secret, see to its change: your proxy's log may have it.",
		},
	}
	errRepeated = Error{
		ID: "repeated-parameter", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "A parameter is repeated or has no name. Send each parameter once; only resource may be repeated.",
		Help: Help{
			Why:    "Of two values it would be a guess which is meant, and two readers may guess differently ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).",
			Client: "Look for the place that adds a parameter which the library adds as well, `client_id` or `scope` most often.",
		},
	}
	errMissing = Error{
		ID: "missing-parameter", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "A required parameter is missing or empty: grant_type always, username and password for the password grant, refresh_token for the refresh_token grant; token for a revocation or an introspection.",
		Help: Help{
			Why:    "The request is well-formed and lacks something. An empty parameter counts as a missing one.",
			Client: "Send the parameters that the description names. An empty refresh token usually means that the client has stored none: sign the user in.",
		},
	}
	errOrigin = Error{
		ID: "origin", Code: "unauthorized_client", Status: http.StatusBadRequest,
		Description: "The client is not registered for the Origin that this request comes from.",
		Help: Help{
			Why:      "A browser says from which origin a page calls, and the client's record does not have that one. Scheme, host and port count, as the browser writes them.",
			Client:   "Check that the page uses the `client_id` that was registered for it. A page that cannot read the answer at all has an origin that no client is registered for.",
			Operator: "Register the origin with the client, such as `https://app.example.com`: without a path, without a slash at the end. Only public clients may have origins.",
		},
	}
	errBusy = Error{
		ID: "busy", Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable, // RFC 6749 §4.1.2.1
		Description: "The server is busy. Try again after Retry-After.",
		Help: Help{
			Why:      "More passwords wait to be hashed than the server has room for. Refreshing, keys and metadata go on meanwhile.",
			Client:   "Wait as long as `Retry-After` says, then send the same request again.",
			Operator: "If it lasts, many sign in at once or somebody is guessing: the records of `429` tell which. More cores help, or more `--password-workers`.",
		},
	}
	errUnavailable = Error{
		ID: "store-unavailable", Code: "temporarily_unavailable", Status: http.StatusServiceUnavailable,
		Description: "The server cannot reach its store. Nothing was changed. Try again after Retry-After.",
		Help: Help{
			Why:      "The database is locked, full, or away, or the server is shutting down.",
			Client:   "Wait as long as `Retry-After` says, then send the same request again. A refresh token that was presented is as good as before, and so is the session.",
			Operator: "The record has the database's own words; `/readyz` on the operators' listener says whether it lasts. Look at the disk first.",
		},
	}
	errInternal = Error{
		ID: "internal", Code: "server_error", Status: http.StatusInternalServerError,
		Description: "The server failed. The log has the reason under this request id.",
		Help: Help{
			Why:      "Something happened that should not.",
			Client:   "Keep the `Request-Id` header of the answer and show it to the operator. Trying again may help, and does no harm.",
			Operator: "Find the record by its request id: it is of level `ERROR` and says what happened. If it is not your database or your machine, report it as a defect.",
		},
	}
)

// The refusals of clients and grants: the token, revocation and introspection endpoints.
var (
	errTwoMethods = Error{
		ID: "two-client-authentications", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "Use exactly one client authentication method, the one the client is registered for.",
		Help: Help{
			Why:    "The request has an `Authorization` header and a `client_secret` in the body ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).",
			Client: "Drop one of them. Many libraries add the header by themselves once they know the secret.",
		},
	}
	errClientID = Error{
		ID: "client-id-mismatch", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "client_id differs from the client in the Authorization header. Send the same one or leave it out.",
		Help: Help{
			Why:    "The header names one client and the body another.",
			Client: "Leave `client_id` out of the body where the header is used.",
		},
	}
	errClient = Error{
		ID: "client-authentication", Code: "invalid_client", Status: http.StatusBadRequest,
		Description: "Client authentication failed. Check client_id, secret and the registered authentication method.",
		Help: Help{
			Why:      "The client is unknown, gave a wrong secret, or authenticates by another method than its own. The answer is the same for all of them. Where the `Authorization` header was used, the status is 401 and a challenge comes with it.",
			Client:   "Check the `client_id` and the method: a public client sends `client_id` alone; the others use the header (`client_secret_basic`) or the body (`client_secret_post`), whichever they are registered for. In the header, id and secret are form-encoded before they are joined by a colon.",
			Operator: "The record says which of the three it was, and for a known client which method it is registered for. A lost secret is replaced, never looked up.",
		},
	}
	errIntrospector = Error{
		ID: "introspecting-client", Code: "invalid_client", Status: http.StatusUnauthorized, Challenge: basic, // RFC 7662 §2.3
		Description: "Client authentication failed. Tokens are introspected by clients with a secret only: check client_id, secret and the registered authentication method.",
		Help: Help{
			Why:      "The client is unknown, public, gave a wrong secret or none, or authenticates by another method than its own. The answer is the same for all of them.",
			Client:   "Authenticate as at the token endpoint, with the secret. An access token does not authenticate anybody here. A page or an app, which has no secret, has no use for introspection: it has its tokens.",
			Operator: "For an API, register a client of its own: `hallmark client add --auth client_secret_basic --introspect AUDIENCE`.",
		},
	}
	errGrantType = Error{
		ID: "grant-type-unsupported", Code: "unsupported_grant_type", Status: http.StatusBadRequest,
		Description: "This grant_type is not supported. The metadata document lists those that are.",
		Help: Help{
			Why:    "The server does not know the `grant_type`. Upper and lower case count.",
			Client: "Choose one of `grant_types_supported`.",
		},
	}
	errUnauthorized = Error{
		ID: "grant-type-not-registered", Code: "unauthorized_client", Status: http.StatusBadRequest,
		Description: "The client is not registered for this grant_type.",
		Help: Help{
			Why:      "The server knows the grant, and the client's record does not have it.",
			Client:   "Ask the operator for the grant, or do without it: a client without `refresh_token` gets no refresh tokens.",
			Operator: "Add the grant to the client if it should have it.",
		},
	}
	errScope = Error{
		ID: "scope", Code: "invalid_scope", Status: http.StatusBadRequest,
		Description: "The scope is malformed, or more than the client or the session may have.",
		Help: Help{
			Why:      "Scopes are separated by one space, and upper and lower case count. At a sign-in they must be among the client's; at a refresh among those that the session was granted.",
			Client:   "Leave `scope` out to get the default. Whoever needs more than at the sign-in signs in again. The refusal costs nothing: a refresh token that was presented is as good as before.",
			Operator: "`client list --json` shows which scopes a client may ask for.",
		},
	}
	errTarget = Error{
		ID: "resource", Code: "invalid_target", Status: http.StatusBadRequest, // RFC 8707 §2
		Description: "A resource must be an absolute URI without fragment that the client and the session may name.",
		Help: Help{
			Why:      "The `resource` is not an audience of the client, byte for byte, or not one that the session was granted; or the client has several audiences, none of them is its default, and the request names none.",
			Client:   "Name the API as it is registered, slash for slash. To get tokens for several APIs, name all at the sign-in and one at each refresh.",
			Operator: "`client list --json` shows the audiences of a client. For the endpoints below `/account` the audience is the issuer itself.",
		},
	}
	errCredentials = Error{
		ID: "wrong-credentials", Code: "invalid_grant", Status: http.StatusBadRequest,
		Description: "The user name or password is wrong.",
		Help: Help{
			Why:      "The user is unknown, disabled or without a password, or the password is wrong. The answer is the same for all of them, and comes after the same time.",
			Client:   "Show it to the user and let them type again. Do not try again by yourself: failures are counted.",
			Operator: "The record says which it was. Of a name that nobody has it says only that: it may be a password in the wrong field.",
		},
	}
	errRefreshToken = Error{
		ID: "refresh-token", Code: "invalid_grant", Status: http.StatusBadRequest,
		Description: "The refresh token is invalid, expired or revoked, or belongs to another client. Sign in again.",
		Help: Help{
			Why:      "The session is over: its time is up, it was logged out or revoked, the password was changed, the user disabled. Or a refresh token was presented that had been replaced longer than the retry window ago, which ends the session.",
			Client:   "Drop the stored tokens and sign the user in. If users are signed out without a reason, read [what a client may rely on](sessions.md#what-a-client-may-rely-on): two copies of one refresh token, in two tabs with a storage each, look like theft.",
			Operator: "The record says which it was and names the session. The events `session_ended_reused` and `session_ended_store_behind` tell of copies, and of a database that was set back.",
		},
	}
	errThrottled = Error{
		ID: "throttled", Code: "slow_down", Status: http.StatusTooManyRequests, // RFC 6585 §4; code of RFC 8628 §3.5
		Description: "Too many failed sign-ins. Wait as long as Retry-After says, then try again.",
		Help: Help{
			Why:      "The user's password, or passwords from this address, were wrong too often of late. The right password is refused as well until the time is over.",
			Client:   "Wait as long as `Retry-After` says, and tell the user so. Asking sooner does not make it longer.",
			Operator: "If everybody is refused at once, all requests seem to come from one address: name your proxy with `--trusted-proxy`.",
		},
	}
	errTokenType = Error{
		ID: "access-token-revocation", Code: "unsupported_token_type", Status: http.StatusBadRequest, // RFC 7009 §2.2.1
		Description: "Access tokens cannot be revoked: they are verified offline and expire by themselves. Revoke the refresh token, which ends the session.",
		Help: Help{
			Why:    "The `token` is an access token. To answer that it is revoked would be a lie: APIs accept it until it expires, minutes later.",
			Client: "Revoke the refresh token and forget the access token. From then on nobody gets another one.",
		},
	}
)

// The refusals of the endpoints below /account.
var (
	errNoToken = Error{
		ID: "no-access-token", Code: "invalid_request", Status: http.StatusUnauthorized, Challenge: bearer,
		Description: "Send a token as Authorization: Bearer, and in no other place: an access token for this server, or to the operators' API an operator token.",
		Help: Help{
			Why:    "There is no `Authorization` header, or one of another scheme.",
			Client: "Below `/account`, get an access token with `resource` set to the issuer; at the operators' API, take an operator token. Send it in the header ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)). Tokens in a body or in a URL are not looked for.",
		},
	}
	errBearer = Error{
		ID: "malformed-authorization", Code: "invalid_request", Status: http.StatusBadRequest, Challenge: bearer, // RFC 6750 §3.1
		Description: "Send one Authorization header with one bearer token.",
		Help: Help{
			Why:    "There are several `Authorization` headers, or what follows `Bearer` is not one token.",
			Client: "Look for quotation marks, line breaks and the words `undefined` or `null, null` in the header.",
		},
	}
	errToken = Error{
		ID: "access-token", Code: "invalid_token", Status: http.StatusUnauthorized, Challenge: bearer, // RFC 6750 §3.1
		Description: "The access token is not for this server, expired, or of a session that is over.",
		Help: Help{
			Why:      "The token is malformed, expired or signed by an unknown key; its audience is not the issuer alone; or its session has ended. Here, unlike at an API, the end of a session counts at once.",
			Client:   "Refresh, with `resource` set to the issuer, and try again once. If the refresh is refused, sign the user in.",
			Operator: "The record says which check failed. A client needs the issuer among its audiences, and the grant `refresh_token`: without a session there is nothing to look after.",
		},
	}
	errTokenScope = Error{
		ID: "insufficient-scope", Code: "insufficient_scope", Status: http.StatusForbidden, Challenge: bearer, // RFC 6750 §3.1
		Description: "The access token lacks the scope that this needs.",
		Help: Help{
			Why:      "The token is good, and was not asked for with the scope that the challenge names: `sessions`, for looking at sessions and ending them.",
			Client:   "Ask for the scope at the sign-in; a refresh cannot add to it.",
			Operator: "Allow the scope to the client if it should have it. Whoever has it can end the user's other sessions.",
		},
	}
	errNotJSON = Error{
		ID: "not-json", Code: "invalid_request", Status: http.StatusUnsupportedMediaType,
		Description: "Send one JSON object as application/json.",
		Help: Help{
			Why:    "The `Content-Type` is missing, sent twice, or another. A page of another origin can send forms without asking, but not this type.",
			Client: "Send `Content-Type: application/json`.",
		},
	}
	errJSON = Error{
		ID: "malformed-json", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "Send one JSON object in UTF-8, each member once, and nothing after it. For a new password the members are current and new, both strings that are not empty, and no others.",
		Help: Help{
			Why:    "The body is not JSON, a member is repeated, or something follows the object. At `/account/password` also: a member is missing, misspelt or not a string.",
			Client: "For a password, compare with `{\"current\": \"…\", \"new\": \"…\"}`; for the operators' API, with its `/openapi.json`. Let a library write the JSON: passwords have quotation marks and backslashes.",
		},
	}
	errCurrent = Error{
		ID: "wrong-current-password", Code: "access_denied", Status: http.StatusForbidden, // RFC 6749 §4.1.2.1
		Description: "The current password is wrong. Nothing was changed.",
		Help: Help{
			Why:    "`current` is not the user's password. It counts like a failed sign-in, and is answered after the same time.",
			Client: "Show it to the user and let them type again.",
		},
	}
	errNewPassword = Error{
		ID: "new-password", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "The new password must have at least 8 characters, at most 1024 bytes in UTF-8, and no control or invisible characters. A few unrelated words make a good one.",
		Help: Help{
			Why:    "The new password is too short, too long, or holds what cannot be typed again reliably. Digits, capitals and signs are not asked for.",
			Client: "Check the length before sending, in characters and not in bytes, and show the description to the user. Nothing was changed, and the current password was not looked at.",
		},
	}
	errSamePassword = Error{
		ID: "same-password", Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "The new password is the same as the one given as current. Choose another.",
		Help: Help{
			Why:    "`current` and `new` are equal. Whether they are the user's password was not looked at.",
			Client: "Show it to the user. To end the other sessions without a new password, `DELETE /account/sessions/others`.",
		},
	}
	errChanged = Error{
		ID: "password-changed-meanwhile", Code: "invalid_request", Status: http.StatusConflict,
		Description: "The password was changed by another request at the same time. This one changed nothing. Try again with what is the current password now.",
		Help: Help{
			Why:    "Between the look at the current password and the change somebody else changed it: a second click on the same button, another device, or an operator.",
			Client: "Send the form once, however often the button is clicked. Then ask the user for the current password again.",
		},
	}
	errNoSession = Error{
		ID: "no-session", Code: "invalid_request", Status: http.StatusNotFound,
		Description: "You have no session with this id.",
		Help: Help{
			Why:    "The session is somebody else's, was removed some time after it ended, or never was. The answer is the same for all of them.",
			Client: "Take ids from the list, and read the list again.",
		},
	}
)
