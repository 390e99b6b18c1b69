package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxSealed bounds a sealed ring, in bytes.
const maxSealed = 1 << 20

// maxKEKs bounds how many key-encryption keys a Sealer holds.
const maxKEKs = 16

// A Sealer turns a ring into bytes for a store and back: one JWE in compact
// form (RFC 7516 §7.1), A256GCMKW and A256GCM, whose "kid" names the
// key-encryption key.
type Sealer struct {
	keks []kek // the first seals, any opens
}

type kek struct {
	id  string
	key []byte
}

// NewSealer returns a Sealer. Each key-encryption key is 32 random bytes.
// The first seals and every one opens, so that a new one can be added second
// everywhere, then moved first, and the old one dropped after a Reseal.
func NewSealer(keks ...[]byte) (*Sealer, error) {
	if len(keks) == 0 || len(keks) > maxKEKs {
		return nil, fmt.Errorf("%d key-encryption keys: give 1 to %d", len(keks), maxKEKs)
	}
	s := &Sealer{}
	for i, key := range keks {
		if err := checkKEK(key); err != nil {
			return nil, fmt.Errorf("key-encryption key %d: %w", i+1, err)
		}
		s.keks = append(s.keks, kek{id: KEKID(key), key: bytes.Clone(key)})
	}
	return s, nil
}

// KEKID names a key-encryption key: the first 8 bytes of a SHA-256 of it, in hex.
func KEKID(key []byte) string {
	h := sha256.New()
	h.Write([]byte("hallmark key-encryption key v1"))
	h.Write(key)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Seal encrypts a ring, its version included. What Open would not take is refused.
func (s *Sealer) Seal(r Ring) ([]byte, error) {
	plain, err := r.encode()
	if err != nil {
		return nil, errors.New("seal key ring: cannot encode a key") // the cause may hold key material
	}
	defer clear(plain)
	first := s.keks[0]
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.A256GCMKW, Key: first.key, KeyID: first.id}, nil)
	if err != nil {
		return nil, fmt.Errorf("seal key ring: %w", err)
	}
	jwe, err := e.Encrypt(plain)
	if err != nil {
		return nil, fmt.Errorf("seal key ring: %w", err)
	}
	compact, err := jwe.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("seal key ring: %w", err)
	}
	if _, err := s.Open([]byte(compact)); err != nil {
		return nil, fmt.Errorf("seal key ring of %d keys in %d bytes: it could not be opened again: %w", len(r.keys), len(compact), err)
	}
	return []byte(compact), nil
}

// Open decrypts and checks a sealed ring. It reports ErrWrongKey, naming the
// key-encryption key that it needs, or ErrCorrupt.
func (s *Sealer) Open(sealed []byte) (Ring, error) {
	if len(sealed) > maxSealed {
		return Ring{}, fmt.Errorf("%w: more than %d bytes", ErrCorrupt, maxSealed)
	}
	jwe, err := parseSealed(sealed)
	if err != nil {
		return Ring{}, err
	}
	key, err := s.find(jwe.Header.KeyID)
	if err != nil {
		return Ring{}, err
	}
	plain, err := jwe.Decrypt(key)
	if err != nil {
		return Ring{}, fmt.Errorf("%w: its seal is broken", ErrCorrupt)
	}
	defer clear(plain)
	r, err := decodeRing(plain)
	if err != nil {
		return Ring{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}

// SealedWith returns the name of the key-encryption key that a sealed ring
// needs, as KEKID has it, without opening the ring.
func SealedWith(sealed []byte) (string, error) {
	if len(sealed) > maxSealed {
		return "", fmt.Errorf("%w: more than %d bytes", ErrCorrupt, maxSealed)
	}
	jwe, err := parseSealed(sealed)
	if err != nil {
		return "", err
	}
	return jwe.Header.KeyID, nil
}

func parseSealed(sealed []byte) (*jose.JSONWebEncryption, error) {
	jwe, err := jose.ParseEncryptedCompact(string(sealed), []jose.KeyAlgorithm{jose.A256GCMKW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, fmt.Errorf("%w: not a JWE of A256GCMKW and A256GCM", ErrCorrupt)
	}
	return jwe, nil
}

func (s *Sealer) find(id string) ([]byte, error) {
	var have []string
	for _, k := range s.keks {
		if k.id == id {
			return k.key, nil
		}
		have = append(have, k.id)
	}
	return nil, fmt.Errorf("%w: it needs the one named %.32q, given are %s", ErrWrongKey, id, strings.Join(have, ", "))
}
