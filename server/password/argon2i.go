package password

import (
	"crypto/subtle"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2i is written like argon2id: Django did so until version 3.1.
const argon2iPrefix = "$argon2i$"

func parseArgon2i(encoded string) (hash, error) {
	h, err := decodeArgon2id(argon2idPrefix + strings.TrimPrefix(encoded, argon2iPrefix))
	if err != nil {
		return hash{}, err
	}
	return hash{cost: h.params, foreign: true, matches: func(password []byte) bool {
		key := argon2.Key(password, h.salt, h.params.Time, h.params.Memory, h.params.Threads, uint32(len(h.key)))
		return subtle.ConstantTimeCompare(key, h.key) == 1
	}}, nil
}
