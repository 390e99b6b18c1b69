package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
)

// An Algorithm is a JWS "alg" value (RFC 7518 §3.1).
type Algorithm string

// The algorithms that tokens can be signed with.
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256 (RFC 7518 §3.4)
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5, 2048 bits (RFC 7518 §3.3)
)

// Generate makes a private half for an algorithm.
type Generate func(Algorithm) (crypto.Signer, error)

// table has a row for each algorithm. A new one is a row.
func table() []row {
	return []row{
		{ES256, generateP256, checkP256},
		{RS256, generateRSA, checkRSA},
	}
}

type row struct {
	name     Algorithm
	generate func() (crypto.Signer, error)
	check    func(crypto.PublicKey) error
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
func GenerateKey(a Algorithm) (crypto.Signer, error) {
	r, err := a.row()
	if err != nil {
		return nil, err
	}
	for {
		key, err := r.generate()
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

func generateP256() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func checkP256(public crypto.PublicKey) error {
	if k, ok := public.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return fmt.Errorf("needs an EC key on P-256, not a %T", public)
	}
	return nil
}

const rsaBits = 2048 // RFC 7518 §3.3: 2048 or larger

func generateRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

func checkRSA(public crypto.PublicKey) error {
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("needs an RSA key, not a %T", public)
	}
	if bits := k.N.BitLen(); bits < rsaBits || bits > 4096 || k.E < 65537 {
		return fmt.Errorf("needs an RSA key of 2048 to 4096 bits and an exponent from 65537, not %d bits and %d", bits, k.E)
	}
	return nil
}
