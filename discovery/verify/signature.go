package verify

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.Hash
	"errors"
	"fmt"
)

// algorithms are the JWS algorithms that may be used, by name, each with its
// way to verify: the asymmetric ones of RFC 7518 §3 and RFC 8037, no other.
var algorithms = map[string]struct {
	hash   crypto.Hash // 0: the scheme hashes by itself
	verify func(public crypto.PublicKey, hash crypto.Hash, signed, signature []byte) bool
}{
	"RS256":   {crypto.SHA256, verifyPKCS1},
	"RS384":   {crypto.SHA384, verifyPKCS1},
	"RS512":   {crypto.SHA512, verifyPKCS1},
	"PS256":   {crypto.SHA256, verifyPSS},
	"PS384":   {crypto.SHA384, verifyPSS},
	"PS512":   {crypto.SHA512, verifyPSS},
	"ES256":   {crypto.SHA256, verifyECDSA},
	"ES384":   {crypto.SHA384, verifyECDSA},
	"ES512":   {crypto.SHA512, verifyECDSA},
	"EdDSA":   {0, verifyEd25519}, // RFC 8037 §3.1, with Ed25519 keys only
	"Ed25519": {0, verifyEd25519}, // RFC 9864 §2.2
}

// checkKey finds the key. The algorithm is the key's property; a token that
// names another is refused (RFC 8725 §3.1).
func checkKey(ctx context.Context, a *attempt) error {
	found, set, err := a.authority.keys.find(ctx, a.header.kid)
	if err != nil {
		return err
	}
	if found.Algorithm != a.header.alg {
		return fmt.Errorf("the key is for %s, the token says %.40q", found.Algorithm, a.header.alg)
	}
	a.key, a.set = found, set
	return nil
}

func checkSignature(_ context.Context, a *attempt) error {
	alg, ok := algorithms[a.key.Algorithm]
	if !ok || !alg.verify(a.key.Public, alg.hash, []byte(a.signed), a.parts[2]) { // RFC 7515 §5.2
		return errors.New("the signature is not by the key over this token")
	}
	return nil
}

// checkRevoked asks the program.
func checkRevoked(_ context.Context, a *attempt) error {
	if a.revoked(a.claims) {
		return errRevoked
	}
	return nil
}

func digest(hash crypto.Hash, signed []byte) []byte {
	if hash == crypto.SHA256 { // what most tokens are signed with, without a detour
		sum := sha256.Sum256(signed)
		return sum[:]
	}
	h := hash.New()
	h.Write(signed)
	return h.Sum(nil)
}

func verifyPKCS1(public crypto.PublicKey, hash crypto.Hash, signed, signature []byte) bool {
	key, ok := public.(*rsa.PublicKey)
	return ok && rsa.VerifyPKCS1v15(key, hash, digest(hash, signed), signature) == nil
}

func verifyPSS(public crypto.PublicKey, hash crypto.Hash, signed, signature []byte) bool {
	key, ok := public.(*rsa.PublicKey)
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} // RFC 7518 §3.5
	return ok && rsa.VerifyPSS(key, hash, digest(hash, signed), signature, options) == nil
}

// verifyECDSA takes R ‖ S, each as long as the curve's order (RFC 7518 §3.4).
func verifyECDSA(public crypto.PublicKey, hash crypto.Hash, signed, signature []byte) bool {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return false
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	return ecdsa.VerifyASN1(key, digest(hash, signed), der(signature)) // which wants 0 < r, s < n
}

// der writes R ‖ S as the standard library wants it: SEQUENCE { r, s INTEGER },
// in the one encoding that DER allows (SEC 1 §C.5).
func der(signature []byte) []byte {
	size := len(signature) / 2
	content := make([]byte, 0, 2*(size+3))
	for _, number := range [][]byte{signature[:size], signature[size:]} {
		for len(number) > 1 && number[0] == 0 {
			number = number[1:]
		}
		sign := number[0] >> 7 // a byte more, so that the number is not negative
		content = append(content, 2, byte(len(number))+sign)
		if sign == 1 {
			content = append(content, 0)
		}
		content = append(content, number...)
	}
	whole := append(make([]byte, 0, 3+len(content)), 0x30)
	if len(content) > 0x7f {
		whole = append(whole, 0x81)
	}
	return append(append(whole, byte(len(content))), content...)
}

func verifyEd25519(public crypto.PublicKey, _ crypto.Hash, signed, signature []byte) bool {
	key, ok := public.(ed25519.PublicKey)
	return ok && ed25519.Verify(key, signed, signature)
}
