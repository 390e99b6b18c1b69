package keys

import (
	"errors"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// pause is the time until the next trouble.
func (s *sim) pause() time.Duration {
	if s.plan.trouble == 0 {
		return longest
	}
	return time.Duration(s.ExpFloat64() / s.plan.trouble * float64(s.plan.schedule.RotateEvery))
}

// trouble is one thing that happens.
func (s *sim) trouble() {
	if s.settled {
		return
	}
	r := s.replicas[s.IntN(len(s.replicas))]
	m := r.machine
	switch n := s.IntN(100); {
	case n < 12:
		s.store.leave(s.while())
	case n < 24:
		r.sleep(s.while())
	case n < 36:
		r.kill()
	case n < 44:
		s.store.backup()
	case n < 48:
		s.setBack()
	case n < 49:
		s.disaster()
	case n < 62:
		s.rotate(m, false)
	case n < 68:
		s.rotate(m, true)
	case n < 82:
		s.revoke(m, s.anyKey())
	case n < 83 && s.chance(0.5):
		s.edit(m, simCause{}, func(r Ring, now Instant, generate Generate) (Ring, error) {
			return r.RevokeAll("host lost", now, generate)
		})
	case n < 83:
		s.recover(m, true)
	case n < 90:
		s.policy(m)
	default:
		v := s.verifiers[s.IntN(len(s.verifiers))]
		if v.name != "frozen" || s.chance(0.3) {
			v.restart(s)
		}
	}
	s.after(s.pause(), s.trouble)
}

// while is how long something lasts: moments, or long enough to upset a timetable.
func (s *sim) while() time.Duration {
	switch p := s.plan.schedule; s.IntN(4) {
	case 0:
		return s.within(p.PublishAhead)
	case 1:
		return s.within(2 * p.RotateEvery)
	default:
		return s.within(5 * p.Poll)
	}
}

// Nobody is paused or ends between a restore and his next look: what only he
// knew would be lost with the data. Nor is somebody resumed then who was paused
// since before the backup was made, as nobody starts who is unaware: he could
// not know that the store was set back. docs/keys.md says so.

// sleep pauses the process: it does nothing until it is resumed, where it was.
func (r *simReplica) sleep(d time.Duration) {
	if !r.running() || r.s.laws.setBack {
		return
	}
	r.s.counts.pauses++
	r.s.note("%s is paused for %s", r, d)
	r.paused, r.ready = true, false
	r.resume(r.rot, d)
}

// resume lets the process go on after a while.
func (r *simReplica) resume(rot *Rotator, d time.Duration) {
	r.s.after(d, func() {
		switch poll := r.s.plan.schedule.Poll; {
		case r.rot != rot || !r.paused:
		case r.s.laws.setBack && r.held.ring.version <= r.s.store.version && r.unaware():
			r.resume(rot, poll)
		default:
			r.s.note("%s is resumed", r)
			r.paused, r.next = false, r.s.now+r.s.within(poll)
		}
	})
}

// kill ends the process; another one is started soon.
func (r *simReplica) kill() {
	if r.rot == nil || r.s.laws.setBack {
		return
	}
	r.s.counts.restarts++
	r.s.note("%s ends", r)
	r.rot, r.paused, r.ready = nil, false, false
	r.s.after(r.s.within(4*r.s.plan.schedule.Poll), r.start)
}

// setBack restores a backup, or fails over to a replica of the store that lost
// the last writes, under the running processes.
func (s *sim) setBack() {
	if len(s.store.backups) == 0 || s.store.away || !s.attended() || s.laws.setBack {
		return
	}
	i := s.IntN(len(s.store.backups))
	b := s.store.backups[i]
	s.store.backups = s.store.backups[:i+1] // a store is set back, never forward: the others are of a time that is lost
	s.store.restore(b)
}

// disaster ends every process and restores a backup. The machines know, and
// the operator recovers on one that does.
func (s *sim) disaster() {
	if !s.plan.seen || len(s.store.backups) == 0 || s.store.away || s.laws.setBack {
		return
	}
	i := s.IntN(len(s.store.backups))
	b := s.store.backups[i]
	known := func(m *simMachine) bool { return m.version > b.version }
	if !slices.ContainsFunc(s.machines, known) {
		return // it is the newest state
	}
	for _, r := range s.replicas {
		r.rot, r.paused, r.ready = nil, false, false
		s.after(s.within(10*s.plan.schedule.Poll), r.start)
	}
	s.note("disaster")
	s.store.backups = s.store.backups[:i+1]
	s.store.restore(b)
}

// edit is an operator's command: a process of its own on a machine.
func (s *sim) edit(m *simMachine, cause simCause, change Change) {
	s.operate(m, cause, func(r *Rotator) error {
		_, err := r.Edit(s.ctx, change)
		return err
	})
}

func (s *sim) operate(m *simMachine, cause simCause, do func(*Rotator) error) {
	if s.laws.setBack && m.seen == nil || s.laws.cold && !cause.fresh {
		return // it would go on from the old state; see unaware
	}
	ahead := s.within(s.plan.schedule.Skew)
	p := &simReplica{s: s, id: -1, machine: m, ahead: ahead}
	p.rot = NewRotator(p.config())
	s.laws.cause = cause
	err := do(p.rot)
	p.held = p.rot.held.Load()
	if p.held != nil {
		s.observe(p)
	}
	s.observe(nil)
	s.laws.cause = simCause{}
	for _, fine := range []error{errAway, errLost, ErrBehind, ErrNotBehind, storage.ErrNotFound, errRefused} {
		if errors.Is(err, fine) {
			err = nil
		}
	}
	if err != nil {
		s.laws.broke(lawSigns, "an operator's command fails: %v", err)
	}
}

// errRefused is an operator who was told that it does not go.
var errRefused = errors.New("refused")

// rotate brings a rotation forward. The immediate one exempts its key.
func (s *sim) rotate(m *simMachine, immediate bool) {
	algorithms := s.current().lines()
	if len(algorithms) == 0 {
		return
	}
	alg := algorithms[s.IntN(len(algorithms))]
	cause := simCause{}
	if immediate {
		cause.line = alg
	}
	s.counts.operated++
	s.note("rotate %s, immediate: %v", alg, immediate)
	s.edit(m, cause, func(r Ring, now Instant, _ Generate) (Ring, error) {
		if immediate && r.line(alg).published() >= maxPublished {
			return r, errRefused
		}
		return r.Rotate(alg, now, immediate)
	})
}

// anyKey picks a key to revoke. There are more reasons to take one that signs.
func (s *sim) anyKey() func(Ring, Instant) string {
	pick := s.Int()
	return func(r Ring, now Instant) string {
		k := r.keys[pick%len(r.keys)]
		if signer, ok := r.Signer(k.Algorithm, now); ok && pick&1 == 0 {
			k = signer
		}
		return k.ID
	}
}

// revoke takes a key back.
func (s *sim) revoke(m *simMachine, pick func(Ring, Instant) string) {
	s.note("revoke")
	s.edit(m, simCause{}, func(r Ring, now Instant, _ Generate) (Ring, error) {
		if len(r.keys) > 100 {
			return r, errRefused
		}
		return r.Revoke(pick(r, now), "leaked", now, s.generate)
	})
}

// recover is `keys recover`.
func (s *sim) recover(m *simMachine, force bool) {
	s.counts.recovers++
	s.note("recover, forced: %v", force)
	s.operate(m, simCause{fresh: true}, func(r *Rotator) error {
		_, err := r.Recover(s.ctx, force)
		return err
	})
}

// policy is an operator's change of the schedule: any of its parts, within
// what is safe.
func (s *sim) policy(m *simMachine) {
	next := s.current().Schedule()
	plan := s.plan.schedule
	if s.chance(0.5) {
		choices := [][]Algorithm{{EdDSA}, {EdDSA, RS256, ES256}, {RS256, EdDSA}, {PS256, RS256, EdDSA}, {ES256}}
		next.Algorithms = choices[s.IntN(len(choices))]
	}
	if s.chance(0.3) {
		next.PublishAhead = max(2*plan.MaxAge+plan.Poll+plan.Skew, plan.PublishAhead/2+s.within(plan.PublishAhead)).Truncate(time.Microsecond)
	}
	if s.chance(0.5) {
		next.RotateEvery = plan.RotateEvery/2 + s.within(plan.RotateEvery)
	}
	next.RotateEvery = max(next.RotateEvery, next.PublishAhead).Truncate(time.Microsecond)
	if s.chance(0.3) {
		next.KeepAfter = (time.Second + leeway + plan.Skew + plan.Poll + s.within(2*plan.KeepAfter)).Truncate(time.Microsecond)
	}
	s.counts.policies++
	s.note("policy %v", next)
	s.edit(m, simCause{}, func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Reschedule(next, now) })
}
