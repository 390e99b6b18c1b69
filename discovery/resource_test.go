package discovery

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestResourceMetadata(t *testing.T) {
	d, err := ResourceMetadata{
		Resource: "https://api.example.com/orders", AuthorizationServers: []string{"https://auth.example.com"},
		ScopesSupported: []string{"orders"}, BearerMethodsSupported: []string{"header"},
	}.Document()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	const want = `{"resource":"https://api.example.com/orders","authorization_servers":["https://auth.example.com"],` +
		`"scopes_supported":["orders"],"bearer_methods_supported":["header"]}`
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != want { // RFC 9728 §3.2
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	// RFC 9728 §3.2: what has no elements is left out.
	if d := must(ResourceMetadata{Resource: "https://api.example.com"}.Document()); string(d.Bytes()) != `{"resource":"https://api.example.com"}` {
		t.Errorf("got %s", d.Bytes())
	}
	if _, err := (ResourceMetadata{Resource: "https://api.example.com", AuthorizationServers: []string{"http://auth.example.com"}}).Document(); err == nil {
		t.Error("an issuer over plain http was taken")
	}
}

func TestResourceMetadataURL(t *testing.T) {
	const wellKnown = "/.well-known/oauth-protected-resource"
	for resource, want := range map[string][2]string{
		"https://api.example.com":         {"https://api.example.com" + wellKnown, wellKnown},
		"https://api.example.com/":        {"https://api.example.com" + wellKnown, wellKnown}, // RFC 9728 §3.1
		"https://api.example.com/orders":  {"https://api.example.com" + wellKnown + "/orders", wellKnown + "/orders"},
		"https://api.example.com:8443/a/": {"https://api.example.com:8443" + wellKnown + "/a/", wellKnown + "/a/"},
		"http://127.0.0.1:8090/a%20b":     {"http://127.0.0.1:8090" + wellKnown + "/a%20b", wellKnown + "/a%20b"},
	} {
		if whole, path, err := ResourceMetadataURL(resource); err != nil || whole != want[0] || path != want[1] {
			t.Errorf("%s: got %s, %s, %v", resource, whole, path, err)
		}
	}
	for _, resource := range []string{
		"", "urn:example:api", "api.example.com", "http://api.example.com", "https://u:p@api.example.com",
		"https://api.example.com?x", "https://api.example.com/#x", "https://api.example.com/a//b", "https://api.example.com/a/../b",
	} {
		if whole, path, err := ResourceMetadataURL(resource); err == nil || whole != "" || path != "" {
			t.Errorf("%q passed for a resource: %s", resource, whole)
		}
		if _, err := (ResourceMetadata{Resource: resource}).Document(); err == nil {
			t.Errorf("%q was rendered", resource)
		}
	}
}
