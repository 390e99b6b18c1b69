package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const otherURL = "https://login.example.org/realms/shop"

// from is a token of an issuer.
func (f *testForge) from(issuer, kid string, header, payload object) string {
	return f.token(keyOf(kid), header.with("kid", quote(kid)).with("alg", `"EdDSA"`), payload.with("iss", quote(issuer)))
}

// keysOf is a key set of keys that tests know by name.
func keysOf(kids ...string) []byte {
	var keys []jose.JSONWebKey
	for _, kid := range kids {
		keys = append(keys, jose.JSONWebKey{Key: keyOf(kid).Public(), KeyID: kid, Algorithm: "EdDSA"})
	}
	return keySet(keys...)
}

func newVerifier(t *testing.T, options ...Option) *Verifier {
	t.Helper()
	v, err := New(t.Context(), issuerURL, audience, append([]Option{WithClock(clock), WithLogger(quiet)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func failed(err error) string {
	if err == nil {
		return ""
	}
	return err.(*Error).Check
}

// Each issuer has its keys and its concessions, and no other has them.
func TestSeveralIssuers(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(keysOf("own", "both")),
		WithIssuer(otherURL, WithKeySet(keysOf("their", "both")), AllowTyp("JWT"), AllowMissing("client_id")))
	at, jwt := head("", ""), head("", "").with("typ", `"JWT"`)
	for name, test := range map[string]struct{ token, refused string }{
		"first":                        {f.from(issuerURL, "own", at, claims()), ""},
		"second":                       {f.from(otherURL, "their", at, claims()), ""},
		"second, with what it may":     {f.from(otherURL, "their", jwt, claims().without("client_id")), ""},
		"first, with that":             {f.from(issuerURL, "own", jwt, claims()), "typ"},
		"first, without client":        {f.from(issuerURL, "own", at, claims().without("client_id")), "client_id"},
		"second, without sub":          {f.from(otherURL, "their", at, claims().without("sub")), "sub"},
		"second, of another type":      {f.from(otherURL, "their", head("", "").with("typ", `"logout+jwt"`), claims()), "typ"},
		"first, by the key of another": {f.from(issuerURL, "their", at, claims()), "key"},
		"second, by the key of first":  {f.from(otherURL, "own", at, claims()), "key"},
		"neither":                      {f.from("https://evil.example", "own", at, claims()), "iss"},
		"second, nearly":               {f.from(otherURL+"/", "their", at, claims()), "iss"},
		"second, for another audience": {f.from(otherURL, "their", at, claims().with("aud", `"x"`)), "aud"},
	} {
		for range 2 { // the second time much is remembered
			got, err := v.Verify(t.Context(), test.token)
			if failed(err) != test.refused {
				t.Errorf("%s: got %v", name, err)
			}
			if err == nil && !strings.HasPrefix(name, map[string]string{issuerURL: "first", otherURL: "second"}[got.Issuer]) {
				t.Errorf("%s: it is of %s", name, got.Issuer)
			}
			report := v.Explain(t.Context(), test.token)
			if i := slices.IndexFunc(report, func(c Check) bool { return !c.OK }); (i < 0) != (err == nil) || i >= 0 && report[i].Name != test.refused {
				t.Errorf("%s: Explain says %+v", name, report)
			}
		}
	}
}

// A header that is good for one issuer, and remembered, is not good for another.
func TestSameHeaderOfSeveralIssuers(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(keysOf("both")), WithIssuer(otherURL, WithKeySet(keysOf("both")), AllowTyp("JWT")))
	jwt := head("", "").with("typ", `"JWT"`)
	for range 2 {
		if _, err := v.Verify(t.Context(), f.from(otherURL, "both", jwt, claims())); err != nil {
			t.Error(err)
		}
		if _, err := v.Verify(t.Context(), f.from(issuerURL, "both", jwt, claims())); failed(err) != "typ" {
			t.Errorf("got %v", err)
		}
	}
}

// Two issuers may use one kid for keys of their own.
func TestSameKidOfSeveralIssuers(t *testing.T) {
	f := newForge(t)
	theirs := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	v := newVerifier(t, WithKeySet(f.jwks),
		WithIssuer(otherURL, WithKeySet(keySet(jose.JSONWebKey{Key: theirs.Public(), KeyID: "es1", Algorithm: "ES256"}))))
	for range 2 {
		for _, test := range []struct {
			token, refused string
		}{
			{f.token(f.ec, head("ES256", "es1"), claims()), ""},
			{f.token(theirs, head("ES256", "es1"), claims()), "signature"},
			{f.token(theirs, head("ES256", "es1"), claims().with("iss", quote(otherURL))), ""},
			{f.token(f.ec, head("ES256", "es1"), claims().with("iss", quote(otherURL))), "signature"},
		} {
			if _, err := v.Verify(t.Context(), test.token); failed(err) != test.refused {
				t.Errorf("got %v, want %q", err, test.refused)
			}
		}
	}
}

// What is allowed by name is allowed, and nothing beside it.
func TestAllowances(t *testing.T) {
	f := newForge(t)
	for name, test := range map[string]struct {
		option  Option
		header  object
		payload object
		refused string
	}{
		"JWT":                    {AllowTyp("JWT"), head("", "").with("typ", `"JWT"`), claims(), ""},
		"jwt in other letters":   {AllowTyp("jwt"), head("", "").with("typ", `"application/Jwt"`), claims(), ""},
		"its long form":          {AllowTyp("application/jwt"), head("", "").with("typ", `"JWT"`), claims(), ""},
		"at+jwt is always":       {AllowTyp("JWT"), head("", ""), claims(), ""},
		"another":                {AllowTyp("JWT"), head("", "").with("typ", `"dpop+jwt"`), claims(), "typ"},
		"none, but JWT may":      {AllowTyp("JWT"), head("", "").without("typ"), claims(), "typ"},
		"none":                   {AllowMissing("typ"), head("", "").without("typ"), claims(), ""},
		"null for none":          {AllowMissing("typ"), head("", "").with("typ", "null"), claims(), ""},
		"JWT, but none may":      {AllowMissing("typ"), head("", "").with("typ", `"JWT"`), claims(), "typ"},
		"empty, but none may":    {AllowMissing("typ"), head("", "").with("typ", `""`), claims(), "typ"},
		"number, but none may":   {AllowMissing("typ"), head("", "").with("typ", `1`), claims(), "typ"},
		"no sub":                 {AllowMissing("sub"), head("", ""), claims().without("sub"), ""},
		"no client_id":           {AllowMissing("client_id"), head("", ""), claims().without("client_id"), ""},
		"no jti":                 {AllowMissing("jti"), head("", ""), claims().without("jti"), ""},
		"no iat":                 {AllowMissing("iat"), head("", ""), claims().without("iat"), ""},
		"all of them":            {AllowMissing("sub", "client_id", "jti", "iat"), head("", ""), claims().without("sub").without("client_id").without("jti").without("iat"), ""},
		"no jti, but sub may":    {AllowMissing("sub"), head("", ""), claims().without("jti"), "jti"},
		"empty sub":              {AllowMissing("sub"), head("", ""), claims().with("sub", `""`), "sub"},
		"null for jti":           {AllowMissing("jti"), head("", ""), claims().with("jti", "null"), "jti"},
		"iat as text":            {AllowMissing("iat"), head("", ""), claims().with("iat", `"1"`), "iat"},
		"iat in the future":      {AllowMissing("iat"), head("", ""), claims().with("iat", at(time.Hour)), "iat"},
		"never exp":              {AllowMissing("sub", "client_id", "jti", "iat"), head("", ""), claims().without("exp"), "exp"},
		"never aud":              {AllowMissing("sub", "client_id", "jti", "iat"), head("", ""), claims().without("aud"), "aud"},
		"client_id as a number":  {AllowMissing("client_id"), head("", ""), claims().with("client_id", "1"), "client_id"},
		"JWT does not allow alg": {AllowTyp("JWT"), head("", "").with("crit", `[]`), claims(), "crit"},
	} {
		v := newVerifier(t, WithKeySet(keysOf("k")), test.option)
		if _, err := v.Verify(t.Context(), f.from(issuerURL, "k", test.header, test.payload)); failed(err) != test.refused {
			t.Errorf("%s: got %v, want %q", name, err, test.refused)
		}
	}
}

// Nothing is relaxed by leaving something empty, and what is about the verifier
// is not said of one issuer.
func TestOptionsRefuse(t *testing.T) {
	keys := WithKeySet(keysOf("k"))
	for name, test := range map[string]struct {
		option Option
		want   string
	}{
		"empty typ":             {AllowTyp(""), "typ is empty"},
		"exp may not lack":      {AllowMissing("exp"), `"exp" is not one of`},
		"aud may not lack":      {AllowMissing("sub", "aud"), `"aud" is not one of`},
		"iss may not lack":      {AllowMissing("iss"), `"iss" is not one of`},
		"nothing may not lack":  {AllowMissing(""), `"" is not one of`},
		"the same issuer":       {WithIssuer(issuerURL, keys), "is there twice"},
		"empty issuer":          {WithIssuer("", keys), "the issuer is empty"},
		"plain http":            {WithIssuer("http://auth.example.org", keys), "not https"},
		"broken keys":           {WithIssuer(otherURL, WithKeySet([]byte("{"))), "issuer " + otherURL + ": key set"},
		"leeway of one":         {WithIssuer(otherURL, keys, WithLeeway(0)), "WithLeeway is for New"},
		"clock of one":          {WithIssuer(otherURL, keys, WithClock(clock)), "WithClock is for New"},
		"logger of one":         {WithIssuer(otherURL, keys, WithLogger(quiet)), "WithLogger is for New"},
		"revocation of one":     {WithIssuer(otherURL, keys, WithRevoked(func(*Claims) bool { return false })), "WithRevoked is for New"},
		"resource of one":       {WithIssuer(otherURL, keys, WithResource(audience)), "WithResource is for New"},
		"issuer of one":         {WithIssuer(otherURL, keys, WithIssuer("https://c.example", keys)), "WithIssuer is for New"},
		"no revocation":         {WithRevoked(nil), "WithRevoked is nil"},
		"no outage":             {WithOutage(0, false), "outage of 0s"},
		"an outage for ever":    {WithOutage(365*24*time.Hour, true), "outage of 8760h0m0s"},
		"no resource":           {WithResource(""), "resource is empty"},
		"a resource without":    {WithResource("urn:example:api"), "not an absolute URL"},
		"resource over http":    {WithResource("http://api.example.com"), "not https"},
		"not a scope":           {WithResource(audience, "a b"), `"a b" is not a scope`},
		"nobody at the address": {WithIssuer("http://127.0.0.1:1"), "keys of http://127.0.0.1:1: fetch"},
	} {
		if v, err := New(t.Context(), issuerURL, audience, keys, test.option); err == nil || v != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v; want an error with %q", name, v, err, test.want)
		}
	}
	if _, err := New(t.Context(), issuerURL, audience, keys, WithIssuer(otherURL, keys), WithIssuer(otherURL, keys)); err == nil {
		t.Error("an issuer was taken twice")
	}
}

// When one of several issuers cannot be had, what was started for the others
// ends.
func TestSeveralIssuersOneDown(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		asked := o.count()
		client := WithHTTPClient(&http.Client{Transport: o})
		if _, err := New(t.Context(), issuerURL, audience, client, WithLogger(quiet), WithIssuer("https://c.example", client)); err == nil {
			t.Fatal("an issuer that is not there was taken")
		}
		v.Close()
		time.Sleep(time.Hour)
		if n := o.count() - asked; n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}
