package keys

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A simMachine has the high-water mark that its processes share.
type simMachine struct {
	seen    *Seen
	knows   map[string]bool // kids whose revocation was adopted on it
	version storage.Version // the highest that was adopted on it
}

// A simReplica is a server process: a Rotator with a clock, a turn to look,
// and the key set that it publishes.
type simReplica struct {
	s       *sim
	id      int
	machine *simMachine
	ahead   time.Duration // of the slowest clock
	rot     *Rotator      // nil: it does not run
	held    *held         // as it was after the last good look
	set     *simSet
	paused  bool

	signers []string      // the kids with which it signed just now, for each of sim.asked
	next    time.Duration // its next look
	looked  time.Duration // its last good look
	// ready: the load balancer sends it requests. Whoever was ready when the
	// store went away stays it: everybody signs on.
	ready bool
	stuck int // looks in a row that found the store behind the mark
}

func (r *simReplica) String() string { return fmt.Sprintf("replica %d, %s ahead", r.id, r.ahead) }

func (r *simReplica) running() bool { return r.rot != nil && !r.paused }

func (r *simReplica) now() time.Time { return r.s.wall(r.ahead) }

func (r *simReplica) config() RotatorConfig {
	return RotatorConfig{
		Store: r.s.store, Sealer: simSealer, Seen: r.machine.seen, Schedule: r.s.plan.schedule,
		ServiceTime: r.s.service, Generate: r.s.generate, Now: r.now, OnChange: r.adopt,
		Open: func(string) (crypto.Signer, error) { return nil, errors.New("nothing is signed here") },
	}
}

// simSealer is the same in every world.
var simSealer = must(NewSealer(testKEK(1)))

// start begins a new process. One that finds the store behind its mark refuses;
// the operator then recovers, if nobody who runs can put it right.
func (r *simReplica) start() {
	if r.rot != nil {
		return
	}
	again := func() { r.s.after(r.s.within(4*r.s.plan.schedule.Poll), r.start) }
	if r.unaware() {
		again()
		return
	}
	r.ahead = r.s.within(r.s.plan.schedule.Skew)
	r.paused, r.ready, r.held, r.set, r.stuck = false, false, nil, nil, 0
	r.rot = NewRotator(r.config())
	err := r.rot.Start(r.s.ctx)
	r.s.note("%s starts: %v", r, err)
	r.came(err)
	if r.rot.held.Load() == nil {
		r.rot = nil
		if errors.Is(err, ErrBehind) && (!r.s.attended() || !r.s.laws.setBack) {
			r.s.recover(r.machine, false)
		}
		again()
		return
	}
	r.next = r.s.now + r.s.plan.schedule.Poll
}

// unaware reports whether the machine would go on from a store that was set
// back without knowing it. No process can tell; who restores a backup starts
// the machines that saw more first.
func (r *simReplica) unaware() bool {
	return r.s.laws.setBack && (r.machine.seen == nil || r.machine.version <= r.s.store.version)
}

// look is one turn of Run.
func (r *simReplica) look() {
	r.next = max(r.next, r.s.now) + r.delay()
	if r.s.broken.look != nil {
		r.s.broken.look(r)
	}
	r.came(r.rot.Look(r.s.ctx))
}

// delay is how long until the next turn.
func (r *simReplica) delay() time.Duration {
	poll := r.s.plan.schedule.Poll
	switch {
	case r.s.settled || !r.s.chance(r.s.plan.late):
		return poll
	case r.s.chance(0.1):
		return poll + r.s.within(20*poll)
	}
	return poll + r.s.within(2*poll)
}

// came is told what became of a step.
func (r *simReplica) came(err error) {
	h := r.rot.held.Load()
	if h != nil && h != r.held {
		r.held, r.looked, r.ready, r.stuck = h, r.s.now, true, 0
		r.s.observe(r)
		r.s.laws.looked(r)
	}
	switch {
	case err == nil || errors.Is(err, errAway) || errors.Is(err, errLost):
	case errors.Is(err, errWaits):
		r.s.counts.waits++
	case errors.Is(err, ErrBehind):
		r.s.counts.behind++
		if r.stuck++; r.stuck > stalePolls {
			r.s.recover(r.machine, false)
		}
	default:
		r.s.laws.broke(lawSigns, "%s: %v", r, err)
	}
	r.s.observe(nil)
}

// adopt publishes a ring.
func (r *simReplica) adopt(ring Ring) {
	set := r.s.publish(ring, r.now())
	if r.s.broken.set != nil {
		set = r.s.broken.set(r, set)
	}
	r.set = set
	r.s.laws.adopted(r, ring)
}

// serve signs as Rotator.Sign does, for clients of every algorithm.
func (r *simReplica) serve() {
	if !r.running() {
		return
	}
	poll := r.s.plan.schedule.Poll
	if !r.s.store.away && r.s.now-max(r.looked, r.s.store.back) > stalePolls*poll {
		r.ready = false
	}
	if !r.ready && r.s.store.away {
		return
	}
	h := r.rot.fresh(r.s.ctx)
	if h != r.held || r.s.store.changed { // stored, it may be, though the answer was lost
		r.came(nil)
	}
	now := r.rot.instant(h)
	r.signers = r.signers[:0]
	for _, alg := range r.s.asked {
		k, ok := h.ring.Signer(alg, now)
		if r.s.broken.signer != nil {
			k, ok = r.s.broken.signer(r, alg, k, ok)
		}
		if !ok || !k.usable() {
			r.s.laws.broke(lawSigns, "%s: nobody signs for %q", r, alg)
			return
		}
		r.signers = append(r.signers, k.ID)
		if r.ready {
			r.s.issue(r, h.ring, k, now.Wall)
		}
	}
}

// drift lets a clock run slow by a little, or be set forward. While it counts
// the time since its last look a process goes by the monotonic clock, so that
// nothing is gained from setting it back under it.
func (r *simReplica) drift() {
	if r.s.chance(0.002) {
		r.ahead += r.s.within(r.s.plan.schedule.Skew - r.ahead)
	}
	r.ahead -= min(r.ahead, r.s.within(time.Millisecond))
}

// anybody reports whether a process runs.
func (s *sim) anybody() bool {
	for _, r := range s.replicas {
		if r.running() {
			return true
		}
	}
	return false
}

// attended reports whether somebody runs who is up to date.
func (s *sim) attended() bool {
	for _, r := range s.replicas {
		if r.attentive() {
			return true
		}
	}
	return false
}

// attentive reports whether the process runs and its looks come on time.
func (r *simReplica) attentive() bool {
	return r.running() && !r.s.store.away && r.s.now-r.looked <= r.s.plan.schedule.Poll
}

// observe shows the laws what was stored. by is who stored it, if that is known.
func (s *sim) observe(by *simReplica) {
	if !s.store.changed {
		return
	}
	s.store.changed = false
	var ring Ring
	if by != nil && by.held.ring.version == s.store.version && by.held.sum == sha256.Sum256(s.store.sealed) {
		ring = by.held.ring
	} else {
		ring = must(simSealer.Open(s.store.sealed))
	}
	if s.broken.ring != nil {
		ring = s.rewrite(by, ring)
	}
	s.laws.stored(ring)
}
