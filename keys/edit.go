package keys

import (
	"context"
	"fmt"
)

// A Change is what an operator does to a ring: it gets the ring as it is now,
// the instant and what makes keys, and returns the next ring. It may be called
// more than once, with a newer ring each time.
type Change func(Ring, Instant, Generate) (Ring, error)

// Edit changes the stored ring as an operator wants it. If the change fails, nothing is stored.
// Edit works in the serving process or in another one beside it, which needs
// neither Start nor Run and finds out here if the store was set back
// (ErrBehind). Nothing is stored either where the high-water mark cannot be
// written (ErrMark). The ring is returned as it is stored; if it has a version
// beside an error, it is stored nonetheless: the mark failed all the same, or a
// key that is to wait could not be made.
func (r *Rotator) Edit(ctx context.Context, change Change) (Ring, error) {
	return r.operate(ctx, task{change: change})
}

// Recover goes on from a store that was set back to an older state, or lost:
// Ring.Recover on what is there, with what the high-water mark holds revoked,
// stored above all versions seen. A ring that cannot be opened stays. Where
// nothing was lost it does nothing (ErrNotBehind) unless it is forced.
func (r *Rotator) Recover(ctx context.Context, force bool) (Ring, error) {
	return r.operate(ctx, task{recover: true, force: force})
}

// EditSealed is Edit, and the ring is stored with the first key-encryption key
// in any case. Reseal is that without a change.
func (r *Rotator) EditSealed(ctx context.Context, change Change) (Ring, error) {
	return r.operate(ctx, task{change: change, rewrite: true})
}

// Reseal stores the ring again, sealed with the first key-encryption key.
func (r *Rotator) Reseal(ctx context.Context) (Ring, error) {
	return r.operate(ctx, task{rewrite: true})
}

// DryRun returns a Rotator that does what this one would do to the same store,
// keys made in memory included, and stores nothing: the rings that it returns
// have version 0.
func (r *Rotator) DryRun() *Rotator {
	cfg := r.cfg
	cfg.OnChange, cfg.Generate, cfg.Destroy, cfg.Log = nil, nil, nil, nil
	other := NewRotator(cfg)
	other.dry = true
	other.sealer.Store(r.sealer.Load())
	return other
}

func (r *Rotator) operate(ctx context.Context, t task) (Ring, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return r.step(ctx, t)
}

// View returns the stored ring as it is, and the instant, and changes nothing.
// Like Start it refuses a store that was set back (ErrBehind).
func (r *Rotator) View(ctx context.Context) (Ring, Instant, error) {
	mark, err := r.cfg.Seen.Read()
	if err != nil {
		return Ring{}, Instant{}, err
	}
	found, err := r.load(ctx)
	if err != nil {
		return Ring{}, Instant{}, err
	}
	if err := r.refuse(found, mark); err != nil {
		return Ring{}, Instant{}, err
	}
	if found.empty {
		return Ring{}, Instant{}, errNoRing
	}
	service, err := r.cfg.ServiceTime(ctx)
	if err != nil {
		return Ring{}, Instant{}, fmt.Errorf("service time: %w", err)
	}
	return found.ring, Instant{Wall: r.cfg.Now(), Service: service}, nil
}
