package keys

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // keeps to the case of names and refuses repeated ones
)

// parseJWKs reads a JWK or a JWKS (RFC 7517 §4 and §5).
func parseJWKs(file []byte) (found []Material, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Kty  string            `json:"kty"`
	}
	if json.Unmarshal(file, &set) != nil || set.Keys != nil && set.Kty != "" {
		return nil, errors.New("not JSON of a JWK or a JWKS without repeated members")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{file}
	}
	if len(set.Keys) > maxMaterial {
		return nil, fmt.Errorf("more than %d keys: give a file with fewer", maxMaterial)
	}
	for i, raw := range set.Keys {
		m, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d%s: %w", i+1, named(m.Kid), err)
		}
		found = append(found, m)
	}
	return found, nil
}

// maxModulus bounds what is reckoned with, in base64url.
const maxModulus = (mostRSABits/8*4 + 2) / 3

func parseJWK(raw []byte) (Material, error) {
	var head struct {
		Kty string `json:"kty"`
		Kid string `json:"kid"`
		Use string `json:"use"`
		N   string `json:"n"`
	}
	if json.Unmarshal(raw, &head) != nil || head.Kty == "" {
		return Material{}, errors.New("not a JWK: kty is missing, or a member is repeated or of the wrong type")
	}
	m := Material{Kid: head.Kid}
	switch {
	case head.Kty == "oct":
		return m, errors.New("a symmetric key: whoever verifies with it can sign with it, so it has no place in a key set")
	case len(head.N) > maxModulus:
		return m, fmt.Errorf("an RSA key of more than %d bits", mostRSABits)
	case head.Use != "" && head.Use != "sig":
		return m, errors.New("its use is not sig: a key for encryption does not sign tokens")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return m, fmt.Errorf("it cannot be read: a member is missing or damaged, or its kty %.16q or its crv is not known here", head.Kty) // the cause may hold key material
	}
	if !jwk.Valid() {
		return m, errors.New("it is not valid: its numbers are no key")
	}
	if key, ok := jwk.Key.(*rsa.PrivateKey); ok {
		if key.Validate() != nil {
			return m, errors.New("it is not valid: its numbers are no RSA key")
		}
		key.Precompute() // once, not for each token
	}
	if m.Algorithm = Algorithm(jwk.Algorithm); m.Algorithm == "Ed25519" { // RFC 9864 §2.2
		m.Algorithm = EdDSA
	}
	if private, ok := jwk.Key.(crypto.Signer); ok {
		m.Private = private
	} else {
		m.Public = jwk.Key
	}
	return m, nil
}
