package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// TestPEM: what is written is read as the same key, each half under its label.
func TestPEM(t *testing.T) {
	for _, r := range table() {
		private := must(GenerateKey(r.name, 2048))
		block, rest := pem.Decode(must(PublicPEM(private.Public())))
		if public, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || len(rest) > 0 || must(thumbprint(public)) != must(thumbprint(private.Public())) {
			t.Errorf("%s: not the public key, %v", r.name, err)
		}
		block, rest = pem.Decode(must(PrivatePEM(private)))
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil || len(rest) > 0 || must(thumbprint(key.(crypto.Signer).Public())) != must(thumbprint(private.Public())) {
			t.Errorf("%s: not the private key, %v", r.name, err)
		}
	}
	if _, err := PrivatePEM("very secret"); err == nil || strings.Contains(err.Error(), "very") {
		t.Errorf("what is no key: %v", err)
	}
}

// TestPrivateJWK: only a private half that the ring has is handed out.
func TestPrivateJWK(t *testing.T) {
	private := must(GenerateKey(ES256, 0))
	k := must(newKey(ES256, private))
	if jwk, err := k.PrivateJWK(); err != nil || jwk.IsPublic() || jwk.KeyID != k.ID || jwk.Algorithm != "ES256" {
		t.Errorf("a key: %v, %v", jwk.KeyID, err)
	}
	for want, change := range map[string]func(*Key){
		"dropped":             func(k *Key) { k.private = nil },
		"outside of the ring": func(k *Key) { k.private = External{private, "slot 1"} },
		"another issuer's":    func(k *Key) { k.private, k.Imported = nil, true },
		"revoked":             func(k *Key) { k.revoke(epoch.Add(time.Hour), brisk(), "") },
	} {
		other := k
		change(&other)
		if jwk, err := other.PrivateJWK(); err == nil || !strings.Contains(err.Error(), want) || jwk.Key != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}
