package password

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEncoded bounds a stored hash in bytes, before it is parsed.
const maxEncoded = 512

// A hash is a stored password hash of any format, parsed.
type hash struct {
	cost    Params                     // of one verification; of other formats than argon2, the memory
	over    string                     // unless empty, what is beyond the format's bound, and the bound
	matches func(password []byte) bool // does the work, compares in constant time

	// Which form of a password was hashed: prepared, if native is set and the
	// cost is the pool's; as it was sent, if foreign is; otherwise either.
	native  bool // of the format, salt and key sizes of new hashes: current if the cost is the pool's
	foreign bool // of a format that this package never made

	reach int // bytes of a password that are hashed, the rest is ignored; 0: all
}

// A format reads the stored hashes that begin with its prefix. Its parser does
// no work that grows with a number in the hash, and accepts one spelling of a
// hash only. Its errors say what is malformed and quote nothing.
type format struct {
	name   string
	prefix string
	parse  func(encoded string) (hash, error)
}

// Those with the same name are the same work in another spelling.
var formats = [...]format{
	{"argon2id", argon2idPrefix, parseArgon2id},
	{"argon2id", "argon2" + argon2idPrefix, django("argon2", parseArgon2id)},
	{"argon2i", argon2iPrefix, parseArgon2i},
	{"argon2i", "argon2" + argon2iPrefix, django("argon2", parseArgon2i)},
	{"bcrypt", "$2a$", parseBcrypt},
	{"bcrypt", "$2b$", parseBcrypt},
	{"bcrypt", "$2y$", parseBcrypt},
	{"bcrypt", "bcrypt$$2", django("bcrypt$", parseBcrypt)},
	{"bcrypt_sha256", "bcrypt_sha256$$2", django("bcrypt_sha256$", parseBcryptSHA256)},
	{"pbkdf2_sha256", "pbkdf2_sha256$", parsePBKDF2Django},
	{"pbkdf2_sha1", "pbkdf2_sha1$", parsePBKDF2Django},
	{"pbkdf2-sha256", "$pbkdf2-sha256$", parsePBKDF2},
	{"pbkdf2-sha512", "$pbkdf2-sha512$", parsePBKDF2},
	{"scrypt", "$scrypt$", parseScrypt},
	{"scrypt", "scrypt$", parseScryptDjango},
	{"sha256-crypt", "$5$", parseSHACrypt},
	{"sha512-crypt", "$6$", parseSHACrypt},
}

// Unusable is what CheckHash calls Django's mark for a user whom no password
// signs in, "!" and anything.
const Unusable = "unusable"

func isUnusable(encoded string) bool {
	return strings.HasPrefix(encoded, "!") && len(encoded) <= maxEncoded && isText(encoded)
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// CheckHash reports whether a hash that another system made can be stored in
// storage.User.PasswordHash, and the name of its format. The error is ErrFormat
// or ErrCost, says what is wrong, and quotes nothing but a work factor. A hash
// that it accepts can be verified by every pool with the default Cap.
func CheckHash(encoded string) (name string, err error) {
	if isUnusable(encoded) {
		return Unusable, nil
	}
	_, name, err = parse(encoded, DefaultCap())
	return name, err
}

// parse reads a stored hash and holds it to its format's bound and to the cap.
// The error is ErrFormat or ErrCost; the format's name comes with an error too,
// where the hash has its prefix.
func parse(encoded string, limit Params) (h hash, name string, err error) {
	if len(encoded) > maxEncoded {
		return hash{}, "", fmt.Errorf("%w: longer than %d bytes", ErrFormat, maxEncoded)
	}
	for _, f := range formats {
		if !strings.HasPrefix(encoded, f.prefix) {
			continue
		}
		h, err := f.parse(encoded)
		switch {
		case err != nil:
			return hash{}, f.name, fmt.Errorf("%w: %s: %w", ErrFormat, f.name, err)
		case h.over != "":
			return hash{}, f.name, fmt.Errorf("%w: %s with %s", ErrCost, f.name, h.over)
		case !h.cost.within(limit):
			return hash{}, f.name, fmt.Errorf("%w: %s with %s, at most %s, or more passes over less memory", ErrCost, f.name, h.cost, limit)
		}
		return h, f.name, nil
	}
	if other := unread(encoded); other != "" {
		return hash{}, "", fmt.Errorf("%w: %s is not taken", ErrFormat, other)
	}
	return hash{}, "", fmt.Errorf("%w: no known prefix", ErrFormat)
}

// django reads what Django puts its own name of the format before. That was
// made by Django, also where the rest looks like a hash of ours.
func django(name string, parse func(string) (hash, error)) func(string) (hash, error) {
	return func(encoded string) (hash, error) {
		h, err := parse(strings.TrimPrefix(encoded, name))
		h.native, h.foreign = false, true
		return h, err
	}
}

// small is the cost of what needs next to no memory.
var small = Params{Memory: 8, Time: 1, Threads: 1}

// exceeds says what a hash asks for beyond a bound, if it does; what has a %d.
func exceeds(n, most uint64, what string) string {
	if n <= most {
		return ""
	}
	return fmt.Sprintf(what+", at most %d", n, most)
}

var errFields = errors.New("too many or too few fields")

// split returns the n fields behind a prefix of the encoded hash.
func split(encoded, prefix string, n int) ([]string, error) {
	fields := strings.Split(strings.TrimPrefix(encoded, prefix), "$")
	if len(fields) != n {
		return nil, errFields
	}
	return fields, nil
}
