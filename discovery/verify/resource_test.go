package verify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// RFC 9728: a client that is refused finds the issuer by the challenge alone.
func TestResourceMetadata(t *testing.T) {
	f := newForge(t)
	mux := http.NewServeMux()
	api := httptest.NewServer(mux)
	defer api.Close()
	v := newVerifier(t, WithKeySet(f.jwks), WithIssuer(otherURL, WithKeySet(f.jwks)), WithResource(api.URL+"/orders", "orders", "profile"))
	mux.Handle(v.ResourceMetadata())
	mux.Handle("/orders", v.Require("orders")(hello))

	res, err := http.Get(api.URL + "/orders")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	challenge := res.Header.Get("WWW-Authenticate")
	_, rest, _ := strings.Cut(challenge, `resource_metadata="`)
	url, _, found := strings.Cut(rest, `"`)
	if res.StatusCode != 401 || !found {
		t.Fatalf("got %s, %s", res.Status, challenge)
	}
	if res, err = http.Get(url); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: got %s %v, %v", url, res.Status, res.Header, err)
	}
	want := map[string]any{
		"resource":                 api.URL + "/orders", // RFC 9728 §3.3: what the client asked for, exactly
		"authorization_servers":    []any{issuerURL, otherURL},
		"scopes_supported":         []any{"orders", "profile"},
		"bearer_methods_supported": []any{"header"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("browsers cannot read it")
	}
}

// Every challenge says where the resource describes itself.
func TestChallengesNameTheMetadata(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks), WithResource("https://api.example.com"))
	const realm, page = `Bearer realm="https://api.example.com"`, `, resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
	good := "Bearer " + f.es(claims())
	for name, test := range map[string]struct {
		authorization []string
		status        int
		challenge     string
	}{
		"no token":         {nil, 401, realm + `, scope="admin"` + page},
		"bad token":        {[]string{"Bearer x"}, 401, realm + `, error="invalid_token", error_description="` + badToken.description + `", scope="admin"` + page},
		"too little scope": {[]string{good}, 403, realm + `, error="insufficient_scope", error_description="The access token does not have the scope that this needs", scope="admin"` + page},
		"bad request":      {[]string{good, good}, 400, realm + `, error="invalid_request", error_description="There is more than one Authorization header"` + page},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = test.authorization
		w := httptest.NewRecorder()
		v.Require("admin")(hello).ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != test.status || got != test.challenge {
			t.Errorf("%s: got %d %s\nwant %s", name, w.Code, got, test.challenge)
		}
	}
}

func TestResourceMetadataPath(t *testing.T) {
	keys := WithKeySet(newForge(t).jwks)
	for resource, want := range map[string]string{
		"https://api.example.com":        "/.well-known/oauth-protected-resource",
		"https://api.example.com/orders": "/.well-known/oauth-protected-resource/orders",
	} {
		if path, _ := newVerifier(t, keys, WithResource(resource)).ResourceMetadata(); path != want {
			t.Errorf("%s: got %s", resource, path)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("metadata of no resource")
		}
	}()
	newVerifier(t, keys).ResourceMetadata()
}

// An error has all that an answer needs, for those who write it themselves.
func TestErrorsMapToChallenges(t *testing.T) {
	jwks, attacks := readAttacks(t)
	v := attackVerifier(t, jwks)
	const want = `Bearer realm="https://api.example.com", error="invalid_token", error_description="The access token is malformed, expired, or not meant for this resource"`
	for _, a := range attacks {
		if a.refuse == "" {
			continue
		}
		_, err := v.Verify(t.Context(), a.token)
		if why := err.(*Error); why.Status != 401 || why.Code != "invalid_token" || why.Challenge != want || why.Unavailable {
			t.Errorf("%s: got %+v", a.name, why)
		}
	}
	v.authorities[0].keys = gone{}
	for _, a := range attacks {
		if a.refuse != "" {
			continue
		}
		_, err := v.Verify(t.Context(), a.token)
		if why := err.(*Error); why.Status != 503 || why.Code != "" || why.Challenge != "" || !why.Unavailable {
			t.Errorf("%s, without keys: got %+v", a.name, why)
		}
	}
}
