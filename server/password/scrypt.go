package password

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

const (
	// maxScryptWork bounds N·r·p: 128 MiB at p=1, about half a second.
	maxScryptWork = 1 << 20

	maxScryptSide = 32 // of r and of p: what r·p takes beside N·r, some 150 KiB, is not counted
)

// A scryptHash is scrypt (RFC 7914 §6).
type scryptHash struct {
	n, r, p   uint64
	salt, key []byte
}

func (h scryptHash) parsed() (hash, error) {
	if h.n < 2 || h.n&(h.n-1) != 0 {
		return hash{}, errors.New("a work factor N that is no power of two above 1")
	}
	out := hash{cost: small, foreign: true, matches: h.matches}
	// One after the other, so that no product overflows.
	if h.r > maxScryptSide || h.p > maxScryptSide || h.n > maxScryptWork || h.n*h.r*h.p > maxScryptWork {
		out.over = fmt.Sprintf("N=%d,r=%d,p=%d, at most N·r·p=%d with r and p up to %d", h.n, h.r, h.p, maxScryptWork, maxScryptSide)
		return out, nil
	}
	out.cost.Memory = max(uint32(128*h.n*h.r/1024), small.Memory)
	return out, nil
}

func (h scryptHash) matches(password []byte) bool {
	key, err := scrypt.Key(password, h.salt, int(h.n), int(h.r), int(h.p), len(h.key))
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

// parseScrypt reads the PHC string "$scrypt$ln=17,r=8,p=1$<salt>$<hash>", with N
// as its binary logarithm.
func parseScrypt(encoded string) (hash, error) {
	fields, err := split(encoded, "$scrypt$", 3)
	if err != nil {
		return hash{}, err
	}
	params := strings.Split(fields[0], ",")
	if len(params) != 3 {
		return hash{}, errors.New("ln, r and p expected")
	}
	ln, okN := parseNumber(params[0], "ln=", bits.UintSize-2)
	r, okR := parseNumber(params[1], "r=", 1<<30)
	p, okP := parseNumber(params[2], "p=", 1<<30)
	if !okN || !okR || !okP || r == 0 || p == 0 {
		return hash{}, errors.New("ln, r or p is not a number that scrypt can have")
	}
	h := scryptHash{n: 1 << ln, r: r, p: p}
	if h.salt, err = decodeBytes(phc64, fields[1], 1, maxSalt); err != nil {
		return hash{}, err
	}
	if h.key, err = decodeBytes(phc64, fields[2], minKey, maxKey); err != nil {
		return hash{}, err
	}
	return h.parsed()
}

// parseScryptDjango reads "scrypt$<N>$<salt>$<r>$<p>$<hash>": the salt is text
// that is used as it stands, the hash is base64 with padding.
func parseScryptDjango(encoded string) (hash, error) {
	fields, err := split(encoded, "scrypt$", 5)
	if err != nil {
		return hash{}, err
	}
	var h scryptHash
	for i, to := range map[int]*uint64{0: &h.n, 2: &h.r, 3: &h.p} {
		if *to, err = parseCount(fields[i]); err != nil {
			return hash{}, err
		}
	}
	if h.salt, err = parseDjangoSalt(fields[1]); err != nil {
		return hash{}, err
	}
	if h.key, err = decodeBytes(django64, fields[4], 64, 64); err != nil {
		return hash{}, err
	}
	return h.parsed()
}
