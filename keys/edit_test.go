package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestEdit(t *testing.T) {
	s := newSite(t)
	nothing := func(r Ring, _ Instant, _ Generate) (Ring, error) { return r, nil }
	if _, err := s.rotator().Edit(t.Context(), nothing); !errors.Is(err, storage.ErrNotFound) || s.writes != 0 {
		t.Errorf("an empty store: %v, %d writes", err, s.writes)
	}
	serving := s.started()
	s.pass(100 * time.Second)

	// Another process beside it, without Start.
	ring, err := s.rotator().Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate("", now, false) })
	s.must(err)
	if got := states(ring, ES256, at(100*time.Second)); !slices.Equal(got, []State{Retired, Signing, Waiting}) || ring.Version() != 2 {
		t.Errorf("%v in version %d", got, ring.Version())
	}
	if got := s.row(); !got.same(ring) {
		t.Errorf("stored %v", got)
	}
	if m := must(s.seen("a").Read()); m.Version != 2 {
		t.Errorf("seen: %+v", m)
	}
	s.must(serving.Look(t.Context()))
	if !serving.Ring().same(ring) {
		t.Error("the serving process does not take it over")
	}

	// A change that fails, and one that changes nothing, store nothing.
	no := errors.New("no")
	if _, err := serving.Edit(t.Context(), func(r Ring, _ Instant, _ Generate) (Ring, error) { return r, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	s.must(errOf(serving.Edit(t.Context(), nothing)))
	if s.writes != 2 {
		t.Errorf("%d writes", s.writes)
	}
}

func errOf(_ Ring, err error) error { return err }

// TestEditConflict: somebody else is faster, twice; the change is made on what they left.
func TestEditConflict(t *testing.T) {
	s := newSite(t)
	s.started()
	s.pass(100 * time.Second)
	inner := s.config(func(c *RotatorConfig) { c.Store = &memory{} })
	faster, calls := 0, 0
	s.memory.before = func() {
		if faster++; faster <= 2 {
			before := s.memory.before
			s.memory.before = nil
			inner.Store = s.memory
			must(NewRotator(inner).Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
			s.pass(time.Second)
			s.memory.before = before
		}
	}
	ring, err := s.rotator().Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) {
		calls++
		return r.Revoke(r.keys[0].ID, "", now, cheap())
	})
	s.must(err)
	if calls != 3 || ring.Version() != 4 {
		t.Errorf("%d calls, version %d", calls, ring.Version())
	}
	if len(ring.keys) != 4 || len(ring.revokedKids()) != 1 {
		t.Errorf("somebody's edit is lost: %v", states(ring, ES256, at(102*time.Second)))
	}
}

// Where the mark cannot be written nobody starts or acts; who serves goes on.
func TestWithoutMark(t *testing.T) {
	s := newSite(t)
	dir := filepath.Join(t.TempDir(), "marks")
	s.must(os.Mkdir(dir, 0o700))
	machine := NewSeen(filepath.Join(dir, "seen"))
	serving := s.started(on(machine))
	s.must(os.RemoveAll(dir))
	s.pass(100 * time.Second)
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }
	for name, act := range map[string]func() (Ring, error){
		"edit":         func() (Ring, error) { return s.rotator(on(machine)).Edit(t.Context(), rotate) },
		"edit, served": func() (Ring, error) { return serving.Edit(t.Context(), rotate) },
		"reseal":       func() (Ring, error) { return s.rotator(on(machine)).Reseal(t.Context()) },
		"recover":      func() (Ring, error) { return s.rotator(on(machine)).Recover(t.Context(), true) },
	} {
		if ring, err := act(); !errors.Is(err, ErrMark) || ring.Version() != 0 {
			t.Errorf("%s: %v, %v", name, ring, err)
		}
	}
	if s.row().Version() != 1 || s.writes != 1 {
		t.Errorf("stored %v after %d writes", s.row(), s.writes)
	}
	// Nothing is stored for looking, either; a rotation that is due is.
	s.pass(brisk().RotateEvery)
	if err := serving.Look(t.Context()); !errors.Is(err, ErrMark) || s.row().Version() != 2 {
		t.Errorf("%v, stored %v", err, s.row())
	}
	s.must(serving.Healthy())
	empty := newSite(t)
	if err := empty.rotator(on(machine)).Start(t.Context()); !errors.Is(err, ErrMark) || empty.writes != 0 {
		t.Errorf("a start: %v, %d writes", err, empty.writes)
	}
}

// A ring that is stored although the mark fails after all is said to be.
func TestEditWithoutMarkAfterAll(t *testing.T) {
	s := newSite(t)
	s.started()
	s.pass(100 * time.Second)
	dir := filepath.Join(t.TempDir(), "marks")
	s.must(os.Mkdir(dir, 0o700))
	s.memory.before = func() { s.must(os.RemoveAll(dir)) }
	ring, err := s.rotator(on(NewSeen(filepath.Join(dir, "seen")))).Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) })
	if !errors.Is(err, ErrMark) || ring.Version() != 2 || s.row().Version() != 2 {
		t.Errorf("%v, %v", ring, err)
	}
}

// TestViewRefuses: a revoked key is not shown as signing, but Start's refusal.
func TestViewRefuses(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, v := s.backup()
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(r.keys[0].ID, "", now, cheap()) }))
	for name, sealed := range map[string][]byte{"set back": old, "emptied": nil} {
		s.restore(sealed, min(v, storage.Version(len(sealed))))
		if _, _, err := s.rotator().View(t.Context()); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "`hallmark keys recover`") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecoverRefuses: where nothing was lost, recovering would only harm.
func TestRecoverRefuses(t *testing.T) {
	s := newSite(t)
	r := s.started()
	kid := s.sign(r)
	for _, rotator := range []*Rotator{r, s.rotator()} {
		if _, err := rotator.Recover(t.Context(), false); !errors.Is(err, ErrNotBehind) || s.writes != 1 {
			t.Errorf("%v, %d writes", err, s.writes)
		}
	}
	ring, err := s.rotator().Recover(t.Context(), true)
	if err != nil || ring.keys[ring.find(kid)].private != nil || s.writes != 2 {
		t.Errorf("forced: %v, %v", ring, err)
	}
}

// TestRecoverCommand: after a store was set back, the way out that the refusal names.
func TestRecoverCommand(t *testing.T) {
	s := newSite(t)
	r := s.started()
	leaked := s.sign(r)
	s.pass(time.Second)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	old, oldVersion := s.backup()
	s.pass(100 * time.Second)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(leaked, "", now, cheap()) }))
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }))
	lost := s.sign(r)
	seen := must(s.seen("a").Read())

	s.restore(old, oldVersion)
	if err := s.rotator().Start(t.Context()); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	ring, err := s.rotator().Recover(t.Context(), false)
	s.must(err)
	if ring.Version() != seen.Version+1 {
		t.Errorf("version %d after %d", ring.Version(), seen.Version)
	}
	if !slices.Contains(ring.revokedKids(), leaked) {
		t.Error("the revoked key is back")
	}
	next := s.started()
	kid := s.sign(next)
	if i := ring.find(lost); kid == lost || i >= 0 && ring.keys[i].private != nil {
		t.Error("a key that may have signed in what was lost signs again")
	}
	for _, k := range must(must(NewSealer(testKEK(1))).Open(old)).keys {
		if i := ring.find(k.ID); i < 0 || ring.keys[i].private != nil || k.ID != leaked && ring.keys[i].GoneAt.IsZero() {
			t.Errorf("%v is not kept as it should be", k)
		}
	}
	// The process that served all along takes it over.
	s.must(r.Look(t.Context()))
	if got := s.sign(r); got != kid {
		t.Error("two processes, two signers")
	}

	// Lost altogether.
	s.restore(nil, 0)
	if ring, err = s.rotator().Recover(t.Context(), false); err != nil || ring.Version() != seen.Version+2 || len(ring.keys) != 2 {
		t.Errorf("%v, %v", ring, err)
	}
	s.started()
}

// TestRecoverRevoked: beside the keys of the backup that may have signed there
// is one that signs and one that waits, and none that was made for the revoked
// signer's place only to be dropped.
func TestRecoverRevoked(t *testing.T) {
	s := newSite(t)
	r := s.started()
	old, oldVersion := s.backup()
	leaked := s.sign(r)
	must(r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(leaked, "", now, cheap()) }))
	s.restore(old, oldVersion)
	ring := must(s.rotator().Recover(t.Context(), false))
	now := Instant{s.now(), must(s.ServiceTime(t.Context()))}
	if got := states(ring, ES256, now); !slices.Equal(slices.Sorted(slices.Values(got)), []State{Retired, Revoked, Signing, Waiting}) {
		t.Errorf("after recovering: %v", got)
	}
	if k := ring.keys[ring.find(leaked)]; !k.revoked() {
		t.Errorf("%v is back", k)
	}
}

// TestReseal: the rotation of the key-encryption key, as it is to be done.
func TestReseal(t *testing.T) {
	s := newSite(t)
	with := func(fills ...byte) func(*RotatorConfig) {
		return func(c *RotatorConfig) {
			var keks [][]byte
			for _, f := range fills {
				keks = append(keks, testKEK(f))
			}
			c.Sealer = must(NewSealer(keks...))
		}
	}
	first := s.started(with(1))
	second := s.started(with(1, 2))
	third := s.started(with(2, 1))
	before, _ := s.backup()
	s.must(third.Look(t.Context()))
	if now, _ := s.backup(); !bytes.Equal(now, before) {
		t.Fatal("resealed by a look")
	}
	ring, err := third.Reseal(t.Context())
	s.must(err)
	if ring.Version() != 2 || !ring.same(first.Ring()) {
		t.Errorf("%v", ring)
	}
	s.must(second.Look(t.Context()))
	s.started(with(2))
	if err := first.Look(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Error(err)
	}
	s.sign(first)
}

func TestView(t *testing.T) {
	s := newSite(t)
	if _, _, err := s.rotator().View(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an empty store: %v", err)
	}
	r := s.started()
	s.pass(brisk().RotateEvery)
	ring, now, err := s.rotator().View(t.Context())
	if err != nil || !ring.same(r.Ring()) || now != at(brisk().RotateEvery) {
		t.Errorf("%v at %v, %v", ring, now, err)
	}
	if s.writes != 1 {
		t.Error("View stores something")
	}
}

// TestRotatorHistories: real rotators, a store that is set back, emptied and
// away, operators in between. Nobody ever fails to sign with a key of its own
// key set; versions and revocations are never lost where somebody serves.
func TestRotatorHistories(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		s := newSite(outer)
		rotators := []*Rotator{s.started(), s.started(on(nil)), s.started(on(nil))}
		held := make([]storage.Version, len(rotators))
		revoked := map[string]bool{}
		type copied struct {
			sealed []byte
			v      storage.Version
		}
		backups := []copied{{nil, 0}}
		pick := func(t *rapid.T) *Rotator { return rotators[rapid.IntRange(0, 2).Draw(t, "rotator")] }
		good := func(err error) {
			if err != nil && s.fail == nil && !errors.Is(err, errWaits) {
				t.Fatal(err)
			}
		}
		edit := func(change func(Ring, Instant, Generate) (Ring, error)) func(*rapid.T) {
			return func(t *rapid.T) {
				s.pass(time.Second)
				_, err := pick(t).Edit(outer.Context(), change)
				good(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				for i, r := range rotators {
					ring := r.Ring()
					if ring.Version() < held[i] {
						t.Fatalf("rotator %d went from version %d to %d", i, held[i], ring.Version())
					}
					held[i] = ring.Version()
					token, err := r.Sign(outer.Context(), "", "", []byte("{}"))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := verify(token, r.Ring(), s.now()); err != nil {
						t.Fatal(err)
					}
				}
			},
			"look": func(t *rapid.T) {
				r := pick(t)
				before := r.Ring().Version()
				err := r.Look(outer.Context())
				if good(err); err != nil {
					return
				}
				if row := s.row(); row.Version() < before || !row.same(r.Ring()) {
					t.Fatalf("stored %v, held %v", row, r.Ring())
				}
				for _, kid := range r.Ring().revokedKids() {
					revoked[kid] = true
				}
			},
			"pass":   func(t *rapid.T) { s.pass(time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second) },
			"rotate": edit(func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, false) }),
			"revoke": edit(func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Revoke(r.keys[0].ID, "", now, cheap()) }),
			"backup": func(*rapid.T) {
				sealed, v := s.backup()
				backups = append(backups, copied{sealed, v})
			},
			"set back": func(t *rapid.T) {
				b := backups[rapid.IntRange(0, len(backups)-1).Draw(t, "backup")]
				s.restore(b.sealed, b.v)
			},
			"outage": func(*rapid.T) {
				if s.fail == nil {
					s.setFail(errors.New("no route"))
				} else {
					s.setFail(nil)
				}
			},
		})
		// In the end all agree, and what was revoked is revoked or forgotten.
		s.setFail(nil)
		for range stalePolls + 2 { // for those that wait
			for _, r := range rotators {
				good(r.Look(outer.Context()))
			}
			s.pass(brisk().Poll)
		}
		for range 2 {
			for _, r := range rotators {
				if err := r.Look(outer.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range rotators {
			if !r.Ring().same(s.row()) {
				t.Fatalf("%v, stored %v", r.Ring(), s.row())
			}
			for _, k := range r.Ring().keys {
				if revoked[k.ID] && !k.revoked() {
					t.Fatalf("%v is back", k)
				}
			}
		}
	})
}
