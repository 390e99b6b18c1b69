package discovery

import (
	"errors"
	"math/big"
	"slices"
)

// checkEdwards refuses what is no point of edwards25519 (RFC 8032 §5.1.3), and
// the eight points of small order: by those, anybody's signature is good, and
// crypto/ed25519 takes them. It is arithmetic on public keys, at leisure.
func checkEdwards(encoded []byte) error {
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	mul := func(a, b *big.Int) *big.Int { c := new(big.Int).Mul(a, b); return c.Mod(c, p) }
	divide := func(a, b *big.Int) *big.Int { return mul(a, new(big.Int).ModInverse(b, p)) }
	// -x² + y² = 1 + dx²y²; dx²y² is neither 1 nor -1, so that nothing is divided by zero.
	d := divide(big.NewInt(-121665), big.NewInt(121666))

	text := slices.Clone(encoded)
	slices.Reverse(text) // to big-endian
	negative := text[0]&0x80 != 0
	text[0] &= 0x7f
	y := new(big.Int).SetBytes(text)
	yy := mul(y, y)
	x := new(big.Int).ModSqrt(divide(new(big.Int).Sub(yy, one), new(big.Int).Add(mul(d, yy), one)), p)
	if y.Cmp(p) >= 0 || x == nil || x.Sign() == 0 && negative {
		return errors.New("the point is not on the curve")
	}
	for range 3 { // RFC 8032 §5.1.4: doubled thrice, what is of small order is the neutral point
		xx, yy := mul(x, x), mul(y, y)
		dxy := mul(d, mul(xx, yy))
		x, y = divide(new(big.Int).Lsh(mul(x, y), 1), new(big.Int).Add(one, dxy)), divide(new(big.Int).Add(yy, xx), new(big.Int).Sub(one, dxy))
	}
	if x.Sign() == 0 && y.Cmp(one) == 0 {
		return errors.New("the point is of small order")
	}
	return nil
}
