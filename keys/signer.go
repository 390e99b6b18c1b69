package keys

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sign returns the payload as a compact JWS (RFC 7515 §7.1) with the header
// members alg, kid (RFC 7515 §4.1.4) and, unless empty, typ. It is signed by
// the line of an algorithm, or by the default line if alg is empty, unknown or
// does not sign yet. A process whose ring is stale looks again first; if the
// store is away, it signs with what it has.
func (r *Rotator) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	h := r.fresh(ctx)
	if h == nil {
		return "", errors.New("sign: the key ring was not loaded yet")
	}
	token, err := r.signWith(h, alg, typ, payload)
	if err == nil {
		return token, nil
	}
	// The private half may have been removed from its device because the key was
	// revoked elsewhere, less than a poll ago.
	if next := r.again(ctx, h); next.sum != h.sum {
		return r.signWith(next, alg, typ, payload)
	}
	return "", err
}

func (r *Rotator) signWith(h *held, alg, typ string, payload []byte) (string, error) {
	k, ok := h.ring.Signer(Algorithm(alg), r.instant(h))
	if !ok {
		return "", errors.New("sign: the key ring has no private key")
	}
	s, err := h.bench.signer(k, typ, r.cfg.Open)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	token, err := s.sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k, err)
	}
	return token, nil
}

// instant is now for a process between two looks. The counter is taken as it
// was read: it may only lag, so that no key signs too early.
func (r *Rotator) instant(h *held) Instant { return Instant{Wall: r.cfg.Now(), Service: h.service} }

// fresh returns what the process holds, after another look if that is stale.
// While the store is away there is one such look per Poll, not one per token.
func (r *Rotator) fresh(ctx context.Context) *held {
	h := r.held.Load()
	if h == nil || !r.due(h) {
		return h
	}
	return r.lookIf(ctx, h, r.due)
}

// again returns what the process holds after another look. There are ten of
// them in a Poll at most: a device that is away must not make every token one.
func (r *Rotator) again(ctx context.Context, h *held) *held {
	pause := h.ring.schedule.Poll / 10
	return r.lookIf(ctx, h, func(now *held) bool { return now.sum == h.sum && r.age(now) > pause && !r.triedWithin(pause) })
}

// lookAgainPause is at least between two looks of LookAgain.
const lookAgainPause = time.Second

// LookAgain takes a look for who was shown a key that this process does not
// know: another one may have made it less than a Poll ago. Anybody can name such
// a key, so it does nothing where the last look was in the last second.
func (r *Rotator) LookAgain(ctx context.Context) {
	needed := func(now *held) bool { return r.age(now) > lookAgainPause && !r.triedWithin(lookAgainPause) }
	if h := r.held.Load(); h != nil && needed(h) {
		r.lookIf(ctx, h, needed)
	}
}

// lookIf takes a look if there is still a need once it has the turn.
func (r *Rotator) lookIf(ctx context.Context, h *held, needed func(*held) bool) *held {
	ctx, cancel := context.WithTimeout(ctx, h.ring.schedule.Poll)
	defer cancel()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return h
	}
	if needed(r.held.Load()) { // nobody looked while this one waited
		// The client's going away must not make the look fail for the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.ring.schedule.Poll)
		defer cancel()
		_, err := r.work(ctx, task{create: true})
		_ = r.note(ctx, err)
	}
	return r.held.Load()
}

// due reports whether a look is needed before signing, and was not just tried in vain.
func (r *Rotator) due(h *held) bool {
	if r.age(h) <= h.ring.schedule.stale() {
		return false
	}
	return !r.triedWithin(h.ring.schedule.Poll)
}

// triedWithin reports a look that failed no longer ago.
func (r *Rotator) triedWithin(d time.Duration) bool {
	tried := r.tried.Load()
	if tried == nil {
		return false
	}
	since := r.cfg.Now().Sub(*tried)
	return since >= 0 && since < d
}
