package server_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

func (k *kit) get(url string, edit ...func(*http.Request)) answer {
	k.Helper()
	r, err := http.NewRequest("GET", url, nil)
	k.must(err)
	for _, e := range edit {
		e(r)
	}
	return k.do(r)
}

func statusOf(h http.Handler, path string) int {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec.Code
}

func strs(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, e := range list {
		s, _ := e.(string)
		out = append(out, s)
	}
	return out
}

// TestMetadata: both names of the document, below an issuer with a path, say
// the same, and no more than what is served.
func TestMetadata(t *testing.T) {
	k := newKit(t, "/auth")
	host := strings.TrimSuffix(k.issuer, "/auth")
	oauth, openid := k.get(host+"/.well-known/oauth-authorization-server/auth"), k.get(k.issuer+"/.well-known/openid-configuration")
	if oauth.status != 200 || oauth.raw != openid.raw {
		t.Fatalf("oauth: %d %s; openid: %d %s", oauth.status, oauth.raw, openid.status, openid.raw)
	}
	for name, want := range map[string]string{"issuer": k.issuer, "token_endpoint": k.tokenURL(), "revocation_endpoint": k.issuer + "/oauth2/revoke", "introspection_endpoint": k.issuer + "/oauth2/introspect", "jwks_uri": k.issuer + "/.well-known/jwks.json"} {
		if oauth.str(name) != want {
			t.Errorf("%s = %q, want %q", name, oauth.str(name), want)
		}
	}
	for name, want := range map[string][]string{
		"grant_types_supported":                         {"password", "refresh_token"},
		"token_endpoint_auth_methods_supported":         {"none", "client_secret_basic", "client_secret_post"},
		"revocation_endpoint_auth_methods_supported":    {"none", "client_secret_basic", "client_secret_post"},
		"introspection_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post"},
		"id_token_signing_alg_values_supported":         {"ES256", "RS256"},
	} {
		if got := strs(oauth.body[name]); !slices.Equal(got, want) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, path := range []string{host + "/.well-known/oauth-authorization-server", host + "/.well-known/openid-configuration", k.issuer + "/x/.well-known/openid-configuration"} {
		if a := k.get(path); a.status != 404 {
			t.Errorf("%s answered %d", path, a.status)
		}
	}
	spoofed := k.get(k.issuer+"/.well-known/openid-configuration", func(r *http.Request) {
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
	})
	if spoofed.raw != openid.raw {
		t.Error("the document depends on what the request says of itself")
	}
}

// TestDocumentHeaders: cached for as long as the timetable of keys allows,
// cheap to ask for again, open to every origin.
func TestDocumentHeaders(t *testing.T) {
	k := newKit(t, "")
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server"} {
		a := k.get(k.issuer+path, fromOrigin(spa))
		etag := a.header.Get("ETag")
		if a.header.Get("Cache-Control") != "public, max-age=300" || etag == "" || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", path, a.header)
		}
		if again := k.get(k.issuer+path, func(r *http.Request) { r.Header.Set("If-None-Match", etag) }); again.status != 304 || again.raw != "" {
			t.Errorf("%s: asked again: %d", path, again.status)
		}
		if post := k.get(k.issuer+path, func(r *http.Request) { r.Method = "POST" }); post.status != 405 || !strings.Contains(post.header.Get("Allow"), "GET") {
			t.Errorf("%s: POST: %d", path, post.status)
		}
	}
}

// TestMaxAgeIsTheSchedules: verifiers may cache for as long as the ring's
// timetable reckons with, and no longer.
func TestMaxAgeIsTheSchedules(t *testing.T) {
	k := newKit(t, "")
	schedule := keys.DefaultSchedule()
	schedule.Algorithms, schedule.MaxAge = []keys.Algorithm{keys.ES256}, time.Minute
	ring, err := keys.NewRing(schedule)
	k.must(err)
	ring, _, err = ring.Advance(keys.Instant{Wall: time.Now(), Service: 1}, keys.GenerateKey)
	k.must(err)
	k.must(k.server.Publish(ring))
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		if got := k.get(k.issuer + path).header.Get("Cache-Control"); got != "public, max-age=60" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
	if algs := strs(k.get(k.issuer + "/.well-known/openid-configuration").body["id_token_signing_alg_values_supported"]); !slices.Equal(algs, []string{"ES256"}) {
		t.Errorf("the metadata lags behind the ring: %q", algs)
	}
}

// TestKeySet: a signing and a waiting key of each line, nothing private.
func TestKeySet(t *testing.T) {
	k := newKit(t, "")
	a := k.get(k.issuer + "/.well-known/jwks.json")
	byAlg := map[string]int{}
	for _, v := range a.body["keys"].([]any) {
		key := v.(map[string]any)
		byAlg[key["alg"].(string)]++
		if key["use"] != "sig" || key["kid"] == "" {
			t.Errorf("key %v", key)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, ok := key[private]; ok {
				t.Errorf("the set has a private member %q", private)
			}
		}
	}
	if byAlg["ES256"] != 2 || byAlg["RS256"] != 2 {
		t.Errorf("published: %v", byAlg)
	}
}

// TestRotationIsSeenAtOnce: a rotated key signs, a revoked one is out of the
// set, and the next one waits, without a restart.
func TestRotationIsSeenAtOnce(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	before := k.part(k.login(user, client).str("access_token"), 0)["kid"]
	etag := k.get(k.issuer + "/.well-known/jwks.json").header.Get("ETag")

	_, err := k.keys.Edit(t.Context(), func(r keys.Ring, now keys.Instant, generate keys.Generate) (keys.Ring, error) {
		return r.Rotate(keys.ES256, now, true)
	})
	k.must(err)
	after := k.part(k.login(user, client).str("access_token"), 0)["kid"]
	set := k.get(k.issuer + "/.well-known/jwks.json")
	if after == before || set.header.Get("ETag") == etag {
		t.Errorf("signs %v, signed %v; the set changed: %v", after, before, set.header.Get("ETag") != etag)
	}
	if !strings.Contains(set.raw, before.(string)) || !strings.Contains(set.raw, after.(string)) {
		t.Error("a retired or signing key is not in the set")
	}
}

func TestOperatorsListener(t *testing.T) {
	k := newKit(t, "")
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/oauth2/token": 404, "/": 404} {
		rec := statusOf(k.server.OpsHandler(), path)
		if rec != want {
			t.Errorf("%s answered %d, want %d", path, rec, want)
		}
	}
	k.must(k.store.Close())
	if got := statusOf(k.server.OpsHandler(), "/readyz"); got != 503 {
		t.Errorf("ready without a store: %d", got)
	}
	if a := k.post(form("grant_type", "password", "client_id", "web")); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a request without a store: %d %s", a.status, a.raw)
	}
}
