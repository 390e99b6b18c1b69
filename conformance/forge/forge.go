// Package forge makes access tokens, good and bad, and key sets that nobody
// should believe, for whoever wants to know what a verifier does with them:
// tests, fuzzers, a suite that plays the issuer. Each comes with what must
// become of it and why.
//
// All follows from a seed, to the last byte: keys, signatures and order. Such
// keys are for tests; whoever knows the seed knows them.
package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The kids of a forge's published keys, which are for RS256, ES256 and EdDSA.
const (
	RSAKeyID = "rs1"
	ECKeyID  = "es1"
	EdKeyID  = "ed1"
)

// A Token is one that a verifier is put to the test with.
type Token struct {
	Name   string // fit for a file's name
	Refuse string // the check that refuses it, as discovery/verify calls it; empty: it is to be accepted
	Why    string
	Raw    string
}

// Keys are what a forge signs with. All but the attacker's are published.
type Keys struct {
	RSA      *rsa.PrivateKey // of 2048 bits
	EC       *ecdsa.PrivateKey
	Ed       ed25519.PrivateKey
	Attacker *ecdsa.PrivateKey
}

// A Forge makes tokens as one issuer would for one audience, at one time.
type Forge struct {
	Keys
	issuer, audience string
	now              time.Time
}

// New returns a forge for the issuer and the audience that a verifier was set
// up with. The tokens are judged at now, with a leeway of a minute.
func New(keys Keys, issuer, audience string, now time.Time) *Forge {
	return &Forge{keys, issuer, audience, now}
}

// Tokens returns all that the forge knows: the measured ones first.
func (f *Forge) Tokens() []Token {
	all := f.Measured()
	for _, group := range [][]Token{f.good(), f.badForm(), f.badHeader(), f.badKey(), f.ownKey(), f.badSignature(), f.badClaims(), f.badMembers(), f.badDates()} {
		all = append(all, group...)
	}
	return all
}

// JWKS is the issuer's key set (RFC 7517).
func (f *Forge) JWKS() []byte { return must(json.Marshal(f.keySet())) }

func (f *Forge) keySet() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: f.Ed.Public(), KeyID: EdKeyID, Algorithm: "EdDSA", Use: "sig"},
		{Key: f.EC.Public(), KeyID: ECKeyID, Algorithm: "ES256", Use: "sig"},
		{Key: f.RSA.Public(), KeyID: RSAKeyID, Algorithm: "RS256", Use: "sig"},
	}}
}

// Sign returns a token with this header and payload, whatever they are, signed
// as the key's kind is with SHA-256.
func (f *Forge) Sign(key crypto.Signer, header, payload Text) string {
	signed := b64(header.String()) + "." + b64(payload.String())
	return signed + "." + b64(string(sign(key, signed)))
}

// sign makes a JWS signature: PKCS #1 v1.5, R ‖ S by RFC 6979, or Ed25519. None
// of them takes chance into account.
func sign(key crypto.Signer, signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]))
	case *ecdsa.PrivateKey:
		var numbers struct{ R, S *big.Int }
		must(asn1.Unmarshal(must(key.Sign(nil, digest[:], crypto.SHA256)), &numbers))
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(numbers.R.FillBytes(make([]byte, size)), numbers.S.FillBytes(make([]byte, size))...)
	default:
		return must(key.Sign(nil, []byte(signed), crypto.Hash(0)))
	}
}

// The good ways to sign: RS256 and ES256, with claims of the token's own.
func (f *Forge) rs(payload Text) string { return f.Sign(f.RSA, Head("RS256", RSAKeyID), payload) }
func (f *Forge) es(payload Text) string { return f.Sign(f.EC, Head("ES256", ECKeyID), payload) }

// rsHead and esHead have a header of their own.
func (f *Forge) rsHead(header Text) string { return f.Sign(f.RSA, header, f.Claims()) }
func (f *Forge) esHead(header Text) string { return f.Sign(f.EC, header, f.Claims()) }

// hmacWith signs by HS256 with what everybody knows of the RSA key.
func (f *Forge) hmacWith(secret []byte) string {
	signed := b64(Head("HS256", RSAKeyID).String()) + "." + b64(f.Claims().String())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(string(mac.Sum(nil)))
}

func (f *Forge) publicPEM() []byte {
	der := must(x509.MarshalPKIXPublicKey(f.RSA.Public()))
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// resign replaces the signature of a token.
func resign(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + b64(string(signature))
}

// signature is the decoded signature of a token.
func signature(token string) []byte {
	return must(base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:]))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// must is for what cannot fail: no input of a forge is foreign.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
