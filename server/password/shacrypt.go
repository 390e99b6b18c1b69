package password

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/go-crypt/x/crypt"
)

const (
	crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	defaultCryptRounds, minCryptRounds, maxCryptRounds = 5000, 1000, 700_000

	// maxCryptWork bounds the bytes that are hashed, because each round hashes
	// the password twice: at passlib's 656,000 rounds, up to 138 bytes of
	// password, and at the default of 5000 any. About half a second.
	maxCryptWork = maxCryptRounds * (64 + 2*128)
)

// A cryptHash is crypt(3)'s SHA-256 or SHA-512.
type cryptHash struct {
	long      bool // SHA-512
	rounds    uint64
	salt, key []byte // as they are written
}

// parseSHACrypt reads "$6$rounds=656000$<salt>$<hash>", or without the rounds,
// and the same of "$5$".
func parseSHACrypt(encoded string) (hash, error) {
	h := cryptHash{long: encoded[1] == '6', rounds: defaultCryptRounds}
	size, last := 43, 16 // a hash's length, and how many values its last character can have
	if h.long {
		size, last = 86, 4
	}
	text := encoded[len("$6$"):]
	if strings.HasPrefix(text, "rounds=") {
		count, rest, _ := strings.Cut(text, "$")
		n, ok := parseNumber(count, "rounds=", 999_999_999)
		if !ok || n < minCryptRounds {
			return hash{}, errors.New("the rounds are not a number that crypt can have")
		}
		h.rounds, text = n, rest
	}
	fields, err := split(text, "", 2)
	if err != nil {
		return hash{}, err
	}
	if n := len(fields[0]); n < 1 || n > 16 || !in(fields[0], crypt64) {
		return hash{}, errors.New("the salt is not 1 to 16 characters of crypt's alphabet")
	}
	if len(fields[1]) != size || !in(fields[1], crypt64) || !in(fields[1][size-1:], crypt64[:last]) {
		return hash{}, errors.New("the hash is not of crypt's alphabet or has the wrong length")
	}
	h.salt, h.key = []byte(fields[0]), []byte(fields[1])
	return hash{cost: small, over: exceeds(h.rounds, maxCryptRounds, "%d rounds"), foreign: true, matches: h.matches}, nil
}

func (h cryptHash) matches(password []byte) bool {
	if h.rounds*uint64(64+2*len(password)) > maxCryptWork {
		return false
	}
	digest := sha256.New
	if h.long {
		digest = sha512.New
	}
	key := crypt.KeySHACrypt(digest, password, h.salt, int(h.rounds))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// in reports whether a string has characters of an alphabet only.
func in(s, alphabet string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !strings.ContainsRune(alphabet, c) })
}
