package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance/forge"
	"github.com/hallmark-auth/hallmark/discovery"
)

// The world of the tests.
const (
	issuerURL = "https://auth.example.com"
	audience  = "https://api.example.com"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// seededForge is made once, since finding its keys takes a while. Nothing in it
// changes.
var seededForge = sync.OnceValue(func() *forge.Forge {
	return forge.New(forge.KeysFrom("discovery/verify"), issuerURL, audience, noon)
})

// A testForge makes tokens for this package's tests.
type testForge struct {
	rsa      *rsa.PrivateKey
	ec       *ecdsa.PrivateKey
	ed       ed25519.PrivateKey
	attacker *ecdsa.PrivateKey // whose key is published nowhere
	jwks     []byte            // the others, as rs1, es1 and ed1
}

func newForge(testing.TB) *testForge {
	f := seededForge()
	return &testForge{rsa: f.RSA, ec: f.EC, ed: f.Ed, attacker: f.Attacker, jwks: f.JWKS()}
}

func keySet(keys ...jose.JSONWebKey) []byte { return must(discovery.NewKeySet(keys)).Bytes() }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An object is JSON text in the making, which can be wrong in every way.
type object forge.Object

func (o object) String() string               { return forge.Object(o).String() }
func (o object) with(name, raw string) object { return object(forge.Object(o).With(name, raw)) }
func (o object) without(name string) object   { return object(forge.Object(o).Without(name)) }
func head(alg, kid string) object             { return object(forge.Head(alg, kid)) }
func claims() object                          { return object(seededForge().Claims()) }
func quote(s string) string                   { return forge.Quote(s) }
func at(d time.Duration) string               { return fmt.Sprint(noon.Add(d).Unix()) }
func b64(s string) string                     { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
func unb64(s string) []byte                   { return must(base64.RawURLEncoding.DecodeString(s)) }
func newInt(b []byte) *big.Int                { return new(big.Int).SetBytes(b) }

// token signs header and payload, whatever they are, by the rules of the key.
func (f *testForge) token(key crypto.Signer, header, payload fmt.Stringer) string {
	return seededForge().Sign(key, header, payload)
}

func (f *testForge) tokenText(key crypto.Signer, header, payload string) string {
	return seededForge().Sign(key, forge.Raw(header), forge.Raw(payload))
}

// The good tokens: by RS256 and by ES256, with claims of their own.
func (f *testForge) rs(payload fmt.Stringer) string {
	return f.token(f.rsa, head("RS256", "rs1"), payload)
}
func (f *testForge) es(payload fmt.Stringer) string {
	return f.token(f.ec, head("ES256", "es1"), payload)
}

// resign replaces the signature of a token.
func resign(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + b64(string(signature))
}

// signature is the decoded signature of a token.
func signature(token string) []byte {
	return unb64(token[strings.LastIndexByte(token, '.')+1:])
}

// text is a JSON text that is no object in the making.
type text = forge.Raw
