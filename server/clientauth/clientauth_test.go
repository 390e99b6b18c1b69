package clientauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

var errStore = errors.New("store away")

// registry has a client of each kind. The secrets are drawn for the test.
type registry struct {
	clients map[string]storage.Client
	secret  string
}

func newRegistry() registry {
	secret := storage.RandomSecret()
	digests := []storage.Digest{storage.RandomSecret().Digest(), secret.Digest()} // the second of two, as in a rotation
	return registry{secret: secret.Reveal(), clients: map[string]storage.Client{
		"web":     {ID: "web", AuthMethod: storage.AuthNone},
		"backend": {ID: "backend", AuthMethod: storage.AuthBasic, Secrets: digests},
		"other":   {ID: "other", AuthMethod: storage.AuthBasic, Secrets: []storage.Digest{storage.RandomSecret().Digest()}},
		"poster":  {ID: "poster", AuthMethod: storage.AuthPost, Secrets: digests},
		"odd:+%":  {ID: "odd:+%", AuthMethod: storage.AuthBasic, Secrets: digests},
		"empty":   {ID: "empty", AuthMethod: storage.AuthBasic, Secrets: []storage.Digest{storage.NewSecret("").Digest()}},
		"unset":   {ID: "unset", AuthMethod: storage.AuthPost},
	}}
}

func (r registry) find(_ context.Context, id string) (storage.Client, error) {
	if id == "broken" {
		return storage.Client{}, errStore
	}
	c, ok := r.clients[id]
	if !ok {
		return c, storage.ErrNotFound
	}
	return c, nil
}

func basic(id, secret string) []string {
	return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
}

func TestAuthenticate(t *testing.T) {
	r := newRegistry()
	good, wrong := storage.NewSecret(r.secret), storage.RandomSecret()
	raw := func(s string) []string { return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(s))} }
	tests := []struct {
		name    string
		give    Presented
		want    string // the client's id
		wantErr error
		reason  string // in the private half
	}{
		{"public", Presented{ClientID: "web"}, "web", nil, ""},
		{"basic", Presented{Authorization: basic("backend", r.secret)}, "backend", nil, ""},
		{"basic scheme in any case", Presented{Authorization: []string{"bAsIc  " + strings.TrimPrefix(basic("backend", r.secret)[0], "Basic ")}}, "backend", nil, ""},
		{"basic with encoded letters", Presented{Authorization: raw("b%61ckend:" + r.secret)}, "backend", nil, ""},
		{"basic with reserved characters", Presented{Authorization: basic("odd:+%", r.secret)}, "odd:+%", nil, ""},
		{"basic and the same client_id", Presented{Authorization: basic("backend", r.secret), ClientID: "backend"}, "backend", nil, ""},
		{"post", Presented{ClientID: "poster", ClientSecret: good}, "poster", nil, ""},

		{"nothing", Presented{}, "", ErrInvalid, "no client_id"},
		{"unknown", Presented{ClientID: "nobody"}, "", ErrInvalid, "unknown client_id"},
		{"unknown by basic", Presented{Authorization: basic("nobody", r.secret)}, "", ErrInvalid, "unknown client_id"},
		{"wrong secret by basic", Presented{Authorization: basic("backend", wrong.Reveal())}, "", ErrInvalid, "wrong secret"},
		{"another client's secret", Presented{Authorization: basic("other", r.secret)}, "", ErrInvalid, "wrong secret"},
		{"wrong secret by post", Presented{ClientID: "poster", ClientSecret: wrong}, "", ErrInvalid, "wrong secret"},
		{"empty secret", Presented{Authorization: basic("backend", "")}, "", ErrInvalid, "wrong secret"},
		{"empty secret that is on record", Presented{Authorization: basic("empty", "")}, "", ErrInvalid, "wrong secret"},
		{"no secret on record", Presented{ClientID: "unset", ClientSecret: good}, "", ErrInvalid, "wrong secret"},
		{"confidential without secret", Presented{ClientID: "backend"}, "", ErrInvalid, "none used"},
		{"public with secret", Presented{ClientID: "web", ClientSecret: good}, "", ErrInvalid, "client_secret_post used"},
		{"basic client by post", Presented{ClientID: "backend", ClientSecret: good}, "", ErrInvalid, "client_secret_post used"},
		{"post client by basic", Presented{Authorization: basic("poster", r.secret)}, "", ErrInvalid, "client_secret_basic used"},
		{"two methods", Presented{Authorization: basic("backend", r.secret), ClientSecret: good}, "", ErrTwoMethods, ""},
		{"two methods, header wrong", Presented{Authorization: basic("backend", wrong.Reveal()), ClientSecret: good}, "", ErrTwoMethods, ""},
		{"another client_id", Presented{Authorization: basic("backend", r.secret), ClientID: "web"}, "", ErrMismatch, ""},
		{"two headers", Presented{Authorization: append(basic("backend", r.secret), basic("other", r.secret)...)}, "", ErrInvalid, "more than one"},
		{"bearer", Presented{Authorization: []string{"Bearer x"}}, "", ErrInvalid, "not Basic"},
		{"no colon", Presented{Authorization: raw("backend")}, "", ErrInvalid, "no colon"},
		{"bad escape", Presented{Authorization: raw("backend:%zz")}, "", ErrInvalid, "not form-encoded"},
		{"bad escape in id", Presented{Authorization: raw("%:x")}, "", ErrInvalid, "not form-encoded"},
		{"invalid UTF-8", Presented{Authorization: raw("backend:%ff")}, "", ErrInvalid, "not form-encoded"},
		{"bad base64", Presented{Authorization: []string{"Basic %%%"}}, "", ErrInvalid, "not base64"},
		{"url-safe base64", Presented{Authorization: []string{"Basic -_8="}}, "", ErrInvalid, "not base64"},
		{"line break", Presented{Authorization: []string{basic("backend", r.secret)[0] + "\n"}}, "", ErrInvalid, "line break"},
		{"store away", Presented{ClientID: "broken"}, "", errStore, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Authenticate(t.Context(), r.find, tt.give)
			if !errors.Is(err, tt.wantErr) || got.Client().ID != tt.want {
				t.Fatalf("got client %q, error %v; want %q, %v", got.Client().ID, err, tt.want, tt.wantErr)
			}
			if err != nil && !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("refused for %q, want a reason with %q", err, tt.reason)
			}
			if err != nil && strings.Contains(err.Error(), r.secret) {
				t.Errorf("the error carries the secret")
			}
		})
	}
}

func FuzzBasic(f *testing.F) {
	r := newRegistry()
	f.Add("Basic YTpi")
	f.Add("basic  Og==")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		if who, err := Authenticate(t.Context(), r.find, Presented{Authorization: []string{header}}); err == nil {
			t.Errorf("%q authenticated %q without knowing a secret", header, who.Client().ID)
		}
	})
}
