package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
)

// An Algorithm is a JWS "alg" value (RFC 7518 §3.1, RFC 8037 §3.1).
type Algorithm string

// The algorithms that tokens can be signed with.
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256 (RFC 7518 §3.4)
	ES384 Algorithm = "ES384" // ECDSA on P-384 (RFC 7518 §3.4)
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5, 2048 to 4096 bits (RFC 7518 §3.3)
	PS256 Algorithm = "PS256" // RSASSA-PSS, 2048 to 4096 bits (RFC 7518 §3.5)
	EdDSA Algorithm = "EdDSA" // Ed25519 (RFC 8037 §3.1)
)

// Generate makes a private half for an algorithm; rsaBits is the size of an
// RSA key. One that is kept outside of the ring is an External.
type Generate func(a Algorithm, rsaBits int) (crypto.Signer, error)

// table has a row for each algorithm. A new one is a row.
func table() []row {
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256} // RFC 7518 §3.5
	return []row{
		{ES256, generateEC(elliptic.P256()), checkEC(elliptic.P256()), crypto.SHA256, 32},
		{ES384, generateEC(elliptic.P384()), checkEC(elliptic.P384()), crypto.SHA384, 48},
		{RS256, generateRSA, checkRSA, crypto.SHA256, 0},
		{PS256, generateRSA, checkRSA, pss, 0},
		{EdDSA, generateEd25519, checkEd25519, crypto.Hash(0), 0},
	}
}

type row struct {
	name     Algorithm
	generate func(rsaBits int) (crypto.Signer, error)
	check    func(crypto.PublicKey) error
	opts     crypto.SignerOpts // its hash is that of the signing input; 0: what is signed is not hashed before
	octets   int               // of R and S each, where a signature is both (RFC 7518 §3.4); else 0
}

func (a Algorithm) row() (row, error) {
	rows := table()
	i := slices.IndexFunc(rows, func(r row) bool { return r.name == a })
	if i < 0 {
		return row{}, fmt.Errorf("unknown algorithm %q: use one of %s", string(a), strings.Join(algorithmNames(), ", "))
	}
	return rows[i], nil
}

func algorithmNames() (names []string) {
	for _, r := range table() {
		names = append(names, string(r.name))
	}
	return names
}

// GenerateKey makes a private half in memory. It is the Generate of every
// Rotator that is not given another. No kid begins with a hyphen, where a
// command line would take it for a flag.
func GenerateKey(a Algorithm, rsaBits int) (crypto.Signer, error) {
	r, err := a.row()
	if err != nil {
		return nil, err
	}
	for {
		key, err := r.generate(rsaBits)
		if err != nil {
			return nil, fmt.Errorf("make %s key: %w", a, err)
		}
		if kid, err := thumbprint(key.Public()); err != nil || kid[0] != '-' {
			return key, err
		}
	}
}

// check reports whether a public half is of the kind that the algorithm needs.
func (a Algorithm) check(public crypto.PublicKey) error {
	r, err := a.row()
	if err != nil {
		return err
	}
	if err := r.check(public); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

func generateEC(curve elliptic.Curve) func(int) (crypto.Signer, error) {
	return func(int) (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

func checkEC(curve elliptic.Curve) func(crypto.PublicKey) error {
	return func(public crypto.PublicKey) error {
		if k, ok := public.(*ecdsa.PublicKey); !ok || k.Curve != curve {
			return fmt.Errorf("needs an EC key on %s, not a %T", curve.Params().Name, public)
		}
		return nil
	}
}

const leastRSABits, mostRSABits = 2048, 4096 // RFC 7518 §3.3: 2048 or larger

func generateRSA(bits int) (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) }

func checkRSA(public crypto.PublicKey) error {
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("needs an RSA key, not a %T", public)
	}
	if bits := k.N.BitLen(); bits < leastRSABits || bits > mostRSABits || k.E < 65537 {
		return fmt.Errorf("needs an RSA key of %d to %d bits and an exponent from 65537, not %d bits and %d", leastRSABits, mostRSABits, bits, k.E)
	}
	return nil
}

func generateEd25519(int) (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func checkEd25519(public crypto.PublicKey) error {
	if k, ok := public.(ed25519.PublicKey); !ok || len(k) != ed25519.PublicKeySize {
		return fmt.Errorf("needs an Ed25519 key, not a %T", public)
	}
	return nil
}
