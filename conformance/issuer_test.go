package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

// issuer is a small token server that keeps every rule the cases are about,
// but for those that its mutations switch off.
type issuer struct {
	url       string
	mutations []string
	key       jose.JSONWebKey
	stray     jose.JSONWebKey // never published

	mu       sync.Mutex
	clients  map[string]client
	users    map[string]*user
	sessions map[string]*session // by any refresh token ever issued
	seen     []string            // every secret received or issued
	requests int
}

type client struct {
	secret, method string
	window         time.Duration
}

type user struct {
	password string
	failures int
	until    time.Time
}

// Values that need escaping everywhere, so that each form must be redacted.
const (
	appSecret      = `not "a" secret <&%+é>:1`
	secondSecret   = "not-a-secret-2"
	postSecret     = "not a secret=3"
	alicePassword  = `not "a" password <&%+é>`
	victimPassword = "not-a-password-2"
)

// newIssuer starts one under the path /tenant.
func newIssuer(t *testing.T, mutations ...string) *issuer {
	t.Helper()
	is := &issuer{
		mutations: mutations, key: newKey(t), stray: newKey(t), sessions: map[string]*session{},
		clients: map[string]client{
			"app": {appSecret, conformance.AuthBasic, 0}, "second": {secondSecret, conformance.AuthBasic, 0},
			"poster": {postSecret, conformance.AuthPost, 0}, "spa": {"", conformance.AuthNone, 0},
			"lenient": {secondSecret, conformance.AuthBasic, 200 * time.Millisecond},
		},
		users: map[string]*user{"alice": {password: alicePassword}, "victim": {password: victimPassword}},
	}
	is.stray.KeyID = is.key.KeyID
	srv := httptest.NewServer(is.handler())
	t.Cleanup(srv.Close)
	is.url = srv.URL + "/tenant"
	return is
}

func newKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: "ES256", Use: "sig"}
}

// target is everything that the cases can use at is.
func (is *issuer) target() conformance.Target {
	return conformance.Target{
		Issuer: is.url,
		Client: conformance.Client{ID: "app", Secret: appSecret},
		Second: conformance.Client{ID: "second", Secret: secondSecret},
		Post:   conformance.Client{ID: "poster", Secret: postSecret, Method: conformance.AuthPost},
		Public: conformance.Client{ID: "spa"},
		User:   conformance.User{Name: "alice", Password: alicePassword},
		Victim: conformance.User{Name: "victim", Password: victimPassword},
		Scope:  "read write", Ungranted: "admin",
	}
}

func (is *issuer) mutated(name string) bool { return slices.Contains(is.mutations, name) }

func (is *issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server/tenant", is.metadata("no-8414"))
	mux.HandleFunc("GET /tenant/.well-known/openid-configuration", is.metadata("no-oidc"))
	mux.HandleFunc("GET /tenant/jwks", is.jwks)
	mux.HandleFunc("/tenant/token", is.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		is.requests++
		if !is.mutated("sniff") {
			w.Header().Set("X-Content-Type-Options", "nosniff")
		}
		mux.ServeHTTP(w, r)
	})
}

// metadata serves one of the two documents; without switches it off.
func (is *issuer) metadata(without string) http.HandlerFunc {
	oidc := without == "no-oidc"
	return func(w http.ResponseWriter, r *http.Request) {
		doc := map[string]any{
			"issuer": is.url, "token_endpoint": is.url + "/token", "jwks_uri": is.url + "/jwks",
			"grant_types_supported":                 []string{"password", "refresh_token"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		}
		switch {
		case is.mutated(without):
			http.NotFound(w, r)
			return
		case oidc && is.mutated("oidc-500"):
			w.WriteHeader(500)
			return
		case is.mutated("huge"):
			doc["padding"] = make([]byte, 1<<20)
		}
		for _, m := range []struct {
			mutation, member string
			value            any
		}{
			{"issuer-slash", "issuer", is.url + "/"},
			{"empty-array", "response_types_supported", []string{}},
			{"grant-unlisted", "grant_types_supported", []string{"password"}},
			{"grant-untrue", "grant_types_supported", []string{"password", "refresh_token", "client_credentials"}},
			{"alg-unlisted", "id_token_signing_alg_values_supported", []string{"RS256"}},
			{"basic-only", "token_endpoint_auth_methods_supported", []string{"client_secret_basic"}},
			{"cleartext", "token_endpoint", "http://issuer.invalid/token"},
		} {
			if is.mutated(m.mutation) {
				doc[m.member] = m.value
			}
		}
		if oidc && is.mutated("docs-differ") {
			doc["grant_types_supported"] = []string{"password"}
		}
		if is.mutated("no-jwks-uri") {
			delete(doc, "jwks_uri")
		}
		writeJSON(w, 200, doc)
	}
}

func (is *issuer) jwks(w http.ResponseWriter, r *http.Request) {
	keys := []map[string]any{jwkMembers(is.key.Public()), jwkMembers(is.stray.Public())}
	keys[1]["kid"] = "waiting"
	switch {
	case is.mutated("private-member"):
		keys[0]["d"] = "AAAA"
	case is.mutated("no-kid"):
		delete(keys[1], "kid")
	case is.mutated("same-kid"):
		keys[1]["kid"] = keys[0]["kid"]
	case is.mutated("other-kids"):
		keys[0]["kid"] = "other"
	}
	age := "public, max-age=300"
	if is.mutated("max-age-0") {
		age = "public, max-age=0"
	}
	w.Header().Set("Cache-Control", age)
	if !is.mutated("no-etag") {
		w.Header().Set("ETag", `"1"`)
	}
	if r.Header.Get("If-None-Match") == `"1"` && !is.mutated("etag-ignored") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if is.mutated("jwk-set-type") {
		w.Header().Set("Content-Type", "application/jwk-set+json")
	}
	writeJSON(w, 200, map[string]any{"keys": keys})
}

func jwkMembers(k jose.JSONWebKey) map[string]any {
	text, _ := k.MarshalJSON()
	var members map[string]any
	json.Unmarshal(text, &members)
	return members
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// count returns how many requests came.
func (is *issuer) count() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.requests
}
