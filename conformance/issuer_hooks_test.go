package conformance_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

// turned is what hooks did to the keys.
type turned struct {
	times     int
	at        time.Time         // of the last rotation
	signers   map[string]string // the kid that an access token names
	goes      time.Time         // when the first of retired goes
	waiting   string            // the kid under which the next key is published
	retired   []jose.JSONWebKey // published still
	ungranted string            // a client that may refresh no more
	hidden    int               // so many tokens are signed with a key before it is published
	gap       bool              // the next answer has no keys
}

func (is *issuer) hooks() conformance.Hooks {
	wait := 3 * time.Second
	if is.mutated("hook-does-nothing") || is.mutated("disabled-refreshes") {
		wait = 100 * time.Millisecond
	}
	return conformance.Hooks{
		Rotate: is.rotate, RevokeKey: is.revokeKey, SwitchAlg: is.switchAlg, Restart: is.restart, Crash: is.crash,
		ChangePassword: is.changePassword, DisableUser: is.disableUser, RevokeGrant: is.revokeGrant, Wait: wait,
	}
}

func freshKey(kid string) jose.JSONWebKey {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // fails for no curve that is there
	return jose.JSONWebKey{Key: private, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

// rotate lets the key sign that was published as the waiting one.
func (is *issuer) rotate(context.Context) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	switch {
	case is.mutated("hook-fails"):
		return errors.New("not today")
	case is.mutated("hook-does-nothing"):
		return nil
	}
	old := is.key
	is.turned.times++
	is.turned.at = time.Now()
	is.next()
	switch {
	case is.mutated("rotate-unannounced"):
		is.key, is.turned.hidden = freshKey(rand.Text()), 2
	case is.mutated("rotate-at-once"):
		is.key, is.turned.hidden = freshKey(rand.Text()), 1
	case is.mutated("rotate-sudden"):
		is.key = freshKey(rand.Text())
	}
	switch {
	case is.mutated("old-key-withdrawn"):
		return nil
	case is.mutated("old-key-replaced"):
		old = freshKey(old.KeyID)
	case is.mutated("kid-reused"):
		is.turned.waiting = old.KeyID
	case is.mutated("rotate-gap"):
		is.turned.gap = true
	case is.mutated("rotate-ends-sessions"):
		is.endSessions("")
	}
	is.turned.retired = append(is.turned.retired, old)
	if is.turned.times == 1 { // the others stay: a key that goes while a case looks would be its own disturbance
		is.turned.goes = is.turned.at.Add(keyRetention)
	}
	return nil
}

// next takes the waiting key, and makes another one wait.
func (is *issuer) next() {
	is.key = jose.JSONWebKey{Key: is.stray.Key, KeyID: is.turned.waiting, Algorithm: "ES256", Use: "sig"}
	is.stray, is.turned.waiting = freshKey(is.key.KeyID), rand.Text()
}

// revokeKey takes a key out of the set, and its tokens out of introspection.
func (is *issuer) revokeKey(_ context.Context, kid string) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	if kid != is.key.KeyID {
		return fmt.Errorf("the key that signs is %q, not %q", is.key.KeyID, kid)
	}
	old := is.key
	is.next()
	switch {
	case is.mutated("revoked-published"):
		is.turned.retired = append(is.turned.retired, old)
	case is.mutated("revoked-signs"):
		is.turned.times, is.key = is.turned.times+1, old
		is.turned.hidden = 1
	case is.mutated("revoked-active"):
		return nil
	case is.mutated("revoked-ends-sessions"):
		is.endSessions("")
	}
	clear(is.access)
	return nil
}

func (is *issuer) restart(context.Context) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	switch {
	case is.mutated("restart-other-keys"):
		is.key = freshKey(rand.Text())
	case is.mutated("restart-more-keys"):
		is.turned.retired = append(is.turned.retired, freshKey(rand.Text()))
	}
	return nil
}

func (is *issuer) disableUser(ctx context.Context, name string) error {
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.mutated("disabled-late") {
		is.mutations = nil // the next time it is disabled
		time.AfterFunc(200*time.Millisecond, func() { is.disableUser(ctx, name) })
		return nil
	}
	if !is.mutated("disabled-refreshes") {
		is.endSessions(name)
	}
	if u := is.users[name]; is.mutated("disabled-told") {
		u.disabled = true
	} else {
		u.password = rand.Text()
	}
	return nil
}

// endSessions ends those of a user, or all.
func (is *issuer) endSessions(user string) {
	for _, s := range is.sessions {
		s.ended = s.ended || user == "" || s.user == user
	}
}
