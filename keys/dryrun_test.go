package keys

import (
	"bytes"
	"crypto"
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// TestDryRun: what would be stored is returned, and nothing is: not in the
// store, not in the mark, not where private halves are kept.
func TestDryRun(t *testing.T) {
	s := newSite(t)
	s.started()
	s.pass(100 * time.Second)
	outside := func(c *RotatorConfig) {
		c.Generate = func(Algorithm, int) (crypto.Signer, error) { return nil, errors.New("a key was made outside") }
		c.Destroy = func(string) error { return errors.New("a key was destroyed outside") }
		c.OnChange = func(Ring) { t.Error("published") }
	}
	dry := s.rotator(outside).DryRun()
	sealed, version := s.backup()
	mark := must(os.ReadFile(s.seen("a").String()))
	rotate := func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, true) }
	for name, try := range map[string]struct {
		act  func() (Ring, error)
		want []State
	}{
		"edit":    {func() (Ring, error) { return dry.Edit(t.Context(), rotate) }, []State{Retired, Signing, Waiting}},
		"sealed":  {func() (Ring, error) { return dry.EditSealed(t.Context(), rotate) }, []State{Retired, Signing, Waiting}},
		"reseal":  {func() (Ring, error) { return dry.Reseal(t.Context()) }, []State{Signing, Waiting}},
		"recover": {func() (Ring, error) { return dry.Recover(t.Context(), true) }, []State{Retired, Retired, Signing, Waiting}},
	} {
		ring, err := try.act()
		if got := states(ring, ES256, at(100*time.Second)); err != nil || ring.Version() != 0 || !slices.Equal(got, try.want) {
			t.Errorf("%s: %v in version %d, %v", name, got, ring.Version(), err)
		}
	}
	if _, err := dry.Recover(t.Context(), false); !errors.Is(err, ErrNotBehind) {
		t.Errorf("recover, nothing being lost: %v", err)
	}
	now, v := s.backup()
	if !bytes.Equal(now, sealed) || v != version || s.writes != 1 || !bytes.Equal(must(os.ReadFile(s.seen("a").String())), mark) {
		t.Errorf("something was stored: version %d after %d, %d writes", v, version, s.writes)
	}

	// A store that was set back: what recovering would do can be asked.
	s.must(errOf(s.rotator().Edit(t.Context(), rotate)))
	s.restore(sealed, version)
	if _, err := s.rotator().DryRun().Edit(t.Context(), rotate); !errors.Is(err, ErrBehind) {
		t.Errorf("an edit of a store that was set back: %v", err)
	}
	ring, err := s.rotator().DryRun().Recover(t.Context(), false)
	if got := states(ring, ES256, at(100*time.Second)); err != nil || !slices.Equal(got, []State{Retired, Retired, Signing, Waiting}) {
		t.Errorf("recover: %v, %v", got, err)
	}
	if now, v := s.backup(); !bytes.Equal(now, sealed) || v != version {
		t.Errorf("something was stored: version %d", v)
	}
}

func TestSealedWith(t *testing.T) {
	sealed := must(must(NewSealer(testKEK(2), testKEK(1))).Seal(eventful(t)))
	if id, err := SealedWith(sealed); err != nil || id != KEKID(testKEK(2)) {
		t.Errorf("sealed with %s, %v", id, err)
	}
	for _, wrong := range [][]byte{nil, []byte("a.b.c.d.e"), bytes.Repeat([]byte("a"), maxSealed+1)} {
		if id, err := SealedWith(wrong); !errors.Is(err, ErrCorrupt) || id != "" {
			t.Errorf("%.20q: %q, %v", wrong, id, err)
		}
	}
}
