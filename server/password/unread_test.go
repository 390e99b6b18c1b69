package password

import (
	"errors"
	"strings"
	"testing"
)

// A format that is not taken is refused by its name; what may be a password is
// not quoted, not even its beginning.
func TestUnreadFormats(t *testing.T) {
	for hash, part := range map[string]string{
		"md5$salt$0123456789abcdef0123456789abcdef": "Django's md5 is not taken",
		"sha1$salt$0123456789abcdef":                "Django's sha1 is not taken",
		"$1$salt$0123456789abcdef":                  "md5-crypt is not taken",
		"$y$j9T$salt$0123456789abcdef":              "yescrypt is not taken",
		"$argon2d$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA":   "argon2d is not taken",
		"{SSHA}0123456789abcdef":                    "LDAP's SSHA is not taken",
		"swordfish$salt$0123456789abcdef":           "no known prefix",
		"swordfish":                                 "no known prefix",
	} {
		name, err := CheckHash(hash)
		if name != "" || !errors.Is(err, ErrFormat) || !strings.HasSuffix(err.Error(), part) || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "0123") {
			t.Errorf("%s: %q, %v", hash, name, err)
		}
	}
}
