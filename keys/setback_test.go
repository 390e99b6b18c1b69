package keys

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestSetBack: a store that was set back under running processes gets their
// ring again, above both versions, with the revocations of both.
func TestSetBack(t *testing.T) {
	s := newSite(t)
	a, b := s.started(), s.started(on(s.seen("b")))
	old, oldVersion := s.backup()
	s.pass(time.Second)
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }
	for range 3 {
		must(a.Edit(t.Context(), rotate))
	}
	s.must(b.Look(t.Context()))
	kid, held := s.sign(a), a.Ring()

	s.restore(old, oldVersion)
	// On the old state, an operator revokes a key that both sides know.
	leaked := held.keys[0].ID
	must(s.rotator(on(nil)).Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(leaked, "", now, cheap()) }))
	s.must(b.Look(t.Context()))
	s.must(a.Look(t.Context()))
	got := s.row()
	if got.Version() != held.Version()+1 || !got.same(a.Ring()) || !got.same(b.Ring()) {
		t.Errorf("stored %v, a has %v, b has %v", got, a.Ring(), b.Ring())
	}
	if got := s.sign(b); got != kid {
		t.Error("another key signs")
	}
	if k := got.keys[got.find(leaked)]; !k.revoked() {
		t.Error("the revocation on the old state is lost")
	}
	if !strings.Contains(s.logged(), "set back") {
		t.Error("nobody was told")
	}
	// Somebody who knows of nothing goes on from the old state, past everybody.
	s.restore(old, oldVersion)
	for s.row().Version() <= got.Version() {
		s.pass(time.Second)
		must(s.rotator(on(nil)).Edit(t.Context(), rotate))
	}
	b.cfg.Seen = nil // it is told by what it holds alone
	s.must(b.Look(t.Context()))
	if got = s.row(); !slices.Contains(got.revokedKids(), leaked) {
		t.Error("a process that knew of the revocation lets it be undone")
	}
	s.must(a.Look(t.Context()))
	// Set back to nothing.
	s.restore(nil, 0)
	s.must(a.Look(t.Context()))
	if now := s.row(); now.Version() != got.Version()+1 || !now.same(got) {
		t.Errorf("stored %v after the store was emptied", now)
	}
}

// TestSetBackAsleep: a process that was suspended while others made a ring does
// not write its own over a store that was set back before they do. Where nobody
// else comes, it does so after three polls.
func TestSetBackAsleep(t *testing.T) {
	s := newSite(t)
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, false) }
	awake := s.started()
	old, oldVersion := s.backup()
	s.pass(time.Second)
	must(awake.Edit(t.Context(), rotate))
	asleep := s.started(on(s.seen("b")))
	s.pass(brisk().Poll)
	must(awake.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	s.pass(brisk().Poll)
	s.must(awake.Look(t.Context()))
	newest := awake.Ring()

	waits := func() {
		t.Helper()
		if err := asleep.Look(t.Context()); !errors.Is(err, errWaits) || !errors.Is(err, storage.ErrUnavailable) {
			t.Fatalf("a process that did not look for a while finds the store set back: %v", err)
		}
		if _, v := s.backup(); v != oldVersion {
			t.Fatal("it wrote its ring")
		}
	}
	s.restore(old, oldVersion)
	waits()
	if _, err := asleep.Edit(t.Context(), rotate); !errors.Is(err, errWaits) {
		t.Errorf("an operator's change goes on from the old ring: %v", err)
	}
	s.sign(asleep)
	s.must(awake.Look(t.Context()))
	s.must(asleep.Look(t.Context()))
	if got := s.row(); !got.same(newest) || !asleep.Ring().same(newest) {
		t.Errorf("stored %v, wanted %v", got, newest)
	}

	// Nobody else is there. It is not ready while it waits; a suspension in the
	// middle begins the wait again.
	alone := s.started(on(s.seen("c")))
	asleep = alone
	s.pass(2 * brisk().Poll)
	s.restore(old, oldVersion)
	waits()
	s.pass(2 * brisk().Poll)
	waits()
	s.pass(time.Hour)
	waits()
	if alone.Healthy() == nil {
		t.Error("it is ready")
	}
	for range stalePolls {
		s.pass(brisk().Poll)
		waits()
	}
	s.pass(brisk().Poll)
	s.must(alone.Look(t.Context()))
	// Looks that are further apart than that, of a slow store, do not make it wait for ever.
	slow := s.started(on(s.seen("d")))
	s.restore(old, oldVersion)
	for looks := 0; ; looks++ {
		s.pass(brisk().stale() + time.Second)
		if err := slow.Look(t.Context()); err == nil {
			break
		} else if !errors.Is(err, errWaits) || looks > 2*stalePolls {
			t.Fatalf("after %d looks: %v", looks, err)
		}
	}
	if got := s.row(); !got.same(slow.Ring()) || got.Version() <= newest.Version() {
		t.Errorf("stored %v", got)
	}
}

// TestSplit: two lineages of the same version number, as a failover that lost
// the last write leaves them. The process that held the lost one writes it again.
func TestSplit(t *testing.T) {
	s := newSite(t)
	a, b := s.started(), s.started(on(s.seen("b")))
	old, oldVersion := s.backup()
	s.pass(time.Second)
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }
	must(a.Edit(t.Context(), rotate))
	s.restore(old, oldVersion)
	must(b.Edit(t.Context(), rotate))
	if a.Ring().Version() != b.Ring().Version() || a.Ring().same(b.Ring()) {
		t.Fatal("no split")
	}
	want := s.sign(a)
	s.must(a.Look(t.Context()))
	s.must(b.Look(t.Context()))
	if got := s.sign(b); got != want || s.row().Version() != 3 || !a.Ring().same(b.Ring()) {
		t.Errorf("%v and %v", a.Ring(), b.Ring())
	}
}

// TestBehind: a process that starts where the store was set back refuses, and
// names the way out.
func TestBehind(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, oldVersion := s.backup()
	s.pass(time.Second)
	leaked := s.sign(r)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(leaked, "", now, cheap()) }))

	refused := func(name string, sealed []byte, v storage.Version) {
		t.Helper()
		s.restore(sealed, v)
		fresh := s.rotator()
		_, edited := fresh.Edit(t.Context(), func(r Ring, _ Instant, _ Generate) (Ring, error) { return r, nil })
		for _, err := range []error{s.rotator().Start(t.Context()), edited} {
			if !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "`hallmark keys recover`") || !strings.Contains(err.Error(), "a.seen") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, gotVersion := s.backup(); !bytes.Equal(got, sealed) || gotVersion != v {
			t.Errorf("%s: the store was changed", name)
		}
	}
	refused("an older version", old, oldVersion)
	refused("no ring", nil, 0)
	// Somebody went on from the old backup, past the version seen, on a machine that saw nothing.
	s.restore(old, oldVersion)
	for range 3 {
		s.pass(time.Second)
		must(s.rotator(on(nil)).Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	}
	ahead, aheadVersion := s.backup()
	refused("a revoked key is back", ahead, aheadVersion)
	// A process that serves already revokes it again.
	s.must(r.Look(t.Context()))
	if got := s.row(); !slices.Contains(got.revokedKids(), leaked) || got.Version() != aheadVersion+1 {
		t.Errorf("%v", got)
	}
	s.must(s.rotator().Start(t.Context()))
}

// TestBehindWhileServing: what another process of the machine saw counts too.
func TestBehindWhileServing(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, oldVersion := s.backup()
	s.pass(time.Second)
	must(s.rotator().Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	s.restore(old, oldVersion)
	if err := r.Look(t.Context()); !errors.Is(err, ErrBehind) {
		t.Errorf("%v", err)
	}
	s.sign(r)
}

// TestCannotOpen: what cannot be opened is never overwritten, whatever is asked.
func TestCannotOpen(t *testing.T) {
	s := newSite(t)
	r := s.started()
	good, v := s.backup()
	corrupt := bytes.Clone(good)
	corrupt[len(corrupt)/2] ^= 1
	for _, c := range []struct {
		name   string
		sealed []byte
		v      storage.Version
		kek    byte
		want   error
	}{
		{"another key-encryption key", good, v, 2, ErrWrongKey},
		{"corrupt", corrupt, v, 1, ErrCorrupt},
		{"garbage", []byte("garbage"), 99, 1, ErrCorrupt},
		{"a row of another version", good, 5, 1, ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.restore(c.sealed, c.v)
			fresh := s.rotator(func(cfg *RotatorConfig) { cfg.Sealer = must(NewSealer(testKEK(c.kek))) })
			_, edited := fresh.Edit(t.Context(), func(r Ring, _ Instant, _ Generate) (Ring, error) { return r, nil })
			_, recovered := fresh.Recover(t.Context(), true)
			_, resealed := fresh.Reseal(t.Context())
			_, _, viewed := fresh.View(t.Context())
			for i, err := range []error{fresh.Start(t.Context()), fresh.Look(t.Context()), edited, recovered, resealed, viewed} {
				if !errors.Is(err, c.want) {
					t.Errorf("%d: %v", i, err)
				}
			}
			if c.want == ErrCorrupt {
				if err := r.Look(t.Context()); !errors.Is(err, ErrCorrupt) {
					t.Errorf("a serving process: %v", err)
				}
			}
			s.sign(r)
			if got, gotVersion := s.backup(); !bytes.Equal(got, c.sealed) || gotVersion != c.v {
				t.Error("the store was changed")
			}
		})
	}
}
