package discovery

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// A Key verifies signatures of one algorithm.
type Key struct {
	ID        string           // kid, never empty
	Algorithm string           // JWS alg
	Public    crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// ErrPrivate is why a key is skipped that was published with its private part,
// or is symmetric: everybody can sign with it. Somebody should be told.
var ErrPrivate = errors.New("a private key is published")

// parseKey reads one member of a foreign key set. Any error means that the key
// is not to be used.
func parseKey(jwk map[string]any) (Key, error) {
	kty, ok := jwk["kty"].(string)
	if !ok {
		return Key{}, errors.New("kty is missing") // RFC 7517 §4.1
	}
	// Whoever has seen a published private key can sign. RFC 7517 §9.2
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, there := jwk[private]; there {
			return Key{}, fmt.Errorf("%w: it has %s", ErrPrivate, private)
		}
	}
	if err := checkUse(jwk); err != nil {
		return Key{}, err
	}
	var key Key
	if key.ID, ok = jwk["kid"].(string); !ok || key.ID == "" {
		return Key{}, errors.New("kid is missing: no token can name the key")
	}
	var err error
	switch kty {
	case "RSA":
		key.Public, err = parseRSA(jwk)
	case "EC":
		key.Public, err = parseEC(jwk)
	case "OKP":
		key.Public, err = parseOKP(jwk)
	default:
		err = fmt.Errorf("kty %.20q is not supported", kty)
	}
	if err != nil {
		return Key{}, err
	}
	known := algorithms(key.Public)
	switch alg, there := jwk["alg"]; {
	case !there: // RFC 7517 §4.4: optional
		key.Algorithm = known[0]
	default:
		key.Algorithm, ok = alg.(string)
		if !ok || !slices.Contains(known, key.Algorithm) {
			return Key{}, errors.New("alg is not one that this type of key is used with")
		}
	}
	return key, nil
}

// algorithms lists the JWS algorithms that a key can serve, the one meant by a
// key set that does not say it first: there is no choice but for RSA, where
// issuers that omit alg sign with RS256.
func algorithms(public crypto.PublicKey) []string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} // RFC 7518 §3.3, §3.5
	case *ecdsa.PublicKey:
		switch key.Curve { // RFC 7518 §3.4
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA", "Ed25519"} // RFC 8037 §3.1, RFC 9864 §2.2
	}
	return nil
}

// checkUse refuses a key that is not meant to verify signatures.
func checkUse(jwk map[string]any) error {
	if use, there := jwk["use"]; there && use != "sig" { // RFC 7517 §4.2
		return errors.New("use is not sig")
	}
	value, there := jwk["key_ops"] // RFC 7517 §4.3
	if !there {
		return nil
	}
	ops, ok := StringList(value)
	if !ok || !slices.Contains(ops, "verify") {
		return errors.New("key_ops does not have verify")
	}
	slices.Sort(ops)
	if len(slices.Compact(ops)) != len(value.([]any)) {
		return errors.New("key_ops has duplicates")
	}
	return nil
}

// member decodes a base64url member.
func member(jwk map[string]any, name string) ([]byte, error) {
	text, ok := jwk[name].(string)
	if !ok || text == "" {
		return nil, fmt.Errorf("%s is missing", name)
	}
	b, err := DecodeBase64URL(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

func parseRSA(jwk map[string]any) (*rsa.PublicKey, error) {
	modulus, err := member(jwk, "n")
	if err != nil {
		return nil, err
	}
	exponent, err := member(jwk, "e")
	if err != nil {
		return nil, err
	}
	if len(modulus) > maxRSABits/8+1 { // before any arithmetic
		return nil, errors.New("the RSA modulus is too long")
	}
	n := new(big.Int).SetBytes(modulus)
	switch e := new(big.Int).SetBytes(exponent); {
	case n.BitLen() < minRSABits: // RFC 7518 §3.3
		return nil, fmt.Errorf("the RSA modulus has %d bits, fewer than %d", n.BitLen(), minRSABits)
	case n.BitLen() > maxRSABits:
		return nil, errors.New("the RSA modulus is too long")
	case n.Bit(0) == 0:
		return nil, errors.New("the RSA modulus is even")
	case e.BitLen() < 17 || e.BitLen() > 31 || e.Bit(0) == 0: // NIST SP 800-56B §6.2; crypto/rsa takes no more than 31 bits
		return nil, errors.New("the RSA exponent is not an odd number from 65537 to 2^31-1")
	case isROCA(n):
		return nil, errors.New("the RSA modulus has the fingerprint of the ROCA weakness")
	default:
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	}
}

const (
	minRSABits = 2048
	maxRSABits = 8192 // verification stays well under a millisecond
)

// isROCA recognises moduli of Infineon's faulty generator (CVE-2017-15361,
// RFC 8725 §3.5): modulo every small prime they are a power of 65537. For an
// honest modulus that happens about once in 2^27.
func isROCA(n *big.Int) bool {
	for p := int64(3); p <= 167; p += 2 {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		rest := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for range p {
			if power == rest {
				break
			}
			power = power * 65537 % p
		}
		if power != rest {
			return false
		}
	}
	return true
}

func parseEC(jwk map[string]any) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch jwk["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, errors.New("crv is not P-256, P-384 or P-521")
	}
	point := []byte{4} // SEC 1 §2.3.3: uncompressed
	for _, name := range []string{"x", "y"} {
		coordinate, err := member(jwk, name)
		if err != nil {
			return nil, err
		}
		if len(coordinate) != (curve.Params().BitSize+7)/8 { // RFC 7518 §6.2.1.2
			return nil, fmt.Errorf("%s does not have the length of a coordinate", name)
		}
		point = append(point, coordinate...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil { // RFC 8725 §3.4
		return nil, errors.New("the point is not on the curve")
	}
	return key, nil
}

func parseOKP(jwk map[string]any) (ed25519.PublicKey, error) {
	if jwk["crv"] != "Ed25519" {
		return nil, errors.New("crv is not Ed25519")
	}
	x, err := member(jwk, "x")
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize { // RFC 8032 §5.1.5
		return nil, errors.New("x does not have 32 bytes")
	}
	if err := checkEdwards(x); err != nil { // RFC 8725 §3.4
		return nil, err
	}
	return x, nil
}
