package keys

import (
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// maxTypes bounds the types for which a signer is kept; there are few.
const maxTypes = 8

// A bench holds the signers of one ring's keys, each built once. It goes with
// the ring, so that a dropped private half is gone from memory.
type bench struct {
	mu   sync.Mutex
	made map[string]map[string]*signer // by kid, then typ
}

// newBench takes over the signers of those keys that still have their private half.
func newBench(ring Ring, old *held) *bench {
	b := &bench{made: map[string]map[string]*signer{}}
	if old == nil {
		return b
	}
	old.bench.mu.Lock()
	defer old.bench.mu.Unlock()
	for _, k := range ring.keys {
		if made, ok := old.bench.made[k.ID]; ok && k.usable() {
			b.made[k.ID] = map[string]*signer{}
			for typ, s := range made {
				b.made[k.ID][typ] = s
			}
		}
	}
	return b
}

// signer returns the signer of a key for a typ. It is built without the lock:
// a device that hangs keeps nobody else waiting.
func (b *bench) signer(k Key, typ string, open func(handle string) (crypto.Signer, error)) (*signer, error) {
	b.mu.Lock()
	s, ok := b.made[k.ID][typ]
	b.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := newSigner(k, typ, open)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made[k.ID] == nil {
		b.made[k.ID] = map[string]*signer{}
	}
	if len(b.made[k.ID]) < maxTypes {
		b.made[k.ID][typ] = s
	}
	return s, nil
}

// A signer signs compact JWS (RFC 7515 §7.1) with one key and one protected
// header, which is rendered once.
type signer struct {
	row    row
	key    crypto.Signer
	header []byte // in base64url, with the period after it
}

// newSigner builds a signer and proves it: a key whose halves do not belong
// together must not sign tokens that nobody can verify.
func newSigner(k Key, typ string, open func(handle string) (crypto.Signer, error)) (*signer, error) {
	row, err := k.Algorithm.row()
	if err != nil {
		return nil, err
	}
	key := k.private
	if k.External() {
		if open == nil {
			return nil, fmt.Errorf("its private half is kept outside, as %q, and this process was not told where", k.handle())
		}
		if key, err = open(k.handle()); err != nil {
			return nil, fmt.Errorf("its private half is kept outside: %w", err)
		}
	}
	header, err := json.Marshal(struct { // RFC 7515 §4.1
		Algorithm Algorithm `json:"alg"`
		KeyID     string    `json:"kid"`
		Type      string    `json:"typ,omitempty"`
	}{k.Algorithm, k.ID, typ})
	if err != nil {
		return nil, err
	}
	s := &signer{row: row, key: key, header: append(base64.RawURLEncoding.AppendEncode(nil, header), '.')}
	proof, err := s.sign([]byte("proof"))
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Algorithm)})
	if err != nil {
		return nil, err
	}
	if _, err := jws.Verify(k.Public); err != nil {
		return nil, errors.New("its halves do not belong together")
	}
	return s, nil
}

func (s *signer) sign(payload []byte) (string, error) {
	b64 := base64.RawURLEncoding
	size := 2 * s.row.octets
	if size == 0 {
		size = mostRSABits / 8
	}
	token := make([]byte, 0, len(s.header)+b64.EncodedLen(len(payload))+1+b64.EncodedLen(size))
	token = b64.AppendEncode(append(token, s.header...), payload)
	input := token // RFC 7515 §5.1
	if hash := s.row.opts.HashFunc(); hash != 0 {
		h := hash.New()
		h.Write(token)
		input = h.Sum(nil)
	}
	signature, err := s.key.Sign(rand.Reader, input, s.row.opts)
	if err == nil && s.row.octets > 0 {
		signature, err = concatenated(signature, s.row.octets)
	}
	if err != nil {
		return "", err
	}
	return string(b64.AppendEncode(append(token, '.'), signature)), nil
}

// concatenated turns an ECDSA signature in DER into R and S side by side (RFC 7518 §3.4).
func concatenated(der []byte, octets int) ([]byte, error) {
	out := make([]byte, 2*octets)
	body, rest, ok := element(der, 0x30)
	r, body, okR := element(body, 0x02)
	s, body, okS := element(body, 0x02)
	if !ok || !okR || !okS || len(rest)+len(body) > 0 || !place(out[:octets], r) || !place(out[octets:], s) {
		return nil, errors.New("the signer gave no ECDSA signature in DER")
	}
	return out, nil
}

// element reads a DER element of a tag whose content is shorter than 128 bytes,
// as all are in signatures of up to 384 bits. encoding/asn1 takes a tenth of an
// ES256 signature's time for it.
func element(der []byte, tag byte) (content, rest []byte, ok bool) {
	if len(der) < 2 || der[0] != tag || der[1] >= 0x80 || int(der[1]) > len(der)-2 {
		return nil, nil, false
	}
	end := 2 + int(der[1])
	return der[2:end], der[end:], true
}

// place writes a positive DER integer in its shortest form to the end of out.
func place(out, integer []byte) bool {
	switch {
	case len(integer) == 0 || integer[0] >= 0x80: // negative
		return false
	case integer[0] == 0 && len(integer) > 1 && integer[1] < 0x80: // not its shortest form
		return false
	case integer[0] == 0:
		integer = integer[1:]
	}
	if len(integer) == 0 || len(integer) > len(out) {
		return false
	}
	copy(out[len(out)-len(integer):], integer)
	return true
}
