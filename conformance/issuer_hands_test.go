package conformance_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	briefIdle    = 2 * time.Second
	briefLife    = 4500 * time.Millisecond
	keyRetention = 4 * time.Second
	secondHeader = "Test-Second-Node"
)

// secondNode listens for the same issuer at another address.
func (is *issuer) secondNode(t *testing.T) string {
	handler := is.handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(secondHeader, "1")
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// behind reports whether this node has not heard of the last rotation.
func (is *issuer) behind() bool {
	soon := is.turned.times > 0 && time.Since(is.turned.at) < 600*time.Millisecond
	return soon && (is.mutated("keys-late") || is.atSecond && is.mutated("node-keys-late"))
}

// forks reports whether a spent refresh token gets a branch of its own.
func (is *issuer) forks(s *session) bool {
	return is.atSecond && is.mutated("node-forks") || s.cut && is.mutated("crash-forks")
}

// expired reports whether a session of a client with brief ones is over.
func (is *issuer) expired(s *session) bool {
	now := time.Now()
	if s.client != "brief" {
		return false
	}
	life := now.Sub(s.born) > briefLife && !is.mutated("never-expires")
	if is.mutated("lifetime-extended") {
		life = now.Sub(s.used) > briefLife
	}
	idle := now.Sub(s.used) > briefIdle && !is.mutated("never-idle") && !is.mutated("never-expires")
	s.used = now
	return life || idle
}

// retire takes the key of the first rotation out of the set when its time is
// over, and its tokens out of introspection.
func (is *issuer) retire() {
	if is.turned.goes.IsZero() || time.Now().Before(is.turned.goes) || is.mutated("old-key-kept") {
		return
	}
	is.turned.goes = time.Time{}
	gone := is.turned.retired[0].KeyID
	is.turned.retired = is.turned.retired[1:]
	for token, signer := range is.turned.signers {
		if signer == gone && !is.mutated("old-token-active") {
			delete(is.access, token)
		}
	}
}

// crashed is what is left of a crash.
type crashed struct {
	down bool // answers are lost
	was  bool
	cuts int // sessions that lost one
}

// crash loses answers for a while, not what was done for them.
func (is *issuer) crash(context.Context) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.crashed.down = true
	for began := time.Now(); is.crashed.cuts < 2 && time.Since(began) < 5*time.Second && !is.mutated("crash-unnoticed"); {
		is.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		is.mu.Lock()
	}
	is.crashed = crashed{was: true}
	return nil
}

// hangUp answers nothing while the server is down.
func (is *issuer) hangUp(s *session) {
	if is.crashed.down && !is.mutated("crash-unnoticed") {
		s.cut = true
		is.crashed.cuts++
		panic(http.ErrAbortHandler)
	}
}

// recall is what a server that lost something knows of a session.
func (is *issuer) recall(s *session, token string) {
	switch {
	case !is.crashed.was || !s.cut:
	case is.mutated("crash-500"):
		panic(refusal{500, "server_error", "corrupt"})
	case is.mutated("crash-forgets") && token == s.older:
		s.current = token
	case is.mutated("crash-forgets"):
		refuse("invalid_grant")
	}
}

// changePassword ends the user's sessions.
func (is *issuer) changePassword(_ context.Context, name, password string) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.users[name].password = password
	is.see(password)
	if !is.mutated("password-change-silent") {
		is.endSessions(name)
	}
	return nil
}

func (is *issuer) revokeGrant(_ context.Context, clientID string) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.turned.ungranted = clientID
	return nil
}

// longer is a signature with another curve than P-256 (RFC 7518 §3.4).
func longer(key *ecdsa.PrivateKey, text string) []byte {
	octets := (key.Curve.Params().BitSize + 7) / 8
	sum := sha512.Sum512([]byte(text))
	digest := sum[:]
	if octets == 48 {
		short := sha512.Sum384([]byte(text))
		digest = short[:]
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		panic(err)
	}
	return append(r.FillBytes(make([]byte, octets)), s.FillBytes(make([]byte, octets))...)
}

// switchAlg signs with a longer key; the metadata lists its algorithm always.
func (is *issuer) switchAlg(context.Context) error {
	curve, alg := elliptic.P384(), "ES384"
	if is.mutated("switch-unlisted") {
		curve, alg = elliptic.P521(), "ES512"
	}
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return err
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	is.turned.retired = append(is.turned.retired, is.key)
	is.key = jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: alg, Use: "sig"}
	is.turned.times++
	return nil
}
