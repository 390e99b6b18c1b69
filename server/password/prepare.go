package password

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	// maxBytes bounds a password as it was sent, before anything is done with it.
	maxBytes = 1 << 10

	// minChars is the floor of NIST SP 800-63B-4 §3.1.1.2, below which no
	// verifier may go. The same section wants 15 where the password is the only
	// factor and accepts 8 beside a second one. The server holds to the floor:
	// guessing is throttled, and an application that asks for more asks
	// for it where the password is chosen. Composition rules it forbids outright.
	minChars = 8
)

// typed is a password as it was sent, and in the form that this package hashes.
type typed struct {
	raw      []byte // what other systems hashed: any UTF-8 but NUL, at which some of them stop
	prepared []byte // nil if the password is not allowed here
}

// read returns both forms of a password. The error is ErrTooLong or ErrNotAllowed.
func read(pw storage.Secret) (typed, error) {
	prepared, err := prepare(pw)
	s := pw.Reveal()
	if err == ErrTooLong || s == "" || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return typed{}, err
	}
	return typed{[]byte(s), prepared}, nil
}

// forms returns what to try a stored hash with. A hash of argon2id with other
// parameters than today's can be ours or another system's; the two forms of a
// password seldom differ.
func (t typed) forms(h hash, current bool) (forms [][]byte) {
	if h.foreign {
		return [][]byte{t.raw}
	}
	if t.prepared != nil {
		forms = append(forms, t.prepared)
	}
	if !current && !bytes.Equal(t.raw, t.prepared) {
		forms = append(forms, t.raw)
	}
	return forms
}

// prepare returns the one form of a password that is hashed: the OpaqueString
// profile of RFC 8265 §4.2. Composed and decomposed spellings are the same
// password and every kind of space is U+0020; case, width and spaces at the
// ends count. Control characters are refused, so nothing can be cut off at a
// NUL; so are code points that cannot be seen, which takes some composite
// emoji (joiners, variation selectors) with them.
func prepare(pw storage.Secret) ([]byte, error) {
	s := pw.Reveal()
	if len(s) > maxBytes {
		return nil, ErrTooLong
	}
	if !utf8.ValidString(s) {
		return nil, ErrNotAllowed
	}
	b, err := precis.OpaqueString.Bytes([]byte(s))
	if err != nil || len(b) == 0 {
		return nil, ErrNotAllowed // the cause could quote a character of the password
	}
	return b, nil
}

// Check reports whether a password may be newly set: at least 8 code points
// and at most 1 KiB of UTF-8, of allowed characters. The error is ErrTooShort,
// ErrTooLong or ErrNotAllowed. A password that is in use is never held to it.
func Check(pw storage.Secret) error {
	b, err := prepare(pw)
	if err != nil {
		return err
	}
	if utf8.RuneCount(b) < minChars {
		return ErrTooShort
	}
	return nil
}
