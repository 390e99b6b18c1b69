package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Require returns middleware that lets a request through if it bears a valid
// token with all of these scopes; the handler finds the claims with
// FromContext. The token is taken from the Authorization header only. Refusals
// are those of RFC 6750 §3: 401 without and 401 with an unusable token, 403
// with too little scope, 400 for a request that is wrong in itself; and 503
// while the issuer's keys are not to be had. A CORS preflight bears no token:
// whatever answers it has to come first.
//
// It panics if a scope cannot be one (RFC 6749 §3.3), which is a mistake in the
// program.
func (v *Verifier) Require(scopes ...string) func(http.Handler) http.Handler {
	for _, scope := range scopes {
		if !isScope(scope) {
			panic(fmt.Sprintf("verify: %q is not a scope", scope))
		}
	}
	needed := strings.Join(scopes, " ")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, refused := v.admit(r, scopes)
			if refused != nil {
				refused.write(w, v.challenge(*refused, needed))
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
		})
	}
}

type claimsKey struct{}

// FromContext returns the claims of the token that Require let through.
func FromContext(ctx context.Context) (*Claims, bool) {
	claims, ok := ctx.Value(claimsKey{}).(*Claims)
	return claims, ok
}

// A refusal is an answer to a request that is not let through. Descriptions
// are the same whatever is wrong with a token: no oracle for forgers.
type refusal struct {
	status      int
	code        string // RFC 6750 §3.1
	description string
}

var badToken = refusal{http.StatusUnauthorized, "invalid_token", "The access token is malformed, expired, or not meant for this resource"}

// admit decides on a request.
func (v *Verifier) admit(r *http.Request, scopes []string) (*Claims, *refusal) {
	raw, refused := bearer(r)
	if refused != nil {
		return nil, refused
	}
	claims, err := v.Verify(r.Context(), raw)
	if err != nil {
		v.log.DebugContext(r.Context(), "token refused", "error", err)
		if why := (*Error)(nil); errors.As(err, &why) && why.Unavailable {
			return nil, &refusal{status: http.StatusServiceUnavailable}
		}
		refused := badToken
		return nil, &refused
	}
	for _, scope := range scopes {
		if !slices.Contains(claims.Scope, scope) {
			return nil, &refusal{http.StatusForbidden, "insufficient_scope", "The access token does not have the scope that this needs"}
		}
	}
	return claims, nil
}

// bearer takes the token from the request (RFC 6750 §2.1).
func bearer(r *http.Request) (string, *refusal) {
	wrong := func(description string) (string, *refusal) {
		return "", &refusal{http.StatusBadRequest, "invalid_request", description}
	}
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return wrong("There is more than one Authorization header")
	}
	if len(values) == 0 {
		return "", &refusal{status: http.StatusUnauthorized} // RFC 6750 §3.1: no code when there is no token
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110 §11.1
		return "", &refusal{status: http.StatusUnauthorized}
	}
	token = strings.Trim(token, " ") // RFC 9110 §11.4: one or more spaces
	if !isToken(token) {
		return wrong("The Authorization header does not hold one bearer token")
	}
	if r.URL.RawQuery != "" && r.URL.Query().Has("access_token") { // RFC 6750 §2: one method only
		return wrong("A token is in the Authorization header and another in the query")
	}
	return token, nil
}

// write answers with the challenge.
func (f *refusal) write(w http.ResponseWriter, challenge string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
		http.Error(w, "tokens cannot be verified at the moment", f.status)
		return
	}
	h.Set("WWW-Authenticate", challenge)
	http.Error(w, strings.ToLower(http.StatusText(f.status)), f.status)
}

// challenge is the WWW-Authenticate of a refusal (RFC 6750 §3), with the scope
// that is needed and where the resource describes itself (RFC 9728 §5.1).
func (v *Verifier) challenge(f refusal, scope string) string {
	challenge := `Bearer realm="` + quotable(v.audience) + `"`
	if f.code != "" {
		challenge += `, error="` + f.code + `", error_description="` + f.description + `"`
	}
	if scope != "" && f.status != http.StatusBadRequest {
		challenge += `, scope="` + scope + `"`
	}
	if v.page.url != "" {
		challenge += `, resource_metadata="` + quotable(v.page.url) + `"`
	}
	return challenge
}

// quotable drops what cannot stand in a quoted string (RFC 9110 §5.6.4).
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// isToken checks the syntax of b64token (RFC 6750 §2.1).
func isToken(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// isScope checks the syntax of a scope token (RFC 6749 §3.3).
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
