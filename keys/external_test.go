package keys

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// plain opens a sealed ring as whoever has the key-encryption key can.
func plain(t *testing.T, sealed []byte, kek []byte) []byte {
	t.Helper()
	jwe, err := jose.ParseEncryptedCompact(string(sealed), []jose.KeyAlgorithm{jose.A256GCMKW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	return must(jwe.Decrypt(kek))
}

// privateMembers counts the members of private JWKs in a ring's JSON (RFC 7518 §6.2.2, §6.3.2).
func privateMembers(t *testing.T, ring []byte) (n int) {
	t.Helper()
	var content struct {
		Keys []struct {
			JWK map[string]any `json:"jwk"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(ring, &content); err != nil || len(content.Keys) == 0 {
		t.Fatalf("%v in %s", err, ring)
	}
	for _, k := range content.Keys {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} {
			if _, ok := k.JWK[name]; ok {
				n++
			}
		}
	}
	return n
}

// TestExternal: the store has the handle and the public half, and whoever opens
// the ring finds nothing private in it.
func TestExternal(t *testing.T) {
	for _, alg := range []Algorithm{ES256, RS256} {
		s, v := newSite(t), newVault()
		r := s.started(v.use, func(c *RotatorConfig) { c.Schedule = brisk(alg) })
		s.sign(r)
		for range 3 {
			s.pass(brisk().RotateEvery)
			s.must(r.Look(t.Context()))
			s.sign(r)
			sealed, _ := s.backup()
			ring := plain(t, sealed, testKEK(1))
			if n := privateMembers(t, ring); n != 0 {
				t.Errorf("%d private members are in the store: %s", n, ring)
			}
			for _, h := range handlesOf(r.Ring()) {
				if !bytes.Contains(ring, []byte(h)) {
					t.Errorf("the ring lacks %s", h)
				}
			}
		}
		if got := s.row(); !got.same(r.Ring()) || !slices.Equal(handlesOf(got), handlesOf(r.Ring())) {
			t.Errorf("%v came back as %v", handlesOf(r.Ring()), handlesOf(got))
		}
		// Another process signs with the same key, and so does the next one.
		if got, want := s.sign(s.started(v.use, on(s.seen("b")))), s.sign(r); got != want {
			t.Errorf("another process signs with %s, not %s", got, want)
		}
	}
	// The look at private members is good for something.
	s := newSite(t)
	s.started()
	sealed, _ := s.backup()
	if privateMembers(t, plain(t, sealed, testKEK(1))) == 0 {
		t.Error("a private half was not seen")
	}
}

// TestExternalIsDropped: a private half is removed from its device skew + poll
// after its successor began, not before, once, and by whoever comes if the one
// that stored the ring ended before it could.
func TestExternalIsDropped(t *testing.T) {
	s, v := newSite(t), newVault()
	r := s.started(v.use)
	first := r.Ring().keys[0].handle()
	s.pass(brisk().RotateEvery)
	s.must(r.Look(t.Context()))
	s.pass(brisk().Skew + brisk().Poll - time.Microsecond)
	s.must(r.Look(t.Context()))
	if v.destroyed[first] != 0 {
		t.Error("it was removed while another process may sign with it")
	}
	s.pass(time.Microsecond)
	// This one can store the ring, but not reach the device, and ends.
	blind := s.started(v.use, func(c *RotatorConfig) { c.Destroy = func(string) error { return errors.New("unplugged") } })
	if blind.Ring().keys[0].External() || !strings.Contains(s.logged(), "unplugged") || !strings.Contains(s.logged(), "handle="+first) {
		t.Errorf("not dropped, or nobody was told:\n%s", s.logged())
	}
	for range 3 {
		s.must(r.Look(t.Context()))
	}
	if v.destroyed[first] != 1 || !slices.Equal(v.handles(), handlesOf(r.Ring())) {
		t.Errorf("removed %v, left are %v of the ring's %v", v.destroyed, v.handles(), handlesOf(r.Ring()))
	}
	for range 3 {
		s.must(blind.Look(t.Context()))
	}
	if n := strings.Count(s.logged(), "unplugged"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	// When its public half is gone as well, nothing is left of it.
	for range 60 {
		s.pass(brisk().Poll)
		s.must(r.Look(t.Context()))
	}
	if sealed, _ := s.backup(); bytes.Contains(plain(t, sealed, testKEK(1)), []byte(`"`+first+`"`)) {
		t.Error("the ring remembers the handle for ever")
	}
}

// TestExternalLosesRace: what was made for a ring that somebody else stored
// first is removed again, and nothing else is.
func TestExternalLosesRace(t *testing.T) {
	s, v := newSite(t), newVault()
	r, other := s.started(v.use), s.started(v.use, on(s.seen("b")))
	s.pass(brisk().RotateEvery)
	once := true
	s.before = func() {
		if once {
			once = false
			s.must(other.Look(t.Context()))
		}
	}
	s.must(r.Look(t.Context()))
	if v.made != 4 || len(v.destroyed) != 1 || !slices.Equal(v.handles(), handlesOf(s.row())) {
		t.Errorf("made %d, removed %v, left %v of the ring's %v", v.made, v.destroyed, v.handles(), handlesOf(s.row()))
	}
	s.sign(r)
}

// TestExternalStoreSetBack: who writes the ring at hand over an old backup, and
// is not the first to do so, removes none of its keys.
func TestExternalStoreSetBack(t *testing.T) {
	s, v := newSite(t), newVault()
	r, other := s.started(v.use), s.started(v.use, on(s.seen("b")))
	sealed, version := s.backup()
	s.pass(brisk().RotateEvery)
	s.must(r.Look(t.Context()))
	s.must(other.Look(t.Context()))
	s.restore(sealed, version)
	once := true
	s.before = func() {
		if once {
			once = false
			s.must(other.Look(t.Context()))
		}
	}
	s.must(r.Look(t.Context()))
	s.sign(r)
	s.sign(other)
	if !slices.Equal(v.handles(), handlesOf(s.row())) || len(v.handles()) != 3 {
		t.Errorf("left %v of the ring's %v", v.handles(), handlesOf(s.row()))
	}
}

// TestExternalStoreTakesNothing: a store that takes no ring for long does not
// fill the device, and what it took without saying so is not removed.
func TestExternalStoreTakesNothing(t *testing.T) {
	s, v := newSite(t), newVault()
	full := errors.New("disk full")
	takes, says := false, false
	r := s.started(v.use, func(c *RotatorConfig) {
		c.Store = quiet{s.memory, func(store func() error) error {
			if takes {
				return errors.Join(store(), map[bool]error{false: full}[says])
			}
			return full
		}}
		takes, says = true, true
	})
	s.pass(brisk().RotateEvery)
	takes, says = false, false
	for range 20 {
		if err := r.Look(t.Context()); !errors.Is(err, full) {
			t.Fatal(err)
		}
	}
	if v.made != 3 || len(v.destroyed) != 0 {
		t.Errorf("made %d, removed %v", v.made, v.destroyed)
	}
	takes = true
	if err := r.Look(t.Context()); !errors.Is(err, full) {
		t.Fatal(err)
	}
	s.must(r.Look(t.Context()))
	if v.made != 3 || len(v.destroyed) != 0 || !slices.Equal(v.handles(), handlesOf(s.row())) {
		t.Errorf("made %d, removed %v, left %v of the ring's %v", v.made, v.destroyed, v.handles(), handlesOf(s.row()))
	}
	// What another process's ring came before is removed.
	s.pass(brisk().RotateEvery)
	takes = false
	if err := r.Look(t.Context()); !errors.Is(err, full) {
		t.Fatal(err)
	}
	s.started(v.use, on(s.seen("b")))
	takes, says = true, true
	s.must(r.Look(t.Context()))
	if !slices.Equal(v.handles(), handlesOf(s.row())) {
		t.Errorf("left %v of the ring's %v", v.handles(), handlesOf(s.row()))
	}
}

// A quiet store may keep to itself whether it took a ring.
type quiet struct {
	*memory
	replace func(store func() error) error
}

func (q quiet) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	return q.replace(func() error { return q.memory.ReplaceRing(ctx, old, next, sealed) })
}

// TestExternalElsewhere: a process that was told of no device does not sign for
// lines whose keys are in one, and makes none; the rest goes on.
func TestExternalElsewhere(t *testing.T) {
	s, v := newSite(t), newVault()
	s.started(v.use, func(c *RotatorConfig) { c.Schedule = brisk(ES256, RS256) })
	must(s.rotator(v.leave).Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { // an RS256 key of the ring itself
		return r.ImportPrivate(RS256, must(GenerateKey(RS256, 2048)), now, true)
	}))
	s.pass(time.Second)
	blind := s.started(on(s.seen("b")))
	s.must(blind.Look(t.Context()))
	s.must(blind.Healthy())
	if _, err := blind.Sign(t.Context(), "ES256", "", []byte("{}")); err == nil || !strings.Contains(err.Error(), "was not told where") {
		t.Errorf("ES256: %v", err)
	}
	token, err := blind.Sign(t.Context(), "RS256", "", []byte("{}"))
	s.must(err)
	must(verify(token, blind.Ring(), s.now()))
	s.pass(brisk().RotateEvery)
	if err := blind.Look(t.Context()); !errors.Is(err, ErrElsewhere) {
		t.Errorf("it makes keys of its own: %v", err)
	}
	s.must(blind.Healthy())
	if _, err := blind.Edit(t.Context(), func(r Ring, now Instant, g Generate) (Ring, error) { return r.RevokeAll("", now, g) }); !errors.Is(err, ErrElsewhere) {
		t.Errorf("an operator makes keys of his own: %v", err)
	}
	if _, err := blind.Recover(t.Context(), true); !errors.Is(err, ErrElsewhere) {
		t.Errorf("recover makes keys of its own: %v", err)
	}
	s.must(s.started(v.use).Look(t.Context()))
	s.must(blind.Look(t.Context()))
}

// TestExternalRevoked: revoking removes the private half at once; a process that
// has not looked since finds out when it cannot sign, and goes on.
func TestExternalRevoked(t *testing.T) {
	s, v := newSite(t), newVault()
	r, slow := s.started(v.use), s.started(v.use, on(s.seen("b")))
	leaked, handle := s.sign(slow), r.Ring().keys[0].handle()
	slow.held.Load().bench = newBench(slow.Ring(), nil) // it has not signed yet
	s.pass(time.Second)
	revoke := func(r Ring, now Instant, g Generate) (Ring, error) { return r.Revoke(leaked, "", now, g) }
	must(r.Edit(t.Context(), revoke))
	if v.destroyed[handle] != 1 {
		t.Errorf("removed: %v", v.destroyed)
	}
	if got := s.sign(slow); got == leaked {
		t.Error("it signs with a revoked key")
	}
	// An operator without the device can revoke as well; the next one is made by those who have it.
	s.pass(time.Second)
	waiting := r.Ring().keys[1]
	blind := s.rotator(on(s.seen("c")))
	if ring, err := blind.Edit(t.Context(), func(r Ring, now Instant, g Generate) (Ring, error) { return r.Revoke(waiting.ID, "", now, g) }); !errors.Is(err, errMissing) || ring.Version() == 0 {
		t.Errorf("revoke without the device: %v", err)
	}
	s.must(r.Look(t.Context()))
	if !slices.Equal(v.handles(), handlesOf(r.Ring())) || len(v.handles()) != 2 {
		t.Errorf("left %v of the ring's %v", v.handles(), handlesOf(r.Ring()))
	}
	for name, act := range map[string]func() (Ring, error){
		"revoke --all": func() (Ring, error) {
			return r.Edit(t.Context(), func(r Ring, now Instant, g Generate) (Ring, error) { return r.RevokeAll("", now, g) })
		},
		"recover": func() (Ring, error) { return r.Recover(t.Context(), true) },
	} {
		before := v.handles()
		must(act())
		s.sign(r)
		if after := v.handles(); !slices.Equal(after, handlesOf(r.Ring())) || len(after) != 2 || slices.ContainsFunc(after, func(h string) bool { return slices.Contains(before, h) }) {
			t.Errorf("%s: %v became %v, in the ring are %v", name, before, after, handlesOf(r.Ring()))
		}
	}
}

// TestDeviceAway: while the device is away nobody signs with a key of it, the
// looks go on, a leaked key can be revoked, and all heals by itself.
func TestDeviceAway(t *testing.T) {
	s, v := newSite(t), newVault()
	s.started(v.use)
	v.set(func(v *vault) { v.away = errors.New("unplugged") })
	r := s.started(v.use) // the device need not be there
	for range 30 {
		if _, err := r.Sign(t.Context(), "", "", []byte("{}")); err == nil || !strings.Contains(err.Error(), "unplugged") {
			t.Fatalf("it signs: %v", err)
		}
	}
	v.set(func(v *vault) { v.away = nil })
	first := s.sign(r)
	v.set(func(v *vault) { v.away = errors.New("unplugged") })
	s.pass(brisk().RotateEvery) // the next one was published long ago, and cannot sign
	if err := r.Look(t.Context()); !errors.Is(err, errMissing) || r.Healthy() != nil {
		t.Errorf("look %v, healthy %v", err, r.Healthy())
	}
	if _, err := r.Sign(t.Context(), "", "", []byte("{}")); err == nil {
		t.Error("another key takes over before its time")
	}
	if ring, err := r.Edit(t.Context(), func(r Ring, now Instant, g Generate) (Ring, error) { return r.Revoke(first, "", now, g) }); !errors.Is(err, errMissing) || ring.Version() == 0 {
		t.Errorf("revoke: %v", err)
	}
	if k := s.row().keys[0]; !k.revoked() {
		t.Errorf("the leaked key is not revoked: %v", s.row().Keys())
	}
	v.set(func(v *vault) { v.away = nil })
	s.must(r.Look(t.Context()))
	if got := states(r.Ring(), ES256, at(brisk().RotateEvery)); !slices.Equal(got, []State{Revoked, Signing, Waiting}) || !slices.Equal(v.handles(), handlesOf(r.Ring())) {
		t.Errorf("%v, left %v of the ring's %v", got, v.handles(), handlesOf(r.Ring()))
	}
	s.sign(r)
}

// TestDeviceFull: a device that takes no more keys has room again when private
// halves are dropped, so they are; and a line without any key is refused.
func TestDeviceFull(t *testing.T) {
	s, v := newSite(t), newVault()
	r := s.started(v.use)
	v.set(func(v *vault) { v.full = errors.New("no room") })
	s.pass(brisk().RotateEvery + brisk().Skew + brisk().Poll)
	if err := r.Look(t.Context()); !errors.Is(err, errMissing) || len(v.destroyed) != 1 || len(v.handles()) != 1 {
		t.Errorf("%v, removed %v", err, v.destroyed)
	}
	s.sign(r)
	if again := s.started(v.use); !again.Ring().same(r.Ring()) { // a start is no reason to stop
		t.Error("it does not start")
	}
	before := s.row()
	policy := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Reschedule(brisk(ES256, EdDSA), now) }
	if _, err := r.Edit(t.Context(), policy); err == nil || !strings.Contains(err.Error(), "no room") || !s.row().same(before) {
		t.Errorf("a line without keys: %v", err)
	}
	v.set(func(v *vault) { v.full = nil })
	s.must(r.Look(t.Context()))
	empty := newSite(t)
	v.set(func(v *vault) { v.full = errors.New("no room") })
	if err := empty.rotator(v.use).Start(t.Context()); err == nil || empty.writes != 0 {
		t.Errorf("a ring without keys: %v", err)
	}
}

// TestDeviceMixesUpKeys: a device whose halves do not belong together, or that
// makes another kind of key, signs nothing, and what it made does not stay.
func TestDeviceMixesUpKeys(t *testing.T) {
	s, v := newSite(t), newVault()
	r := s.started(v.use)
	h := handlesOf(r.Ring())
	v.halves[h[0]], v.halves[h[1]] = v.halves[h[1]], v.halves[h[0]]
	if _, err := r.Sign(t.Context(), "", "", []byte("{}")); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("%v", err)
	}
	for name, c := range map[string]struct {
		generate Generate
		want     string
	}{
		"another kind": {func(_ Algorithm, bits int) (crypto.Signer, error) { return v.generate(ES384, bits) }, "P-256"},
		"no handle":    {func(a Algorithm, _ int) (crypto.Signer, error) { return External{must(GenerateKey(a, 0)), ""}, nil }, "handle"},
		"no signer":    {func(Algorithm, int) (crypto.Signer, error) { return External{nil, "x"}, nil }, "signer"},
		"no text":      {func(a Algorithm, _ int) (crypto.Signer, error) { return External{must(GenerateKey(a, 0)), "\xff"}, nil }, "text"},
	} {
		before := v.handles()
		site := newSite(t)
		err := site.rotator(v.use, func(c2 *RotatorConfig) { c2.Generate = c.generate }).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || site.writes != 0 || !slices.Equal(v.handles(), before) {
			t.Errorf("%s: %v, left %v", name, err, v.handles())
		}
	}
}

// TestExternalKids: as in memory, no kid begins with a hyphen.
func TestExternalKids(t *testing.T) {
	s, v := newSite(t), newVault()
	dashed := 0
	r := s.started(v.use, func(c *RotatorConfig) {
		c.Generate = func(a Algorithm, _ int) (crypto.Signer, error) {
			for {
				key := must(generateEd25519(0))
				kid := must(thumbprint(key.Public()))
				if dashed > 0 || kid[0] == '-' { // the first one does
					dashed++
					v.halves["h"+kid] = key
					return External{key, "h" + kid}, nil
				}
			}
		}
		c.Schedule = brisk(EdDSA)
	})
	for _, k := range r.Ring().keys {
		if k.ID[0] == '-' {
			t.Errorf("kid %s", k.ID)
		}
	}
	if dashed < 3 || len(v.destroyed) == 0 || !slices.Equal(v.handles(), handlesOf(r.Ring())) {
		t.Errorf("made %d, removed %v", dashed, v.destroyed)
	}
}

// TestIntoTheDeviceAndBack: a ring goes over to a device by rotation, and back,
// and no token fails.
func TestIntoTheDeviceAndBack(t *testing.T) {
	s, v := newSite(t), newVault()
	r := s.started()
	live := map[string]time.Time{} // tokens, until when they are good
	turn := func(r *Rotator) {
		for range 3 * brisk().RotateEvery / brisk().Poll {
			s.pass(brisk().Poll)
			s.must(r.Look(t.Context()))
			token, err := r.Sign(t.Context(), "", "", []byte("{}"))
			s.must(err)
			live[token] = s.now().Add(brisk().LongestToken())
			for token, until := range live {
				switch left := until.Sub(s.now()); {
				case left < 0:
					delete(live, token)
				case left <= brisk().Poll: // for the last time
					must(verify(token, r.Ring(), s.now()))
				}
			}
		}
	}
	turn(r)
	r = s.started(v.use)
	turn(r)
	sealed, _ := s.backup()
	if privateMembers(t, plain(t, sealed, testKEK(1))) != 0 || len(v.handles()) == 0 {
		t.Error("private halves are in the store yet")
	}
	r = s.started(v.leave)
	turn(r)
	if len(v.handles()) != 0 || r.Ring().external() {
		t.Errorf("in the device are yet %v", v.handles())
	}
	turn(s.started()) // and it needs no device any more
}
