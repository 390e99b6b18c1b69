package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/discovery"
)

// hello answers with the subject.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	claims, ok := FromContext(r.Context())
	fmt.Fprint(w, ok, " ", claims.Subject)
})

func TestRequire(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	good := f.es(claims())
	const (
		realm   = `Bearer realm="https://api.example.com"`
		invalid = realm + `, error="invalid_token", error_description="The access token is malformed, expired, or not meant for this resource"`
		request = realm + `, error="invalid_request", error_description="`
	)
	for name, test := range map[string]struct {
		authorization []string
		query         string
		scopes        []string
		status        int
		challenge     string
	}{
		"good":                  {[]string{"Bearer " + good}, "", nil, 200, ""},
		"scheme without case":   {[]string{"bEARER " + good}, "", nil, 200, ""},
		"two spaces":            {[]string{"Bearer  " + good}, "", nil, 200, ""},
		"other parameters":      {[]string{"Bearer " + good}, "?page=2", nil, 200, ""},
		"one scope":             {[]string{"Bearer " + good}, "", []string{"profile"}, 200, ""},
		"both scopes":           {[]string{"Bearer " + good}, "", []string{"profile", "orders"}, 200, ""},
		"nothing":               {nil, "", nil, 401, realm},
		"nothing, with scope":   {nil, "", []string{"orders", "a"}, 401, realm + `, scope="orders a"`},
		"empty header":          {[]string{""}, "", nil, 401, realm},
		"another scheme":        {[]string{"Basic dTpw"}, "", nil, 401, realm},
		"scheme of that start":  {[]string{"Bearerx " + good}, "", nil, 401, realm},
		"only in the query":     {nil, "?access_token=" + good, nil, 401, realm},
		"no token":              {[]string{"Bearer"}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"blank token":           {[]string{"Bearer  "}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"two tokens":            {[]string{"Bearer " + good + " " + good}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"list of tokens":        {[]string{"Bearer " + good + ", Bearer " + good}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"not a token":           {[]string{`Bearer "` + good + `"`}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"only padding":          {[]string{"Bearer =="}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"not ASCII":             {[]string{"Bearer é"}, "", nil, 400, request + `The Authorization header does not hold one bearer token"`},
		"two headers":           {[]string{"Bearer " + good, "Bearer " + good}, "", nil, 400, request + `There is more than one Authorization header"`},
		"two schemes":           {[]string{"Bearer " + good, "Basic dTpw"}, "", nil, 400, request + `There is more than one Authorization header"`},
		"two headers, scope":    {[]string{"Bearer " + good, "Bearer " + good}, "", []string{"orders"}, 400, request + `There is more than one Authorization header"`},
		"header and query":      {[]string{"Bearer " + good}, "?access_token=x", nil, 400, request + `A token is in the Authorization header and another in the query"`},
		"header and query, %":   {[]string{"Bearer " + good}, "?access%5Ftoken=x", nil, 400, request + `A token is in the Authorization header and another in the query"`},
		"opaque":                {[]string{"Bearer abc"}, "", nil, 401, invalid},
		"expired":               {[]string{"Bearer " + f.es(claims().with("exp", "1"))}, "", nil, 401, invalid},
		"forged":                {[]string{"Bearer " + f.token(f.attacker, head("ES256", "es1"), claims())}, "", nil, 401, invalid},
		"forged, with scope":    {[]string{"Bearer abc"}, "", []string{"orders"}, 401, invalid + `, scope="orders"`},
		"too little scope":      {[]string{"Bearer " + good}, "", []string{"orders", "admin"}, 403, realm + `, error="insufficient_scope", error_description="The access token does not have the scope that this needs", scope="orders admin"`},
		"scope of another case": {[]string{"Bearer " + good}, "", []string{"Orders"}, 403, realm + `, error="insufficient_scope", error_description="The access token does not have the scope that this needs", scope="Orders"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/orders"+test.query, nil)
			r.Header["Authorization"] = test.authorization
			w := httptest.NewRecorder()
			v.Require(test.scopes...)(hello).ServeHTTP(w, r)
			if w.Code != test.status || w.Header().Get("WWW-Authenticate") != test.challenge {
				t.Errorf("got %d %s\nwant %d %s", w.Code, w.Header().Get("WWW-Authenticate"), test.status, test.challenge)
			}
			if test.status == 200 {
				if w.Body.String() != "true user-1" {
					t.Errorf("the handler found %s", w.Body)
				}
			} else if w.Header().Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String(), "user-1") {
				t.Errorf("got %v %s", w.Header(), w.Body)
			}
		})
	}
}

// Every token that is no good gets the same answer, byte by byte.
func TestRefusalsAreAlike(t *testing.T) {
	jwks, attacks := readAttacks(t)
	handler := attackVerifier(t, jwks).Require("orders")(hello)
	var first string
	for _, a := range attacks {
		if a.refuse == "" || !isToken(a.token) {
			continue
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+a.token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		got := fmt.Sprint(w.Code, w.Header(), w.Body)
		if first == "" {
			first = got
		}
		if w.Code != 401 || got != first {
			t.Errorf("%s: got %s\nothers got %s", a.name, got, first)
		}
	}
}

// While there are no keys, nobody is told that the token is bad.
func TestRequireWithoutKeys(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	v.authorities[0].keys = gone{}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+f.es(claims()))
	w := httptest.NewRecorder()
	v.Require()(hello).ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	var why *Error
	if _, err := v.Verify(t.Context(), f.es(claims())); !errors.As(err, &why) || !why.Unavailable || why.Check != "key" {
		t.Errorf("got %#v", err)
	}
}

// gone is a keyring whose keys are too old.
type gone struct{}

func (gone) find(context.Context, string) (discovery.Key, *discovery.KeySet, error) {
	return discovery.Key{}, nil, errUnavailable
}
func (gone) current() (*discovery.KeySet, error) { return nil, errUnavailable }
func (gone) close()                              {}

func TestRequirePanicsOnMistakes(t *testing.T) {
	v := attackVerifier(t, newForge(t).jwks)
	for _, scope := range []string{"", "a b", `a"`, `a\`, "a\n", "é"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q passed for a scope", scope)
				}
			}()
			v.Require("ok", scope)
		}()
	}
}

// The realm cannot break out of its quotes.
func TestRealmIsQuotable(t *testing.T) {
	f := newForge(t)
	v, err := New(t.Context(), issuerURL, "my \"api\"\\\r\nX: é", WithKeySet(f.jwks))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	v.Require()(hello).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="my apiX: "` {
		t.Errorf("got %q", got)
	}
}

func TestFromContextWithout(t *testing.T) {
	if claims, ok := FromContext(t.Context()); ok || claims != nil {
		t.Errorf("got %v", claims)
	}
}
