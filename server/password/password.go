// Package password makes and verifies the hashes of people's passwords, in a
// pool that bounds what that costs.
//
//	typed ──prepare──► UTF-8 in one form ─┐
//	                                      ├─► place in the pool ─► admit ─► hash ─► compare
//	stored ──parse, cap──► hash ──────────┘    (ErrBusy)          (throttle)
//
// Everything that can be refused by looking is refused on the left, before a
// place is taken: passwords that are too long or hold what no password may
// hold, stored hashes that are malformed or ask for too much work. A user who
// does not exist costs what a user who does exist costs.
//
// A hash that another system made is verified as that system did, on the
// password as it was sent, and reported for re-hashing. A further format of
// stored hashes is one file with its parser and one row in the table of formats.
// The package keeps no users, throttles nobody, and leaves the time at which a
// failure is answered to its caller.
package password

import (
	"errors"
	"fmt"
)

// What is wrong with a password or a stored hash. Errors never hold either.
var (
	ErrTooLong    = errors.New("the password is longer than 1 KiB")
	ErrTooShort   = errors.New("the password is shorter than 8 characters")
	ErrNotAllowed = errors.New("the password is empty, is not UTF-8, or holds control or invisible characters")

	ErrFormat = errors.New("the stored password hash is malformed or of an unknown format")
	ErrCost   = errors.New("the stored password hash asks for more work than this server allows")

	// ErrBusy is reported when the pool's queue is full or the wait for a
	// place was too long: nothing was hashed, the same request may succeed later.
	ErrBusy = errors.New("too many passwords are being hashed")
)

// Params is what one argon2id hash costs (RFC 9106 §3.1).
type Params struct {
	Memory  uint32 // KiB; at least 8 per thread
	Time    uint32 // passes over the memory
	Threads uint8  // lanes, each computed by a thread of its own
}

// Default returns 19 MiB, 2 passes, 1 thread: the first configuration that the
// OWASP Password Storage Cheat Sheet recommends for argon2id. It needs some
// 20–40 ms of one core.
func Default() Params { return Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// DefaultCap returns the most that a stored hash may cost: 128 MiB, 4 passes,
// 16 threads; or more passes over less memory, as long as that is no more work.
// That lets in twice what the common frameworks write by default (up to
// 256 MiB × passes) and keeps the worst hash of argon2 at half a second or so.
func DefaultCap() Params { return Params{Memory: 128 << 10, Time: 4, Threads: 16} }

func (p Params) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Time, p.Threads)
}

// valid reports whether argon2id is defined for the parameters (RFC 9106 §3.1).
func (p Params) valid() bool {
	return p.Time >= 1 && p.Threads >= 1 && p.Memory >= 8*uint32(p.Threads)
}

// within reports whether the parameters exceed the cap in nothing: memory,
// threads, and passes times memory, which is the work.
func (p Params) within(limit Params) bool {
	return p.Memory <= limit.Memory && p.Threads <= limit.Threads && p.work() <= limit.work()
}

// work is in KiB that are passed over. A pass over next to nothing counts as one
// over 1 MiB: starting the threads costs as much.
func (p Params) work() uint64 { return uint64(max(p.Memory, 1<<10)) * uint64(p.Time) }
