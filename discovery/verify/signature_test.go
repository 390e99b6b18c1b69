package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Each algorithm, signed by the library that the server signs with.
func TestAlgorithms(t *testing.T) {
	f := newForge(t)
	keys := map[string]crypto.Signer{
		"ES256": f.ec, "EdDSA": f.ed, "Ed25519": f.ed,
		"ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"RS256": f.rsa, "RS384": f.rsa, "RS512": f.rsa, "PS256": f.rsa, "PS384": f.rsa, "PS512": f.rsa,
	}
	if len(keys) != len(algorithms) {
		t.Fatalf("%d algorithms are not tested", len(algorithms)-len(keys))
	}
	for alg, key := range keys {
		signedAs := jose.SignatureAlgorithm(alg)
		var token string
		if alg == "Ed25519" { // which go-jose does not sign by this name
			token = f.token(key, head(alg, alg), claims())
		} else {
			options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", alg)
			signer := must(jose.NewSigner(jose.SigningKey{Algorithm: signedAs, Key: key}, options))
			token = must(must(signer.Sign([]byte(claims().String()))).CompactSerialize())
		}
		v := attackVerifier(t, keySet(jose.JSONWebKey{Key: key.Public(), KeyID: alg, Algorithm: alg}))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for i := range 8 {
			forged := signature(token)
			forged[len(forged)*i/8] ^= 1 << i
			if _, err := v.Verify(t.Context(), resign(token, forged)); err == nil || err.(*Error).Check != "signature" {
				t.Errorf("%s: with a bit flipped: %v", alg, err)
			}
		}
	}
}

// A key serves its own algorithm, whatever others of its kind there are.
func TestAlgorithmIsTheKeys(t *testing.T) {
	f := newForge(t)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	v := attackVerifier(t, keySet(
		jose.JSONWebKey{Key: f.rsa.Public(), KeyID: "ps", Algorithm: "PS256"},
		jose.JSONWebKey{Key: p384.Public(), KeyID: "p384", Algorithm: "ES384"},
		jose.JSONWebKey{Key: f.ed.Public(), KeyID: "ed", Algorithm: "EdDSA"},
	))
	for _, test := range []struct {
		key      crypto.Signer
		kid, alg string
	}{
		{f.rsa, "ps", "RS256"}, {f.rsa, "ps", "PS384"}, {f.rsa, "ps", "ES384"}, {p384, "p384", "ES256"}, {p384, "p384", "PS256"},
		{f.ed, "ed", "Ed25519"}, {f.ed, "ed", "ES384"},
	} {
		_, err := v.Verify(t.Context(), f.token(test.key, head(test.alg, test.kid), claims()))
		if err == nil || err.(*Error).Check != "key" {
			t.Errorf("%s by key %s: %v", test.alg, test.kid, err)
		}
	}
}

// RFC 7518 §3.5: the salt is as long as the hash.
func TestPSSSaltLength(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, keySet(jose.JSONWebKey{Key: f.rsa.Public(), KeyID: "ps", Algorithm: "PS256"}))
	signed := b64(head("PS256", "ps").String()) + "." + b64(claims().String())
	for salt, ok := range map[int]bool{32: true, 0: true, 20: false, 31: false, 33: false, 48: false} {
		length := salt
		if salt == 0 {
			length = rsa.PSSSaltLengthEqualsHash
		}
		sig := must(rsa.SignPSS(rand.Reader, f.rsa, crypto.SHA256, digest(crypto.SHA256, []byte(signed)), &rsa.PSSOptions{SaltLength: length}))
		if _, err := v.Verify(t.Context(), signed+"."+b64(string(sig))); ok != (err == nil) {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
}

// Every single bit of a token counts.
func TestEveryBitCounts(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	for _, token := range []string{f.es(claims()), f.token(f.ed, head("EdDSA", "ed1"), claims())} {
		for i := range len(token) {
			for bit := range 8 {
				changed := []byte(token)
				changed[i] ^= 1 << bit
				if _, err := v.Verify(t.Context(), string(changed)); err == nil {
					t.Fatalf("byte %d, bit %d: accepted", i, bit)
				}
			}
			if _, err := v.Verify(t.Context(), token[:i]); err == nil {
				t.Fatalf("accepted after %d bytes", i)
			}
		}
	}
}

// ECDSA has a second signature for every one. It verifies: a token must not be
// told apart by its signature, and is not.
func TestMalleableECDSA(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	token := f.es(claims())
	sig := signature(token)
	s := newInt(sig[32:])
	s.Sub(f.ec.Curve.Params().N, s)
	twin := resign(token, append(slices.Clone(sig[:32]), s.FillBytes(make([]byte, 32))...))
	a, err := v.Verify(t.Context(), token)
	b, twinErr := v.Verify(t.Context(), twin)
	if err != nil || twinErr != nil || token == twin || a.ID != b.ID {
		t.Errorf("got %v, %v", err, twinErr)
	}
}

// R ‖ S becomes the DER that the standard library would write, whatever the
// numbers are.
func TestDER(t *testing.T) {
	for _, size := range []int{32, 48, 66} {
		for _, first := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			for zeros := range size {
				signature := slices.Repeat([]byte{first}, 2*size)
				clear(signature[:zeros])
				clear(signature[size : size+(zeros*7)%size])
				want := must(asn1.Marshal(struct{ R, S *big.Int }{newInt(signature[:size]), newInt(signature[size:])}))
				if got := der(signature); !bytes.Equal(got, want) {
					t.Fatalf("%x: got %x, want %x", signature, got, want)
				}
			}
		}
	}
}
