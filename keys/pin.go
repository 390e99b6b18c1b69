package keys

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/storage"
)

// maxPIN bounds a PIN, in bytes.
const maxPIN = 256

// ReadPINFile reads the PIN of a device that keeps private halves, the one line
// of a file that is as private as ReadKEKFile wants it. No error shows it.
func ReadPINFile(path string) (storage.Secret, error) {
	text, err := readPrivately(path, maxPIN+3)
	if err != nil {
		return storage.Secret{}, fmt.Errorf("PIN: %w", err)
	}
	pin := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if pin == "" || len(pin) > maxPIN || !utf8.ValidString(pin) || strings.ContainsAny(pin, "\r\n\x00") {
		return storage.Secret{}, fmt.Errorf("PIN: %s is to be the PIN in one line, up to %d bytes", path, maxPIN)
	}
	return storage.NewSecret(pin), nil
}
