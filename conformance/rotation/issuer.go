package rotation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
)

// A key of the scratch issuer.
type key struct {
	jose.JSONWebKey // the private one, with its kid
}

func newKey(alg string) (key, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return key{}, fmt.Errorf("algorithm %q: use ES256 or RS256", alg)
	}
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key{jwk}, nil
}

// named is the same key under another kid.
func (k key) named(kid string) key {
	k.KeyID = kid
	return k
}

// An issuer serves what verifiers fetch, and counts it.
type issuer struct {
	url     string
	alg     string
	period  time.Duration
	keySet  discovery.Holder
	down    atomic.Bool
	fetches atomic.Int64 // of the key set
	first   sync.Once
	fetched chan struct{} // closed at the first
}

func newIssuer(url, alg string, period time.Duration) *issuer {
	return &issuer{url: url, alg: alg, period: period, fetched: make(chan struct{})}
}

// publish makes these the key set.
func (i *issuer) publish(keys ...key) error {
	var set []jose.JSONWebKey
	for _, k := range keys {
		set = append(set, k.Public())
	}
	doc, err := discovery.NewKeySet(set)
	if err != nil {
		return err
	}
	i.keySet.Store(doc.WithMaxAge(i.period))
	return nil
}

const keySetPath = "/.well-known/jwks.json"

// ServeHTTP answers as an issuer, or not at all while it is down.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if i.down.Load() {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	switch {
	case strings.HasSuffix(r.URL.Path, keySetPath):
		if r.Method == http.MethodGet {
			i.fetches.Add(1)
			i.first.Do(func() { close(i.fetched) })
		}
		i.keySet.ServeHTTP(w, r)
	case strings.Contains(r.URL.Path, "/.well-known/oauth-authorization-server"), // RFC 8414 §3.1: the issuer's path may follow
		strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		i.metadata(w)
	default:
		http.NotFound(w, r)
	}
}

// metadata is written by hand: discovery renders none for an issuer that is
// plain http beyond loopback, which a rehearsal may be.
func (i *issuer) metadata(w http.ResponseWriter) {
	body, err := json.Marshal(discovery.Metadata{
		Issuer: i.url, JWKSURI: i.url + keySetPath, TokenEndpoint: i.url + "/oauth2/token",
		SubjectTypesSupported:            []string{"public"},
		IDTokenSigningAlgValuesSupported: []string{i.alg},
	})
	if err != nil {
		http.Error(w, "no metadata", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(i.period.Seconds())))
	w.Write(body)
}

// sign returns a compact JWS of type at+jwt (RFC 9068 §2.1).
func (k key) sign(payload []byte) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k.JSONWebKey},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", errors.New("cannot sign") // the cause may hold key material
	}
	return jws.CompactSerialize()
}
