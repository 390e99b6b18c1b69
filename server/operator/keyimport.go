package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// An Import is a key that was imported.
type Import struct {
	Kid       string
	Algorithm keys.Algorithm
	Private   bool
	SignsFrom time.Time // of a key pair
	Gone      time.Time // of a public key: when it leaves the key set
}

// ImportPublicKeys publishes other issuers' public keys until a time, so that
// their tokens go on verifying with this key set; zero: for as long as a key
// stays here that signs no more. Those keys never sign here. Each has the kid
// of its Material, which is what its tokens name, or else its thumbprint. Of a
// Material with a private half the public one is taken.
func (o *Operator) ImportPublicKeys(ctx context.Context, found []keys.Material, until time.Time) ([]Import, error) {
	done := make([]Import, len(found))
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.Edit(ctx, func(ring keys.Ring, now keys.Instant, _ keys.Generate) (keys.Ring, error) {
		audit.Set()
		end := until
		if end.IsZero() {
			end = now.Wall.Add(ring.Schedule().KeepAfter)
		}
		for i, m := range found {
			next, err := ring.ImportPublic(m.Algorithm, m.Kid, m.Public, end, now)
			if err != nil {
				return ring, unfit(err)
			}
			k := added(ring, next)
			ring, done[i] = next, Import{Kid: k.ID, Algorithm: k.Algorithm, Gone: k.GoneAt}
		}
		audit.Set(takenIn(done)...)
		return ring, publishable(ring, now)
	})
	return done, o.imported(ctx, ring, done, err, false)
}

// ImportPrivateKey takes a key pair in as the next of its line. It is announced:
// it signs when every verifier can know it. At once is for a key that verifiers
// hold already, of the issuer before this one. Its kid is its thumbprint.
func (o *Operator) ImportPrivateKey(ctx context.Context, m keys.Material, atOnce bool) (Import, error) {
	if m.Private == nil {
		return Import{}, Invalid{{"key", "has a public half only, and only a key pair can sign"}}
	}
	var kid string
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.Edit(ctx, func(ring keys.Ring, now keys.Instant, _ keys.Generate) (keys.Ring, error) {
		audit.Set()
		next, err := ring.ImportPrivate(m.Algorithm, m.Private, now, atOnce)
		if err != nil {
			return ring, unfit(err)
		}
		kid = added(ring, next).ID
		audit.Set(takenIn([]Import{{Kid: kid, Algorithm: m.Algorithm, Private: true}})...)
		return next, publishable(next, now)
	})
	done := Import{Kid: kid, Algorithm: m.Algorithm, Private: true}
	for _, k := range ring.Keys() {
		if k.ID == kid {
			done.SignsFrom = k.SignsFrom
		}
	}
	return done, o.imported(ctx, ring, []Import{done}, err, atOnce)
}

// takenIn are the records of imports.
func takenIn(done []Import) (out []storage.Record) {
	for _, i := range done {
		out = append(out, storage.Record{Event: storage.EventKeysImport, Detail: storage.Detail{
			"kid": i.Kid, "alg": string(i.Algorithm), "private": i.Private,
		}})
	}
	return out
}

// unfit is for what a ring does not take, but for keys that it has.
func unfit(err error) error {
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return Invalid{{"key", err.Error()}}
}

// publishable refuses keys that verifiers do not take: one of them would keep
// the whole key set from being published.
func publishable(ring keys.Ring, now keys.Instant) error {
	var set []jose.JSONWebKey
	for _, k := range ring.Published(now.Wall) {
		set = append(set, k.JWK())
	}
	if _, err := discovery.NewKeySet(set); err != nil {
		return Invalid{{"key", err.Error()}}
	}
	return nil
}

// added returns the key that is in one ring only.
func added(before, after keys.Ring) keys.Key {
	for _, k := range after.Keys() {
		if !has(before, k.ID) {
			return k
		}
	}
	return keys.Key{}
}

func (o *Operator) imported(ctx context.Context, ring keys.Ring, done []Import, err error, atOnce bool) error {
	if stored(ring) {
		for _, i := range done {
			attrs := []slog.Attr{slog.String("kid", i.Kid), slog.String("alg", string(i.Algorithm)), slog.Bool("private", i.Private)}
			if i.Private {
				attrs = append(attrs, slog.Time("signs_from", i.SignsFrom), slog.Bool("at_once", atOnce))
			} else {
				attrs = append(attrs, slog.Time("gone_at", i.Gone))
			}
			o.record(ctx, "keys.import", attrs...)
		}
	}
	if err != nil {
		return fmt.Errorf("import keys: %w", err)
	}
	return nil
}
