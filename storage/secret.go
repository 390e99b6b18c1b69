package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a value that must not be seen: a password, a client secret. It
// cannot be compared with == and prints, logs and marshals as "[redacted]".
type Secret struct {
	_     [0]func() // not comparable
	value *string   // in an unexported field fmt asks no Formatter, and shows nothing behind a *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// RandomSecret returns 256 random bits in base64url.
func RandomSecret() Secret {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

// Reveal returns the value. Every call is a place to review.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is nothing in it.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// Digest returns the SHA-256 of the value, the only form ever stored.
func (s Secret) Digest() Digest { return sha256.Sum256([]byte(s.Reveal())) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue logs as "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A Digest is the SHA-256 of a secret of at least 128 bits of entropy.
type Digest [sha256.Size]byte

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// A SessionID names a session, in the "sid" claim, logs and records. It is the
// first 16 bytes of the SHA-256 of the selector of the session's refresh
// tokens: a token leads to its row by primary key, and no row leads to a token.
type SessionID [16]byte

// String returns the id in base64url, 22 characters.
func (id SessionID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseSessionID reads what String wrote.
func ParseSessionID(s string) (SessionID, error) {
	var id SessionID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) || base64.RawURLEncoding.EncodeToString(b) != s { // canonical
		return id, errors.New("not a session id: 22 characters of base64url expected")
	}
	return SessionID(b), nil
}
