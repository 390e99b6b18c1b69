package forge

import (
	"math/big"
	"slices"
	"strings"
)

// badSignature are good but for the signature.
func (f *Forge) badSignature() []Token {
	good := f.es(f.Claims())
	s, n := signature(good), f.EC.Curve.Params().N
	zero, one := new(big.Int), big.NewInt(1)
	half := func(i int) *big.Int { return new(big.Int).SetBytes(s[32*i : 32*i+32]) }
	flipped := slices.Clone(s)
	flipped[40] ^= 1
	rs := f.rs(f.Claims())
	swap := strings.Split(rs, ".")
	other := strings.Split(f.rs(f.Claims().With("sub", `"admin"`)), ".")
	otherHead := strings.Split(f.rsHead(Head("RS256", RSAKeyID).With("x", "1")), ".")
	ed := f.Sign(f.Ed, Head("EdDSA", EdKeyID), f.Claims())
	list := []Token{
		{"es256-short", "signature", "63 bytes", resign(good, s[:63])},
		{"es256-long", "signature", "65 bytes", resign(good, append(slices.Clone(s), 0))},
		{"es256-zero-inside", "signature", "65 bytes, the same numbers", resign(good, slices.Concat(s[:32], []byte{0}, s[32:]))},
		{"es256-zero-before", "signature", "65 bytes, the same numbers", resign(good, slices.Concat([]byte{0}, s))},
		{"es256-wide", "signature", "96 bytes, as P-384 has", resign(good, slices.Concat(make([]byte, 16), s[:32], make([]byte, 16), s[32:]))},
		{"es256-bit-flipped", "signature", "one bit", resign(good, flipped)},
		{"es256-attacker", "signature", "the kid of another's key", f.Sign(f.Attacker, Head("ES256", ECKeyID), f.Claims())},
		{"rs256-truncated", "signature", "one byte short", resign(rs, signature(rs)[1:])},
		{"rs256-extended", "signature", "a zero before it", resign(rs, append([]byte{0}, signature(rs)...))},
		{"rs256-zero", "signature", "all zero", resign(rs, make([]byte, 256))},
		{"rs256-one", "signature", "1 to any power", resign(rs, append(make([]byte, 255), 1))},
		{"payload-swapped", "signature", "another token's claims", swap[0] + "." + other[1] + "." + swap[2]},
		{"header-swapped", "signature", "another token's header", otherHead[0] + "." + swap[1] + "." + swap[2]},
		{"eddsa-s-plus-l", "signature", "RFC 8032 §8.4: S is less than the order", resign(ed, plusOrder(signature(ed)))},
		{"eddsa-identity", "signature", "R is the neutral point, S zero", resign(ed, append([]byte{1}, make([]byte, 63)...))},
		{"eddsa-short", "signature", "63 bytes", resign(ed, signature(ed)[:63])},
		{"eddsa-zero", "signature", "all zero", resign(ed, make([]byte, 64))},
	}
	for _, numbers := range []struct {
		name string
		r, s *big.Int
	}{
		{"zero-s", half(0), zero}, {"zero-r", zero, half(1)}, {"r-n", n, half(1)}, {"s-n", half(0), n}, {"n-n", n, n}, {"one-one", one, one},
		{"s-plus-n", half(0), new(big.Int).SetBytes(slices.Repeat([]byte{0xff}, 32))},
	} {
		both := append(numbers.r.FillBytes(make([]byte, 32)), numbers.s.FillBytes(make([]byte, 32))...)
		list = append(list, Token{"es256-" + numbers.name, "signature", "FIPS 186-5 §6.4.2: 0 < r, s < n", resign(good, both)})
	}
	return list
}

// plusOrder is an Ed25519 signature with the order of the group added to S, by
// which careless verifiers take two signatures for one token.
func plusOrder(signature []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	changed := slices.Clone(signature)
	slices.Reverse(changed[32:])
	s := new(big.Int).SetBytes(changed[32:])
	s.Add(s, order).FillBytes(changed[32:])
	slices.Reverse(changed[32:])
	return changed
}
