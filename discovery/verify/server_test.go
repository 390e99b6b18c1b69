package verify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A real issuer, at a path, and a real resource server: all the way over HTTP,
// by either of the metadata's names.
func TestOverHTTP(t *testing.T) {
	f := newForge(t)
	for _, openid := range []bool{false, true} {
		mux := http.NewServeMux()
		issuer := httptest.NewServer(mux)
		defer issuer.Close()
		name := issuer.URL + "/tenant"
		paths := must(discovery.WellKnown(name))
		var meta, keys discovery.Holder
		meta.Store(must(discovery.Metadata{Issuer: name, JWKSURI: issuer.URL + paths.KeySet}.Document()))
		keys.Store(must(discovery.NewKeySet([]jose.JSONWebKey{{Key: f.ec.Public(), KeyID: "es1", Algorithm: "ES256"}})))
		if mux.Handle(paths.KeySet, &keys); openid {
			mux.Handle(paths.OpenID, &meta)
		} else {
			mux.Handle(paths.OAuth, &meta)
		}

		v, err := New(t.Context(), name, audience, WithClock(clock), WithLogger(quiet))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		api := httptest.NewServer(v.Require("orders")(hello))
		defer api.Close()
		for token, want := range map[string]string{
			f.es(claims().with("iss", quote(name))):                  "200 OK true user-1",
			f.es(claims()):                                           "401 Unauthorized unauthorized\n",
			f.es(claims().with("iss", quote(name)).without("scope")): "403 Forbidden forbidden\n",
			"": "401 Unauthorized unauthorized\n",
		} {
			req, err := http.NewRequest("GET", api.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if got := res.Status + " " + string(body); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
		if _, err := New(t.Context(), name+"/", audience); err == nil {
			t.Error("an issuer that calls itself something else was taken")
		}
	}
}
