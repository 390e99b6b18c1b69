package operator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// Keys turns the signing keys over; *keys.Rotator does. A ring that is returned
// with an error, and has a version, was stored nonetheless.
type Keys interface {
	View(ctx context.Context) (keys.Ring, keys.Instant, error)
	Edit(ctx context.Context, change keys.Change) (keys.Ring, error)
	// EditSealed is Edit, and seals with the first key-encryption key in any case.
	EditSealed(ctx context.Context, change keys.Change) (keys.Ring, error)
	Recover(ctx context.Context, force bool) (keys.Ring, error)
}

// A KeyState is a signing key, where it is in its life and when the rest of it comes.
type KeyState struct {
	keys.Key
	State keys.State
	Life  keys.Life
}

// ListKeys returns all keys and the records of revoked ones, line by line, the
// default line first, in the order in which they sign.
func (o *Operator) ListKeys(ctx context.Context) ([]KeyState, error) {
	t, err := o.Timetable(ctx)
	return t.Keys, err
}

// A Rotation says which key of a line takes over, and from when.
type Rotation struct {
	Algorithm keys.Algorithm
	Previous  string    // kid of the key that signed when it was asked for; empty if none did
	Next      string    // kid of the key that takes over
	SignsFrom time.Time // when
	// Unannounced is how much shorter than the schedule wants the next key was
	// published when it takes over: until its caches are that much older, a
	// verifier may not know it. 0 unless it signs at once.
	Unannounced time.Duration
}

// RotateKeys brings the next rotation of an algorithm's line forward, or of
// all lines if alg is empty. Announced, each waiting key signs as soon as
// every verifier can know it, which is usually now; at once, it signs now
// whoever knows it.
func (o *Operator) RotateKeys(ctx context.Context, alg keys.Algorithm, atOnce bool) ([]Rotation, error) {
	var done []Rotation
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.Edit(ctx, func(ring keys.Ring, now keys.Instant, _ keys.Generate) (_ keys.Ring, err error) {
		audit.Set()
		lines := []keys.Algorithm{alg}
		if alg == "" {
			lines = ring.Schedule().Algorithms
		}
		done = nil // a change may be asked for more than once
		for _, line := range lines {
			before := ring
			if ring, err = ring.Rotate(line, now, atOnce); err != nil {
				return ring, err
			}
			r := rotation(line, before, ring, now)
			if !atOnce { // it waits as long as it must
				r.Unannounced = 0
			}
			done = append(done, r)
		}
		audit.Set(rotated(done, atOnce)...)
		return ring, nil
	})
	if stored(ring) {
		for _, r := range done {
			o.record(ctx, "keys.rotate", slog.String("alg", string(r.Algorithm)), slog.String("kid", r.Next),
				slog.Time("signs_from", r.SignsFrom), slog.Bool("at_once", atOnce))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	return done, nil
}

// rotated are the records of rotations.
func rotated(done []Rotation, atOnce bool) (out []storage.Record) {
	for _, r := range done {
		out = append(out, storage.Record{Event: storage.EventKeysRotate, Detail: storage.Detail{
			"alg": string(r.Algorithm), "kid": r.Next, "signs_from": stamp(r.SignsFrom), "at_once": atOnce,
		}})
	}
	return out
}

// stored reports whether an edit took effect, error or not: then there must be
// a record of it.
func stored(ring keys.Ring) bool { return ring.Version() > 0 }

// rotation tells from the rings before and after what became of a line.
func rotation(line keys.Algorithm, before, after keys.Ring, now keys.Instant) Rotation {
	r := Rotation{Algorithm: line}
	for _, k := range before.Keys() {
		switch state := before.State(k, now); {
		case k.Algorithm != line:
		case state == keys.Signing:
			r.Previous = k.ID
		case state == keys.Waiting && r.Next == "":
			r.Next = k.ID
			r.Unannounced = unannounced(k, now)
		}
	}
	for _, k := range after.Keys() {
		if k.ID == r.Next {
			r.SignsFrom = k.SignsFrom
		}
	}
	return r
}

func unannounced(k keys.Key, now keys.Instant) time.Duration {
	if k.ReadyAt == 0 {
		return 0
	}
	return max(0, k.ReadyAt.Sub(now.Service))
}

// ResealKeys stores the key ring again, sealed with the first key-encryption
// key, so that the others can be dropped. It returns the ring's new version.
func (o *Operator) ResealKeys(ctx context.Context) (storage.Version, error) {
	ctx, audit := storage.Intending(ctx)
	audit.Set(storage.Record{Event: storage.EventKeysReseal})
	ring, err := o.Keys.EditSealed(ctx, func(r keys.Ring, _ keys.Instant, _ keys.Generate) (keys.Ring, error) { return r, nil })
	return o.restored(ctx, "keys.reseal", ring, err)
}

// A Recovery says what a recovered key ring is made of.
type Recovery struct {
	Version storage.Version // of the ring; 0 after a dry run
	Kept    []keys.Key      // old ones that sign no more and stay published until they are gone
	Signing []Signer
}

// RecoverKeys goes on after the store was set back to an older state: no key
// in it signs again, the public halves stay until their tokens have expired,
// and fresh keys sign at once. A store that was not set back is
// keys.ErrNotBehind unless forced.
func (o *Operator) RecoverKeys(ctx context.Context, force bool) (Recovery, error) {
	ctx, audit := storage.Intending(ctx)
	audit.Set(storage.Record{Event: storage.EventKeysRecover, Detail: storage.Detail{"forced": force}})
	ring, err := o.Keys.Recover(ctx, force)
	version, err := o.restored(ctx, "keys.recover", ring, err, slog.Bool("forced", force))
	if err != nil {
		return Recovery{}, err
	}
	now := o.now()
	r := Recovery{Version: version, Signing: signers(ring, keys.Instant{Wall: now})}
	for _, k := range ring.Published(now) {
		if !k.GoneAt.IsZero() {
			r.Kept = append(r.Kept, k)
		}
	}
	return r, nil
}

// restored ends an act that stores the whole ring.
func (o *Operator) restored(ctx context.Context, act string, ring keys.Ring, err error, attrs ...slog.Attr) (storage.Version, error) {
	if stored(ring) {
		o.record(ctx, act, append(attrs, slog.Int64("version", int64(ring.Version())))...)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	return ring.Version(), nil
}
