package conformance

import (
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"

	"github.com/go-jose/go-jose/v4"
)

func jwksCertificateCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-x5c-matches", Section: "RFC 7517 §4.7–§4.9", Level: Must, Run: certificates,
			Expected: "Where a key comes with a certificate, the certificate is of that key and its thumbprints are right.",
			Means:    "Verifiers that read the certificate and those that read the key hold different keys, and one of the two refuses every token.",
		},
	)
}

func certificates(ctx context.Context, p *Probe) Verdict {
	some := false
	for i, k := range p.keySet(ctx) {
		if k["x5c"] == nil {
			continue
		}
		if some = true; wrongCertificate(k) != "" {
			return fail("key %d %s", i, wrongCertificate(k))
		}
	}
	if !some {
		return absent("no key has a certificate (x5c)")
	}
	return pass()
}

// wrongCertificate says what is wrong about the first certificate of x5c, the
// one of the key.
func wrongCertificate(key map[string]any) string {
	chain, _ := key["x5c"].([]any)
	if len(chain) == 0 {
		return "has x5c that is not an array, or empty"
	}
	text, _ := chain[0].(string)
	der, err := base64.StdEncoding.DecodeString(text) // RFC 7517 §4.7: not base64url
	if err != nil {
		return "has x5c that is not base64"
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return "has x5c that is not a certificate"
	}
	bare, ok := publicKey(key).(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !bare.Equal(certificate.PublicKey) {
		return "has a certificate of another key"
	}
	sum1, sum256 := sha1.Sum(der), sha256.Sum256(der)
	for name, sum := range map[string][]byte{"x5t": sum1[:], "x5t#S256": sum256[:]} {
		if key[name] != nil && key[name] != base64.RawURLEncoding.EncodeToString(sum) {
			return "has " + name + " of something else than its certificate"
		}
	}
	return ""
}

// publicKey reads the bare key, nil when that cannot be done.
func publicKey(key map[string]any) any {
	bare := maps.Clone(key)
	for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(bare, name)
	}
	text, _ := json.Marshal(bare) // it came as JSON
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return nil
	}
	return jwk.Key
}
