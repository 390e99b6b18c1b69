package keys

import "time"

// A Status is how a process stands: what its metrics are made of.
type Status struct {
	Ring     Ring
	Now      Instant       // for Ring.State
	LookAge  time.Duration // since the last look that went well began
	Stale    bool          // that is more than three polls: Healthy reports it
	Failures int64         // looks that failed since the process began
}

// Status returns how the process stands. Before Start it is stale.
func (r *Rotator) Status() Status {
	h := r.held.Load()
	if h == nil {
		return Status{Ring: r.Ring(), Now: Instant{Wall: r.cfg.Now()}, Stale: true, Failures: r.failures.Load()}
	}
	age := r.age(h)
	return Status{Ring: h.ring, Now: r.instant(h), LookAge: age, Stale: age > h.ring.schedule.stale(), Failures: r.failures.Load()}
}
