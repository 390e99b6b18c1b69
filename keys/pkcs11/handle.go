package pkcs11

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// idBytes is the size of a CKA_ID as it is made here.
const idBytes = 16

func newID() []byte {
	id := make([]byte, idBytes)
	rand.Read(id) // never fails
	return id
}

// formatHandle names a private key of a token as a PKCS#11 URI (RFC 7512 §2.3).
func formatHandle(token string, id []byte) string {
	var uri strings.Builder
	uri.WriteString("pkcs11:token=" + strings.ReplaceAll(url.QueryEscape(token), "+", "%20") + ";type=private;id=")
	for _, b := range id {
		fmt.Fprintf(&uri, "%%%02x", b)
	}
	return uri.String()
}

// parseHandle returns the id in a handle of this package's own making. A key of
// another token is an error that says so.
func parseHandle(handle, token string) ([]byte, error) {
	attributes, isURI := strings.CutPrefix(handle, "pkcs11:token=")
	name, id, isKey := strings.Cut(attributes, ";type=private;id=")
	there, err := url.PathUnescape(name)
	raw, idErr := hex.DecodeString(strings.ReplaceAll(id, "%", ""))
	switch {
	case !isURI || !isKey || err != nil || idErr != nil || len(raw) != idBytes || formatHandle(there, raw) != handle:
		return nil, fmt.Errorf("%.100q is not the handle of a key in a PKCS#11 token", handle)
	case there != token:
		return nil, fmt.Errorf("its private half is in the PKCS#11 token %q, this process was given %q", there, token)
	}
	return raw, nil
}
