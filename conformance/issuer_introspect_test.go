package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

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
		if client = is.authenticate(r, form); is.clients[client].method == conformance.AuthNone && !(form.Has("client_secret") && is.mutated("secret-upgrades")) {
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
	if is.access[form.Get("token")] != nil && is.mutated("introspection-not-jwt") {
		refuse("unsupported_token_type")
	}
	told := is.told(client, form)
	if is.mutated("introspection-talks") {
		told["iss"] = is.url
	}
	if !is.mutated("introspection-storable") {
		w.Header().Set("Cache-Control", "no-store")
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/token-introspection") && is.signsAnswers(w, client, told) {
		return
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
	claims, asks := is.unverified(token), client
	if s != nil && is.tells(client, s, access) {
		client = s.client
	}
	if s == nil && claims != nil && is.mutated("introspection-unverified") {
		s, access = &session{client: client}, true
	}
	switch {
	case access && is.mutated("access-outlives"):
	case s == nil, s.client != client, s.ended && !is.mutated("introspection-stale"), is.mutated("introspection-blind"),
		hint != "" && access != (hint == "access_token") && is.mutated("hint-believed"):
		return map[string]any{"active": false}
	case !access && is.mutated("introspection-access-only"):
		return map[string]any{"active": false}
	case !access:
		return map[string]any{"active": true, "client_id": s.client}
	case claims == nil: // opaque
		claims = map[string]any{}
	}
	if asks == "api" && s.client == "second" && is.mutated("introspection-little") {
		return map[string]any{"active": true, "exp": claims["exp"]}
	}
	claims["active"], claims["token_type"] = true, "Bearer"
	if s.bound != "" && !is.mutated("dpop-bound-told-bearer") {
		claims["token_type"] = "DPoP"
	}
	switch {
	case is.mutated("dpop-bound-untold"):
		delete(claims, "cnf")
	case is.mutated("introspection-aud-client"):
		claims["aud"] = asks
	case is.mutated("introspection-text"):
		claims["active"] = "true"
	case is.mutated("introspection-sub"):
		claims["sub"] = "somebody"
	case is.mutated("introspection-aud-list"):
		claims["aud"] = []any{claims["aud"]}
	}
	return claims
}

// tells reports whether a client is told of another one's token.
func (is *issuer) tells(client string, s *session, access bool) bool {
	switch {
	case is.mutated("introspection-of-all"):
		return true
	case client != "api" || !access:
		return access && is.mutated("introspection-of-access")
	case is.mutated("introspection-api-blind"):
		return false
	}
	return s.client != "second" || is.mutated("introspection-api-all") || is.mutated("introspection-little")
}

func (is *issuer) unverified(token string) (claims map[string]any) {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(text, &claims)
	}
	return claims
}

// signsAnswers answers as RFC 9701 says, where a mutation offers that. It
// reports whether it did.
func (is *issuer) signsAnswers(w http.ResponseWriter, client string, told members) bool {
	claims := members{"iss": is.url, "aud": client, "iat": time.Now().Unix(), "token_introspection": told}
	header, key := map[jose.HeaderKey]any{"typ": "token-introspection+jwt", "kid": is.key.KeyID}, is.key.Key
	switch {
	case is.mutated("intro-jwt"):
	case is.mutated("intro-jwt-typ"):
		header["typ"] = "JWT"
	case is.mutated("intro-jwt-no-aud"):
		delete(claims, "aud")
	case is.mutated("intro-jwt-iss"):
		claims["iss"] = "https://other.example"
	case is.mutated("intro-jwt-undated"):
		delete(claims, "iat")
	case is.mutated("intro-jwt-flat"):
		delete(claims, "token_introspection")
	case is.mutated("intro-jwt-forged"):
		key = is.stray.Key
	default:
		return false
	}
	w.Header().Set("Content-Type", "application/token-introspection+jwt")
	io.WriteString(w, is.compact(key, header, claims))
	return true
}
