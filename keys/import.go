package keys

import (
	"crypto"
	"fmt"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// ImportPublic publishes another issuer's public key until a time, so that its
// tokens go on verifying with this key set. kid is what those tokens have in
// their header; empty, it is the thumbprint. The key never signs.
// storage.ErrConflict if the ring has a key of that kid, or had and revoked it.
func (r Ring) ImportPublic(alg Algorithm, kid string, public crypto.PublicKey, until time.Time, now Instant) (Ring, error) {
	now = now.stamped()
	k := Key{ID: kid, Algorithm: alg, Public: public, Imported: true, PublishedAt: now.Wall, GoneAt: until.UTC().Truncate(time.Microsecond)}
	if err := alg.check(public); err != nil {
		return r, err
	}
	print, err := thumbprint(public)
	if err != nil {
		return r, err
	}
	if kid == "" {
		k.ID = print
	}
	switch {
	case !isKid(k.ID):
		return r, fmt.Errorf("kid %.64q: up to %d letters, digits and -_.~:= are a kid here", kid, maxKid)
	case !until.After(now.Wall) || until.After(now.Wall.Add(longest)):
		return r, fmt.Errorf("until %s: name a time in the future, at most %s from now", until.Format(time.RFC3339), longest)
	case r.line(alg).published() >= maxPublished:
		return r, fmt.Errorf("%d %s keys are published already: wait until retired ones are gone", r.line(alg).published(), alg)
	}
	if err := r.unknown(k.ID, print); err != nil {
		return r, err
	}
	k.SignsFrom = now.Wall // before whatever signs here
	for _, other := range r.line(alg) {
		if !other.SignsFrom.After(k.SignsFrom) {
			k.SignsFrom = other.SignsFrom.Add(-time.Microsecond)
		}
	}
	next := r.clone()
	next.keys = append(next.keys, k)
	next.sort()
	return next, nil
}

// ImportPrivate takes a key pair in as the next one of its line, which must be
// in the schedule. It is announced: it signs when it was published for
// PublishAhead. At once, it signs now: for a key whose public half every
// verifier has already, from another issuer. Its kid is the thumbprint.
// The ring must have been advanced to now, and be advanced after.
func (r Ring) ImportPrivate(alg Algorithm, private crypto.Signer, now Instant, atOnce bool) (Ring, error) {
	now = now.stamped()
	if !r.scheduled(alg) {
		return r, fmt.Errorf("no line of %s keys: add the algorithm to the schedule first: %w", alg, storage.ErrNotFound)
	}
	print, err := thumbprint(private.Public())
	if err != nil {
		return r, err
	}
	if err := r.unknown(print); err != nil {
		return r, err
	}
	l := r.line(alg)
	if l.published() >= maxPublished {
		return r, fmt.Errorf("%d %s keys are published already: wait until retired ones are gone", l.published(), alg)
	}
	generate := func(Algorithm, int) (crypto.Signer, error) { return private, nil }
	next := r.clone()
	if atOnce {
		next, err = next.add(alg, now, generate, func(k *Key) {
			if k.SignsFrom = now.Wall; l.signer(now) != nil {
				k.SignsFrom = later(now.Wall, l.signer(now).SignsFrom)
			}
		})
	} else {
		next, err = next.addAnnounced(alg, now, time.Time{}, generate)
	}
	if err != nil {
		return r, err
	}
	next.follows(next.line(alg), print)
	next.sort()
	return next, nil
}

// follows moves the waiting keys after one that was put before them.
func (r Ring) follows(l line, kid string) {
	var before *Key
	for _, k := range l {
		if before != nil && k.usable() && k.ReadyAt != 0 {
			k.SignsFrom = later(k.SignsFrom, before.SignsFrom.Add(r.schedule.RotateEvery))
			before = k
		}
		if k.ID == kid {
			before = k
		}
	}
}

// unknown refuses a key that the ring has, under whatever kid, or had.
func (r Ring) unknown(kids ...string) error {
	for _, k := range r.keys {
		print := k.ID
		if k.Imported && !k.revoked() {
			var err error
			if print, err = thumbprint(k.Public); err != nil {
				return err
			}
		}
		for _, kid := range kids {
			if kid == k.ID || kid == print {
				return fmt.Errorf("key %s is there already%s: %w", k.ID, map[bool]string{true: ", revoked"}[k.revoked()], storage.ErrConflict)
			}
		}
	}
	return nil
}
