package conformance_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// claims are the members that a mutation sets; nil takes one away.
func (is *issuer) claims(mutation string) map[string]any {
	authorize := func(more members) members {
		m := members{
			"authorization_endpoint": is.url + "/authorize", "response_types_supported": []string{"code"},
			"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
		}
		for name, value := range more {
			m[name] = value
		}
		return m
	}
	const methods, algs = "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported"
	all := []string{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"}
	if strings.HasPrefix(mutation, "dpop-bound") {
		return members{"dpop_signing_alg_values_supported": []string{"ES256"}}
	}
	if strings.HasPrefix(mutation, "intro-jwt") {
		return members{"introspection_signing_alg_values_supported": []string{"ES256"}}
	}
	if strings.HasPrefix(mutation, "cc") {
		return members{"grant_types_supported": []string{"password", "refresh_token", "client_credentials"}}
	}
	return map[string]members{
		"issuer-slash":     {"issuer": is.url + "/"},
		"issuer-query":     {"issuer": is.url + "?a=b"},
		"issuer-user":      {"issuer": "https://u@issuer.example"},
		"issuer-cleartext": {"issuer": "http://issuer.example"},
		"issuer-relative":  {"issuer": "/tenant"},

		"cleartext":         {"token_endpoint": "http://issuer.invalid/token"},
		"token-fragment":    {"token_endpoint": is.url + "/token#x"},
		"no-token-endpoint": {"token_endpoint": nil},
		"no-jwks-uri":       {"jwks_uri": nil},
		"jwks-cleartext":    {"jwks_uri": "http://issuer.invalid/jwks"},
		"jwks-gone":         {"jwks_uri": is.url + "/nothing"},
		"jwks-elsewhere":    {"jwks_uri": strings.Replace(is.url, "127.0.0.1", "localhost", 1) + "/jwks"},
		"dead-endpoint":     {"registration_endpoint": is.url + "/nothing"},
		"broken-endpoint":   {"registration_endpoint": is.url + "/broken"},

		"empty-array":           {"response_types_supported": []string{}},
		"response-types-string": {"response_types_supported": "code"},
		"flag-string":           {"claims_parameter_supported": "true"},
		"list-string":           {"ui_locales_supported": "en"},
		"list-mixed":            {"ui_locales_supported": []any{"en", 1}},
		"page-relative":         {"service_documentation": "docs.html"},
		"endpoint-cleartext":    {"registration_endpoint": "http://issuer.invalid/register"},
		"text-number":           {"signed_metadata": 1},
		"object-string":         {"mtls_endpoint_aliases": "x"},
		"unknown-member":        {"x_own": true},
		"page-http":             {"service_documentation": "http://docs.example"},

		"password-unlisted": {"grant_types_supported": []string{"refresh_token"}},
		"grant-unlisted":    {"grant_types_supported": []string{"password"}},
		"grant-untrue":      {"grant_types_supported": []string{"password", "refresh_token", "client_credentials"}},
		"no-rs256":          {"id_token_signing_alg_values_supported": []string{"ES256", "PS256"}},
		"algs-unlisted":     {"id_token_signing_alg_values_supported": nil},
		"alg-unlisted":      {"id_token_signing_alg_values_supported": []string{"RS256"}},
		"basic-only":        {methods: []string{"client_secret_basic"}},
		"post-unlisted":     {methods: []string{"client_secret_basic", "none", "private_key_jwt"}},
		"none-unlisted":     {methods: []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}},

		"no-jwt-auth":      {methods: all[:3], algs: nil},
		"jwt-auth-no-rs":   {methods: all, algs: []string{"ES256"}},
		"jwt-auth-no-algs": {methods: all, algs: nil},
		"jwt-auth-none":    {methods: all, algs: []string{"RS256", "none"}},

		"no-revocation":        {"revocation_endpoint": nil, "revocation_endpoint_auth_methods_supported": nil},
		"revocation-unsaid":    {"revocation_endpoint_auth_methods_supported": nil}, // by client_secret_basic then
		"revocation-by-jwt":    {"revocation_endpoint_auth_methods_supported": []string{"private_key_jwt"}},
		"no-introspection":     {"introspection_endpoint": nil, "introspection_endpoint_auth_methods_supported": nil},
		"introspection-silent": {"introspection_endpoint_auth_methods_supported": nil},

		"authorize":          authorize(nil),
		"authorize-no-types": authorize(members{"response_types_supported": nil}),
		"authorize-plain":    authorize(members{"code_challenge_methods_supported": []string{"plain"}}),
		"authorize-no-pkce":  authorize(members{"code_challenge_methods_supported": nil}),
		"authorize-no-iss":   authorize(members{"authorization_response_iss_parameter_supported": nil}),
		"openid":             authorize(members{"scopes_supported": []string{"openid"}, "id_token_signing_alg_values_supported": []string{"ES256", "RS256"}}),
		"openid-partial":     {"scopes_supported": []string{"openid", "read"}},
		"openid-unlisted":    {"userinfo_endpoint": is.url + "/userinfo"},
		"no-scopes":          {"scopes_supported": nil},
		"scope-illegal":      {"scopes_supported": []string{"read all"}},
		"dpop":               {"dpop_signing_alg_values_supported": []string{"ES256"}},
		"dpop-symmetric":     {"dpop_signing_alg_values_supported": []string{"ES256", "HS256"}},
	}[mutation]
}

// metadata serves one of the two documents; without switches it off.
func (is *issuer) metadata(without string) http.HandlerFunc {
	oidc := without == "no-oidc"
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case is.mutated(without), is.mutated("no-documents"):
			http.NotFound(w, r)
			return
		case oidc && is.mutated("oidc-page"), strings.HasPrefix(r.Host, "evil.") && is.mutated("other-host-page"):
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>Welcome")
			return
		}
		if oidc && is.mutated("oidc-500") || !oidc && is.mutated("oauth-500") {
			w.WriteHeader(500)
			return
		}
		if is.documentHeaders(w, r) {
			return
		}
		doc := map[string]any{
			"issuer": is.url, "token_endpoint": is.url + "/token", "jwks_uri": is.url + "/jwks",
			"grant_types_supported":                            []string{"password", "refresh_token"},
			"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"},
			"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "ES256"},
			"id_token_signing_alg_values_supported":            []string{"ES256", "RS256", "ES384"},
			"subject_types_supported":                          []string{"public"},
			"revocation_endpoint":                              is.url + "/revoke", "introspection_endpoint": is.url + "/introspect",
			"revocation_endpoint_auth_methods_supported":    []string{"client_secret_basic", "client_secret_post", "none"},
			"introspection_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
			"scopes_supported": []string{"read", "write"},
		}
		for _, mutation := range is.mutations {
			for member, value := range is.claims(mutation) {
				if doc[member] = value; value == nil {
					delete(doc, member)
				}
			}
		}
		switch forwarded := r.Header.Get("X-Forwarded-Host"); {
		case is.mutated("huge"):
			doc["padding"] = make([]byte, 1<<20)
		case oidc && is.mutated("docs-differ"):
			doc["grant_types_supported"] = []string{"password"}
		case oidc && is.mutated("docs-ordered"):
			doc["grant_types_supported"] = []string{"refresh_token", "password"}
		case oidc && is.mutated("own-in-openid"), !oidc && is.mutated("own-in-oauth"):
			doc["x_own"] = true
		case is.mutated("host-trusted"):
			doc["token_endpoint"] = "http://" + r.Host + "/tenant/token"
		case is.mutated("forwarded-trusted") && forwarded != "":
			doc["token_endpoint"] = "https://" + forwarded + "/tenant/token"
		case is.mutated("forwarded-changes") && forwarded != "":
			delete(doc, "jwks_uri")
		}
		text, _ := json.Marshal(doc)
		w.Write(is.misspelt("doc", text))
	}
}

// documentHeaders does what a metadata document needs beside its text. It
// reports whether the request is done.
func (is *issuer) documentHeaders(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=300")
	h.Set("ETag", `"2"`)
	h.Set("Access-Control-Allow-Origin", "*")
	switch {
	case is.mutated("no-cors"):
		h.Del("Access-Control-Allow-Origin")
	case is.mutated("cors-credentials"):
		h.Set("Access-Control-Allow-Credentials", "true")
	case is.mutated("doc-no-store"):
		h.Set("Cache-Control", "no-store")
	case is.mutated("doc-no-cache"), is.mutated("doc-tag"):
		h.Del("Cache-Control")
	case is.mutated("doc-html"):
		h.Set("Content-Type", "text/html")
	}
	status, allow := 0, "GET, HEAD, OPTIONS"
	switch {
	case is.mutated("doc-redirect") && !strings.Contains(r.URL.RawQuery, "again"):
		h.Set("Location", "?again")
		status = 302
	case r.Method == http.MethodPost && is.mutated("doc-no-allow"), r.Method == http.MethodHead && is.mutated("head-bare"):
		status, allow = 405, ""
	case r.Method == http.MethodHead && is.mutated("head-404"), r.Method == http.MethodPost && is.mutated("doc-post-404"):
		status = 404
	case r.Method == http.MethodOptions && is.mutated("no-preflight"), r.Method == http.MethodPost && !is.mutated("doc-post"), r.Method == http.MethodPatch, r.Method == http.MethodTrace,
		r.Method == http.MethodHead && is.mutated("head-405"):
		status = 405
	case r.Method == http.MethodOptions:
		status = 204
	case r.Header.Get("If-None-Match") == `"2"` && !is.mutated("doc-no-cache"):
		status = 304
	case is.mutated("doc-203"):
		w.WriteHeader(203)
	}
	if status == 0 {
		return false
	}
	if allow != "" {
		h.Set("Allow", allow)
	}
	w.WriteHeader(status)
	return true
}

// misspelt changes a JSON object into something that only some parsers take
// for the same.
func (is *issuer) misspelt(what string, text []byte) []byte {
	switch {
	case is.mutated(what + "-twice"):
		return bytes.Replace(text, []byte("{"), []byte(`{"issuer":"x","\u0069ssuer":"y",`), 1)
	case is.mutated(what + "-bom"):
		return append([]byte("\xef\xbb\xbf"), text...)
	case is.mutated(what + "-trailing"):
		return append(text, "{}"...)
	case is.mutated(what + "-latin1"):
		return bytes.Replace(text, []byte("{"), []byte("{\"display_name\":\"\xe9\","), 1)
	}
	return text
}
