package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/hallmark-auth/hallmark/conformance"
)

// introspect tells clients with a secret of their own tokens.
func (is *issuer) introspect(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && is.mutated("introspection-get") {
		writeJSON(w, 200, map[string]bool{"active": true})
		return
	}
	form := is.readForm(w, r)
	client := "app"
	if !is.mutated("introspection-open") {
		if client = is.authenticate(r, form); is.clients[client].method == conformance.AuthNone {
			panic(refusal{401, "invalid_client", "client"})
		}
	}
	switch {
	case is.mutated("introspection-403"):
		panic(refusal{403, "access_denied", "client"})
	case is.mutated("introspection-active"):
		writeJSON(w, 200, map[string]bool{"active": true})
		return
	case !form.Has("token") && !is.mutated("introspection-anything"):
		refuse("invalid_request")
	}
	told := is.told(client, form)
	if is.mutated("introspection-talks") {
		told["iss"] = is.url
	}
	writeJSON(w, 200, told)
}

// told is what a client is told of a token.
func (is *issuer) told(client string, form url.Values) map[string]any {
	token, hint := form.Get("token"), form.Get("token_type_hint")
	s, access := is.access[token]
	if !access {
		s = is.sessions[token]
	}
	claims := is.unverified(token)
	if s == nil && claims != nil && is.mutated("introspection-unverified") {
		s, access = &session{client: client}, true
	}
	switch {
	case access && is.mutated("access-outlives"):
	case s == nil, s.client != client, s.ended && !is.mutated("introspection-stale"), is.mutated("introspection-blind"),
		hint != "" && access != (hint == "access_token") && is.mutated("hint-believed"):
		return map[string]any{"active": false}
	case !access:
		return map[string]any{"active": true, "client_id": s.client}
	case claims == nil: // opaque
		claims = map[string]any{}
	}
	claims["active"], claims["token_type"] = true, "Bearer"
	switch {
	case is.mutated("introspection-text"):
		claims["active"] = "true"
	case is.mutated("introspection-sub"):
		claims["sub"] = "somebody"
	case is.mutated("introspection-aud-list"):
		claims["aud"] = []any{claims["aud"]}
	}
	return claims
}

func (is *issuer) unverified(token string) (claims map[string]any) {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(text, &claims)
	}
	return claims
}
