package discovery

import (
	"cmp"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// NewKeySet renders public signing keys as a JSON Web Key Set (RFC 7517 §5).
// Each key is written with kty, kid, alg and use=sig, in the order of their
// kids, so that all replicas render the same bytes. A private or symmetric key,
// a repeated kid, or a key that ParseKeySet would skip is an error.
func NewKeySet(keys []jose.JSONWebKey) (*Document, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range keys {
		if len(algorithms(key.Key)) == 0 { // public keys only: RFC 7517 §9.2; RFC 7518 §6.2.2, §6.3.2, §6.4
			return nil, fmt.Errorf("key %q: a %T has no place in a public key set", key.KeyID, key.Key)
		}
		if key.Algorithm == "" {
			return nil, fmt.Errorf("key %q has no algorithm", key.KeyID)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: "sig"})
	}
	slices.SortFunc(set.Keys, func(a, b jose.JSONWebKey) int { return cmp.Compare(a.KeyID, b.KeyID) })
	body, err := json.Marshal(set) // RFC 7518 §2, §6.2.1, §6.3.1, §6.3.1.1, RFC 8037 §2; no member twice, RFC 8259 §4
	if err != nil {
		return nil, fmt.Errorf("render key set: %w", err)
	}
	// What verifiers would not take must not go out.
	parsed, err := ParseKeySet(body)
	if err == nil {
		err = errors.Join(parsed.Skipped...)
	}
	if err != nil {
		return nil, fmt.Errorf("render key set: %w", err)
	}
	return newDocument(body), nil
}

// A KeySet is what ParseKeySet found usable in a key set. It is immutable.
type KeySet struct {
	Skipped []error // why the other members are not used, in their order

	keys map[string]Key
}

// Key returns the key with exactly this kid.
func (s *KeySet) Key(kid string) (Key, bool) {
	key, ok := s.keys[kid]
	return key, ok
}

// Len counts the usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// ErrNoKeys is reported for a key set in which no key is usable.
var ErrNoKeys = errors.New("the key set has no usable key")

// ParseKeySet reads a foreign key set: strict in form, tolerant of keys it does
// not know. Skipped are keys of unknown types and algorithms (RFC 7517 §5), for
// encryption, without kid, symmetric, published with private members, RSA under
// 2048 or over 8192 bits or with an odd exponent, with points off the curve
// or of small order, and all keys that share a kid with a different one: it
// would be a guess which is meant. Certificates are ignored. A key without alg serves one algorithm
// all the same: that of its curve, or RS256.
//
// A set without usable keys is ErrNoKeys, joined with the first causes.
func ParseKeySet(data []byte) (*KeySet, error) {
	object, err := DecodeObject(data)
	if err != nil {
		return nil, err
	}
	members, ok := object["keys"].([]any) // RFC 7517 §5.1
	if !ok {
		return nil, errors.New("keys is not an array")
	}
	set := &KeySet{keys: make(map[string]Key)}
	ambiguous := make(map[string]bool)
	for i, value := range members {
		jwk, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("member %d of keys is not an object", i)
		}
		key, err := parseKey(jwk)
		if err != nil {
			set.skip(i, jwk, err)
			continue
		}
		if first, twice := set.keys[key.ID]; twice && !same(first, key) || ambiguous[key.ID] {
			ambiguous[key.ID] = true // RFC 7517 §4.5
			delete(set.keys, key.ID)
			set.skip(i, jwk, errors.New("another key has the same kid: neither is used"))
			continue
		}
		set.keys[key.ID] = key
	}
	if len(set.keys) == 0 {
		causes := append([]error{ErrNoKeys}, set.Skipped[:min(len(set.Skipped), 4)]...)
		return nil, errors.Join(causes...)
	}
	return set, nil
}

func (s *KeySet) skip(i int, jwk map[string]any, why error) {
	kid, _ := jwk["kid"].(string)
	s.Skipped = append(s.Skipped, fmt.Errorf("key %d (kid %.64q): %w", i, kid, why))
}

func same(a, b Key) bool {
	public, ok := a.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && a.Algorithm == b.Algorithm && public.Equal(b.Public)
}
