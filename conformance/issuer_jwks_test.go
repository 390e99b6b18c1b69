package conformance_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// keys are the published ones; a mutation spoils one.
func (is *issuer) keys() []any {
	is.retire()
	first, second := jwkMembers(is.key.Public()), jwkMembers(is.stray.Public())
	second["kid"] = is.turned.waiting
	keys := is.spoilKeys([]any{first, second, rsaMembers()})
	if is.turned.hidden > 0 || is.behind() {
		keys = keys[1:]
	}
	for _, old := range is.turned.retired {
		members := jwkMembers(old.Public())
		if is.mutated("rotate-leaks") {
			members["d"] = "AAAA"
		}
		keys = append(keys, members)
	}
	switch {
	case is.turned.gap:
		is.turned.gap = false
		return []any{}
	case is.mutated("private-member"):
		first["d"] = "AAAA"
	case is.mutated("kids-computed"):
		first["kid"], second["kid"] = thumbprint(is.key), thumbprint(is.stray)
	case is.mutated("kid-of-another"):
		first["kid"] = thumbprint(is.stray)
	case is.mutated("no-kid"):
		delete(second, "kid")
	case is.mutated("same-kid"):
		second["kid"] = first["kid"]
	case is.mutated("other-kids"):
		first["kid"] = "other"
	case is.mutated("no-kty"):
		delete(second, "kty")
	case is.mutated("kty-unknown"):
		second["kty"] = "quantum"
	case is.mutated("no-y"):
		delete(second, "y")
	case is.mutated("rsa-no-e"):
		keys[1] = map[string]any{"kty": "RSA", "kid": "waiting", "n": "_w"}
	case is.mutated("okp-no-crv"):
		keys[1] = map[string]any{"kty": "OKP", "kid": "waiting", "x": "_w"}
	case is.mutated("padded"):
		second["x"] = second["x"].(string) + "="
	case is.mutated("line-break"):
		second["x"] = second["x"].(string) + "\n"
	case is.mutated("stray-bits"):
		keys[1] = map[string]any{"kty": "RSA", "kid": "waiting", "n": "_w", "e": "_x"}
	case is.mutated("leading-zero"):
		keys[1] = changed(rsaMembers(), members{"kid": "waiting", "n": lengthened(rsaMembers(), "n")})
	case is.mutated("oct-key"):
		keys[1] = map[string]any{"kty": "oct", "kid": "waiting"}
	case is.mutated("key-string"):
		keys[1] = "key"
	case is.mutated("empty-keys"):
		return []any{}
	}
	return keys
}

func (is *issuer) jwks(w http.ResponseWriter, r *http.Request) {
	if is.jwksRefused(w, r) {
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Content-Type", "application/json")
	switch {
	case is.mutated("max-age-0"):
		h.Set("Cache-Control", "public, max-age=0")
	case is.mutated("not-public"):
		h.Set("Cache-Control", "max-age=300")
	case is.mutated("cache-control-twice"):
		h.Set("Cache-Control", "Cache-Control: public, max-age=300")
	case is.mutated("no-cache-control"):
		h.Del("Cache-Control")
	case is.mutated("jwk-set-type"):
		h.Set("Content-Type", "application/jwk-set+json")
	case is.mutated("jwks-text"):
		h.Set("Content-Type", "text/plain")
	}
	tag := fmt.Sprintf(`"%d"`, is.turned.times+1)
	if is.mutated("etag-fixed") {
		tag = `"1"`
	}
	if !is.mutated("no-etag") {
		h.Set("ETag", tag)
	}
	if r.Header.Get("If-None-Match") == tag && !is.mutated("etag-ignored") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if is.mutated("jwks-203") {
		w.WriteHeader(203)
	}
	set := map[string]any{"keys": is.keys()}
	if is.mutated("no-keys") {
		set = map[string]any{"keys": is.keys()[0]}
	}
	text, _ := json.Marshal(set)
	w.Write(is.misspelt("jwks", text))
}

// thumbprint is that of RFC 7638 §3.
func thumbprint(key jose.JSONWebKey) string {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}
