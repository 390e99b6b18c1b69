package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A Store keeps one sealed ring.
type Store interface {
	// LoadRing returns the ring's bytes and version, storage.ErrNotFound when there is none yet.
	LoadRing(ctx context.Context) (sealed []byte, v storage.Version, err error)
	// ReplaceRing stores a ring if the stored version is old (0: none yet) and next is above it, else storage.ErrConflict.
	ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error
}

// RotatorConfig is what a Rotator needs. Store, Sealer and ServiceTime are required.
type RotatorConfig struct {
	Store  Store
	Sealer *Sealer
	// Seen remembers what a restored store forgot. nil: nothing does, and a
	// process that starts on an old backup goes on from there.
	Seen *Seen
	// Schedule is that of the ring which Start makes in an empty store. A ring
	// that is there has its own.
	Schedule Schedule
	// ServiceTime reads the store's counter.
	ServiceTime func(context.Context) (storage.ServiceTime, error)
	// OnChange is called with every ring that this process goes over to, before
	// it signs with it, one call at a time: the place to publish the keys.
	OnChange func(Ring)
	// Report tells others which version this process goes by: Run calls it after
	// each change and about once a minute, one call at a time. It may fail,
	// panic, or hang until its context ends. nil: nobody is told.
	Report   func(context.Context, storage.Version) error
	Generate Generate // GenerateKey if nil
	// Open finds a private half that is kept outside of the ring (External).
	// It is asked when a key signs for the first time. nil: such keys cannot sign
	// here, and no keys are made for a ring that has any.
	Open func(handle string) (crypto.Signer, error)
	// Destroy removes a private half that is kept outside and was dropped from
	// the ring, once the ring is stored. Each process does so, so one that is gone
	// already is no error. nil: this one does not.
	Destroy func(handle string) error
	// Reopen is asked for another Sealer when the stored ring is sealed with a
	// key-encryption key that the one at hand lacks. nil: that is an error.
	Reopen func(context.Context) (*Sealer, error)
	Now    func() time.Time // the wall clock, with its monotonic reading; time.Now if nil
	Log    *slog.Logger     // nothing is logged if nil
}

// A Rotator keeps one process's ring and the stored one in step: it looks at
// the store each Poll, adopts what it finds, does what is due and stores that,
// if nobody was faster. It signs with the keys of its ring (Sign). Any number
// of Rotators share a store, without a leader and without locks. Whatever fails
// on the way, it signs on with the ring that it has.
type Rotator struct {
	cfg      RotatorConfig
	dry      bool          // nothing is stored
	turn     chan struct{} // filled while a step is on
	adopted  chan struct{} // filled while a version is to be reported
	held     atomic.Pointer[held]
	sealer   atomic.Pointer[Sealer]
	failures atomic.Int64              // looks that failed since the process began, for the log
	tried    atomic.Pointer[time.Time] // when the last failed look ended
	trouble  atomic.Pointer[error]     // why it failed

	// Of who has the turn:
	wait wait

	spares []spare         // keys that are kept outside, of rings that may have been stored
	swept  map[string]bool // by handle: whether a dropped private half is gone from where it was
}

// held is what a process goes by between two looks.
type held struct {
	ring    Ring
	sum     [32]byte            // SHA-256 of the sealed ring
	service storage.ServiceTime // as read at the last look
	looked  time.Time           // when that look began, with the monotonic reading
	wall    time.Time           // the same by the clock alone
	bench   *bench
}

// A wait is for those who know more than this process does: with what it holds,
// since when, how often that began again, and when it looked last.
type wait struct {
	on         *held
	from, last time.Time
	again      int
}

// stepTime bounds one step, the making of keys included.
const stepTime = 30 * time.Second

// NewRotator returns a Rotator that has not looked yet: call Start, then Run.
// For one Edit neither is needed.
func NewRotator(cfg RotatorConfig) *Rotator {
	if cfg.OnChange == nil {
		cfg.OnChange = func(Ring) {}
	}
	if cfg.Generate == nil {
		cfg.Generate = GenerateKey
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Rotator{cfg: cfg, turn: make(chan struct{}, 1), adopted: make(chan struct{}, 1)}
	r.sealer.Store(cfg.Sealer)
	return r
}

// Start takes the first look. In an empty store it makes the ring; of several
// that do so at once the first wins and the others take its ring. It reports
// ErrBehind, ErrWrongKey, ErrCorrupt, the sums of an unsafe schedule, or what
// the store reports, and has changed nothing then; or that the high-water mark
// cannot be written, which must be possible before anybody serves.
func (r *Rotator) Start(ctx context.Context) error {
	if err := r.cfg.Schedule.Check(); err != nil {
		return fmt.Errorf("key schedule: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	_, err := r.step(ctx, task{create: true})
	if errors.Is(err, errMissing) {
		_ = r.note(ctx, err) // it has logged and counted the error
		return nil
	}
	return err
}

// Run looks each Poll until ctx ends. A look that fails or panics is logged
// and counted, and the next one follows as if it had not.
func (r *Rotator) Run(ctx context.Context) {
	var reports sync.WaitGroup
	defer reports.Wait()
	reports.Go(func() { r.reports(ctx) })
	tick := time.NewTicker(r.schedule().Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = r.Look(ctx) // it has logged and counted the error
		}
	}
}

// Look takes one look now.
func (r *Rotator) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	_, err := r.step(ctx, task{create: true})
	return r.note(ctx, err)
}

// note logs and counts a failed look.
func (r *Rotator) note(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	now := r.cfg.Now()
	r.tried.Store(&now)
	r.trouble.Store(&err)
	r.cfg.Log.LogAttrs(ctx, slog.LevelError, "key ring: look failed, signing goes on with the ring at hand",
		slog.Any("error", err), slog.Int64("failures", r.failures.Add(1)))
	return err
}

// Healthy reports why the process should not be asked to sign: its last good
// look is older than three polls.
func (r *Rotator) Healthy() error {
	h := r.held.Load()
	if h == nil {
		return errors.New("the key ring was not loaded yet")
	}
	if age := r.age(h); age > h.ring.schedule.stale() {
		err := fmt.Errorf("the key ring was last looked at %s ago, more than %d polls of %s", age.Round(time.Millisecond), stalePolls, h.ring.schedule.Poll)
		if trouble := r.trouble.Load(); trouble != nil {
			err = fmt.Errorf("%w; the last look that failed: %w", err, *trouble)
		}
		return err
	}
	return nil
}

// Ring returns the ring that the process goes by; one without keys before Start.
func (r *Rotator) Ring() Ring {
	if h := r.held.Load(); h != nil {
		return h.ring
	}
	return Ring{schedule: r.cfg.Schedule.clone()}
}

func (r *Rotator) schedule() Schedule { return r.Ring().schedule }

// age is the time since a look by the clock or by the monotonic reading,
// whichever is more: one of them stands still in a process that was suspended.
func (r *Rotator) age(h *held) time.Duration {
	now := r.cfg.Now()
	return max(now.Sub(h.looked), now.Round(0).Sub(h.wall))
}
