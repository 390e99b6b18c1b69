package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// errNoRing: only Start seeds a store.
var errNoRing = fmt.Errorf("no key ring yet, the first start of the server makes it: %w", storage.ErrNotFound)

// errWaits keeps a process that did not look for a while from writing its ring
// over a store that was set back.
var errWaits = fmt.Errorf("the store was set back, and another process may know more than this one, which did not look for a while: it waits before it writes its ring again: %w", storage.ErrUnavailable)

// A task is what a step is for, beside doing what time does.
type task struct {
	create  bool   // make a ring where there is none
	change  Change // what an operator does
	recover bool   // go on from a store that was set back
	force   bool   // recover where it was not set back
	rewrite bool   // store it again in any case
}

// errMissing: all is done but making a key that nobody needs yet. Every look tries again.
var errMissing = errors.New("the key ring is stored, but a key that is to wait could not be made")

// attempts bounds how often a step begins again because somebody was faster.
// Each time somebody else has got on.
const attempts = 50

// step takes its turn and does a task: load, decide, store, adopt; again if
// somebody else stored a ring in between.
func (r *Rotator) step(ctx context.Context, t task) (Ring, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return Ring{}, fmt.Errorf("key ring: waiting for another look: %w", ctx.Err())
	}
	return r.work(ctx, t)
}

// work is a step by whoever has the turn.
func (r *Rotator) work(ctx context.Context, t task) (ring Ring, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Log.LogAttrs(ctx, slog.LevelError, "key ring: panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = errors.New("key ring: a step panicked")
		}
	}()
	for range attempts {
		ring, err = r.attempt(ctx, t)
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	return ring, err
}

// stored is what a look found.
type stored struct {
	ring  Ring // without keys where there is none
	sum   [32]byte
	empty bool
}

func (r *Rotator) attempt(ctx context.Context, t task) (Ring, error) {
	began := r.cfg.Now()
	mark, err := r.cfg.Seen.Read() // before the store: what is in it was stored by now
	if err != nil {
		return Ring{}, err
	}
	found, err := r.load(ctx)
	if err != nil {
		return Ring{}, err
	}
	service, err := r.cfg.ServiceTime(ctx)
	if err != nil {
		return Ring{}, fmt.Errorf("service time: %w", err)
	}
	now := Instant{Wall: r.cfg.Now(), Service: service}
	base, revoked, err := r.base(ctx, found, mark, now, t)
	if err != nil {
		return Ring{}, err
	}
	m := r.newMaker(ctx, base, found)
	next, missing, err := r.apply(base, revoked, now, t, m.generate)
	if err != nil {
		m.settle(ctx, failed, Ring{})
		return Ring{}, err
	}
	next = next.madeIn(r.cfg.Now().Sub(now.Wall), base)
	if r.dry {
		return next.at(0), nil
	}
	lost := found.ring
	if old, holds := found.ring.version, r.Ring().version; !next.same(found.ring) || found.empty || old < holds || t.rewrite || t.recover {
		next = next.at(max(old, holds, mark.Version) + 1)
		var how outcome
		found, how, err = r.store(ctx, found, next, t)
		m.settle(ctx, how, next)
		if err != nil {
			return Ring{}, err
		}
	} else {
		m.settle(ctx, failed, Ring{})
	}
	err = r.adopt(ctx, found, mark, service, began)
	r.sweep(ctx, lost, found.ring)
	if missing != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", errMissing, missing))
	}
	return found.ring, err
}

// store stores the next ring over the one that was found.
func (r *Rotator) store(ctx context.Context, found stored, next Ring, t task) (stored, outcome, error) {
	if err := r.mustRemember(t); err != nil {
		return found, failed, err
	}
	sealed, err := r.sealer.Load().Seal(next)
	if err != nil {
		return found, failed, err
	}
	err = r.cfg.Store.ReplaceRing(ctx, found.ring.version, next.version, sealed)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return found, failed, fmt.Errorf("store key ring: %w", err)
	case err != nil:
		return found, inDoubt, fmt.Errorf("store key ring: %w", err)
	}
	return stored{ring: next, sum: sha256.Sum256(sealed)}, done, nil
}

// mustRemember finds out, before anything is stored, whether the mark can be
// written: whoever starts or acts must not leave a state that a restored store
// would undo unseen. A process that serves goes on without.
func (r *Rotator) mustRemember(t task) error {
	if t.create && r.held.Load() != nil {
		return nil
	}
	return r.cfg.Seen.Probe()
}

// load reads the stored ring, and opens it unless it is the one held.
func (r *Rotator) load(ctx context.Context) (stored, error) {
	sealed, v, err := r.cfg.Store.LoadRing(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		return stored{empty: true}, nil
	}
	if err != nil {
		return stored{}, fmt.Errorf("load key ring: %w", err)
	}
	sum := sha256.Sum256(sealed)
	if h := r.held.Load(); h != nil && h.sum == sum && h.ring.version == v {
		return stored{ring: h.ring, sum: sum}, nil
	}
	ring, err := r.unseal(ctx, sealed)
	if err != nil {
		return stored{}, err
	}
	if ring.version != v {
		return stored{}, fmt.Errorf("%w: it is version %d in a row of version %d", ErrCorrupt, ring.version, v)
	}
	return stored{ring: ring, sum: sum}, nil
}

// unseal opens a stored ring. Where it is sealed with a key-encryption key that
// this process lacks, the key may have been replaced since it was read.
func (r *Rotator) unseal(ctx context.Context, sealed []byte) (Ring, error) {
	ring, err := r.sealer.Load().Open(sealed)
	if !errors.Is(err, ErrWrongKey) || r.cfg.Reopen == nil {
		return ring, err
	}
	s, reopened := r.cfg.Reopen(ctx)
	if reopened != nil {
		return Ring{}, fmt.Errorf("%w, and reading the keys again failed: %w", err, reopened)
	}
	if ring, err = s.Open(sealed); err == nil {
		r.sealer.Store(s)
		r.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "key ring: the key-encryption key was replaced, and the new one taken")
	}
	return ring, err
}

// base decides which ring to go on from. Versions only grow: a process that
// finds a lower one than it holds, or another one of the same number, goes on
// from its own. It also returns the kids that must not be in it unrevoked.
func (r *Rotator) base(ctx context.Context, found stored, mark Mark, now Instant, t task) (Ring, []string, error) {
	h := r.held.Load()
	base, revoked := found.ring, mark.Revoked
	switch {
	case t.recover && !t.force && r.refuse(found, mark) == nil:
		return Ring{}, nil, fmt.Errorf("%w: nothing is to be recovered, and recovering drops every private half; use `hallmark keys rotate` for new keys, `hallmark keys revoke` for a leaked one", ErrNotBehind)
	case h == nil:
		if err := r.refuse(found, mark); err != nil && !t.recover {
			return Ring{}, nil, err
		}
		base = base.seen(time.Duration(mark.Stay)*time.Second, now)
	case h != nil && max(h.ring.version, found.ring.version) < mark.Version && !t.recover:
		return Ring{}, nil, r.behind(found, mark)
	case h != nil && found.ring.version <= h.ring.version && found.sum != h.sum:
		if !t.recover && r.waits(h) {
			return Ring{}, nil, errWaits
		}
		r.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "key ring: the store was set back, writing the ring at hand above it",
			slog.Int64("found", int64(found.ring.version)), slog.Int64("held", int64(h.ring.version)))
		base, revoked = h.ring, slices.Concat(revoked, found.ring.revokedKids())
	case h != nil:
		base, revoked = base.keep(h.ring, r.age(h), now), slices.Concat(revoked, h.ring.revokedKids())
	}
	if len(base.keys) == 0 && (t.create || t.recover) {
		base, err := NewRing(r.cfg.Schedule)
		return base, nil, err
	}
	if len(base.keys) == 0 {
		return Ring{}, nil, errNoRing
	}
	return base, revoked, nil
}

// waits reports whether a process that finds the store set back is to leave it
// to others for now. Those whose looks came on time know every ring that was
// stored, and write the newest again; one that was suspended would write that of
// a while ago, and publish it until they look. Where nobody else does within
// three polls, it has to.
func (r *Rotator) waits(h *held) bool {
	poll, stale, now := h.ring.schedule.Poll, h.ring.schedule.stale(), r.cfg.Now()
	if r.age(h) < poll+poll/2 {
		return false
	}
	w := &r.wait
	if w.on != h {
		*w = wait{on: h, from: now, last: now}
	}
	// It was suspended again; but looks that are ever so far apart are a slow store.
	if since := now.Sub(w.last); (since < 0 || since > stale) && w.again < stalePolls {
		w.from, w.again = now, w.again+1
	}
	w.last = now
	return now.Sub(w.from) <= stale
}

// refuse keeps a process that holds nothing from going on where the store was set back.
func (r *Rotator) refuse(found stored, mark Mark) error {
	if found.ring.version < mark.Version {
		return r.behind(found, mark)
	}
	if kid, ok := found.ring.holdsAny(mark.Revoked); ok {
		return fmt.Errorf("%w: key %s was revoked (%s) and is back: run `hallmark keys recover`", ErrBehind, kid, r.cfg.Seen)
	}
	return nil
}

func (r *Rotator) behind(found stored, mark Mark) error {
	what := fmt.Sprintf("it is version %d", found.ring.version)
	if found.empty {
		what = "there is none in the store"
	}
	return fmt.Errorf("%w: %s, but version %d was seen (%s): restore the newer store, or run `hallmark keys recover` to go on with new keys",
		ErrBehind, what, mark.Version, r.cfg.Seen)
}

// apply does what is due, then the task, then what is due after it. missing is
// why a key could not be made that nobody needs yet; a line without any is an error.
func (r *Rotator) apply(base Ring, revoked []string, now Instant, t task, generate Generate) (_ Ring, missing, err error) {
	if t.recover {
		base, err = base.Recover(now, generate, revoked...)
	} else {
		base, err = base.revokeAll(revoked, now, generate)
	}
	if err != nil {
		return Ring{}, nil, err
	}
	next, _, missing := base.Advance(now, generate)
	if missing != nil && !next.complete() {
		return Ring{}, nil, missing
	}
	if t.change == nil {
		return next, missing, nil
	}
	if next, err = t.change(next, now, generate); err != nil {
		return Ring{}, nil, errors.Join(err, missing)
	}
	next, _, missing = next.Advance(now, generate)
	if missing != nil && !next.complete() {
		return Ring{}, nil, missing
	}
	return next, missing, nil
}

// adopt goes over to the stored ring: published first, then signed with. Only
// the mark can fail, and the ring is adopted then all the same.
func (r *Rotator) adopt(ctx context.Context, found stored, mark Mark, service storage.ServiceTime, began time.Time) error {
	h := r.held.Load()
	next := &held{ring: found.ring, sum: found.sum, service: service, looked: began, wall: began.Round(0)}
	if h != nil && h.sum == found.sum {
		next.bench = h.bench
	} else {
		next.bench = newBench(found.ring, h)
		r.cfg.OnChange(found.ring)
		r.logChange(ctx, found.ring)
	}
	r.held.Store(next)
	if h == nil || h.ring.version != found.ring.version {
		r.tell()
	}
	if mark.covers(found.ring) {
		return nil
	}
	if err := r.cfg.Seen.Raise(found.ring); err != nil {
		return fmt.Errorf("the key ring is stored, but %w", err)
	}
	return nil
}

// logChange says what an operator wants to know of a new ring.
func (r *Rotator) logChange(ctx context.Context, next Ring) {
	before := r.Ring()
	r.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "key ring", slog.Int64("version", int64(next.version)), slog.Int("keys", len(next.keys)))
	for _, k := range next.keys {
		var was Key
		if i := before.find(k.ID); i >= 0 {
			was = before.keys[i]
		}
		event := ""
		switch {
		case k.revoked() && !was.revoked():
			event = "key revoked"
		case !k.GoneAt.IsZero() && was.GoneAt.IsZero():
			event = "key retired"
		case was.ID == "":
			event = "key published"
		case !k.SignsFrom.Equal(was.SignsFrom):
			event = "key rescheduled"
		default:
			continue
		}
		attrs := []slog.Attr{slog.String("kid", k.ID), slog.String("alg", string(k.Algorithm)), slog.Time("signs_from", k.SignsFrom)}
		if !k.GoneAt.IsZero() {
			attrs = append(attrs, slog.Time("gone_at", k.GoneAt))
		}
		r.cfg.Log.LogAttrs(ctx, slog.LevelInfo, event, attrs...)
	}
}
