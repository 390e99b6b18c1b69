package keys

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// A world is several replicas over one stored ring, and one checker. The
// replicas' clocks differ by up to the skew, they look when they like but
// within three polls, and the store is away at times.
type world struct {
	*checker
	true     time.Time // by the slowest clock
	service  storage.ServiceTime
	rate     int // percent: how fast the counter runs
	away     bool
	store    Ring
	replicas []*replica
	generate Generate
	advance  func(Ring, Instant, Generate) (Ring, bool, error) // Ring.Advance, or a broken one
}

type replica struct {
	ahead   time.Duration // of the slowest clock
	held    Ring
	service storage.ServiceTime
	looked  time.Time // true time
	set     keySet
}

func (r *replica) String() string { return "replica " + r.ahead.String() + " ahead" }

func newWorld(s Schedule, ahead ...time.Duration) *world {
	w := &world{checker: newChecker(s), true: epoch, service: 1, rate: 100, generate: cheap(), advance: Ring.Advance}
	for _, d := range ahead {
		w.replicas = append(w.replicas, &replica{ahead: d})
	}
	return w
}

func (w *world) now(r *replica) Instant {
	return Instant{Wall: w.true.Add(r.ahead), Service: w.service}
}

func (w *world) clocks() clocks { return clocks{w.true, w.true.Add(w.schedule.Skew)} }

// begin makes the ring; its keys are the first of an empty one.
func (w *world) begin() error {
	w.store = must(NewRing(w.schedule))
	if err := w.look(w.replicas[0]); err != nil {
		return err
	}
	for _, k := range w.store.Keys() {
		if w.store.State(k, w.now(w.replicas[0])) == Signing {
			w.exempt[k.ID] = true
		}
	}
	for _, r := range w.replicas {
		if err := w.look(r); err != nil {
			return err
		}
	}
	return nil
}

// look is one step of a replica.
func (w *world) look(r *replica) error {
	next, changed, err := w.advance(w.store, w.now(r), w.generate)
	if err != nil {
		return err
	}
	if changed {
		next.version++
		w.store = next
	}
	if err := w.stored(w.store, w.service, w.clocks()); err != nil {
		return err
	}
	if r.held.version != w.store.version {
		if r.set, err = w.render(w.store, w.true.Add(r.ahead)); err != nil {
			return err
		}
	}
	r.held, r.service, r.looked = w.store, w.service, w.true
	return nil
}

// pass lets time pass in small steps; eager says which replicas look in each.
func (w *world) pass(d time.Duration, eager func() bool) error {
	for step := w.schedule.Poll / 2; d > 0; d -= step {
		w.true = w.true.Add(step)
		if !w.away {
			w.service = w.service.Add(step * time.Duration(w.rate) / 100)
		}
		for _, r := range w.replicas {
			if stale := w.true.Sub(r.looked) > w.schedule.stale(); !w.away && (stale || eager()) {
				if err := w.look(r); err != nil {
					return err
				}
			}
			if err := w.sign(r); err != nil {
				return err
			}
		}
		if err := w.verified(); err != nil {
			return err
		}
	}
	return nil
}

// verified checks every replica's key set against every token.
func (w *world) verified() error {
	for _, r := range w.replicas {
		if err := w.verifies(r.set, w.true); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return nil
}

// sign lets a replica sign for clients of every algorithm, by what it has.
func (w *world) sign(r *replica) error {
	for _, alg := range []Algorithm{ES256, RS256, "HS256", ""} {
		now := Instant{Wall: w.true.Add(r.ahead), Service: r.service}
		k, ok := r.held.Signer(alg, now)
		if !ok {
			return fmt.Errorf("law 3: nobody signs for %q", alg)
		}
		if err := w.signed(r.held, k, w.service, now.Wall); err != nil {
			return err
		}
	}
	return nil
}

// edit is an operator's command in the process of a replica.
func (w *world) edit(r *replica, change func(Ring, Instant) (Ring, error)) error {
	w.true = w.true.Add(time.Millisecond) // commands take time
	if err := w.look(r); err != nil {
		return err
	}
	next, err := change(w.store, w.now(r))
	if err != nil {
		return err
	}
	next.version = w.store.version + 1
	w.store = next
	return w.look(r)
}

func (w *world) rotate(r *replica, alg Algorithm, immediate bool) error {
	return w.edit(r, func(ring Ring, now Instant) (Ring, error) {
		l := ring.line(alg)
		if waiting := l.next(l.signer(now)); immediate && l.published() >= maxPublished {
			return ring, nil
		} else if immediate && waiting != nil {
			w.exempt[waiting.ID] = true
		}
		return ring.Rotate(alg, now, immediate)
	})
}

func (w *world) revoke(r *replica, kid string) error {
	return w.edit(r, func(ring Ring, now Instant) (Ring, error) {
		k := ring.keys[ring.find(kid)]
		next, err := ring.Revoke(kid, "", now, w.generate)
		if err != nil {
			return ring, err
		}
		w.revoked[kid] = true
		// Whoever steps in for a key that signed, by any clock, is exempt.
		if !k.SignsFrom.After(w.clocks().fastest) && k.GoneAt.IsZero() {
			heir := ring.line(k.Algorithm).next(&k)
			for _, made := range next.line(k.Algorithm) {
				if heir == nil && ring.find(made.ID) < 0 {
					heir = made
				}
			}
			w.exempt[heir.ID] = true
		}
		return next, nil
	})
}

func (w *world) recover(r *replica) error {
	return w.edit(r, func(ring Ring, now Instant) (Ring, error) {
		next, err := ring.Recover(now, w.generate)
		for _, k := range ring.Keys() {
			w.dropped[k.ID] = true
		}
		for _, k := range next.Keys() {
			if next.State(k, now) == Signing {
				w.exempt[k.ID] = true
			}
		}
		return next, err
	})
}

// TestHistories runs random histories of skewed clocks, late looks, outages
// and operators under the eyes of the checker.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := brisk()
		skew := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, int(s.Skew.Seconds())).Draw(t, "s")) * time.Second
		})
		w := newWorld(s, skew.Draw(t, "ahead"), skew.Draw(t, "ahead"), skew.Draw(t, "ahead"))
		ok := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(w.begin())
		pick := func(t *rapid.T) *replica { return w.replicas[rapid.IntRange(0, 2).Draw(t, "replica")] }
		pass := func(name string, most int) func(*rapid.T) {
			return func(t *rapid.T) {
				eager := rapid.SampledFrom([]int{1, 2, 3}).Draw(t, "eager")
				n := 0
				ok(w.pass(time.Duration(rapid.IntRange(1, most).Draw(t, name))*time.Second, func() bool { n++; return n%eager == 0 }))
			}
		}
		whenThere := func(f func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				if w.away {
					t.Skip("the store is away")
				}
				f(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":       func(*rapid.T) { ok(w.verified()) },
			"poll":   pass("seconds", 15),
			"while":  pass("seconds", 400),
			"outage": func(*rapid.T) { w.away = !w.away },
			"rate":   func(t *rapid.T) { w.rate = rapid.SampledFrom([]int{100, 100, 97, 60, 0}).Draw(t, "percent") },
			"line": whenThere(func(*rapid.T) { // another algorithm is added for good
				w.store.schedule.Algorithms = []Algorithm{ES256, RS256}
				w.store.version++
			}),
			"look": whenThere(func(t *rapid.T) { ok(w.look(pick(t))) }),
			"rotate": whenThere(func(t *rapid.T) {
				alg := rapid.SampledFrom(w.store.schedule.Algorithms).Draw(t, "alg")
				ok(w.rotate(pick(t), alg, rapid.Bool().Draw(t, "immediate")))
			}),
			"revoke": whenThere(func(t *rapid.T) {
				r := pick(t)
				ok(w.look(r))
				k := w.store.Keys()[rapid.IntRange(0, len(w.store.Keys())-1).Draw(t, "key")]
				if len(w.store.Keys()) > 60 {
					t.Skip("enough keys")
				}
				ok(w.revoke(r, k.ID))
			}),
			"recover": whenThere(func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") == 0 {
					ok(w.recover(pick(t)))
				}
			}),
		})
	})
}

// TestQuietYear: three replicas that nobody disturbs rotate on time.
func TestQuietYear(t *testing.T) {
	s := brisk()
	w := newWorld(s, 0, 7*time.Second, s.Skew)
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	if err := w.pass(20*s.RotateEvery, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	if got := len(w.served); got < 20 || got > 23 {
		t.Errorf("%d keys in 20 periods", got)
	}
	if got := len(w.store.Keys()); got > 3 {
		t.Errorf("%d keys are kept", got)
	}
}
