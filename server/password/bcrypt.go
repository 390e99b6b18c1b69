package password

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// bcryptReach is how much of a password bcrypt hashes.
	bcryptReach = 72

	minBcryptCost, maxBcryptCost = 4, 14 // 14 is about a second
	bcryptSalt, bcryptKey        = 22, 31
)

// The bits that are left over in a hash's last character are zero; in that of
// a salt some programs left what was there.
var (
	bcryptSalt64 = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)
	bcryptKey64  = bcryptSalt64.Strict()
)

// parseBcrypt reads "$2b$12$", 22 characters of salt, 31 of hash. 2a, 2b and 2y
// are the same where the software that made the hash had none of their bugs.
// What is beyond 72 bytes of a password is ignored, as it was there.
func parseBcrypt(encoded string) (hash, error) {
	if len(encoded) != len("$2b$12$")+bcryptSalt+bcryptKey || encoded[:2] != "$2" || !strings.Contains("aby", encoded[2:3]) || encoded[3] != '$' || encoded[6] != '$' {
		return hash{}, errors.New("60 characters of $2a$, $2b$ or $2y$ expected")
	}
	tens, ones := encoded[4]-'0', encoded[5]-'0'
	cost := 10*uint64(tens) + uint64(ones)
	if tens > 9 || ones > 9 || cost < minBcryptCost || cost > uint64(bcrypt.MaxCost) {
		return hash{}, errors.New("the cost is not one of 04 to 31")
	}
	text := encoded[len("$2b$12$"):]
	if _, err := decodeBytes(bcryptSalt64, text[:bcryptSalt], 16, 16); err != nil {
		return hash{}, err
	}
	if _, err := decodeBytes(bcryptKey64, text[bcryptSalt:], 23, 23); err != nil {
		return hash{}, err
	}
	return hash{
		cost: small, over: exceeds(cost, maxBcryptCost, "cost %d"), foreign: true, reach: bcryptReach,
		matches: func(password []byte) bool {
			return bcrypt.CompareHashAndPassword([]byte(encoded), password) == nil
		},
	}, nil
}

// parseBcryptSHA256 reads what Django makes of the SHA-256 of a password in
// hexadecimal, so that all of it counts.
func parseBcryptSHA256(encoded string) (hash, error) {
	h, err := parseBcrypt(encoded)
	if err != nil {
		return hash{}, err
	}
	inner := h.matches
	h.reach = 0
	h.matches = func(password []byte) bool {
		sum := sha256.Sum256(password)
		return inner(hex.AppendEncode(nil, sum[:]))
	}
	return h, nil
}
