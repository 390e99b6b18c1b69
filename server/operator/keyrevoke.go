package operator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// A Signer is the key that signs for clients of an algorithm.
type Signer struct {
	Algorithm keys.Algorithm
	Kid       string
}

// A Revocation says what revoking a key came to.
type Revocation struct {
	Kid      string
	Signing  Signer // of its line, or of the default one
	Promoted bool   // it did not sign before
	Fresh    bool   // it was made for this: no verifier has it yet
	Exposure
}

// An Exposure is how long verifiers may still accept revoked keys.
type Exposure struct {
	// AcceptedFor is that of a verifier that honours the key set's max-age.
	AcceptedFor time.Duration
	Bounds      []keys.Bound // by kind of verifier
}

func exposure(s keys.Schedule) Exposure {
	bounds := s.Emergency()
	return Exposure{bounds[0].AcceptedFor, bounds}
}

// RevokeKey takes a key out of the key set at once and for good: the tokens it
// signed are void, and if it signs, the waiting key takes over. ErrNotFound if
// there is no such key; revoking it again does nothing.
func (o *Operator) RevokeKey(ctx context.Context, kid, reason string) (Revocation, error) {
	if err := keys.CheckReason(reason); err != nil {
		return Revocation{}, Invalid{{"reason", err.Error()}}
	}
	var before keys.Ring
	var at keys.Instant
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.Edit(ctx, func(ring keys.Ring, now keys.Instant, generate keys.Generate) (keys.Ring, error) {
		before, at = ring, now
		audit.Set()
		if unrevoked(ring, kid) {
			audit.Set(storage.Record{Event: storage.EventKeysRevoke, Reason: reason, Detail: storage.Detail{"kid": kid}})
		}
		return ring.Revoke(kid, reason, now, generate)
	})
	if stored(ring) {
		o.record(ctx, "keys.revoke", slog.String("kid", kid), slog.String("why", reason))
	}
	if err != nil {
		return Revocation{}, fmt.Errorf("revoke key: %w", err)
	}
	r := Revocation{Kid: kid, Exposure: exposure(ring.Schedule())}
	for _, k := range before.Keys() {
		if k.ID == kid {
			r.Signing.Algorithm = k.Algorithm
		}
	}
	was, _ := before.Signer(r.Signing.Algorithm, at)
	is, _ := ring.Signer(r.Signing.Algorithm, at)
	r.Signing, r.Promoted, r.Fresh = Signer{is.Algorithm, is.ID}, is.ID != was.ID, !has(before, is.ID)
	return r, nil
}

func unrevoked(ring keys.Ring, kid string) bool {
	return slices.ContainsFunc(ring.Keys(), func(k keys.Key) bool { return k.ID == kid && k.RevokedAt.IsZero() })
}

func has(ring keys.Ring, kid string) bool {
	for _, k := range ring.Keys() {
		if k.ID == kid {
			return true
		}
	}
	return false
}

// A GeneralRevocation says what revoking all keys came to.
type GeneralRevocation struct {
	Version storage.Version // of the key ring; 0 after a dry run
	Revoked []string        // kids
	Signing []Signer
	Exposure
}

// RevokeAllKeys revokes every key, because whoever had the store or a host may
// have them all. Fresh keys sign at once, and the ring is sealed with the first
// key-encryption key, which must be one that they cannot have.
func (o *Operator) RevokeAllKeys(ctx context.Context, reason string) (GeneralRevocation, error) {
	if err := keys.CheckReason(reason); err != nil {
		return GeneralRevocation{}, Invalid{{"reason", err.Error()}}
	}
	var r GeneralRevocation
	var at keys.Instant
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.EditSealed(ctx, func(ring keys.Ring, now keys.Instant, generate keys.Generate) (keys.Ring, error) {
		audit.Set()
		r.Revoked, at = nil, now
		for _, k := range ring.Keys() {
			if k.RevokedAt.IsZero() {
				r.Revoked = append(r.Revoked, k.ID)
			}
		}
		audit.Set(storage.Record{Event: storage.EventKeysRevokeAll, Reason: reason, Detail: storage.Detail{"keys": len(r.Revoked), "kids": few(r.Revoked)}})
		return ring.RevokeAll(reason, now, generate)
	})
	if stored(ring) {
		o.record(ctx, "keys.revoke_all", slog.Any("kids", r.Revoked), slog.String("why", reason), slog.Int64("version", int64(ring.Version())))
	}
	if err != nil {
		return GeneralRevocation{}, fmt.Errorf("revoke all keys: %w", err)
	}
	r.Version, r.Signing, r.Exposure = ring.Version(), signers(ring, at), exposure(ring.Schedule())
	return r, nil
}

// few are the first of many kids: a record of the audit has no room for all.
func few(kids []string) []string { return kids[:min(len(kids), 16)] }

// signers returns who signs, line by line.
func signers(ring keys.Ring, now keys.Instant) (out []Signer) {
	for _, alg := range ring.Schedule().Algorithms {
		if k, ok := ring.Signer(alg, now); ok && k.Algorithm == alg {
			out = append(out, Signer{alg, k.ID})
		}
	}
	return out
}
