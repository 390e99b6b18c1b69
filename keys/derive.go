package keys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
)

// A Derived is a key for another use than sealing. It never leaves the process.
type Derived struct {
	ID  string // names it, and tells nothing of it or of where it came from
	Key []byte // 32 bytes
}

// Derive returns a key for a use, which the label names, from each
// key-encryption key in their order (RFC 5869). Who has one of them cannot tell
// the key-encryption key from it, nor a key for another use.
func (s *Sealer) Derive(label string) []Derived {
	derive := func(secret []byte, info string, size int) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "hallmark "+info, size)
		if err != nil {
			panic(err) // of a size beyond 8160 bytes alone
		}
		return key
	}
	var out []Derived
	for _, k := range s.keks {
		key := derive(k.key, label, kekBytes)
		out = append(out, Derived{ID: hex.EncodeToString(derive(key, label+" id", 8)), Key: key})
	}
	return out
}

// Derive is the Sealer's, of the key-encryption keys that the process goes by now.
func (r *Rotator) Derive(label string) []Derived { return r.sealer.Load().Derive(label) }
