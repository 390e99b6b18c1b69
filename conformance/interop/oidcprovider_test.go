package interop

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

// providerFindings are what node-oidc-provider, set up with care, does not hold
// to: each was looked up in the specification and in its source.
var providerFindings = map[string]string{
	// Its own: deviations, most of them small.
	"tok-grant-not-allowed":     "RFC 6749 §5.2: a grant that the client may not use is invalid_request there, not unauthorized_client",
	"cauth-post-not-registered": "RFC 7591 §2: client_secret_basic and client_secret_post are one to it, whatever is registered",
	"meta-issuer-host-header":   "RFC 9700 §4.13: the endpoints in the metadata are built from Host; a proxy must fix it",
	"meta-issuer-path-tenant":   "RFC 8414 §3.3: a slash at the end of the address does not count, so that another issuer finds the document",
	"meta-cache":                "RFC 9111 §5.2.2: the metadata has neither max-age nor ETag",
	"cauth-pkjwt-typ":           "RFC 8725 §3.11: an assertion whose typ is at+jwt is taken",
	"jwks-cache-control":        "OIDC Core §10.1.1: the keys come without Cache-Control",
	"jwks-etag":                 "RFC 9110 §8.8.3: the keys come without an ETag",
	"jwks-method":               "RFC 9110 §15.5.6: POST to the keys is 404, not 405",
	"tok-pragma":                "RFC 6749 §5.1: there is no Pragma, which OAuth 2.1 drops",
	"http-nosniff":              "WHATWG Fetch: there is no nosniff; helmet adds it",
	"http-csp-json":             "OWASP ASVS 4.0 §14.4: there is no Content-Security-Policy; helmet adds it",
	// Node's, which drops a second Content-Type and Authorization without a word.
	"tok-ct-double":           "RFC 9110 §5.3: the first of two types counts",
	"cauth-basic-two-headers": "RFC 9110 §5.3: the first of two credentials counts",
	// What it leaves to its operator, and this one does not do.
	"pw-throttle-user":  "RFC 6749 §4.3.2: nothing limits the guessing of passwords",
	"pw-throttle-spray": "RFC 6819 §4.4.3.6: nor across users",
	"pw-legacy-notice":  "RFC 9700 §2.4: the password grant, which was added",
	"rot-lead-time":     "OIDC Core §10.1.1: this rotation signs two seconds after the key is published",
	"meta-issuer-form":  "RFC 8414 §2: plain http, on loopback",
	// The API's, express-oauth2-jwt-bearer.
	"bear-query": "RFC 6750 §2.3: it takes a token from the URL, and Express does not make the answer private",
}

// An oidcClient is one as node-oidc-provider registers it.
type oidcClient struct {
	ID            string              `json:"client_id"`
	Secret        string              `json:"client_secret,omitempty"`
	Method        string              `json:"token_endpoint_auth_method"`
	Grants        []string            `json:"grant_types"`
	ResponseTypes []string            `json:"response_types"`
	RedirectURIs  []string            `json:"redirect_uris"`
	Scope         string              `json:"scope"`
	Keys          *jose.JSONWebKeySet `json:"jwks,omitempty"`
}

// startProvider runs it, with access tokens in a format (jwt or opaque), and
// with what is to be done wrong.
func startProvider(t *testing.T, format string, wrong ...string) *foreign {
	t.Helper()
	needNode(t, "oidc-provider", "jose", "express", "express-oauth2-jwt-bearer")
	need(t, "Node 20.19 or later", "node", "-e", "process.exit(URL.parse ? 0 : 1)")
	need(t, "curl", "curl", "--version")
	port, hands := freePort(t), freePort(t)
	f := &foreign{issuer: "http://127.0.0.1:" + port, dir: t.TempDir()}
	const api, other = "urn:example:api", "urn:example:other"
	var clients []oidcClient
	add := func(flag, id, method, scope string, grants ...string) {
		c := oidcClient{ID: id, Method: method, Grants: append([]string{}, grants...), ResponseTypes: []string{}, RedirectURIs: []string{}, Scope: scope}
		if method == conformance.AuthKey {
			c.Keys = f.keyClient(t, id)
		} else {
			c.Secret = f.client(t, flag, id, method)
		}
		clients = append(clients, c)
	}
	const basic, scope = "client_secret_basic", "read write admin"
	add("client", "web", basic, scope, "password", "refresh_token")
	add("client2", "other", basic, "read write billing", "password", "refresh_token")
	add("basic-client", "b:a%c+k e&n=d", basic, scope, "password", "refresh_token") // what needs encoding
	add("post-client", "poster", "client_secret_post", scope, "password", "refresh_token")
	add("public-client", "app", "none", scope, "password", "refresh_token")
	add("no-password-client", "job", basic, scope, "refresh_token")
	add("no-refresh-client", "kiosk", basic, scope, "password")
	add("api-client", "api", basic, scope)
	add("jwt-client", "keyed", conformance.AuthKey, scope, "password")
	settings, err := json.Marshal(map[string]any{
		"issuer": f.issuer, "port": port, "hands": hands, "format": format, "wrong": wrong, "clients": clients, "users": f.users(t),
		"scopes": []string{"read", "write", "admin", "billing"}, "resources": []string{api, other},
		"apis": map[string]string{"default": api, "other": other}, "introspects": map[string]string{"api": api},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := f.secret(t, "settings.json", string(settings))
	launch(t, port, func() *exec.Cmd { return exec.Command("node", "node/server/oidc-provider.mjs", file) }).await(t)

	hand := "curl -fsS http://127.0.0.1:" + hands + "/"
	f.flags = append(f.flags,
		"--scope", "read write", "--scope-ungranted", "admin", "--scope-forbidden", "billing", "--resource", api+" "+other,
		"--hook-rotate", hand+"rotate", "--hook-restart", hand+"restart", "--hook-disable-user", hand+`disable/"$CONFORMANCE_USERNAME"`, "--hook-wait", "10s",
	)
	if format == "jwt" { // an API that verifies
		me := freePort(t)
		launch(t, me, func() *exec.Cmd {
			cmd := exec.Command("node", filepath.Join("node", "api", "express.mjs"))
			cmd.Env = site{issuer: f.issuer, audience: api}.environment("PORT="+me, "NODE_ENV=production")
			return cmd
		}).await(t)
		f.flags = append(f.flags, "--resource-url", "http://127.0.0.1:"+me+"/me")
	}
	return f
}

// TestNodeOIDCProvider: the suite examines node-oidc-provider, and says of it
// what is true.
func TestNodeOIDCProvider(t *testing.T) {
	t.Parallel()
	f := startProvider(t, "jwt")
	report := f.examine(t, "--abuse")
	found(t, report, providerFindings, 245)
	f.documented(t, report, "node-oidc-provider")
}

// Its JWTs cannot be introspected; with other access tokens the cases about that
// decide, and all hold.
func TestNodeOIDCProviderIntrospects(t *testing.T) {
	t.Parallel()
	report := startProvider(t, "opaque").examine(t, "--only", "intro-*,rev-*,rt-*")
	found(t, report, map[string]string{}, 45)
}

// providerDefects are what is done wrong on purpose, by the format of access
// tokens, and the cases that name it.
func providerDefects() map[string]map[string][]string {
	return map[string]map[string][]string{
		"jwt": {
			"rotation": {"rt-rotated-public"},
			"keys":     {"jwks-verifies-issued", "at-kid"},
		},
		"opaque": {
			"adapter":       {"rt-old-refused", "rt-reuse-revokes-family", "rt-grace-window", "rt-race-16"},
			"introspection": {"intro-refresh-hidden", "intro-client-token"},
		},
	}
}

// TestNodeOIDCProviderDefects: what is done wrong with a server of others is
// named by its cases.
func TestNodeOIDCProviderDefects(t *testing.T) {
	t.Parallel()
	for format, defects := range providerDefects() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			ids := slices.Concat(slices.Collect(maps.Values(defects))...)
			report := startProvider(t, format, slices.Collect(maps.Keys(defects))...).examine(t, "--abuse", "--only", strings.Join(ids, ","))
			names(t, report, providerFindings, ids...)
		})
	}
}
