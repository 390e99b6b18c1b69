package sqlite

import (
	"sync"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A clock is what this process knows of the store's service time: a reading
// that was stored, and when that was by the monotonic clock.
type clock struct {
	mu   sync.Mutex
	seen storage.ServiceTime
	when time.Time
}

func newClock(stored storage.ServiceTime) *clock {
	return &clock{seen: stored, when: time.Now()}
}

// reading tells the service time now, given what the store holds.
func (c *clock) reading(stored storage.ServiceTime) (storage.ServiceTime, time.Time) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return storage.Advance(stored, c.seen, now.Sub(c.when)), now
}

// saw records that the store holds a reading since a moment. A reading that was
// computed but not stored is not recorded: the next is counted from the same base.
func (c *clock) saw(stored storage.ServiceTime, when time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stored >= c.seen {
		c.seen, c.when = stored, when
	}
}
