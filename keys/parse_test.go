package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func block(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func certificate(t testing.TB, private crypto.Signer) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotAfter: epoch.Add(time.Hour)}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)))
}

func jwk(k jose.JSONWebKey) []byte { return must(json.Marshal(k)) }

// TestParseKeys: every form of a key is read as the same key.
func TestParseKeys(t *testing.T) {
	ec, rs, ed := must(GenerateKey(ES256, 0)), must(GenerateKey(RS256, 2048)), must(GenerateKey(EdDSA, 0))
	for name, tt := range map[string]struct {
		file    []byte
		key     crypto.Signer
		alg     Algorithm
		kid     string
		private bool
	}{
		"spki":             {must(PublicPEM(ec.Public())), ec, ES256, "", false},
		"comments":         {append([]byte("# kid: x\n# alg: ES256\n"), must(PublicPEM(ec.Public()))...), ec, ES256, "", false},
		"ed25519":          {must(PublicPEM(ed.Public())), ed, EdDSA, "", false},
		"rsa":              {must(PublicPEM(rs.Public())), rs, "", "", false},
		"pkcs1":            {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(rs.Public().(*rsa.PublicKey))), rs, "", "", false},
		"certificate":      {certificate(t, ec), ec, ES256, "", false},
		"pkcs8":            {must(PrivatePEM(ed)), ed, EdDSA, "", true},
		"pkcs1 private":    {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs.(*rsa.PrivateKey))), rs, "", "", true},
		"sec1 of openssl":  {append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))))...), ec, ES256, "", true},
		"jwk":              {jwk(jose.JSONWebKey{Key: rs.Public(), KeyID: "k/1", Algorithm: "PS256", Use: "sig"}), rs, PS256, "k/1", false},
		"jwk, Ed25519":     {jwk(jose.JSONWebKey{Key: ed.Public(), Algorithm: "Ed25519"}), ed, EdDSA, "", false},
		"jwk, private":     {jwk(jose.JSONWebKey{Key: ec, KeyID: "k"}), ec, ES256, "k", true},
		"jwk, rsa private": {jwk(jose.JSONWebKey{Key: rs, Algorithm: "RS256"}), rs, RS256, "", true},
		"jwk, 4096 bits":   {jwk(jose.JSONWebKey{Key: facadeOf(mostRSABits).Public()}), facadeOf(mostRSABits), "", "", false},
		"jwks":             {must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ec.Public(), KeyID: "1"}}})), ec, ES256, "1", false},
	} {
		found, err := ParseKeys(tt.file)
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %d keys, %v", name, len(found), err)
			continue
		}
		m := found[0]
		if must(thumbprint(m.Public)) != must(thumbprint(tt.key.Public())) || m.Algorithm != tt.alg || m.Kid != tt.kid || (m.Private != nil) != tt.private {
			t.Errorf("%s: read %s %q, private %v", name, m.Algorithm, m.Kid, m.Private != nil)
		}
	}
	both, err := ParseKeys(append(must(PublicPEM(ec.Public())), must(PublicPEM(rs.Public()))...))
	if err != nil || len(both) != 2 {
		t.Fatalf("two blocks: %d keys, %v", len(both), err)
	}
	if _, err := both[1].WithAlgorithm(""); err == nil || !strings.Contains(err.Error(), "RS256 or PS256") {
		t.Errorf("an RSA key without an algorithm: %v", err)
	}
	if m, err := both[1].WithAlgorithm(PS256); err != nil || m.Algorithm != PS256 {
		t.Errorf("an RSA key for PS256: %v", err)
	}
	for _, alg := range []Algorithm{RS256, "HS256"} {
		if _, err := both[0].WithAlgorithm(alg); err == nil {
			t.Errorf("an EC key for %s", alg)
		}
	}
	if _, err := both[1].WithAlgorithm(ES256); err == nil {
		t.Error("an RSA key for ES256")
	}
}

// facadeOf has a public half that looks like an RSA key of a size.
func facadeOf(bits uint) facade {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return facade{&rsa.PublicKey{N: n.Add(n, big.NewInt(0x10001)), E: 65537}}
}

// TestParseKeysRefuses: whatever could not be used is refused as a whole, with
// what to do and nothing of a secret.
func TestParseKeysRefuses(t *testing.T) {
	ec, other, ed := must(GenerateKey(ES256, 0)), must(GenerateKey(ES256, 0)), must(GenerateKey(EdDSA, 0))
	mixed := *ec.(*ecdsa.PrivateKey)
	mixed.PublicKey = other.(*ecdsa.PrivateKey).PublicKey
	stranger := bytes.Clone(ed.(ed25519.PrivateKey))
	copy(stranger[32:], must(GenerateKey(EdDSA, 0)).Public().(ed25519.PublicKey))
	good := must(PublicPEM(ec.Public()))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":          {nil, "no key in it"},
		"text":             {[]byte("ssh-ed25519 AAAA"), "no key in it"},
		"too big":          {bytes.Repeat([]byte("#"), MaxKeyFile+1), "more than 65536 bytes"},
		"damaged":          {bytes.Replace(good, []byte("-----END PUBLIC"), []byte("-----END PUBIC"), 1), "damaged"},
		"one damaged":      {append(bytes.Replace(good, []byte("M"), []byte("!"), 1), good...), "damaged"},
		"mislabelled":      {block("PUBLIC KEY", must(x509.MarshalPKCS8PrivateKey(ec))), "not of the kind that its label says"},
		"a request":        {block("CERTIFICATE REQUEST", []byte{1}), "CERTIFICATE REQUEST"},
		"encrypted":        {block("ENCRYPTED PRIVATE KEY", []byte{1}), "openssl pkey"},
		"encrypted before": {[]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), "openssl pkey"},
		"a chain":          {append(certificate(t, ec), certificate(t, other)...), "several certificates"},
		"a big block":      {block("PUBLIC KEY", make([]byte, maxDER+1)), "more than 16384 bytes"},
		"1024 bits":        {must(PublicPEM(facadeOf(1024).Public())), "2048 to 4096 bits"},
		"8192 bits":        {must(PublicPEM(facadeOf(8192).Public())), "2048 to 4096 bits"},
		"8192 bits, jwk":   {jwk(jose.JSONWebKey{Key: facadeOf(8192).Public()}), "more than 4096 bits"},
		"P-521":            {must(PublicPEM(p521.Public())), "an EC key on P-521"},
		"X25519":           {must(PublicPEM(x25519.PublicKey())), "are of use here"},
		"X25519 private":   {must(PrivatePEM(x25519)), "are of use here"},
		"symmetric":        {[]byte(`{"kty":"oct","k":"c2VjcmV0"}`), "a symmetric key"},
		"for encryption":   {jwk(jose.JSONWebKey{Key: ec.Public(), Use: "enc"}), "its use is not sig"},
		"other algorithm":  {jwk(jose.JSONWebKey{Key: ec.Public(), Algorithm: "RS256"}), "ES256 here"},
		"no kty":           {[]byte(`{"kid":"x"}`), "kty is missing"},
		"repeated":         {[]byte(`{"kty":"EC","kty":"RSA"}`), "repeated"},
		"both":             {[]byte(`{"kty":"EC","keys":[]}`), "not JSON of a JWK"},
		"empty set":        {[]byte(`{"keys":[]}`), "no key in it"},
		"many":             {[]byte(`{"keys":[` + strings.Repeat("{},", maxMaterial) + `{}]}`), "more than 32 keys"},
		"not on its curve": {[]byte(`{"kty":"EC","crv":"P-256","kid":"k","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`), `(kid "k")`},
		"halves of two":    {jwk(jose.JSONWebKey{Key: &mixed}), "do not belong together"},
		"Ed25519 of two":   {jwk(jose.JSONWebKey{Key: ed25519.PrivateKey(stranger)}), "cannot be read"},
		"second is bad":    {append(bytes.Clone(good), block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(p521.Public())))...), "key 2"},
	} {
		found, err := ParseKeys(tt.file)
		if err == nil || !strings.Contains(err.Error(), tt.want) || found != nil {
			t.Errorf("%s: %d keys, %v; want %q", name, len(found), err, tt.want)
		}
	}
}

// FuzzParseKeys: foreign bytes never panic, and what is taken can be used.
func FuzzParseKeys(f *testing.F) {
	ec, rs := must(GenerateKey(ES256, 0)), must(GenerateKey(RS256, 2048))
	f.Add(must(PublicPEM(ec.Public())))
	f.Add(must(PrivatePEM(rs)))
	f.Add(certificate(f, ec))
	f.Add(jwk(jose.JSONWebKey{Key: rs, KeyID: "k", Algorithm: "RS256"}))
	f.Add(jwk(jose.JSONWebKey{Key: must(GenerateKey(EdDSA, 0))}))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		found, err := ParseKeys(file)
		if err != nil {
			if found != nil {
				t.Error("an error, and keys")
			}
			return
		}
		for _, m := range found {
			alg := m.Algorithm
			if alg == "" {
				alg = RS256
			}
			m, err := m.WithAlgorithm(alg)
			if err == nil {
				err = alg.check(m.Public)
			}
			if err == nil {
				_, err = PublicPEM(m.Public)
			}
			if err != nil {
				t.Errorf("taken, and of no use: %v", err)
			}
		}
	})
}
