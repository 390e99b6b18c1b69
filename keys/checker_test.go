package keys

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// A checker watches a history from outside and knows the laws. It trusts
// nothing that the ring says about the past: it keeps its own record of when
// keys were stored, what was signed, and what an operator exempted.
type checker struct {
	schedule Schedule

	served  map[string]storage.ServiceTime // when a kid was first stored
	since   map[string]storage.Version     // in which version
	exempt  map[string]bool                // may sign unserved: first of an empty ring, emergencies
	revoked map[string]bool
	dropped map[string]bool      // recovered: private halves went at once
	expires map[string]time.Time // when the last token of a kid expires, by its signer's clock
	goneAt  map[string]time.Time
	private map[string]bool
	left    map[string]bool
	begun   map[Algorithm]bool // lines that ever had a key
}

func newChecker(s Schedule) *checker {
	return &checker{
		schedule: s,
		served:   map[string]storage.ServiceTime{}, since: map[string]storage.Version{}, exempt: map[string]bool{}, revoked: map[string]bool{},
		dropped: map[string]bool{}, expires: map[string]time.Time{}, goneAt: map[string]time.Time{},
		private: map[string]bool{}, left: map[string]bool{}, begun: map[Algorithm]bool{},
	}
}

// clocks are the slowest and the fastest clock of all who take part.
type clocks struct{ slowest, fastest time.Time }

// stored is told of each ring that is stored, or is still there after time passed.
func (c *checker) stored(r Ring, service storage.ServiceTime, now clocks) error {
	if err := r.Schedule().Check(); err != nil {
		return fmt.Errorf("law 5: %w", err)
	}
	there := map[string]bool{}
	for _, k := range r.Keys() {
		if there[k.ID] {
			return fmt.Errorf("kid %s is there twice", k.ID)
		}
		there[k.ID] = true
		if err := c.key(r, k, service, now); err != nil {
			return err
		}
		c.begun[k.Algorithm] = true
	}
	for kid := range c.served {
		if !there[kid] {
			c.left[kid] = true
		}
	}
	for alg := range c.begun {
		if r.line(alg).oldest() == nil {
			return fmt.Errorf("law 3: nobody can sign in line %s", alg)
		}
	}
	if len(r.Keys()) > 100 {
		return fmt.Errorf("the ring has grown to %d keys", len(r.Keys()))
	}
	_, err := c.render(r, now.fastest)
	return err
}

// key checks one key of a stored ring against what was known of it.
func (c *checker) key(r Ring, k Key, service storage.ServiceTime, now clocks) error {
	if c.left[k.ID] {
		return fmt.Errorf("key %s was gone and is back", k.ID)
	}
	if _, known := c.served[k.ID]; !known {
		c.served[k.ID], c.since[k.ID] = service, r.Version()
	}
	if c.revoked[k.ID] && !k.revoked() {
		return fmt.Errorf("key %s was revoked and is back", k.ID)
	}
	if k.revoked() && (k.Public != nil || k.private != nil) {
		return fmt.Errorf("revoked key %s has key material", k.ID)
	}
	if was := c.goneAt[k.ID]; !was.IsZero() && k.GoneAt.Before(was) {
		return fmt.Errorf("key %s: GoneAt went from %s to %s", k.ID, was, k.GoneAt)
	}
	c.goneAt[k.ID] = k.GoneAt
	if had := c.private[k.ID]; !had && k.private != nil && c.served[k.ID] != service {
		return fmt.Errorf("key %s has its private half again", k.ID)
	} else if had && k.private == nil && !c.revoked[k.ID] && !c.dropped[k.ID] && !c.unneeded(r, k, now.fastest) {
		return fmt.Errorf("law 4: key %s lost its private half too early", k.ID)
	}
	c.private[k.ID] = k.private != nil
	// Everybody looks within three polls.
	if k.usable() && c.unneeded(r, k, now.slowest.Add(-3*c.schedule.Poll)) {
		return fmt.Errorf("law 4: key %s still has its private half", k.ID)
	}
	return nil
}

// unneeded reports whether the successor of a key has signed for skew + poll.
func (c *checker) unneeded(r Ring, k Key, wall time.Time) bool {
	s := r.line(k.Algorithm).successor(&k)
	return s != nil && !wall.Before(s.SignsFrom.Add(c.schedule.Skew+c.schedule.Poll))
}

// A keySet is what a process serves from one change of its ring to the next.
type keySet struct {
	version storage.Version
	has     map[string]bool
}

// render makes the key set of a ring as whoever adopts it does.
func (c *checker) render(r Ring, wall time.Time) (keySet, error) {
	out := keySet{version: r.Version(), has: map[string]bool{}}
	set := jose.JSONWebKeySet{}
	for _, k := range r.Published(wall) {
		out.has[k.ID] = true
		if c.revoked[k.ID] {
			return out, fmt.Errorf("revoked key %s is published", k.ID)
		}
		set.Keys = append(set.Keys, k.JWK())
	}
	body, err := json.Marshal(set)
	if err != nil {
		return out, err
	}
	for _, member := range []string{`"d"`, `"p"`, `"q"`, `"dp"`, `"dq"`, `"qi"`} {
		if strings.Contains(string(body), member) {
			return out, fmt.Errorf("a private member %s is published", member)
		}
	}
	return out, nil
}

// verifies checks that a key set holds every key that the slowest verifier
// still needs. A set that is older than a key, which an emergency made, is not
// asked for it.
func (c *checker) verifies(set keySet, slowest time.Time) error {
	for kid, exp := range c.expires {
		if !c.revoked[kid] && slowest.Before(exp.Add(leeway)) && c.since[kid] <= set.version && !set.has[kid] {
			return fmt.Errorf("law 2: a token of key %s expires at %s, and at %s the key is not published", kid, exp, slowest)
		}
	}
	return nil
}

// signed is told of each token: the ring that the signer went by, its key, its clock.
func (c *checker) signed(r Ring, k Key, service storage.ServiceTime, wall time.Time) error {
	if !k.usable() {
		return fmt.Errorf("law 3: key %s cannot sign", k.ID)
	}
	if s, ok := r.find(k.ID), c.exempt[k.ID]; s < 0 {
		return fmt.Errorf("key %s is not of the ring", k.ID)
	} else if since, known := c.served[k.ID]; !ok && (!known || service.Sub(since) < c.schedule.PublishAhead) {
		return fmt.Errorf("law 1: key %s signs after it was served for %s", k.ID, service.Sub(since))
	} else if !ok && k.SignsFrom.After(wall.Add(c.schedule.Skew)) { // by nobody's clock
		return fmt.Errorf("law 1: key %s signs before its time", k.ID)
	}
	if exp := wall.Add(c.schedule.LongestToken()); exp.After(c.expires[k.ID]) {
		c.expires[k.ID] = exp
	}
	return nil
}

// story is a fixed history in which every law has something to say.
func story(breakage func(Ring, Instant) Ring) error {
	s := brisk(ES256, RS256)
	w := newWorld(s, 0, 9*time.Second, s.Skew)
	w.advance = func(r Ring, now Instant, generate Generate) (Ring, bool, error) {
		next, _, err := r.Advance(now, generate)
		if breakage != nil {
			next = breakage(next.clone(), now)
		}
		return next, !next.same(r), err
	}
	always := func() bool { return true }
	outage := func(d time.Duration) error {
		w.away = true
		defer func() { w.away = false }()
		return w.pass(d, always)
	}
	for _, chapter := range []func() error{
		w.begin,
		func() error { return w.pass(290*time.Second, always) },
		func() error { return outage(100 * time.Second) },
		func() error { return w.pass(200*time.Second, always) },
		func() error { return w.rotate(w.replicas[1], ES256, true) },
		func() error { return w.pass(20*time.Second, always) },
		func() error {
			k, _ := w.store.Signer(RS256, w.now(w.replicas[0]))
			return w.revoke(w.replicas[0], k.ID)
		},
		func() error { return outage(250 * time.Second) }, // the new waiting keys are not ready at its end
		func() error { return w.pass(2*s.RotateEvery, always) },
	} {
		if err := chapter(); err != nil {
			return err
		}
	}
	return nil
}

func TestCheckerCatches(t *testing.T) {
	if err := story(nil); err != nil {
		t.Fatalf("unbroken: %v", err)
	}
	each := func(change func(*Key, Ring, Instant)) func(Ring, Instant) Ring {
		return func(r Ring, now Instant) Ring {
			for i := range r.keys {
				change(&r.keys[i], r, now)
			}
			return r
		}
	}
	late := func(now Instant) bool { return now.Wall.Sub(epoch) > 250*time.Second }
	var kept, forgotten Key
	absent := 0
	for _, c := range []struct {
		name, want string
		breakage   func(Ring, Instant) Ring
	}{
		{"new keys sign at once", "law 1", each(func(k *Key, r Ring, now Instant) {
			if r.State(*k, now) == Waiting && k.PublishedAt.Equal(now.stamped().Wall) && late(now) {
				k.SignsFrom, k.ReadyAt = now.stamped().Wall, 0
			}
		})},
		{"readiness is forgotten in an outage", "law 1", each(func(k *Key, _ Ring, now Instant) {
			if k.ReadyAt != 0 {
				k.SignsFrom, k.ReadyAt = k.PublishedAt.Add(60*time.Second), 0
			}
		})},
		{"retired keys go too early", "law 2", each(func(k *Key, _ Ring, now Instant) {
			if k.keptUntil != 0 { // as Advance has just retired it
				k.GoneAt, k.keptUntil = now.Wall.Add(100*time.Second), 0
			}
		})},
		{"retired keys are not published", "law 2", func(r Ring, _ Instant) Ring {
			r.keys = slices.DeleteFunc(r.keys, func(k Key) bool { return !k.GoneAt.IsZero() && k.private == nil && !k.revoked() })
			return r
		}},
		{"private halves vanish", "law 4", each(func(k *Key, _ Ring, now Instant) {
			if late(now) && k.Algorithm == RS256 {
				k.private, k.GoneAt = nil, now.Wall.Add(time.Hour)
			}
		})},
		{"private halves are dropped at retirement", "law 4", each(func(k *Key, _ Ring, _ Instant) {
			if !k.GoneAt.IsZero() {
				k.private = nil
			}
		})},
		{"private halves are kept", "law 4", func(r Ring, _ Instant) Ring {
			for i, k := range r.keys {
				if kept.ID == "" && !k.GoneAt.IsZero() && k.usable() {
					kept = k
				} else if k.ID == kept.ID {
					r.keys[i].private = kept.private
				}
			}
			return r
		}},
		{"the schedule becomes unsafe", "law 5", func(r Ring, now Instant) Ring {
			if late(now) {
				r.schedule.PublishAhead = time.Second
			}
			return r
		}},
		{"a line goes", "law 3", func(r Ring, now Instant) Ring {
			r.keys = slices.DeleteFunc(r.keys, func(k Key) bool { return late(now) && k.Algorithm == RS256 })
			return r
		}},
		{"a revoked key comes back", "revoked and is back", each(func(k *Key, _ Ring, _ Instant) { k.RevokedAt = time.Time{} })},
		{"a revoked key keeps its halves", "has key material", each(func(k *Key, r Ring, _ Instant) {
			if k.revoked() {
				k.Public = r.keys[0].Public
			}
		})},
		{"a key that was gone comes back", "gone and is back", func(r Ring, _ Instant) Ring {
			if forgotten.ID == "" || r.keys[0].ID == forgotten.ID {
				forgotten = r.keys[0]
			} else if absent++; absent > 5 {
				r.keys = append(r.keys, forgotten)
			}
			return r
		}},
		{"GoneAt is lowered", "GoneAt went", each(func(k *Key, _ Ring, now Instant) {
			if !k.GoneAt.IsZero() {
				k.GoneAt = k.GoneAt.Add(-time.Millisecond)
			}
		})},
		{"a kid is there twice", "there twice", func(r Ring, _ Instant) Ring {
			r.keys = append(r.keys, r.keys[0])
			return r
		}},
		{"a private half is published", "private member", each(func(k *Key, _ Ring, _ Instant) {
			if k.usable() && k.Algorithm == ES256 {
				k.Public = k.private
			}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := story(c.breakage); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}
