package keys

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/storage"
)

// maxPIN bounds a PIN, in bytes.
const maxPIN = 256

// ReadPINFile reads the PIN of a device that keeps private halves: ReadSecretFile.
func ReadPINFile(path string) (storage.Secret, error) {
	pin, err := ReadSecretFile(path, maxPIN)
	if err != nil {
		return pin, fmt.Errorf("PIN: %w", err)
	}
	return pin, nil
}

// ReadSecretFile reads the one line of a file that is as private as ReadKEKFile
// wants it, of at most some bytes. No error shows it.
func ReadSecretFile(path string, most int) (storage.Secret, error) {
	text, err := readPrivately(path, int64(most)+3)
	if err != nil {
		return storage.Secret{}, err
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if line == "" || len(line) > most || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00") {
		return storage.Secret{}, fmt.Errorf("%s is to be one line of text, up to %d bytes", path, most)
	}
	return storage.NewSecret(line), nil
}
