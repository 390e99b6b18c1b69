package forge

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"math/rand/v2"
)

// KeysFrom derives keys from a seed. crypto/rsa and crypto/ecdsa take no
// randomness from their callers any more, so they are made here: slower, never
// checked for anything but correctness, and known to all who know the seed.
func KeysFrom(seed string) Keys {
	s := newSource(seed)
	return Keys{RSA: s.rsa(), EC: s.p256(), Attacker: s.p256(), Ed: ed25519.NewKeyFromSeed(s.bytes(ed25519.SeedSize))}
}

// A source is a stream of bytes that looks random and is the same each time.
type source struct{ stream *rand.ChaCha8 }

func newSource(seed string) source { return source{rand.NewChaCha8(sha256.Sum256([]byte(seed)))} }

func (s source) bytes(n int) []byte {
	b := make([]byte, n)
	s.stream.Read(b) // never fails
	return b
}

// prime returns a prime of exactly so many bits, with the two highest set, so
// that the product of two has twice as many, which suits the exponent.
func (s source) prime(bits int, exponent int64) *big.Int {
	for {
		p := new(big.Int).SetBytes(s.bytes(bits / 8))
		p.SetBit(p, bits-1, 1).SetBit(p, bits-2, 1).SetBit(p, 0, 1)
		if new(big.Int).Mod(p, big.NewInt(exponent)).Cmp(big.NewInt(1)) != 0 && p.ProbablyPrime(20) {
			return p
		}
	}
}

func (s source) rsa() *rsa.PrivateKey {
	p, q := s.prime(1024, 65537), s.prime(1024, 65537)
	raw := newRSAKey(p, q, 65537)
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: raw.n, E: 65537}, D: raw.d, Primes: []*big.Int{p, q}}
	key.Precompute()
	if err := key.Validate(); err != nil {
		panic(err)
	}
	return key
}

func (s source) p256() *ecdsa.PrivateKey {
	for {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.bytes(32)); err == nil {
			return key
		}
	}
}

// An rsaKey is RSA without the judgement of crypto/rsa, for keys that are not
// to be used.
type rsaKey struct{ n, e, d *big.Int }

func newRSAKey(p, q *big.Int, exponent int64) rsaKey {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	e := big.NewInt(exponent)
	return rsaKey{new(big.Int).Mul(p, q), e, new(big.Int).ModInverse(e, phi)} // d is nil where e has no inverse
}

// sign makes an RS256 signature (RFC 8017 §8.2.1).
func (k rsaKey) sign(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	prefix := "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20" // RFC 8017 §9.2
	size := (k.n.BitLen() + 7) / 8
	encoded := make([]byte, size)
	encoded[1] = 1
	hash := append([]byte(prefix), digest[:]...)
	for i := 2; i < size-len(hash)-1; i++ {
		encoded[i] = 0xff
	}
	copy(encoded[size-len(hash):], hash)
	return new(big.Int).Exp(new(big.Int).SetBytes(encoded), k.d, k.n).FillBytes(make([]byte, size))
}
