package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
)

// The world of the tests.
const (
	issuerURL = "https://auth.example.com"
	audience  = "https://api.example.com"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// A forge makes tokens, good and bad. Its keys and signatures follow from a
// seed, so that two runs make the same bytes.
type forge struct {
	rsa      *rsa.PrivateKey
	ec       *ecdsa.PrivateKey
	ed       ed25519.PrivateKey
	attacker *ecdsa.PrivateKey // whose key is published nowhere
	jwks     []byte            // the others, as rs1, es1 and ed1
}

func newForge(t testing.TB) *forge {
	t.Helper()
	if t, ok := t.(*testing.T); ok { // a benchmark needs no seed
		cryptotest.SetGlobalRandom(t, 20261123)
	}
	f := &forge{
		rsa:      must(rsa.GenerateKey(rand.Reader, 2048)),
		ec:       must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		attacker: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		ed:       ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)),
	}
	f.jwks = keySet(
		jose.JSONWebKey{Key: f.rsa.Public(), KeyID: "rs1", Algorithm: "RS256"},
		jose.JSONWebKey{Key: f.ec.Public(), KeyID: "es1", Algorithm: "ES256"},
		jose.JSONWebKey{Key: f.ed.Public(), KeyID: "ed1", Algorithm: "EdDSA"},
	)
	return f
}

func keySet(keys ...jose.JSONWebKey) []byte { return must(discovery.NewKeySet(keys)).Bytes() }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An object is JSON text in the making: member names and raw values, so that
// it can be wrong in every way.
type object [][2]string

func (o object) String() string {
	members := make([]string, len(o))
	for i, m := range o {
		members[i] = string(must(json.Marshal(m[0]))) + ":" + m[1]
	}
	return "{" + strings.Join(members, ",") + "}"
}

// with returns the object with a member set, or added.
func (o object) with(name, raw string) object {
	changed := append(object{}, o...)
	for i := range changed {
		if changed[i][0] == name {
			changed[i][1] = raw
			return changed
		}
	}
	return append(changed, [2]string{name, raw})
}

// and returns the object with one more member, be it a repetition.
func (o object) and(name, raw string) object {
	return append(append(object{}, o...), [2]string{name, raw})
}

func (o object) without(name string) object {
	var rest object
	for _, m := range o {
		if m[0] != name {
			rest = append(rest, m)
		}
	}
	return rest
}

// head is a good header for a key, claims are good claims.
func head(alg, kid string) object {
	return object{{"alg", quote(alg)}, {"typ", `"at+jwt"`}, {"kid", quote(kid)}}
}

func claims() object {
	return object{
		{"iss", quote(issuerURL)}, {"sub", `"user-1"`}, {"aud", quote(audience)},
		{"exp", at(10 * time.Minute)}, {"iat", at(0)}, {"jti", `"token-1"`},
		{"client_id", `"web"`}, {"scope", `"orders profile"`},
	}
}

func quote(s string) string { return string(must(json.Marshal(s))) }

// at is a NumericDate some time from noon.
func at(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// token signs header and payload, whatever they are, by the rules of the key.
func (f *forge) token(key crypto.Signer, header, payload fmt.Stringer) string {
	return f.tokenText(key, header.String(), payload.String())
}

func (f *forge) tokenText(key crypto.Signer, header, payload string) string {
	signed := b64(header) + "." + b64(payload)
	return signed + "." + b64(string(sign(key, crypto.SHA256, signed)))
}

// sign makes a JWS signature: PKCS #1 v1.5, R ‖ S, or Ed25519.
func sign(key crypto.Signer, hash crypto.Hash, signed string) []byte {
	h := hash.New()
	h.Write([]byte(signed))
	digest := h.Sum(nil)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return must(rsa.SignPKCS1v15(nil, key, hash, digest))
	case *ecdsa.PrivateKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		must(s, err)
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(signed))
	}
	panic("no such key")
}

// The good tokens: by RS256 and by ES256, with claims of their own.
func (f *forge) rs(payload fmt.Stringer) string { return f.token(f.rsa, head("RS256", "rs1"), payload) }
func (f *forge) es(payload fmt.Stringer) string { return f.token(f.ec, head("ES256", "es1"), payload) }

// rsHead and esHead have a header of their own.
func (f *forge) rsHead(header fmt.Stringer) string { return f.token(f.rsa, header, claims()) }
func (f *forge) esHead(header fmt.Stringer) string { return f.token(f.ec, header, claims()) }

// hmacWith signs by HS256 with what everybody knows of the RSA key.
func (f *forge) hmacWith(secret []byte) string {
	signed := b64(head("HS256", "rs1").String()) + "." + b64(claims().String())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(string(mac.Sum(nil)))
}

func (f *forge) publicPEM() []byte {
	der := must(x509.MarshalPKIXPublicKey(f.rsa.Public()))
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// resign replaces the signature of an ES256 token.
func resign(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + b64(string(signature))
}

func newInt(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func unb64(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }

// signature is the decoded signature of a token.
func signature(token string) []byte {
	return unb64(token[strings.LastIndexByte(token, '.')+1:])
}

// pair is R ‖ S for P-256.
func pair(r, s *big.Int) []byte {
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// text is a JSON text that is no object in the making.
type text string

func (t text) String() string { return string(t) }
