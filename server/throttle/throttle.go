// Package throttle slows down the guessing of passwords (RFC 6749 §4.3.2)
// without letting anybody lock anybody out.
//
//	Look ──refused──► 429, nothing is hashed
//	  │
//	  └─► wait for a place to hash ─► Look again ─► hash ─► Failed or Succeeded
//
// Failures are charged, to three buckets that refill with time; successes cost
// nothing, so any number of parallel correct sign-ins goes through. The second
// look makes many guesses sent at once overshoot by about as many as are hashed
// at once, and what is overshot is owed.
//
//	bucket                   holds off
//	account and network      who guesses one user's password
//	network                  who tries one password on many users
//	account, all networks    who guesses one user's password from many networks;
//	                         not asked where the user has signed in before
//
// A network is an IPv4 address or an IPv6 /64; whoever has thousands of them is
// held off by the third bucket alone. An account is whatever name was typed:
// the package does not know which exist, so they are all alike.
//
// All of it is in memory, of bounded size, and gone after a restart: a few
// guesses more, and users on new networks are judged by all three buckets again.
package throttle

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Bucket allows Burst failures at once and one more for every Every that
// passes. It owes at most another Burst, so nobody waits longer than
// (Burst + 1) × Every.
type Bucket struct {
	Burst int           // 1 to 10,000
	Every time.Duration // 1 ms to 24 h
}

// Config says how much guessing is too much. Every zero field has a default.
type Config struct {
	// Pair is for failures of one account from one network. Default: 10, and
	// one more every 30 s. Who shares a network with somebody who guesses at
	// them competes for these; elsewhere they do not notice.
	Pair Bucket

	// Network is for failures of all accounts from one network. Default: 20,
	// and one more every 3 s; more for offices of thousands behind one address.
	Network Bucket

	// Account is for failures of one account from all networks that the user
	// has not signed in from. Default: 100 (the limit of NIST SP 800-63B-4
	// §3.2.2, which here refills), and one more every 30 s. It must not refill
	// more slowly than Pair, or one network alone could use it up.
	Account Bucket

	// Entries is how many buckets of each kind, and how many accounts with
	// their last 8 networks, are remembered, in some 250 bytes each. Default
	// 65,536: a failure keeps a bucket in use for Every, so that is enough for
	// 2,000 failures a second. Beyond it the bucket that owes least is
	// forgotten, so a much used one is not to be pushed out by inventing names.
	Entries int
}

func (c Config) withDefaults() Config {
	if c.Pair == (Bucket{}) {
		c.Pair = Bucket{Burst: 10, Every: 30 * time.Second}
	}
	if c.Network == (Bucket{}) {
		c.Network = Bucket{Burst: 20, Every: 3 * time.Second}
	}
	if c.Account == (Bucket{}) {
		c.Account = Bucket{Burst: 100, Every: 30 * time.Second}
	}
	if c.Entries == 0 {
		c.Entries = 1 << 16
	}
	return c
}

// Validate names the setting that makes no sense, for settings that come from
// people.
func (c Config) Validate() error {
	c = c.withDefaults()
	for name, b := range map[string]Bucket{"pair": c.Pair, "network": c.Network, "account": c.Account} {
		if b.Burst < 1 || b.Burst > 10_000 || b.Every < time.Millisecond || b.Every > 24*time.Hour {
			return fmt.Errorf("sign-in throttle: %s: burst %d must be 1 to 10000, refill %s 1ms to 24h", name, b.Burst, b.Every)
		}
	}
	if c.Account.Every > c.Pair.Every {
		return fmt.Errorf("sign-in throttle: account refills every %s, more slowly than pair (%s): one network could lock a user out of all others", c.Account.Every, c.Pair.Every)
	}
	if c.Entries < 1 {
		return fmt.Errorf("sign-in throttle: entries %d must be positive", c.Entries)
	}
	return nil
}

// A Throttle counts failed sign-ins. It is made by New, and safe for
// concurrent use.
type Throttle struct {
	now   func() time.Time
	start time.Time
	salt  [32]byte // of account names: drawn at random, so that nobody can aim at a collision

	mu                     sync.Mutex
	pair, network, account *table
	known                  *known
}

// New returns a throttle that has seen nothing. now should be time.Now or
// carry a monotonic reading like it. New panics if Validate has something
// against the settings.
func New(c Config, now func() time.Time) *Throttle {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		panic(err)
	}
	t := &Throttle{
		now: now, start: now(),
		pair: newTable(c.Pair, c.Entries), network: newTable(c.Network, c.Entries), account: newTable(c.Account, c.Entries),
		known: newKnown(c.Entries),
	}
	rand.Read(t.salt[:]) // never fails
	return t
}

// Look reports whether a sign-in may be tried. If not, retryAfter says when
// it is worth trying again: whole seconds, at least one. It changes nothing.
func (t *Throttle) Look(account string, addr netip.Addr) (retryAfter time.Duration, ok bool) {
	k := t.key(account, addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.elapsed()
	wait := max(t.pair.wait(k, now), t.network.wait(k.ofNetwork(), now))
	if !t.known.has(k) {
		wait = max(wait, t.account.wait(k.ofAccount(), now))
	}
	if wait <= 0 {
		return 0, true
	}
	return (wait + time.Second - 1).Truncate(time.Second), false
}

// Failed charges a sign-in that was tried and was wrong, for whatever reason.
func (t *Throttle) Failed(account string, addr netip.Addr) {
	k := t.key(account, addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.elapsed()
	t.pair.charge(k, now)
	t.network.charge(k.ofNetwork(), now)
	if !t.known.has(k) {
		t.account.charge(k.ofAccount(), now)
	}
}

// Succeeded forgives the account its failures from the network and remembers
// that it signs in from there. The network's failures with other accounts stay:
// whoever has one password gains no guesses at the others.
func (t *Throttle) Succeeded(account string, addr netip.Addr) {
	k := t.key(account, addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pair.forgive(k)
	t.known.add(k)
}

func (t *Throttle) elapsed() time.Duration { return t.now().Sub(t.start) }

// A key names a bucket. The part that a bucket is not about is zero.
type key struct {
	account [16]byte // of the salted name's SHA-256
	network [16]byte
}

func (k key) ofAccount() key { return key{account: k.account} }
func (k key) ofNetwork() key { return key{network: k.network} }

func (t *Throttle) key(account string, addr netip.Addr) key {
	sum := sha256.Sum256(slices.Concat(t.salt[:], []byte(account)))
	return key{account: [16]byte(sum[:16]), network: networkOf(addr)}
}

// networkOf returns the address, if IPv4 in its IPv6 form, without what one
// subscriber can choose freely: the lower 64 bits of IPv6 (RFC 4291 §2.5.1).
// No address at all is a network of its own.
func networkOf(addr netip.Addr) [16]byte {
	addr = addr.Unmap()
	b := addr.As16()
	if addr.Is6() {
		clear(b[8:])
	}
	return b
}
