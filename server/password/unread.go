package password

import "strings"

// unread names a format that is known and not taken: too weak, or of a make
// that nobody has asked for. Anything else may be a password, or a part of one,
// and has no name.
func unread(encoded string) string {
	for _, f := range [...]struct{ prefix, name string }{
		{"md5$", "Django's md5"},
		{"sha1$", "Django's sha1"},
		{"unsalted_sha1$", "Django's unsalted_sha1"},
		{"unsalted_md5$", "Django's unsalted_md5"},
		{"crypt$", "Django's crypt"},
		{"bcrypt_sha256$", "bcrypt_sha256 of another make"},
		{"$bcrypt-sha256$", "passlib's bcrypt-sha256"},
		{"$pbkdf2$", "passlib's pbkdf2 with SHA-1"},
		{"$argon2d$", "argon2d"},
		{"$1$", "md5-crypt"},
		{"$md5", "Sun's md5-crypt"},
		{"$sha1$", "sha1-crypt"},
		{"$2x$", "bcrypt 2x, which has the sign extension bug"},
		{"$2$", "bcrypt 2"},
		{"$7$", "scrypt of crypt(3)"},
		{"$y$", "yescrypt"},
		{"$gy$", "gost-yescrypt"},
		{"$apr1$", "Apache's md5-crypt"},
		{"$P$", "phpass"},
		{"$H$", "phpass"},
		{"$S$", "Drupal's phpass"},
		{"{SSHA}", "LDAP's SSHA"},
		{"{SHA}", "LDAP's SHA"},
		{"{CRYPT}", "LDAP's CRYPT"},
	} {
		if strings.HasPrefix(encoded, f.prefix) {
			return f.name
		}
	}
	return ""
}
