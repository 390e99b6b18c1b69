package password

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hallmark-auth/hallmark/storage"
)

// Config sets up a Pool. Every zero field has a default.
type Config struct {
	// Workers is how many passwords are hashed at once. Default: half the
	// cores that the process may use (GOMAXPROCS), at least 1; the other half
	// keeps refreshing and the key set fast.
	//
	// The pool's working memory is at most the greater of Workers × Params.Memory
	// and Cap.Memory; the garbage collector may hold as much again.
	Workers int

	// MaxWait is how long a caller waits for a place before ErrBusy. Default 1 s.
	MaxWait time.Duration

	// MaxQueue is how many callers may wait at once; the next one gets ErrBusy
	// at once. Default: 64 per worker, about twice what is served in MaxWait.
	MaxQueue int

	// Params is what new hashes cost; a stored hash of another cost is
	// reported for re-hashing. Default: Default().
	Params Params

	// Cap is the most that a stored hash of argon2 may cost, and the most memory
	// that one of any format may need; one over it, or over the bound of its own
	// format, is refused before any work. Default: DefaultCap(), or Params where
	// that is more.
	Cap Params
}

// A Pool hashes and verifies passwords, a bounded number at a time. It starts
// no goroutine: the work is done in the caller's, while it holds a place.
type Pool struct {
	config  Config
	places  *semaphore.Weighted // Config.Workers of them; first come, first served
	waiting atomic.Int64
	decoy   string // the hash of a user who does not exist
}

// New returns a pool. It panics if Validate has something against the settings.
func New(c Config) *Pool {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		panic(err)
	}
	return &Pool{config: c, places: semaphore.NewWeighted(int64(c.Workers)), decoy: newDecoy(c.Params).encode()}
}

func (c Config) withDefaults() Config {
	if c.Workers == 0 {
		c.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if c.MaxWait == 0 {
		c.MaxWait = time.Second
	}
	if c.MaxQueue == 0 {
		c.MaxQueue = 64 * c.Workers
	}
	if c.Params == (Params{}) {
		c.Params = Default()
	}
	if c.Cap == (Params{}) {
		d, p := DefaultCap(), c.Params
		c.Cap = Params{Memory: max(d.Memory, p.Memory), Time: max(d.Time, p.Time), Threads: max(d.Threads, p.Threads)}
	}
	return c
}

// Validate names the setting that makes no sense, for settings that come from
// people.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Workers < 0 || c.MaxWait < 0 || c.MaxQueue < 0:
		return fmt.Errorf("password hashing: workers %d, wait %s and queue %d must not be negative", c.Workers, c.MaxWait, c.MaxQueue)
	case !c.Params.valid():
		return fmt.Errorf("password hashing: %s: at least one pass, one thread, and 8 KiB per thread are needed", c.Params)
	case !c.Params.within(c.Cap):
		return fmt.Errorf("password hashing: %s is over the cap for stored hashes, %s", c.Params, c.Cap)
	}
	return nil
}

// Hash returns the PHC string of a password with a fresh salt, for
// storage.User.PasswordHash. It does not Check the password: one in use may be
// hashed again, whatever is asked of new ones today. The error is ErrTooLong,
// ErrNotAllowed, ErrBusy or ctx's.
func (p *Pool) Hash(ctx context.Context, pw storage.Secret) (string, error) {
	prepared, err := prepare(pw)
	if err != nil {
		return "", err
	}
	var encoded string
	err = p.run(ctx, p.config.Params, nil, func() {
		encoded = newArgon2id(prepared, p.config.Params).encode()
	})
	return encoded, err
}

// A Result is what Verify found.
type Result struct {
	Match  bool
	Rehash bool // Match, and the stored hash is not as this pool makes them, but can be: Hash again and storage's Rehash
}

// Verify compares a password with a stored hash, as CheckHash knows them. An
// empty hash stands for a user who does not exist, or has no password: the work
// of a hash of the pool's own parameters is done and nothing matches. So it is
// for Django's mark of an unusable password.
//
// A hash that another system made of a password that is not allowed here still
// matches, and is not reported for re-hashing. Nor is one of bcrypt where the
// password is longer than the 72 bytes that it looks at: what is beyond them was
// never proven, and a slip of the finger there would become the password.
//
// admit, unless nil, is asked when a place was obtained and before hashing;
// its error is returned as it is, and nothing is hashed.
//
// Other errors: ErrTooLong and ErrNotAllowed, which do not depend on the stored
// hash and mean that the password is wrong; ErrFormat and ErrCost, for a stored
// hash that cannot be used; ErrBusy; and ctx's if it ends before hashing began.
// Once begun, hashing is finished.
func (p *Pool) Verify(ctx context.Context, encoded string, pw storage.Secret, admit func() error) (Result, error) {
	t, err := read(pw)
	if err != nil {
		return Result{}, err
	}
	exists := encoded != "" && !isUnusable(encoded)
	if !exists {
		encoded = p.decoy
	}
	h, _, err := parse(encoded, p.config.Cap)
	current := h.native && h.cost == p.config.Params
	forms := t.forms(h, current)
	if t.prepared == nil && (err != nil || len(forms) == 0) {
		return Result{}, ErrNotAllowed
	}
	if err != nil {
		return Result{}, err
	}
	var match bool
	if err := p.run(ctx, h.cost, admit, func() { match = slices.ContainsFunc(forms, h.matches) }); err != nil {
		return Result{}, err
	}
	match = match && exists
	whole := h.reach == 0 || len(t.raw) <= h.reach
	return Result{Match: match, Rehash: match && !current && whole && t.prepared != nil}, nil
}

// run does work that costs so much, when there is room for it.
func (p *Pool) run(ctx context.Context, cost Params, admit func() error, work func()) error {
	n := p.weight(cost)
	if err := p.enter(ctx, n); err != nil {
		return err
	}
	defer p.places.Release(n)
	if admit != nil {
		if err := admit(); err != nil {
			return err
		}
	}
	work()
	return nil
}

// weight is how many places a hash takes: one, or more if it needs more memory
// or threads than the pool's own do. A hash that needs more than there is runs alone.
func (p *Pool) weight(cost Params) int64 {
	own := p.config.Params
	byMemory := (uint64(cost.Memory) + uint64(own.Memory) - 1) / uint64(own.Memory)
	byThreads := (uint64(cost.Threads) + uint64(own.Threads) - 1) / uint64(own.Threads)
	return int64(min(max(byMemory, byThreads, 1), uint64(p.config.Workers)))
}

// enter takes n places, waiting for them in a bounded queue for a bounded time.
func (p *Pool) enter(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.places.TryAcquire(n) {
		return nil
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > int64(p.config.MaxQueue) {
		return ErrBusy
	}
	wait, cancel := context.WithTimeout(ctx, p.config.MaxWait)
	defer cancel()
	if err := p.places.Acquire(wait, n); err != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		return ErrBusy
	}
	return nil
}
