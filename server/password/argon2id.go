package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The PHC string format as argon2id uses it:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//
// with salt and hash in base64 without padding.
const (
	argon2idPrefix = "$argon2id$"
	argon2Version  = "v=19" // argon2.Version, 0x13 (RFC 9106 §3.1)

	saltBytes = 16 // RFC 9106 §4
	keyBytes  = 32 // RFC 9106 §4

	// What other programs' hashes may have.
	minSalt, maxSalt = 8, 64
	minKey, maxKey   = 16, 64
)

// phc64 is the format's base64; Strict refuses unused bits that are set.
var phc64 = base64.RawStdEncoding.Strict()

// An argon2idHash is what the string says.
type argon2idHash struct {
	params    Params
	salt, key []byte
}

// newArgon2id hashes a prepared password with a fresh salt.
func newArgon2id(prepared []byte, p Params) argon2idHash {
	h := argon2idHash{params: p, salt: make([]byte, saltBytes)}
	rand.Read(h.salt) // never fails
	h.key = h.derive(prepared, keyBytes)
	return h
}

// newDecoy returns a hash that no password has, but by a chance of 2⁻²⁵⁶,
// without the work of making one.
func newDecoy(p Params) argon2idHash {
	h := argon2idHash{params: p, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	rand.Read(h.salt) // never fails
	rand.Read(h.key)
	return h
}

func (h argon2idHash) derive(prepared []byte, size int) []byte {
	return argon2.IDKey(prepared, h.salt, h.params.Time, h.params.Memory, h.params.Threads, uint32(size))
}

func (h argon2idHash) matches(prepared []byte) bool {
	return subtle.ConstantTimeCompare(h.derive(prepared, len(h.key)), h.key) == 1
}

// encode returns the string.
func (h argon2idHash) encode() string {
	return argon2idPrefix + argon2Version + "$" + h.params.String() + "$" + phc64.EncodeToString(h.salt) + "$" + phc64.EncodeToString(h.key)
}

// parseArgon2id is the table's parser.
func parseArgon2id(encoded string) (hash, error) {
	h, err := decodeArgon2id(encoded)
	if err != nil {
		return hash{}, err
	}
	native := len(h.salt) == saltBytes && len(h.key) == keyBytes
	return hash{cost: h.params, native: native, matches: h.matches}, nil
}

// decodeArgon2id reads what encode writes, and nothing that encode would write
// differently. Its errors quote nothing.
func decodeArgon2id(encoded string) (argon2idHash, error) {
	var h argon2idHash
	parts, err := split(encoded, argon2idPrefix, 4)
	if err != nil {
		return h, err
	}
	if parts[0] != argon2Version {
		return h, errors.New("only version 19 is known")
	}
	if h.params, err = parseParams(parts[1]); err != nil {
		return h, err
	}
	if h.salt, err = parseBytes(parts[2], minSalt, maxSalt); err != nil {
		return h, err
	}
	h.key, err = parseBytes(parts[3], minKey, maxKey)
	return h, err
}

// parseParams reads "m=…,t=…,p=…": just these, in this order.
func parseParams(s string) (Params, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return Params{}, errors.New("m, t and p expected")
	}
	m, okM := parseNumber(fields[0], "m=", math.MaxUint32)
	t, okT := parseNumber(fields[1], "t=", math.MaxUint32)
	n, okP := parseNumber(fields[2], "p=", math.MaxUint8)
	p := Params{Memory: uint32(m), Time: uint32(t), Threads: uint8(n)}
	if !okM || !okT || !okP || !p.valid() {
		return Params{}, errors.New("m, t or p is not a number that argon2id can have")
	}
	return p, nil
}

// parseNumber reads name and a decimal number of canonical spelling: no sign,
// no leading zero.
func parseNumber(s, name string, limit uint64) (uint64, bool) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n <= limit && strconv.FormatUint(n, 10) == digits
}

func parseBytes(s string, least, most int) ([]byte, error) {
	return decodeBytes(phc64, s, least, most)
}

// decodeBytes decodes a salt or a hash of so many bytes.
func decodeBytes(enc *base64.Encoding, s string, least, most int) ([]byte, error) {
	// The decoder skips line breaks, in strict mode too.
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in salt or hash")
	}
	b, err := enc.DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, errors.New("salt or hash is not base64 or has an unusual length")
	}
	return b, nil
}
