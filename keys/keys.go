// Package keys makes, keeps and turns over the keys that sign tokens.
//
// Keys come in lines, one for each algorithm. A line at work:
//
//	      ◄─── RotateEvery ───►◄─── RotateEvery ───►
//	K1    signing──────────────┐retired──KeepAfter──┐gone
//	K2    waiting──────────────┘signing─────────────┐retired──KeepAfter──┐gone
//	K3                          waiting─────────────┘signing── …
//	      ▲                    ▲
//	      K2 is made and       the clock passes K2's SignsFrom: K2 signs, K3 is
//	      published            made, and soon K1's private half is dropped
//
// One key of a line is always waiting, published, so that an emergency
// promotes a key which verifiers already hold and a rotator that stopped
// leaves somebody who signs. A revoked key leaves the key set at once; its kid
// is remembered so that it cannot come back. A line that is taken from the
// schedule signs for PublishAhead more; then the default line takes its clients.
//
// Five laws hold, at any time and in any number of processes:
//
//  1. No key signs before it was served for PublishAhead, counted in service
//     time. The first keys of an empty ring and emergencies are exempt.
//  2. Every unexpired token of an unrevoked key verifies.
//  3. Somebody can always sign.
//  4. A private half is dropped when no process can use it any more
//     (skew + poll after the successor's SignsFrom), and not before.
//  5. A schedule under which 1 or 2 could break is refused, with the sum.
//
// What is where: a Schedule knows the intervals (schedule.go). A Ring is all
// keys with their schedule, an immutable value without a clock (ring.go,
// line.go); Advance does what time does (advance.go), Rotate, Revoke and
// Recover what operators do (operate.go), Reschedule changes the schedule
// (policy.go), Import takes keys from elsewhere (import.go). A private half may
// be kept in a device instead of the ring (external.go, made.go). A Life is the
// timetable of one key (timetable.go). A Sealer turns a ring into bytes that
// only the holder of a key-encryption key can read (encode.go, seal.go,
// kek.go). A Rotator keeps one process's ring and the Store's in step
// (rotator.go, step.go), signs (signer.go), tells others which version it goes
// by (report.go) and carries out operators' edits (edit.go). Seen keeps,
// outside the store, what a restored backup would make it forget (seen.go).
//
// The package does not publish keys, does not know what is in a token, and
// never overwrites a ring that it cannot open.
package keys

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// What this package reports beside the storage package's errors. An unknown
// kid or line is storage.ErrNotFound.
var (
	// ErrBehind: the store was set back to an older state.
	ErrBehind = errors.New("the stored key ring is older than one already seen")
	// ErrWrongKey: the ring is sealed with a key-encryption key that is not among the given ones.
	ErrWrongKey = errors.New("the key ring is sealed with another key-encryption key")
	// ErrNotBehind: Recover was asked for where nothing was lost.
	ErrNotBehind = errors.New("the stored key ring is not older than what was seen")
	// ErrMark: the file that remembers what was seen cannot be used.
	ErrMark = errors.New("high-water mark")
	// ErrElsewhere: private halves are kept outside of the ring, and a process that
	// was not told where must not put new ones into it.
	ErrElsewhere = errors.New("private halves of this key ring are kept outside of it, and this process was not told where: it makes no keys")
	// ErrCorrupt: the stored bytes are not a ring that this program wrote.
	ErrCorrupt = errors.New("the stored key ring cannot be read")
)

// A Key is one signing key. Times are UTC, in whole microseconds.
type Key struct {
	ID          string           // the "kid": RFC 7638 thumbprint, SHA-256, base64url
	Algorithm   Algorithm        // the only one it is used with
	Public      crypto.PublicKey // nil once revoked
	PublishedAt time.Time        // when it was made and first published
	SignsFrom   time.Time        // when it takes over from its predecessor
	SignsUntil  time.Time        // zero unless its line ends; then when the default line takes over
	GoneAt      time.Time        // zero until it retires; then when it leaves the ring
	RevokedAt   time.Time        // zero unless revoked
	Reason      string           // why it was revoked, in an operator's words
	Imported    bool             // the public half of another issuer's key: it never signs here, and its kid is theirs

	// ReadyAt is the service time from which the key has been served for
	// PublishAhead. 0: it need not wait, because it signs already or did so,
	// was the first of an empty ring, or was promoted in an emergency.
	ReadyAt storage.ServiceTime

	keptUntil storage.ServiceTime // of a retired key: GoneAt, in service time
	private   crypto.Signer       // nil once dropped
	dropped   string              // the handle of a dropped private half that was kept outside
}

// State is where a key is in its life. It is computed, never stored.
type State string

// The states of a key.
const (
	Waiting State = "waiting" // published, does not sign yet
	Signing State = "signing"
	Retired State = "retired" // published, does not sign any more
	Revoked State = "revoked" // not published; a record without key material
)

// newKey gives a freshly made private half its identity.
func newKey(alg Algorithm, private crypto.Signer) (Key, error) {
	if err := checkExternal(private); err != nil {
		return Key{}, err
	}
	k := Key{Algorithm: alg, Public: private.Public(), private: private}
	if err := alg.check(k.Public); err != nil {
		return Key{}, err
	}
	var err error
	k.ID, err = thumbprint(k.Public)
	return k, err
}

// thumbprint is the kid of a public key (RFC 7638 §3).
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// JWK returns the public half as it belongs in a key set (RFC 7517 §4; its use,
// alg and kid are RFC 7517 §4.2, §4.4, §4.5 and OIDC Core §10.1).
func (k Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
}

// PrivateJWK returns both halves, for a move to another issuer, and so a secret.
// It is an error where the ring does not have the private half (any more).
func (k Key) PrivateJWK() (jose.JSONWebKey, error) {
	switch {
	case k.revoked():
		return jose.JSONWebKey{}, fmt.Errorf("%s is revoked: nothing is left of it", k)
	case k.Imported:
		return jose.JSONWebKey{}, fmt.Errorf("%s is another issuer's, who has its private half", k)
	case k.External():
		return jose.JSONWebKey{}, fmt.Errorf("the private half of %s is kept outside of the ring and does not leave that place", k)
	case k.private == nil:
		return jose.JSONWebKey{}, fmt.Errorf("%s signs no more: its private half was dropped", k)
	}
	jwk := k.JWK()
	jwk.Key = k.private
	return jwk, nil
}

// String names the key and shows nothing of it.
func (k Key) String() string { return string(k.Algorithm) + " key " + k.ID }

// LogValue logs as String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k Key) revoked() bool { return !k.RevokedAt.IsZero() }

// usable reports whether the key could sign at some time.
func (k Key) usable() bool { return k.private != nil && !k.revoked() }

// maySign reports whether the timetable lets the key sign (law 1).
func (k Key) maySign(now Instant) bool {
	return !k.SignsFrom.After(now.Wall) && k.ReadyAt <= now.Service
}

// ended reports whether the key's line has ended.
func (k Key) ended(now Instant) bool { return !k.SignsUntil.IsZero() && !k.SignsUntil.After(now.Wall) }

// revoke leaves the record of a key that must never return. It stays longer
// than any ring that still held the key would have kept it.
func (k *Key) revoke(now time.Time, s Schedule, reason string) {
	k.drop()
	k.Public, k.ReadyAt, k.keptUntil = nil, 0, 0
	k.RevokedAt, k.Reason = now, reason
	k.GoneAt = later(k.GoneAt, now.Add(2*s.RotateEvery+s.KeepAfter))
}

// retire fixes when an unrevoked key is gone.
func (k *Key) retire(now Instant, stay time.Duration) {
	if k.GoneAt.IsZero() {
		k.keep(now, stay)
	}
}

// keep lets a retired key stay at least so long from now.
func (k *Key) keep(now Instant, stay time.Duration) {
	k.GoneAt, k.keptUntil = later(k.GoneAt, now.Wall.Add(stay)), max(k.keptUntil, now.Service.Add(stay))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
