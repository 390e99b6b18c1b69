package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A sim is one issuer's life in virtual time: real Rotators and Sealers over a
// store in memory, verifiers that cache the key set as real ones do, operators,
// and everything that can go wrong. Nothing sleeps: time jumps from one event
// to the next, and the laws are looked at in each. One seed is one history.
//
// It knows the truth, which no process does: now is the time by the slowest
// clock, and every clock is at most Skew ahead of it.
type sim struct {
	*rand.Rand
	plan  simPlan
	now   time.Duration // since epoch
	ctx   context.Context
	store *simStore
	laws  *simLaws
	simTokens

	machines  []*simMachine
	replicas  []*simReplica
	verifiers []*simVerifier
	caches    []*simCache
	agenda    []simEvent
	settled   bool // nothing goes wrong any more
	broken    simBreakage
	asked     []Algorithm // what clients ask for: every line of the stored ring, and what there is not
	counts    simCounts
	tell      func(string, ...any) // of what happens, if anybody listens
}

// A simPlan says what kind of world it is.
type simPlan struct {
	schedule Schedule
	replicas int
	seen     bool    // each machine has its high-water mark in a file
	trouble  float64 // mean number of things that happen in one RotateEvery
	late     float64 // share of looks that are late
	turns    int     // how many RotateEvery it lives
	dir      string  // for the files
}

// A simEvent is planned.
type simEvent struct {
	at time.Duration
	do func()
}

func newSim(plan simPlan, seed uint64) *sim {
	s := &sim{Rand: rand.New(rand.NewPCG(seed, 0)), plan: plan, ctx: context.Background()}
	s.store = &simStore{s: s}
	s.laws = newSimLaws(s)
	machines := 1 + s.IntN(plan.replicas)
	for i := range machines {
		m := &simMachine{knows: map[string]bool{}}
		if plan.seen {
			m.seen = NewSeen(fmt.Sprintf("%s/%d.seen", plan.dir, i))
		}
		s.machines = append(s.machines, m)
	}
	for i := range plan.replicas {
		r := &simReplica{s: s, id: i, machine: s.machines[i%machines]}
		s.replicas = append(s.replicas, r)
		s.after(s.within(plan.schedule.Poll), r.start)
	}
	s.addVerifiers()
	return s
}

// run lives the life and returns the first law that was broken.
func (s *sim) run() error {
	end := time.Duration(s.plan.turns) * s.plan.schedule.RotateEvery
	s.after(s.pause(), s.trouble)
	s.after(s.within(s.plan.schedule.Poll), s.glance)
	s.until(end)
	s.settle()
	s.count()
	return s.laws.err
}

// count adds up what the world was.
func (s *sim) count() {
	s.counts.worlds, s.counts.replicas, s.counts.verifiers = 1, len(s.replicas), len(s.verifiers)
	s.counts.kinds = map[string]simKindCounts{}
	for _, v := range s.verifiers {
		name := v.name
		if v.cache != nil {
			name += ", behind a shared cache"
		}
		k := s.counts.kinds[name]
		k.add(v.counts)
		s.counts.kinds[name] = k
		s.counts.checks += v.counts.checks
	}
}

// until lets everything happen that is planned before a time.
func (s *sim) until(end time.Duration) {
	for s.laws.err == nil {
		first := -1
		for i, e := range s.agenda {
			if first < 0 || e.at < s.agenda[first].at {
				first = i
			}
		}
		turn := s.nextLook()
		switch {
		case turn != nil && turn.next < end && (first < 0 || turn.next <= s.agenda[first].at):
			s.pass(turn.next)
			turn.look()
		case first >= 0 && s.agenda[first].at < end:
			e := s.agenda[first]
			s.agenda[first] = s.agenda[len(s.agenda)-1]
			s.agenda = s.agenda[:len(s.agenda)-1]
			s.pass(e.at)
			e.do()
		default:
			s.pass(end)
			return
		}
	}
}

// pass moves the time. The laws are looked at just before whatever comes next:
// until then all was as it is now.
func (s *sim) pass(to time.Duration) {
	if to > s.now {
		s.laws.elapse(s.now, to)
		s.store.elapse(to)
		s.now = to
	}
	s.instant()
}

// instant is one moment of service: every replica signs for every kind of
// client, every verifier checks what was signed.
func (s *sim) instant() {
	for _, r := range s.replicas {
		r.serve()
	}
	s.laws.agree()
	for _, v := range s.verifiers {
		s.check(v)
	}
}

// glance is an instant at which nothing else happens.
func (s *sim) glance() {
	for _, r := range s.replicas {
		r.drift()
	}
	s.after(s.within(2*s.plan.schedule.Poll), s.glance)
}

func (s *sim) after(d time.Duration, do func()) {
	s.agenda = append(s.agenda, simEvent{s.now + max(d, time.Microsecond), do})
}

func (s *sim) note(format string, args ...any) {
	if s.tell != nil {
		s.tell("%13s  %s", s.now.Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

// within is a random duration.
func (s *sim) within(d time.Duration) time.Duration { return time.Duration(s.Int64N(int64(d) + 1)) }

// chance reports true with a probability.
func (s *sim) chance(p float64) bool { return s.Float64() < p }

// wall is the time by a clock.
func (s *sim) wall(ahead time.Duration) time.Time { return epoch.Add(s.now + ahead) }

// nextLook returns the replica that looks next.
func (s *sim) nextLook() (next *simReplica) {
	for _, r := range s.replicas {
		if r.running() && (next == nil || r.next < next.next) {
			next = r
		}
	}
	return next
}

// generate makes keys from the seed.
func (s *sim) generate(a Algorithm, _ int) (crypto.Signer, error) {
	for {
		var seed [32]byte
		for i := 0; i < len(seed); i += 8 {
			binary.LittleEndian.PutUint64(seed[i:], s.Uint64())
		}
		switch a {
		case EdDSA:
			return ed25519.NewKeyFromSeed(seed[:]), nil
		case RS256, PS256: // whose making takes a world's time; an external one is a public half and a name
			n := make([]byte, leastRSABits/8)
			for i := 0; i < len(n); i += len(seed) {
				binary.LittleEndian.PutUint64(n[i:], s.Uint64())
			}
			n[0] |= 0x80
			return External{facade{&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}, "somewhere else"}, nil
		}
		if k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:]); err == nil {
			return k, nil
		}
	}
}

// settle ends all trouble, lets the dust settle and looks at what is left.
func (s *sim) settle() {
	if s.laws.err != nil {
		return
	}
	s.settled = true
	s.store.recovered()
	for _, r := range s.replicas {
		r.paused = false
		r.next = s.now + s.within(s.plan.schedule.Poll)
		if r.rot == nil {
			r.start()
		}
	}
	now := s.current().schedule
	s.until(s.now + now.PublishAhead + now.RotateEvery + 2*s.current().stay() + now.Skew)
	before := s.counts.rotations
	s.until(s.now + 3*now.RotateEvery + now.PublishAhead)
	s.laws.calm(before)
}

// current returns the ring that is stored.
func (s *sim) current() Ring { return s.laws.ring }

// service is the counter as it is read.
func (s *sim) service(context.Context) (storage.ServiceTime, error) {
	if s.store.away {
		return 0, errAway
	}
	return s.store.counter, nil
}
