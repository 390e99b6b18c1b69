package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// TestGenerateKey: every row makes keys that its own check takes, and no other's.
func TestGenerateKey(t *testing.T) {
	made := map[Algorithm]crypto.Signer{}
	for _, row := range table() {
		key, err := GenerateKey(row.name, 2048)
		if err != nil {
			t.Fatal(err)
		}
		made[row.name] = key
	}
	for alg := range made {
		for other, key := range made {
			rsa := func(a Algorithm) bool { return a == RS256 || a == PS256 } // the same keys serve both
			if err := alg.check(key.Public()); (err == nil) != (alg == other || rsa(alg) && rsa(other)) {
				t.Errorf("%s checks a key of %s: %v", alg, other, err)
			}
		}
	}
	if bits := made[RS256].Public().(*rsa.PublicKey).N.BitLen(); bits != 2048 {
		t.Errorf("RS256 keys have %d bits", bits)
	}
	if _, err := GenerateKey("none", 2048); err == nil {
		t.Error("a key for none")
	}
}

func TestAlgorithmCheck(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	modulus := func(bits uint) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1))
	}
	for _, c := range []struct {
		alg    Algorithm
		public crypto.PublicKey
		want   string
	}{
		{ES256, &p384.PublicKey, "P-256"},
		{ES256, ed, "P-256"},
		{ES256, nil, "P-256"},
		{RS256, &rsa.PublicKey{N: modulus(2047), E: 65537}, "2047 bits"},
		{RS256, &rsa.PublicKey{N: modulus(4097), E: 65537}, "4097 bits"},
		{RS256, &rsa.PublicKey{N: modulus(2048), E: 3}, "and 3"},
		{RS256, &rsa.PublicKey{N: modulus(2048), E: 65537}, ""},
		{"HS256", []byte("x"), "unknown algorithm"},
	} {
		err := c.alg.check(c.public)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with a %T: %v, want %q", c.alg, c.public, err, c.want)
		}
	}
}

// A generator that gives the wrong kind of key, or none, changes nothing.
func TestAdvanceWithBadGenerator(t *testing.T) {
	empty := must(NewRing(brisk()))
	for name, generate := range map[string]Generate{
		"wrong kind": func(Algorithm, int) (crypto.Signer, error) { return cheap()(RS256, 2048) },
		"none":       func(Algorithm, int) (crypto.Signer, error) { return nil, errors.New("no entropy") },
	} {
		next, changed, err := empty.Advance(at(0), generate)
		if err == nil || changed || len(next.Keys()) != 0 {
			t.Errorf("%s: %v, changed %v, error %v", name, next, changed, err)
		}
	}
}

// Neither keys nor rings show private halves, however they are printed.
func TestNothingShowsPrivateHalves(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	r, _, err := must(NewRing(brisk())).Advance(at(0), func(Algorithm, int) (crypto.Signer, error) { return key, nil })
	if err == nil {
		t.Fatalf("one key in two places: %v", r)
	}
	r = started(t, brisk())
	private := r.keys[0].private.(*ecdsa.PrivateKey)
	d := must(private.Bytes())
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{r, r.keys[0], r.Keys(), &r} {
			out := fmt.Sprintf(format, v)
			for _, secret := range []string{fmt.Sprintf("%x", d), fmt.Sprint(d), new(big.Int).SetBytes(d).String()} {
				if strings.Contains(out, secret) {
					t.Errorf("%s of a %T shows the private half", format, v)
				}
			}
		}
	}
	if got := r.keys[0].LogValue().String(); got != "ES256 key "+r.keys[0].ID {
		t.Errorf("logged as %q", got)
	}
	if k := r.keys[0]; !strings.Contains(fmt.Sprint(r), "2 keys") || k.private == nil {
		t.Errorf("printed as %v", r)
	}
}

// A kid can be given on a command line: none begins like a flag does.
func TestKidIsNoFlag(t *testing.T) {
	for range 1500 { // 1 in 64 would
		key := must(GenerateKey(ES256, 2048))
		if kid := must(thumbprint(key.Public())); kid[0] == '-' {
			t.Fatalf("generated %s", kid)
		}
	}
}
