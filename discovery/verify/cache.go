package verify

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

const (
	longestStale = 24 * time.Hour   // how old the keys may become while the issuer is away, if nobody says else
	askFloor     = 30 * time.Second // between a fetch and one that a token causes
	askWait      = 2 * time.Second  // how long a token waits for the fetch it causes
	mostWaiting  = 1024             // tokens at a time; more get their answer at once
)

// held is one fetched key set. It is replaced whole, never changed: a key that
// the issuer took out is gone with the next one.
type held struct {
	set     *discovery.KeySet
	uri     string
	etag    string
	maxAge  time.Duration
	at      time.Time     // when the fetch began
	longest time.Duration // how old it may become
}

func (h *held) find(kid string) (found discovery.Key, set *discovery.KeySet, err error) {
	if set, err = h.current(); err != nil {
		return found, nil, err
	}
	found, ok := set.Key(kid)
	if !ok {
		return found, nil, errUnknownKey
	}
	return found, set, nil
}

// current returns the set unless it is too old, or there is none yet.
func (h *held) current() (*discovery.KeySet, error) {
	if h == nil || time.Since(h.at) > h.longest {
		return nil, errUnavailable
	}
	return h.set, nil
}

// A cache answers which key a kid means. Known keys are read without a lock;
// only a token with an unknown one comes to the mutex.
type cache struct {
	held   atomic.Pointer[held]
	wanted chan struct{} // a token asks for a fetch

	mu      sync.Mutex
	begun   time.Time     // of the last fetch
	done    chan struct{} // closed at the end of the fetch that is due or under way; nil: there is none
	retired bool          // nobody fetches any more
	waiting int           // tokens
}

func (c *cache) current() (*discovery.KeySet, error) { return c.held.Load().current() }

// find finds a key. For one that is unknown it asks for a fetch and waits for
// it, within bounds.
func (c *cache) find(ctx context.Context, kid string) (discovery.Key, *discovery.KeySet, error) {
	found, set, err := c.held.Load().find(kid)
	if err == nil {
		return found, set, nil
	}
	if done := c.ask(); done != nil {
		timer := time.NewTimer(askWait)
		defer timer.Stop()
		defer c.leave()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return c.held.Load().find(kid) // a fetch may have ended even if none was waited for
}

// ask returns what to wait for: the fetch under way, or one that it causes. It
// returns nil when the last one is too recent, or when many wait already:
// invented kids are free, so their number must not matter to the issuer, nor
// fill the memory. Who gets something to wait for leaves afterwards.
func (c *cache) ask() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		if c.retired || time.Since(c.begun) < askFloor {
			return nil
		}
		c.done = make(chan struct{})
		c.wanted <- struct{}{} // never blocks: begin empties it, and until then done is set
	}
	if c.waiting == mostWaiting {
		return nil
	}
	c.waiting++
	return c.done
}

func (c *cache) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
}

// begin says that a fetch starts now, asked for or not.
func (c *cache) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = time.Now()
	if c.done == nil {
		c.done = make(chan struct{})
	}
	select {
	case <-c.wanted: // this fetch is also the one that was asked for
	default:
	}
}

// end lets everybody look again who waited.
func (c *cache) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
}

// retire says that there will be no further fetch.
func (c *cache) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	c.release()
}

func (c *cache) release() {
	if c.done != nil {
		close(c.done)
		c.done = nil
	}
}
