package conformance_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

func TestParseClientKey(t *testing.T) {
	t.Parallel()
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	asPEM := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	narrow, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p224, err224 := x509.MarshalECPrivateKey(narrow)
	sec1, err1 := x509.MarshalECPrivateKey(ec)
	pkcs8, err8 := x509.MarshalPKCS8PrivateKey(ed)
	public, errPublic := x509.MarshalPKIXPublicKey(ec.Public())
	jwk, errJWK := jose.JSONWebKey{Key: ec, KeyID: "one", Algorithm: "ES256"}.MarshalJSON()
	publicJWK, _ := jose.JSONWebKey{Key: ec.Public()}.MarshalJSON()
	if errJWK != nil {
		t.Fatal(errJWK)
	}
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"SEC 1":      {asPEM("EC PRIVATE KEY", sec1, err1), true},
		"PKCS #1":    {asPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), true},
		"PKCS #8":    {asPEM("PRIVATE KEY", pkcs8, err8), true},
		"JWK":        {string(jwk), true},
		"P-224":      {asPEM("EC PRIVATE KEY", p224, err224), false},
		"public PEM": {asPEM("PUBLIC KEY", public, errPublic), false},
		"public JWK": {string(publicJWK), false},
		"secret JWK": {`{"kty":"oct","k":"AAAA"}`, false},
		"text":       {"not-a-key", false},
		"nothing":    {"", false},
	} {
		key, err := conformance.ParseClientKey([]byte(tc.text))
		if (err == nil) != tc.ok || name == "JWK" && key.KeyID != "one" {
			t.Errorf("%s: %q, %v", name, key.KeyID, err)
		}
		if err != nil && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error has the key: %v", name, err)
		}
	}
	target := newIssuer(t).target()
	target.JWT.Key = jose.JSONWebKey{Key: rsaKey.Public()}
	if r := only(t, target, "cauth-pkjwt-ok"); r.Outcome != conformance.Inconclusive {
		t.Errorf("with a public key: %+v", r)
	}
}

// Whichever key the client has, with a user or without, what it can show is
// shown; and without a client nothing is.
func TestClientsWithKeys(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is := newIssuer(t, "cc")
	is.signer = jose.JSONWebKey{Key: private}
	machine := conformance.Target{Issuer: is.url, JWT: is.jwtClient()}
	for _, r := range run(t, machine, conformance.Options{Only: []string{"cauth-pkjwt-*"}}).Results {
		if r.Outcome != conformance.Pass {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
	is = newIssuer(t, "assert-aud-token-only")
	for id, want := range map[string]conformance.Outcome{"cauth-pkjwt-ok": conformance.Pass, "cauth-pkjwt-exp": conformance.Pass} {
		if r := only(t, is.target(), id); r.Outcome != want {
			t.Errorf("at a server that wants its token endpoint named: %+v", r)
		}
	}
	target := newIssuer(t).target()
	target.JWT = conformance.KeyClient{}
	if r := only(t, target, "meta-auth-methods-truth"); r.Outcome != conformance.Pass || !strings.Contains(r.Why, "not tried: private_key_jwt") {
		t.Errorf("without a client: %+v", r)
	}
	if r := only(t, target, "cauth-pkjwt-ok"); r.Outcome != conformance.Skipped || !strings.Contains(r.Why, "--jwt-client-key-file") {
		t.Errorf("without a client: %+v", r)
	}
	if r := only(t, newIssuer(t, "assert-for-a-day").target(), "cauth-pkjwt-exp"); r.Outcome != conformance.Pass || !strings.Contains(r.Why, "day") {
		t.Errorf("an assertion for a day: %+v", r)
	}
	if r := only(t, newIssuer(t, "assert-replay").target(), "cauth-pkjwt-jti-missing"); r.Outcome != conformance.NA {
		t.Errorf("where any assertion works twice: %+v", r)
	}
}

// Whatever is in the file: what is taken for a key can sign.
func FuzzParseClientKey(f *testing.F) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	jwk, _ := jose.JSONWebKey{Key: key, KeyID: "one"}.MarshalJSON()
	sec1, _ := x509.MarshalECPrivateKey(key)
	f.Add(jwk)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := conformance.ParseClientKey(text)
		if err == nil && (key.Key == nil || key.IsPublic()) {
			t.Errorf("taken for a private key: %T", key.Key)
		}
	})
}
