// Package clientauth answers who is calling: the one place that can make an
// Authenticated client.
//
// A client uses exactly one method in a request (RFC 6749 §2.3), the one it is
// registered for:
//
//	none                  client_id in the body, no secret anywhere
//	client_secret_basic   Authorization: Basic base64(form(client_id):form(secret))
//	client_secret_post    client_id and client_secret in the body
//
// Whether the client is unknown, registered for another method or gave a wrong
// secret cannot be told from the answer.
package clientauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/storage"
)

// What can be wrong. ErrInvalid is RFC 6749 §5.2 invalid_client; the other two
// are invalid_request.
var (
	ErrInvalid    = errors.New("client authentication failed")
	ErrTwoMethods = errors.New("more than one client authentication method")
	ErrMismatch   = errors.New("client_id differs from the authenticated client")
)

// Methods lists the supported methods, for metadata.
func Methods() []string { return append([]string{string(storage.AuthNone)}, SecretMethods()...) }

// SecretMethods lists those of confidential clients (RFC 6749 §2.1).
func SecretMethods() []string { return []string{string(storage.AuthBasic), string(storage.AuthPost)} }

// Presented is what a request carries about its client.
type Presented struct {
	Authorization []string // the values of the Authorization header
	ClientID      string   // from the body
	ClientSecret  storage.Secret
}

// UsedHeader reports whether the client tried the Authorization header, so
// that a failure is answered 401 with a challenge (RFC 6749 §5.2).
func (p Presented) UsedHeader() bool { return len(p.Authorization) > 0 }

// Claimed is the client_id that was presented; empty if there is none to read.
func (p Presented) Claimed() string {
	cred, _ := p.credentials()
	return cred.id
}

// Authenticated is a client that proved who it is, or a public one that said so.
type Authenticated struct{ client storage.Client }

// Client returns the client's record.
func (a Authenticated) Client() storage.Client { return a.client }

// Confidential reports whether the client proved who it is (RFC 6749 §2.1).
func (a Authenticated) Confidential() bool { return a.client.AuthMethod != storage.AuthNone }

// Lookup finds a client by client_id; storage.ErrNotFound if there is none.
type Lookup func(ctx context.Context, id string) (storage.Client, error)

// credentials is one method's worth of what was presented.
type credentials struct {
	method storage.AuthMethod
	id     string
	secret storage.Secret
}

// Authenticate returns the client, or an error that wraps ErrInvalid,
// ErrTwoMethods or ErrMismatch, or the look-up's own failure.
func Authenticate(ctx context.Context, find Lookup, p Presented) (Authenticated, error) {
	cred, err := p.credentials()
	if err != nil {
		return Authenticated{}, err
	}
	client, err := find(ctx, cred.id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return Authenticated{}, err
	}
	known := err == nil
	matches := matchSecret(client.Secrets, cred.secret)
	switch {
	case !known:
		return Authenticated{}, fmt.Errorf("%w: unknown client_id", ErrInvalid)
	case client.AuthMethod != cred.method:
		return Authenticated{}, fmt.Errorf("%w: %s used, %s registered", ErrInvalid, cred.method, client.AuthMethod)
	case cred.method != storage.AuthNone && !matches:
		return Authenticated{}, fmt.Errorf("%w: wrong secret", ErrInvalid)
	}
	return Authenticated{client}, nil
}

// matchSecret compares with every digest, and with one that nothing matches
// for a client that is unknown or has none, so that all take the same time.
func matchSecret(digests []storage.Digest, secret storage.Secret) bool {
	got, found := secret.Digest(), false
	for _, d := range append(slices.Clone(digests), storage.Digest{}) {
		found = d.Equal(got) || found
	}
	return found && !secret.Empty()
}

func (p Presented) credentials() (credentials, error) {
	if !p.UsedHeader() {
		if p.ClientID == "" {
			return credentials{}, fmt.Errorf("%w: no client_id", ErrInvalid)
		}
		if p.ClientSecret.Empty() {
			return credentials{method: storage.AuthNone, id: p.ClientID}, nil
		}
		return credentials{storage.AuthPost, p.ClientID, p.ClientSecret}, nil
	}
	if !p.ClientSecret.Empty() { // RFC 6749 §2.3
		return credentials{}, ErrTwoMethods
	}
	cred, err := parseBasic(p.Authorization)
	if err != nil {
		return cred, err
	}
	if p.ClientID != "" && p.ClientID != cred.id { // RFC 6749 §3.2.1: the same id may be repeated in the body
		return cred, ErrMismatch
	}
	return cred, nil
}

// parseBasic reads Basic credentials (RFC 7617 §2) whose two parts are form-encoded
// (RFC 6749 §2.3.1 and App. B).
func parseBasic(headers []string) (credentials, error) {
	bad := func(why string) (credentials, error) { return credentials{}, fmt.Errorf("%w: %s", ErrInvalid, why) }
	if len(headers) != 1 {
		return bad("more than one Authorization header")
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Basic") { // RFC 9110 §11.1: case-insensitive
		return bad("Authorization scheme is not Basic")
	}
	rest = strings.TrimLeft(rest, " ") // RFC 9110 §11.4: 1*SP
	if strings.ContainsAny(rest, "\r\n") {
		return bad("line break in Basic credentials")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(rest) // RFC 4648 §3.3: nothing outside of the alphabet
	if err != nil {
		return bad("Basic credentials are not base64")
	}
	id, secret, ok := strings.Cut(string(raw), ":")
	if !ok {
		return bad("Basic credentials have no colon")
	}
	if id, err = unescape(id); err != nil {
		return bad("client_id in Basic credentials is not form-encoded")
	}
	if secret, err = unescape(secret); err != nil {
		return bad("secret in Basic credentials is not form-encoded")
	}
	return credentials{storage.AuthBasic, id, storage.NewSecret(secret)}, nil
}

func unescape(s string) (string, error) {
	v, err := url.QueryUnescape(s)
	if err == nil && !utf8.ValidString(v) {
		err = errors.New("invalid UTF-8")
	}
	return v, err
}
