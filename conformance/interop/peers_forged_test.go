package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// A forger is an issuer that signs whatever it is asked to.
type forger struct {
	issuer string
	keys   map[string]any // by algorithm
	set    jwk.Set
}

// TestPeersForged shows every peer tokens that no Hallmark issues, of an issuer
// that it trusts: what it does not mind is what its page says that it lets
// through.
func TestPeersForged(t *testing.T) {
	t.Parallel()
	f := forge(t)
	all := begin(t, site{issuer: f.issuer, audience: audience, maxAge: time.Minute, pem: func(t *testing.T) string {
		return pemOf(t, f.issuer+"/.well-known/jwks.json")
	}})
	each(t, "forged", all, func(t *testing.T, p running) {
		if p.await != nil {
			p.await(t)
		}
		alg := p.algs[0]
		p.accepts(t, "good", f.sign(t, alg, nil, nil), "alice") // or the rest would prove nothing
		for what, claims := range oddClaims() {
			p.bad(t, what, f.sign(t, alg, nil, claims))
		}
		for what, header := range oddHeaders() {
			p.bad(t, what, f.sign(t, alg, header, nil))
		}
		for what, token := range f.forgeries(t, alg, p.secret) {
			p.refuses(t, what, token)
		}
	})
}

// oddClaims are changes to the claims of a good token; null removes one.
func oddClaims() map[string]map[string]any {
	return map[string]map[string]any{
		noExp:      {"exp": nil},
		noAud:      {"aud": nil},
		noSub:      {"sub": nil},
		noClientID: {"client_id": nil},
		noJTI:      {"jti": nil},
		nbfToCome:  {"nbf": time.Now().Add(time.Hour).Unix()},
		textExp:    {"exp": "32503680000"},
	}
}

// oddHeaders are changes to the header of a good token.
func oddHeaders() map[string]map[string]any {
	return map[string]map[string]any{
		otherTyp:    {"typ": "JWT"},
		unknownCrit: {"crit": []string{"urn:example:unknown"}, "urn:example:unknown": true},
	}
}

// forgeries are tokens that the key did not sign.
func (f forger) forgeries(t *testing.T, alg, secret string) map[string]string {
	t.Helper()
	header := map[string]any{"typ": "at+jwt", "kid": alg}
	tokens := map[string]string{
		"alg none": compact(t, jwt.SigningMethodNone, header, f.claims(nil), jwt.UnsafeAllowNoneSignatureType),
	}
	for what, s := range map[string]string{"the public key": pemOf(t, f.issuer+"/.well-known/jwks.json"), "a file's name": secret} {
		if s != "" {
			tokens["HMAC with "+what] = compact(t, jwt.SigningMethodHS256, header, f.claims(nil), []byte(s))
		}
	}
	stranger := forger{issuer: f.issuer, keys: signingKeys(t)}
	tokens["another key under the same kid"] = stranger.sign(t, alg, nil, nil)
	return tokens
}

func (f forger) claims(odd map[string]any) jwt.MapClaims {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": f.issuer, "aud": audience, "sub": "alice", "client_id": "web", "jti": "1", "scope": "read",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, odd)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// sign returns a token that is as good as its changes let it be.
func (f forger) sign(t *testing.T, alg string, odd, claims map[string]any) string {
	t.Helper()
	header := map[string]any{"typ": "at+jwt", "kid": alg}
	maps.Copy(header, odd)
	return compact(t, jwt.GetSigningMethod(alg), header, f.claims(claims), f.keys[alg])
}

func compact(t *testing.T, method jwt.SigningMethod, header map[string]any, claims jwt.MapClaims, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signingKeys(t *testing.T) map[string]any {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{es256: ec, rs256: rsa}
}

// forge serves what verifiers look for at an issuer.
func forge(t *testing.T) forger {
	t.Helper()
	f := forger{keys: signingKeys(t), set: jwk.NewSet()}
	for _, alg := range both {
		key, err := jwk.PublicKeyOf(f.keys[alg])
		for name, value := range map[string]any{jwk.KeyIDKey: alg, jwk.AlgorithmKey: alg, jwk.KeyUsageKey: "sig"} {
			if err == nil {
				err = key.Set(name, value)
			}
		}
		if err == nil {
			err = f.set.AddKey(key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.issuer = server.URL
	metadata := map[string]any{
		"issuer": f.issuer, "jwks_uri": f.issuer + "/.well-known/jwks.json", "token_endpoint": f.issuer + "/token",
		"id_token_signing_alg_values_supported": both,
	}
	for path, value := range map[string]any{
		"/.well-known/openid-configuration": metadata, "/.well-known/oauth-authorization-server": metadata, "/.well-known/jwks.json": f.set,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(value)
		})
	}
	return f
}
