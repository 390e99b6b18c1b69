package conformance

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
)

// jwksNumberCases are about the numbers that make a key: a signature proves
// nothing under bad ones.
func jwksNumberCases() []Case {
	return group("jwks",
		Case{
			ID: "jwks-ec-coord-length", Section: "RFC 7518 §6.2.1.2, §6.2.1.3", Level: Must, Run: eachKeyOf("EC", coordinateLength),
			Expected: "The coordinates of EC keys have the length of the curve: 32, 48 or 66 octets, leading zeros included.",
			Means:    "One key in some 128 has a coordinate that begins with a zero, and strict verifiers refuse all that it signs.",
		},
		Case{
			ID: "jwks-ec-on-curve", Section: "RFC 7518 §6.2.1; RFC 8725 §3.4", Level: Must, Run: eachKeyOf("EC", onCurve),
			Expected: "The point of every EC key is on its curve.",
			Means:    "Verifiers that check the key refuse every token under it, and those that do not check can be made to accept forged ones.",
		},
		Case{
			ID: "jwks-rsa-2048", Section: "RFC 7518 §3.3", Level: Must, Run: eachKeyOf("RSA", modulusLength),
			Expected: "RSA keys have 2048 bits or more.",
			Means:    "A shorter key can be computed from the public one, and whoever does that signs tokens for any user.",
		},
		Case{
			ID: "jwks-rsa-exponent", Section: "NIST SP 800-56B; Wycheproof JWK tc9", Level: BCP, Run: eachKeyOf("RSA", exponent),
			Expected: "The exponent of RSA keys is odd and 65537 or more.",
			Means:    "With a small exponent, a verifier that is careless about padding accepts forged signatures; other verifiers refuse the key.",
		},
		Case{
			ID: "jwks-rsa-weak", Section: "RFC 8725 §3.5; Wycheproof JWK tc7", Level: BCP, Run: rsaWeak,
			Expected: "No RSA modulus has small factors, shares one with another key, or comes from Infineon's faulty generator (ROCA).",
			Means:    "The private key can be computed from the public one, and whoever does that signs tokens for any user.",
		},
	)
}

// eachKeyOf is eachKey for keys of one type; without any the case does not apply.
func eachKeyOf(kty string, wrong func(key map[string]any) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		some := false
		for i, k := range p.keySet(ctx) {
			if k["kty"] != kty {
				continue
			}
			if some = true; wrong(k) != "" {
				return fail("key %d %s", i, wrong(k))
			}
		}
		if !some {
			return absent("no key is of type %s", kty)
		}
		return pass()
	}
}

// octets decodes a binary member as leniently as verifiers do; whether it is
// well written is asked by another case.
func octets(key map[string]any, name string) []byte {
	text, _ := key[name].(string)
	decoded, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	return decoded
}

func number(key map[string]any, name string) *big.Int {
	return new(big.Int).SetBytes(octets(key, name))
}

// coordinateOctets returns how long the coordinates of a curve are (RFC 7518
// §6.2.1.2), 0 for curves that we do not know.
func coordinateOctets(key map[string]any) int {
	crv, _ := key["crv"].(string)
	return map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}[crv]
}

func coordinateLength(key map[string]any) string {
	want := coordinateOctets(key)
	for _, name := range []string{"x", "y"} {
		if got := len(octets(key, name)); want > 0 && got != want {
			return fmt.Sprintf("has a member %s of %d octets, not %d", name, got, want)
		}
	}
	return ""
}

// onCurve takes the coordinates as numbers, however long they are written.
func onCurve(key map[string]any) string {
	size := coordinateOctets(key)
	if size == 0 {
		return ""
	}
	point := []byte{4} // SEC 1 §2.3.3: uncompressed
	for _, name := range []string{"x", "y"} {
		n := number(key, name)
		if n.BitLen() > 8*size {
			return "has a member " + name + " that is no coordinate of its curve"
		}
		point = append(point, n.FillBytes(make([]byte, size))...)
	}
	curve := map[int]ecdh.Curve{32: ecdh.P256(), 48: ecdh.P384(), 66: ecdh.P521()}[size]
	if _, err := curve.NewPublicKey(point); err != nil {
		return "is a point that is not on its curve"
	}
	return ""
}

func modulusLength(key map[string]any) string {
	if bits := number(key, "n").BitLen(); bits < 2048 {
		return fmt.Sprintf("has an RSA modulus of %d bits: withdraw it", bits)
	}
	return ""
}

func exponent(key map[string]any) string {
	if e := number(key, "e"); e.Cmp(big.NewInt(65537)) < 0 || e.Bit(0) == 0 {
		return fmt.Sprintf("has the exponent %v", e)
	}
	return ""
}

func rsaWeak(ctx context.Context, p *Probe) Verdict {
	var moduli []*big.Int
	for i, k := range p.keySet(ctx) {
		n := number(k, "n")
		if k["kty"] != "RSA" || n.Sign() == 0 {
			continue
		}
		if why := weakModulus(n, moduli); why != "" {
			return fail("key %d has a modulus %s: withdraw it now", i, why)
		}
		moduli = append(moduli, n)
	}
	if moduli == nil {
		return absent("no key is of type RSA")
	}
	return pass()
}

// weakModulus says why n can be factored, as far as that is quick to tell.
func weakModulus(n *big.Int, others []*big.Int) string {
	rest := new(big.Int)
	for p := int64(2); p < 2000; p++ {
		if rest.Mod(n, big.NewInt(p)).Sign() == 0 {
			return fmt.Sprintf("that %d divides", p)
		}
	}
	for _, other := range others {
		common := new(big.Int).GCD(nil, nil, n, other)
		if n.Cmp(other) != 0 && common.Cmp(big.NewInt(1)) != 0 {
			return "that has a factor in common with another key's"
		}
	}
	if roca(n) {
		return "of Infineon's faulty generator (CVE-2017-15361)"
	}
	return ""
}

// roca reports whether n is a power of 65537 modulo each small prime. Of honest
// moduli, one in about 2^27 is.
func roca(n *big.Int) bool {
	for p := int64(3); p <= 167; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		rest, power := new(big.Int).Mod(n, big.NewInt(p)).Int64(), int64(1)
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
