package keys

import (
	"testing"
	"time"
)

// TestRevokedAfterTakeover: when a key is revoked soon after it took over, its
// predecessor signs again where clocks are behind, and stays for those tokens.
func TestRevokedAfterTakeover(t *testing.T) {
	s := brisk()
	r := poll(t, started(t, s), 0, s.RotateEvery) // K2 took over just now
	first, second := r.keys[0], r.keys[1]
	now := at(s.RotateEvery + s.Skew)
	r = advance(t, must(r.Revoke(second.ID, "", now, cheap())), now)
	behind := Instant{Wall: now.Wall.Add(-s.Skew), Service: now.Service}
	if k, _ := r.Signer(ES256, behind); k.ID != first.ID {
		t.Fatalf("%s signs: the test shows nothing", k)
	}
	k := r.keys[r.find(first.ID)]
	if want := now.Wall.Add(s.stay()); k.GoneAt.Before(want) || k.keptUntil < now.Service.Add(s.stay()) {
		t.Errorf("it is gone at %s, want %s", k.GoneAt, want)
	}
}

// TestRevokedInEndingLine: the predecessor does not sign again until the line
// ends, but ends with the key that is revoked.
func TestRevokedInEndingLine(t *testing.T) {
	s := brisk(ES256, EdDSA)
	r := poll(t, started(t, s), 0, s.RotateEvery-s.Poll)
	now := at(s.RotateEvery - s.Poll)
	r = advance(t, must(r.Reschedule(brisk(), now)), now)
	r = poll(t, r, s.RotateEvery-s.Poll, s.RotateEvery) // K2 takes over nonetheless
	now = at(s.RotateEvery)
	signer, _ := r.Signer(EdDSA, now)
	r = advance(t, must(r.Revoke(signer.ID, "", now, cheap())), now)
	if k, _ := r.Signer(EdDSA, now); k.Algorithm != ES256 {
		t.Errorf("%s signs, %s", k, r.State(k, now))
	}
	for _, k := range r.line(EdDSA) {
		if !k.revoked() && k.GoneAt.Before(now.Wall.Add(s.stay())) {
			t.Errorf("%s is gone at %s", k, k.GoneAt)
		}
	}
}

// TestPredecessorInEndingLine: its private half is dropped skew + poll after
// its successor's SignsFrom, not when the line has ended.
func TestPredecessorInEndingLine(t *testing.T) {
	s := brisk(ES256, EdDSA)
	r := poll(t, started(t, s), 0, s.RotateEvery-s.Poll)
	now := at(s.RotateEvery - s.Poll)
	r = advance(t, must(r.Reschedule(brisk(), now)), now)
	first := r.line(EdDSA).signer(now).ID
	r = poll(t, r, s.RotateEvery-s.Poll, s.RotateEvery+s.Skew)
	if !r.keys[r.find(first)].usable() {
		t.Error("dropped too early")
	}
	// Nobody looks until the line has ended.
	end := r.line(EdDSA).last().SignsUntil.Sub(epoch)
	if r = advance(t, r, at(end+time.Second)); r.keys[r.find(first)].usable() {
		t.Error("kept until the line's end and longer")
	}
}

// TestRecoveredElsewhere: where an operator recovers from an older state beside
// a process that holds a newer one, the tokens of the keys that were lost with
// it go on verifying.
func TestRecoveredElsewhere(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, oldVersion := s.backup()
	s.pass(time.Second)
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }
	must(r.Edit(t.Context(), rotate))
	leaked := s.sign(r)
	s.pass(time.Second)
	must(r.Edit(t.Context(), rotate))
	lost := s.sign(r)
	must(r.Edit(t.Context(), func(r Ring, now Instant, generate Generate) (Ring, error) { return r.Revoke(leaked, "", now, generate) }))

	s.restore(old, oldVersion)
	for s.row().Version() <= r.Ring().Version() {
		must(s.rotator(on(nil)).Recover(t.Context(), true))
	}
	s.pass(time.Second)
	s.must(r.Look(t.Context()))
	row := s.row()
	if i := row.find(lost); i < 0 || row.keys[i].usable() || row.State(row.keys[i], Instant{Wall: s.now()}) != Retired {
		t.Errorf("the key that was lost is not published, or signs again: %v", row.keys)
	}
	if i := row.find(leaked); i >= 0 && !row.keys[i].revoked() {
		t.Error("the revoked key is published as well")
	}
	if got := s.sign(r); got == lost {
		t.Error("the lost key signs")
	}
	// What was held long ago may be gone for good reasons.
	if kept := row.keep(Ring{schedule: row.schedule, keys: []Key{{ID: "gone", Algorithm: ES256}}}, row.stay(), at(0)); !kept.same(row) {
		t.Error("a key comes back that was held long ago")
	}
}

// TestRecoveredWithLongerLifetimes: the older state has a shorter KeepAfter. The
// tokens that were signed under the longer one go on verifying, whether their
// key was lost with it or not.
func TestRecoveredWithLongerLifetimes(t *testing.T) {
	s := newSite(t)
	r := s.started()
	first := s.sign(r)
	old, oldVersion := s.backup()
	s.pass(time.Second)
	longer := r.Ring().Schedule()
	longer.KeepAfter *= 2
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Reschedule(longer, now) }))
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	lost := s.sign(r)

	s.restore(old, oldVersion)
	for s.row().Version() <= r.Ring().Version() {
		must(s.rotator(on(nil)).Recover(t.Context(), true))
	}
	s.must(r.Look(t.Context()))
	row := s.row()
	for _, kid := range []string{first, lost} {
		if k := row.keys[row.find(kid)]; k.GoneAt.Before(s.now().Add(longer.stay())) {
			t.Errorf("%s is gone after %s, tokens of it are good for %s", k, k.GoneAt.Sub(s.now()), longer.stay())
		}
	}
	if again := row.keep(r.Ring(), 0, Instant{Wall: s.now()}); !again.same(row) {
		t.Error("what was remembered changes the ring again")
	}
	// A stay that ends by some clock is not begun again.
	held := row
	held.former.until = s.now().Add(held.schedule.Skew)
	row.former = former{}
	if kept := row.keep(held, 0, Instant{Wall: s.now()}); !kept.same(row) {
		t.Error("a longer stay that is over comes back")
	}
}
