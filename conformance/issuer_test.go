package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
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
	plain     string // host and port where it listens without TLS
	mutations []string
	key       jose.JSONWebKey
	stray     jose.JSONWebKey // published as the one that waits
	turned    turned
	second    string // where its other node listens
	atSecond  bool   // the present request came there
	crashed   crashed
	signer    jose.JSONWebKey // of the client of private_key_jwt
	jtis      map[string]bool // of its assertions

	mu        sync.Mutex
	clients   map[string]client
	users     map[string]*user
	sessions  map[string]*session // by any refresh token ever issued
	access    map[string]*session // by any access token
	seen      []string            // every secret received or issued
	form      url.Values          // of the request that is answered
	strangers int                 // failures of names that nobody has, since somebody signed in
	sprayed   time.Time           // until when nobody signs in, for too many of those
	requests  int
	urls      []string          // of the requests, where one had a query
	byConn    map[string]string // the client that authenticated first, by address
	claimed   string            // the address that the present request claims
	ends      int               // of sessions, by revocation
	busied    bool              // it said that it is busy
}

type client struct {
	secret, method string
	window         time.Duration
}

type user struct {
	password string
	disabled bool
	failures int
	until    time.Time
}

// Values that need escaping everywhere, so that each form must be redacted.
const (
	appSecret      = `not "a" secret <&%+é>:1`
	secondSecret   = "not:a/secret=2, but a long one"
	postSecret     = "not a secret=3, but a long one"
	alicePassword  = `not "a" password <&%+é>`
	victimPassword = "not-a-password-2, with é€😀, longer than the 72 bytes that bcrypt reads of it"
)

// newIssuer starts one under the path /tenant.
func newIssuer(t *testing.T, mutations ...string) *issuer {
	t.Helper()
	is := &issuer{
		mutations: mutations, key: newKey(t), stray: newKey(t), signer: newKey(t), jtis: map[string]bool{}, sessions: map[string]*session{}, access: map[string]*session{},
		byConn: map[string]string{}, turned: turned{signers: map[string]string{}},
		clients: map[string]client{
			"app": {appSecret, conformance.AuthBasic, 0}, "second": {secondSecret, conformance.AuthBasic, 0},
			"poster": {postSecret, conformance.AuthPost, 0}, "spa": {"", conformance.AuthNone, 0},
			"job": {secondSecret, conformance.AuthBasic, 0}, "kiosk": {"", conformance.AuthNone, 0},
			signer:    {"", conformance.AuthKey, 0},
			"brief":   {appSecret, conformance.AuthBasic, 0},
			"lenient": {secondSecret, conformance.AuthBasic, 200 * time.Millisecond},
			"api":     {postSecret, conformance.AuthBasic, 0}, // of https://api.example
		},
		users: map[string]*user{"alice": {password: alicePassword}, "victim": {password: victimPassword}},
	}
	is.stray.KeyID, is.turned.waiting = is.key.KeyID, "waiting"
	if is.mutated("weak-secret") {
		is.clients["app"] = client{"S3cr:et-9", conformance.AuthBasic, 0}
	}
	srv := httptest.NewServer(is.handler())
	t.Cleanup(srv.Close)
	is.plain = srv.Listener.Addr().String()
	is.url = srv.URL + "/tenant"
	is.second = is.secondNode(t)
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
		Client: conformance.Client{ID: "app", Secret: is.clients["app"].secret},
		Second: conformance.Client{ID: "second", Secret: secondSecret},
		Post:   conformance.Client{ID: "poster", Secret: postSecret, Method: conformance.AuthPost},
		API:    conformance.Client{ID: "api", Secret: postSecret}, ResourceURL: is.url + "/api",
		Public: conformance.Client{ID: "spa"},
		// Of one grant each.
		NoPassword: conformance.Client{ID: "job", Secret: secondSecret}, NoRefresh: conformance.Client{ID: "kiosk"},
		User:   conformance.User{Name: "alice", Password: alicePassword},
		Victim: conformance.User{Name: "victim", Password: victimPassword},
		Scope:  "read write", Ungranted: "admin", Forbidden: "billing", Resource: apiResource + " " + otherResource,
		Hooks: is.hooks(),
		Brief: conformance.Client{ID: "brief", Secret: appSecret}, RefreshIdle: briefIdle, RefreshLifetime: briefLife,
		KeyRetention: keyRetention, SecondNode: is.second, JWT: is.jwtClient(), ResourceScope: "stock",
	}
}

func (is *issuer) mutated(name string) bool { return slices.Contains(is.mutations, name) }

func (is *issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-authorization-server/tenant", is.metadata("no-8414"))
	mux.HandleFunc("/tenant/.well-known/openid-configuration", is.metadata("no-oidc"))
	mux.HandleFunc("/tenant/jwks", is.jwks)
	mux.HandleFunc("/tenant/token", is.oauth(is.token))
	mux.HandleFunc("/tenant/revoke", is.oauth(is.revoke))
	mux.HandleFunc("/tenant/introspect", is.oauth(is.introspect))
	mux.HandleFunc("/tenant/api", is.resource)
	mux.HandleFunc("/tenant/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		is.requests++
		is.atSecond = r.Header.Get(secondHeader) != ""
		if r.URL.RawQuery != "" {
			is.urls = append(is.urls, r.RequestURI)
		}
		is.headers(w.Header(), r)
		switch {
		case is.odd(w, r):
		case is.mutated("any-tenant") && strings.Contains(r.URL.Path, ".well-known"):
			is.metadata("no-8414")(w, r)
		case is.mutated("slash-redirect") && strings.HasSuffix(r.URL.Path, "/token/"):
			http.Redirect(w, r, "/tenant/token", http.StatusMovedPermanently)
		case is.mutated("slash-500") && strings.HasSuffix(r.URL.Path, "//token"):
			w.WriteHeader(500)
		case strings.Contains(r.URL.Path, "//"): // which the mux would answer with a redirect
			http.NotFound(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func jwkMembers(k jose.JSONWebKey) map[string]any {
	text, _ := k.MarshalJSON()
	var members map[string]any
	json.Unmarshal(text, &members)
	return members
}

func newID() string { return rand.Text() }

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
