package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Half a second or a little more; Django 6.0 makes 1,200,000 of pbkdf2_sha256
// and each of its releases some more.
const (
	maxPBKDF2       = 2_500_000
	maxPBKDF2SHA512 = 1_000_000
)

var (
	django64  = base64.StdEncoding.Strict()
	passlib64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding).Strict()
)

// A pbkdf2Hash is PBKDF2 (RFC 8018 §5.2) with an HMAC.
type pbkdf2Hash struct {
	digest     string // sha1, sha256 or sha512
	iterations uint64
	salt, key  []byte // a key that is longer than the digest would be several times the work
}

func (h pbkdf2Hash) parsed() (hash, error) {
	most := uint64(maxPBKDF2)
	if h.digest == "sha512" {
		most = maxPBKDF2SHA512
	}
	return hash{cost: small, over: exceeds(h.iterations, most, "%d iterations"), foreign: true, matches: h.matches}, nil
}

func (h pbkdf2Hash) matches(password []byte) bool {
	var key []byte
	var err error // of FIPS 140 mode alone, for salts that it thinks too short
	iterations := int(h.iterations)
	switch h.digest {
	case "sha1":
		key, err = pbkdf2.Key(sha1.New, string(password), h.salt, iterations, len(h.key))
	case "sha256":
		key, err = pbkdf2.Key(sha256.New, string(password), h.salt, iterations, len(h.key))
	case "sha512":
		key, err = pbkdf2.Key(sha512.New, string(password), h.salt, iterations, len(h.key))
	}
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

func digestSize(digest string) int {
	switch digest {
	case "sha1":
		return sha1.Size
	case "sha256":
		return sha256.Size
	}
	return sha512.Size
}

// parsePBKDF2Django reads "pbkdf2_sha256$260000$<salt>$<hash>": the salt is
// text that is used as it stands, the hash is base64 with padding.
func parsePBKDF2Django(encoded string) (hash, error) {
	name, rest, _ := strings.Cut(encoded, "$")
	h := pbkdf2Hash{digest: strings.TrimPrefix(name, "pbkdf2_")}
	fields, err := split(rest, "", 3)
	if err != nil {
		return hash{}, err
	}
	if h.iterations, err = parseCount(fields[0]); err != nil {
		return hash{}, err
	}
	if h.salt, err = parseDjangoSalt(fields[1]); err != nil {
		return hash{}, err
	}
	size := digestSize(h.digest)
	if h.key, err = decodeBytes(django64, fields[2], size, size); err != nil {
		return hash{}, err
	}
	return h.parsed()
}

// parsePBKDF2 reads the PHC string "$pbkdf2-sha256$i=600000$<salt>$<hash>", where
// ",l=32" may follow the iterations, and passlib's "$pbkdf2-sha256$29000$…".
func parsePBKDF2(encoded string) (hash, error) {
	name, rest, _ := strings.Cut(encoded[1:], "$")
	h := pbkdf2Hash{digest: strings.TrimPrefix(name, "pbkdf2-")}
	fields, err := split(rest, "", 3)
	if err != nil {
		return hash{}, err
	}
	text, size, enc := fields[0], "", passlib64
	if params, ok := strings.CutPrefix(text, "i="); ok {
		enc = phc64
		text, size, _ = strings.Cut(params, ",")
	}
	if h.iterations, err = parseCount(text); err != nil {
		return hash{}, err
	}
	if h.salt, err = decodeBytes(enc, fields[1], 1, maxSalt); err != nil {
		return hash{}, err
	}
	if h.key, err = decodeBytes(enc, fields[2], minKey, digestSize(h.digest)); err != nil {
		return hash{}, err
	}
	if strings.Contains(fields[0], ",") && size != "l="+strconv.Itoa(len(h.key)) {
		return hash{}, errors.New("after i, nothing is known but l, the length of the hash")
	}
	return h.parsed()
}

// parseCount reads a decimal number above zero.
func parseCount(s string) (uint64, error) {
	n, ok := parseNumber(s, "", math.MaxUint64)
	if !ok || n == 0 {
		return 0, errors.New("a work factor is not a positive decimal number")
	}
	return n, nil
}

// parseDjangoSalt reads a salt that is used as it stands.
func parseDjangoSalt(s string) ([]byte, error) {
	if s == "" || len(s) > 128 || !isText(s) {
		return nil, errors.New("the salt is empty, too long or not text")
	}
	return []byte(s), nil
}
