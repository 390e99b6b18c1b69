package storage

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// A RefreshToken is "hmr_" + base64url(selector 16 B ‖ generation 4 B ‖ secret
// 32 B). It prints as "[redacted]"; only Reveal writes it out.
type RefreshToken struct {
	_          [0]func() // not comparable
	generation uint32
	hidden     *string // selector ‖ secret; a pointer for the reason that Secret has one
}

type tokenBytes struct {
	selector [16]byte
	secret   [32]byte
}

func (b tokenBytes) token(generation uint32) RefreshToken {
	hidden := string(b.selector[:]) + string(b.secret[:])
	return RefreshToken{generation: generation, hidden: &hidden}
}

// bytes returns what is hidden; all zero for the zero token.
func (t RefreshToken) bytes() (b tokenBytes) {
	if t.hidden != nil {
		copy(b.secret[:], (*t.hidden)[copy(b.selector[:], *t.hidden):])
	}
	return b
}

const (
	tokenPrefix = "hmr_"
	tokenLength = 16 + 4 + 32
)

// ErrMalformed is reported for what is not a refresh token at all.
var ErrMalformed = errors.New("not a refresh token of this server")

// NewRefreshToken returns the first token of a new lineage: 256 bits that nobody
// can guess (RFC 6749 §10.10, RFC 9700 §4.14). The id of its session does not
// begin with a hyphen: operators name it in commands.
func NewRefreshToken() RefreshToken {
	var b tokenBytes
	rand.Read(b.secret[:]) // never fails
	for {
		rand.Read(b.selector[:])
		if t := b.token(0); t.SessionID().String()[0] != '-' {
			return t
		}
	}
}

// ParseRefreshToken reads a token as it was answered: exact prefix, exact
// length, canonical base64url. Anything else is ErrMalformed, before any look-up:
// a token that was changed anywhere is another one (RFC 6749 §10.4).
func ParseRefreshToken(s string) (RefreshToken, error) {
	enc, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(enc) != base64.RawURLEncoding.EncodedLen(tokenLength) || strings.ContainsAny(enc, "\r\n") {
		return RefreshToken{}, ErrMalformed // the decoder would skip line ends
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(enc)
	if err != nil {
		return RefreshToken{}, ErrMalformed
	}
	hidden := tokenBytes{selector: [16]byte(b[:16]), secret: [32]byte(b[20:])}
	return hidden.token(binary.BigEndian.Uint32(b[16:20])), nil
}

// Reveal returns the token as the client gets it (RFC 6749 App. A.17).
func (t RefreshToken) Reveal() string {
	hidden, b := t.bytes(), make([]byte, 0, tokenLength)
	b = append(b, hidden.selector[:]...)
	b = binary.BigEndian.AppendUint32(b, t.generation)
	b = append(b, hidden.secret[:]...)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// SessionID names the session the token belongs to, if there is one.
func (t RefreshToken) SessionID() SessionID {
	selector := t.bytes().selector
	sum := sha256.Sum256(selector[:])
	return SessionID(sum[:16])
}

// Generation counts the rotations before this token.
func (t RefreshToken) Generation() uint32 { return t.generation }

// digest is what the row holds of a token: SHA-256(generation ‖ secret).
func (t RefreshToken) digest() Digest {
	hidden := t.bytes()
	b := binary.BigEndian.AppendUint32(nil, t.generation)
	return sha256.Sum256(append(b, hidden.secret[:]...))
}

// successorLabel keeps this use of HMAC apart from any other.
const successorLabel = "hallmark refresh successor v1"

// successor computes the next token of the lineage. It takes the presented
// token's secret, so nobody can do it from the row alone, and the row's nonce,
// so nobody can do it before the rotation.
func (t RefreshToken) successor(nonce Nonce) RefreshToken {
	hidden, generation := t.bytes(), t.generation+1
	mac := hmac.New(sha256.New, hidden.secret[:])
	mac.Write([]byte(successorLabel))
	mac.Write(hidden.selector[:])
	mac.Write(binary.BigEndian.AppendUint32(nil, generation))
	mac.Write(nonce[:])
	next := tokenBytes{selector: hidden.selector, secret: [32]byte(mac.Sum(nil))}
	return next.token(generation)
}

// String returns "[redacted]".
func (t RefreshToken) String() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (t RefreshToken) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue logs as "[redacted]".
func (t RefreshToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]".
func (t RefreshToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A Nonce is drawn for each rotation.
type Nonce [32]byte

// NewNonce draws one.
func NewNonce() Nonce {
	var n Nonce
	rand.Read(n[:]) // never fails
	return n
}
