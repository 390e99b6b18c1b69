package password

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxName bounds a user name, in bytes of its normal form.
const maxName = 256

// ErrName is reported for what cannot be a user name.
var ErrName = errors.New("a user name is 1 to 256 bytes of UTF-8 without control characters, line breaks or space at its ends")

// UserName returns a user name as it is stored and looked up: NFC (RFC 8265
// §3.4), compared exactly, so that case tells users apart.
func UserName(typed string) (string, error) {
	if len(typed) > 4*maxName || !utf8.ValidString(typed) {
		return "", ErrName
	}
	name := norm.NFC.String(typed)
	control := func(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, control) || strings.TrimSpace(name) != name {
		return "", ErrName
	}
	return name, nil
}
