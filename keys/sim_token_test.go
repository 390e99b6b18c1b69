package keys

import "time"

// A simKey is what an onlooker knows of a key.
type simKey struct {
	kid   string
	alg   Algorithm
	token simToken // the one that expires last
	live  bool     // that has not expired

	stored  time.Duration // when it was first in the stored ring
	excused time.Duration // of the laws, then
	served  time.Duration // service time, then
	ahead   time.Duration // PublishAhead, as long as it waited
	exempt  bool          // it may sign unserved: first of an empty ring, emergencies
	begun   bool          // it is no longer waiting

	revoked   bool
	revokedAt time.Duration
	pardoned  time.Duration // excused, then
	lost      bool          // with the data: it is not in the backup that was restored
	lostAt    time.Duration
	undone    bool // a restored backup has it unrevoked, and nobody who knows has looked yet
}

// A simToken is a signed token, as far as it matters here.
type simToken struct {
	key *simKey
	exp time.Duration // since epoch, by its signer's clock
}

// simTokens are the tokens that are checked: the last ones signed, a sample of
// older ones, and of each key the one that expires last.
type simTokens struct {
	byKid  map[string]*simKey
	live   []*simKey // keys with tokens that have not expired
	recent [8]simToken
	older  [8]simToken
	n      int
}

// key returns what is known of a key, which is met the first time or again.
func (t *simTokens) key(k Key) *simKey {
	if known, ok := t.byKid[k.ID]; ok {
		return known
	}
	if t.byKid == nil {
		t.byKid = map[string]*simKey{}
	}
	known := &simKey{kid: k.ID, alg: k.Algorithm}
	t.byKid[k.ID] = known
	return known
}

// publish renders the key set of a ring.
func (s *sim) publish(r Ring, now time.Time) *simSet {
	set := &simSet{maxAge: r.schedule.MaxAge}
	for _, k := range r.Published(now) {
		set.keys = append(set.keys, s.key(k))
	}
	return set
}

// issue records a token that a replica has signed: of a random lifetime, or of
// the longest that its ring allows.
func (s *sim) issue(r *simReplica, ring Ring, signer Key, wall time.Time) {
	k := s.key(signer)
	s.laws.signed(r, signer, k)
	life := ring.schedule.LongestToken()
	if s.Uint32()&1 == 0 {
		life = time.Second + s.within(life-time.Second)
	}
	t := simToken{k, wall.Sub(epoch) + life}
	if !k.live {
		k.live = true
		s.live = append(s.live, k)
	}
	if t.exp > k.token.exp {
		k.token = t
	}
	s.n++
	old := &s.recent[s.n%len(s.recent)]
	if s.Uint32()&7 == 0 {
		s.older[s.Uint32()%uint32(len(s.older))] = *old
	}
	*old = t
	s.counts.tokens++
}

// check lets a verifier check every token.
func (s *sim) check(v *simVerifier) {
	if v.refresh(s); v.set == nil {
		return
	}
	for _, t := range s.recent {
		s.checkToken(v, t)
	}
	for _, t := range s.older {
		s.checkToken(v, t)
	}
	for i := 0; i < len(s.live); i++ {
		k := s.live[i]
		if k.token.exp+leeway <= s.now { // by the slowest clock
			k.live = false
			s.live[i] = s.live[len(s.live)-1]
			s.live = s.live[:len(s.live)-1]
			i--
			continue
		}
		s.checkToken(v, k.token)
	}
}

func (s *sim) checkToken(v *simVerifier, t simToken) {
	if t.key == nil || s.now+v.ahead >= t.exp+leeway {
		return
	}
	v.counts.checks++
	if v.accepts(s, t.key) {
		if t.key.revoked {
			v.counts.revoked++
			s.laws.acceptedRevoked(v, t.key)
		}
		return
	}
	if !t.key.revoked {
		s.laws.rejected(v, t.key)
	}
}
