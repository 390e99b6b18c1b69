package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxKeyFile bounds a file of keys, in bytes.
const MaxKeyFile = 64 << 10

// maxMaterial bounds how many keys are taken from one file.
const maxMaterial = 32

// A Material is a key as it is found in a file, of anybody's.
type Material struct {
	Kid       string    // as the file has it; empty if it has none
	Algorithm Algorithm // as the file has it, or as the key allows one only; empty for RSA without
	Public    crypto.PublicKey
	Private   crypto.Signer // nil: the public half alone
}

// ParseKeys reads a file of keys: PEM of public keys, private keys or a
// certificate, or a JWK or JWKS in JSON. All of it must be keys that can sign
// tokens here. No error shows what was read, but for names and kids.
func ParseKeys(file []byte) ([]Material, error) {
	if len(file) > MaxKeyFile {
		return nil, fmt.Errorf("more than %d bytes: give a file with the keys alone", MaxKeyFile)
	}
	parse := parsePEM
	if trimmed := bytes.TrimSpace(file); len(trimmed) > 0 && trimmed[0] == '{' {
		parse = parseJWKs
	}
	found, err := parse(file)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, errors.New("there is no key in it: give PEM (PUBLIC KEY, PRIVATE KEY, CERTIFICATE), a JWK or a JWKS")
	case len(found) > maxMaterial:
		return nil, fmt.Errorf("more than %d keys: give a file with fewer", maxMaterial)
	}
	for i, m := range found {
		if found[i], err = m.check(); err != nil {
			return nil, fmt.Errorf("key %d%s: %w", i+1, named(m.Kid), err)
		}
	}
	return found, nil
}

// named shows a kid, which is anybody's, in an error.
func named(kid string) string {
	if kid == "" {
		return ""
	}
	return fmt.Sprintf(" (kid %.64q)", kid)
}

// WithAlgorithm says for which algorithm a key is, where the file does not.
func (m Material) WithAlgorithm(alg Algorithm) (Material, error) {
	switch {
	case alg == "" && m.Algorithm == "":
		return m, fmt.Errorf("an RSA key is for %s or %s, and the file does not say which: name the algorithm", RS256, PS256)
	case alg == "" || alg == m.Algorithm:
		return m, nil
	case m.Algorithm != "":
		return m, fmt.Errorf("the key is for %s, not %s", m.Algorithm, alg)
	}
	m.Algorithm = alg
	return m, alg.check(m.Public)
}

// check holds what was parsed to what a key can be used for here.
func (m Material) check() (Material, error) {
	if m.Private != nil {
		m.Public = m.Private.Public()
	}
	fits := m.fitting()
	switch {
	case len(fits) == 0:
		return m, m.unfit()
	case m.Algorithm != "" && !slices.Contains(fits, m.Algorithm):
		return m, fmt.Errorf("its algorithm is %.32q, and a key like it is for %s here", string(m.Algorithm), join(fits))
	case m.Algorithm == "" && len(fits) == 1:
		m.Algorithm = fits[0]
	}
	if m.Private == nil {
		return m, nil
	}
	k, err := newKey(fits[0], m.Private)
	if err != nil {
		return m, err
	}
	if _, err := newSigner(k, "", nil); err != nil {
		return m, errors.New("its private and its public half do not belong together")
	}
	return m, nil
}

// fitting returns the algorithms that a key can be used with.
func (m Material) fitting() (fits []Algorithm) {
	for _, r := range table() {
		if r.check(m.Public) == nil {
			fits = append(fits, r.name)
		}
	}
	return fits
}

// unfit says why a key is of no use here.
func (m Material) unfit() error {
	switch k := m.Public.(type) {
	case *rsa.PublicKey:
		return checkRSA(k)
	case *ecdsa.PublicKey:
		return fmt.Errorf("an EC key on %s: those on %s (%s) and %s (%s) are of use here", k.Curve.Params().Name,
			elliptic.P256().Params().Name, ES256, elliptic.P384().Params().Name, ES384)
	case ed25519.PublicKey:
		return checkEd25519(k)
	}
	return fmt.Errorf("a %T: RSA keys, EC keys and Ed25519 keys are of use here", m.Public)
}

func join(algorithms []Algorithm) string {
	var names []string
	for _, a := range algorithms {
		names = append(names, string(a))
	}
	return strings.Join(names, " or ")
}
