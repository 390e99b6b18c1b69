//go:build pkcs11

package pkcs11

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThalesGroup/crypto11"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// Config says which token, all of it required.
type Config struct {
	Module string                         // path of the vendor's library
	Token  string                         // label of the token
	PIN    func() (storage.Secret, error) // of the token's user; asked at each connection
}

// A Device is a token that keeps private halves. Its methods are the Generate,
// Open and Destroy of a keys.Rotator. It connects when it is first used, and
// again when the token was away.
type Device struct {
	cfg    Config
	places chan struct{} // one for each operation under way, hanging ones included

	mu     sync.RWMutex // read-locked while the connection is in use
	conn   *crypto11.Context
	since  time.Time // when it was made, or tried
	broken error     // why there is none
	wrong  bool      // the PIN is: another try may lock the token
}

// New returns a device. Nothing is opened yet.
func New(cfg Config) *Device { return &Device{cfg: cfg, places: make(chan struct{}, maxOperations)} }

// How long callers wait. What hangs inside the module cannot be stopped; it
// keeps its place, and nobody waits for it longer.
const (
	maxOperations = 16
	signTime      = 10 * time.Second
	generateTime  = 25 * time.Second // an RSA key in a small device; below the time of a rotator's step
)

// Generate makes a key pair in the token. It is a keys.Generate.
func (d *Device) Generate(a keys.Algorithm, rsaBits int) (crypto.Signer, error) {
	generate, ok := generators()[a]
	if !ok {
		return nil, fmt.Errorf("%s: no such keys are made in a PKCS#11 token: use ES256, ES384, RS256 or PS256", a)
	}
	id := newID()
	public, err := d.generate(generate, id, rsaBits, generateTime)
	if err != nil {
		return nil, fmt.Errorf("make %s key in the PKCS#11 token: %w", a, err)
	}
	return keys.External{Signer: &signer{device: d, id: id, public: public}, Handle: formatHandle(d.cfg.Token, id)}, nil
}

// generate leaves nothing in the token that nobody knows of.
func (d *Device) generate(generate generator, id []byte, rsaBits int, limit time.Duration) (crypto.PublicKey, error) {
	made := make(chan crypto.PublicKey, 1)
	var settled atomic.Bool // the key is there, or nobody waits for it any more
	err := d.use(limit, func(c *crypto11.Context) error {
		private, err := generate(c, id, rsaBits)
		if err != nil {
			return err
		}
		if !settled.CompareAndSwap(false, true) {
			return private.Delete()
		}
		made <- private.Public()
		return confined(c, private)
	})
	switch {
	case err == nil:
		return <-made, nil
	case !settled.CompareAndSwap(false, true): // it is there, and of no use
		err = errors.Join(err, d.Destroy(formatHandle(d.cfg.Token, id)))
	}
	return nil, err
}

// Open finds a private half. It signs on when the token was away in between.
func (d *Device) Open(handle string) (crypto.Signer, error) {
	id, err := parseHandle(handle, d.cfg.Token)
	if err != nil {
		return nil, err
	}
	s := &signer{device: d, id: id}
	err = d.use(signTime, func(c *crypto11.Context) error {
		private, err := find(c, id)
		if err == nil {
			s.public = private.Public()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("PKCS#11 token: %w", err)
	}
	return s, nil
}

// Destroy removes a key pair from the token. One that is not there is no error.
func (d *Device) Destroy(handle string) error {
	id, err := parseHandle(handle, d.cfg.Token)
	if err != nil {
		return err
	}
	err = d.use(signTime, func(c *crypto11.Context) error {
		private, err := find(c, id)
		if err != nil {
			return err
		}
		if err = private.Delete(); err == nil {
			var left []crypto11.PrivateKey
			if left, err = c.FindPrivateKeys(id, nil); len(left) > 0 {
				err = errors.New("it is there yet")
			}
		}
		return err
	})
	if err != nil && !errors.Is(err, errAbsent) {
		return fmt.Errorf("remove from the PKCS#11 token: %w", err)
	}
	return nil
}

// A signer signs in the token, over whatever connection there is.
type signer struct {
	device *Device
	id     []byte
	public crypto.PublicKey

	mu   sync.Mutex
	conn *crypto11.Context // on which it was found
	key  crypto.Signer
}

func (s *signer) Public() crypto.PublicKey { return s.public }

func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = s.device.use(signTime, func(c *crypto11.Context) error {
		key, err := s.on(c)
		if err == nil {
			signature, err = key.Sign(random, digest, opts)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("PKCS#11 token: %w", err)
	}
	return signature, nil
}

// on returns the key as it is known on a connection.
func (s *signer) on(c *crypto11.Context) (crypto.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		key, err := find(c, s.id)
		if err != nil {
			return nil, err
		}
		s.conn, s.key = c, key
	}
	return s.key, nil
}

// errAbsent: the token has no such key, or does not show it to who is logged in
// no more. A new connection finds out.
var errAbsent = errors.New("there is no such key pair in the token")

// find looks a key pair up.
func find(c *crypto11.Context, id []byte) (crypto11.Signer, error) {
	pairs, err := c.FindKeyPairs(id, nil)
	switch {
	case err != nil:
		return nil, err
	case len(pairs) == 0:
		return nil, errAbsent
	case len(pairs) != 1:
		return nil, fmt.Errorf("there are %d key pairs of id %x, not one", len(pairs), id)
	}
	return pairs[0], nil
}

type generator func(c *crypto11.Context, id []byte, rsaBits int) (crypto11.Signer, error)

// generators has a row for each algorithm whose keys the module can be asked for.
func generators() map[keys.Algorithm]generator {
	return map[keys.Algorithm]generator{
		keys.ES256: generateEC(elliptic.P256(), "ES256"), keys.ES384: generateEC(elliptic.P384(), "ES384"),
		keys.RS256: generateRSA("RS256"), keys.PS256: generateRSA("PS256"),
	}
}

func generateEC(curve elliptic.Curve, label string) generator {
	return func(c *crypto11.Context, id []byte, _ int) (crypto11.Signer, error) {
		public, private, err := templates(id, label)
		if err != nil {
			return nil, err
		}
		return c.GenerateECDSAKeyPairWithAttributes(public, private, curve)
	}
}

func generateRSA(label string) generator {
	return func(c *crypto11.Context, id []byte, bits int) (crypto11.Signer, error) {
		public, private, err := templates(id, label)
		if err != nil {
			return nil, err
		}
		err = errors.Join(public.Set(crypto11.CkaEncrypt, false), private.Set(crypto11.CkaDecrypt, false))
		if err != nil {
			return nil, err
		}
		return c.GenerateRSAKeyPairWithAttributes(public, private, bits)
	}
}

// templates are what both halves are made as: the private one signs, for who is
// logged in, and never leaves the token.
func templates(id []byte, label string) (public, private crypto11.AttributeSet, err error) {
	if public, err = crypto11.NewAttributeSetWithIDAndLabel(id, []byte("hallmark "+label)); err != nil {
		return nil, nil, err
	}
	private = public.Copy()
	err = errors.Join(private.Set(crypto11.CkaPrivate, true), private.Set(crypto11.CkaSensitive, true), private.Set(crypto11.CkaExtractable, false))
	return public, private, err
}

// confined refuses a key that the token would give out after all.
func confined(c *crypto11.Context, key crypto11.Signer) error {
	is, err := c.GetAttributes(key, []crypto11.AttributeType{crypto11.CkaSensitive, crypto11.CkaExtractable})
	if err != nil {
		return err
	}
	yes := func(a crypto11.AttributeType) bool {
		v := is[a]
		return v != nil && len(v.Value) == 1 && v.Value[0] == 1
	}
	if !yes(crypto11.CkaSensitive) || yes(crypto11.CkaExtractable) {
		return errors.New("the token would give the private half out")
	}
	return nil
}
