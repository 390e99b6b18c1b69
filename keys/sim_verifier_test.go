package keys

import (
	"slices"
	"time"
)

// A simSet is a key set as it was served once.
type simSet struct {
	keys   []*simKey
	maxAge time.Duration // its Cache-Control
}

// A simCache is a shared HTTP cache between verifiers and the server. It keeps
// to max-age, and those behind it do not look at Age.
type simCache struct {
	set     *simSet
	fetched time.Duration
}

// A simKind is how a verifier caches the key set, as read in the source of real ones.
type simKind struct {
	name   string
	honest bool          // it keeps to max-age
	every  time.Duration // else it fetches again after this long; 0: never
	floor  time.Duration // an unknown kid makes it fetch, if its set is this old; -1: never
}

func simKinds(s Schedule) []simKind {
	promised := s.PublishAhead - s.Poll - s.Skew // the stalest set that PublishAhead allows for
	return []simKind{
		{name: "max-age", honest: true, floor: -1},
		{name: "max-age, refetch at once", honest: true, floor: 0},
		{name: "fixed, as long as promised", every: promised, floor: -1},
		{name: "fixed 5 min", every: 5 * time.Minute, floor: -1},
		{name: "fixed 15 min", every: 15 * time.Minute, floor: -1},
		{name: "fixed 1 h", every: time.Hour, floor: -1},
		{name: "fixed 24 h", every: 24 * time.Hour, floor: -1},
		{name: "300 s, refetch after 60 s", every: 300 * time.Second, floor: 60 * time.Second},
		{name: "600 s, refetch after 30 s", every: 600 * time.Second, floor: 30 * time.Second},
		{name: "1 h, refetch after 5 min", every: time.Hour, floor: 5 * time.Minute},
		{name: "refetch only", floor: 0},
		{name: "frozen", floor: -1},
	}
}

// A simVerifier is a resource server.
type simVerifier struct {
	simKind
	cache *simCache // nil: it asks the server itself
	ahead time.Duration

	set     *simSet
	fetched time.Duration
	excused time.Duration // of the laws, when it was fetched

	counts simKindCounts
}

// addVerifiers gives the world one of each kind, each behind a cache or not.
func (s *sim) addVerifiers() {
	s.caches = []*simCache{{}, {}}
	for i, kind := range simKinds(s.plan.schedule) {
		v := &simVerifier{simKind: kind, ahead: s.within(s.plan.schedule.Skew)}
		if kind.honest || s.chance(0.5) {
			v.cache = s.caches[s.IntN(len(s.caches))]
		}
		if i == 0 {
			v.cache = nil
			s.verifiers = append(s.verifiers, &simVerifier{simKind: kind, ahead: v.ahead, cache: s.caches[0]})
		}
		if v.cache != nil && kind.name == "fixed, as long as promised" {
			v.every -= s.plan.schedule.MaxAge
		}
		s.verifiers = append(s.verifiers, v)
	}
}

// server returns what a request for the key set gets from whoever is ready.
func (s *sim) server() *simSet {
	n := 0
	var set *simSet
	for _, r := range s.replicas {
		if r.running() && r.ready {
			if n++; s.IntN(n) == 0 {
				set = r.set
			}
		}
	}
	return set
}

// get returns the key set by way of a cache; nil if it cannot be had.
func (c *simCache) get(s *sim) *simSet {
	if c == nil {
		return s.server()
	}
	if c.set == nil || s.now-c.fetched >= c.set.maxAge {
		set := s.server()
		if set == nil {
			return nil
		}
		c.set, c.fetched = set, s.now
	}
	return c.set
}

// fetch gets the key set. If it cannot be had, the old one stays.
func (v *simVerifier) fetch(s *sim) {
	set := v.cache.get(s)
	if s.broken.fetch != nil && v.set != nil {
		set = s.broken.fetch(v, set)
	}
	if set != nil {
		v.set, v.fetched, v.excused = set, s.now, s.laws.excused
	}
}

// life is how long the verifier keeps a set at most; 0: for its process life.
func (v *simVerifier) life() time.Duration {
	if v.honest && v.set != nil {
		return v.set.maxAge
	}
	return v.every
}

// refresh fetches a set that is too old by the verifier's own rule.
func (v *simVerifier) refresh(s *sim) {
	if life := v.life(); v.set == nil || life > 0 && s.now-v.fetched >= life {
		v.fetch(s)
	}
}

// accepts looks a token's key up.
func (v *simVerifier) accepts(s *sim, k *simKey) bool {
	if slices.Contains(v.set.keys, k) {
		return true
	}
	if v.floor < 0 || s.now-v.fetched < v.floor || s.now == v.fetched {
		return false
	}
	v.fetch(s)
	return slices.Contains(v.set.keys, k)
}

// restart begins the verifier's process anew.
func (v *simVerifier) restart(s *sim) {
	v.set = nil
}

// unknown is for how long at most a key may be published and not be known to
// the verifier; negative: it has no bound.
func (v *simVerifier) unknown(s Schedule) time.Duration {
	d := v.life()
	switch {
	case v.floor >= 0 && (d == 0 || v.floor < d):
		d = v.floor
	case d == 0:
		return -1
	}
	return d + v.behind(s)
}

// behind is what a shared cache adds to the age of a set.
func (v *simVerifier) behind(s Schedule) time.Duration {
	if v.cache == nil {
		return 0
	}
	return s.MaxAge
}

// bound is for how long at most a revoked key is accepted, as operators are
// told; negative: for the life of the verifier's process. What they are told
// allows for a shared cache.
func (v *simVerifier) bound(s Schedule) time.Duration {
	told := s.kept(v.every)
	switch {
	case v.honest:
		told = s.honoured()
	case v.every == 0:
		return -1
	}
	return told - s.MaxAge + v.behind(s)
}
