package operator_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// newKeys is a rotator as an operator's process has it: neither started nor run.
func newKeys(t testing.TB, store *sqlite.Store) *keys.Rotator {
	t.Helper()
	return keysBeside(t, store, filepath.Join(t.TempDir(), "seen"), nil)
}

func keysBeside(t testing.TB, store *sqlite.Store, seen string, changed func(keys.Ring)) *keys.Rotator {
	t.Helper()
	sealer, err := keys.NewSealer([]byte("a test's key-encryption key: 32!"))
	if err != nil {
		t.Fatal(err)
	}
	return keys.NewRotator(keys.RotatorConfig{
		Store: store, Sealer: sealer, Seen: keys.NewSeen(seen), OnChange: changed,
		Schedule: keys.DefaultSchedule(), ServiceTime: store.ServiceTime,
		Now: ticking(),
	})
}

// ticking is a clock on which each reading is a second after the last.
func ticking() func() time.Time {
	now := start
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// seed makes the ring, as the first start of a server does.
func (d *desk) seed(t *testing.T) {
	t.Helper()
	if err := d.Keys.(*keys.Rotator).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// line returns the kids of one algorithm by state.
func line(list []operator.KeyState, alg keys.Algorithm, state keys.State) (kids []string) {
	for _, k := range list {
		if k.Algorithm == alg && k.State == state {
			kids = append(kids, k.ID)
		}
	}
	return kids
}

func (d *desk) list(t *testing.T) []operator.KeyState {
	t.Helper()
	list, err := d.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestListKeys(t *testing.T) {
	d := newDesk(t)
	if _, err := d.ListKeys(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no ring yet: %v", err)
	}
	d.seed(t)
	list := d.list(t)
	for _, alg := range []keys.Algorithm{keys.ES256, keys.RS256} {
		if len(line(list, alg, keys.Signing)) != 1 || len(line(list, alg, keys.Waiting)) != 1 {
			t.Errorf("%s: %v, want one that signs and one that waits", alg, list)
		}
	}
	if len(list) != 4 || list[0].Algorithm != keys.ES256 || list[0].State != keys.Signing {
		t.Errorf("listed %v, the default line's signer first", list)
	}
	d.silent(t)
}

func TestRotateKeys(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	before := d.list(t)

	// The waiting keys were published just now: announced, they wait on.
	done, err := d.RotateKeys(t.Context(), "", false)
	if err != nil || len(done) != 2 {
		t.Fatalf("rotate: %v, %v", done, err)
	}
	if got := d.log.String(); strings.Count(got, "act=keys.rotate") != 2 {
		t.Errorf("records %q, want one for each line", got)
	}
	d.log.Reset()
	for _, r := range done {
		if r.Previous != line(before, r.Algorithm, keys.Signing)[0] || r.Next != line(before, r.Algorithm, keys.Waiting)[0] {
			t.Errorf("rotation %+v is not that of the signing and the waiting key", r)
		}
		wait := r.SignsFrom.Sub(start)
		if wait < 24*time.Hour || wait > 26*time.Hour || r.Unannounced != 0 {
			t.Errorf("rotation %+v: signs in %v, want publish-ahead", r, wait)
		}
	}
	if list := d.list(t); line(list, keys.ES256, keys.Signing)[0] != done[0].Previous {
		t.Error("an announced rotation took effect at once")
	}

	// At once, one line: the waiting key signs, and another one waits.
	done, err = d.RotateKeys(t.Context(), keys.RS256, true)
	if err != nil || len(done) != 1 || done[0].Algorithm != keys.RS256 {
		t.Fatalf("rotate RS256 at once: %v, %v", done, err)
	}
	d.recorded(t, "act=keys.rotate", "alg=RS256", "kid="+done[0].Next, "at_once=true")
	if u := done[0].Unannounced; u < 24*time.Hour || u > 25*time.Hour {
		t.Errorf("unannounced for %v, want nearly publish-ahead", u)
	}
	list := d.list(t)
	if !slices.Equal(line(list, keys.RS256, keys.Signing), []string{done[0].Next}) ||
		!slices.Equal(line(list, keys.RS256, keys.Retired), []string{done[0].Previous}) || len(line(list, keys.RS256, keys.Waiting)) != 1 {
		t.Errorf("after the rotation: %v", list)
	}
	if !slices.Equal(line(list, keys.ES256, keys.Signing), line(before, keys.ES256, keys.Signing)) {
		t.Error("the other line was rotated too")
	}

	if _, err := d.RotateKeys(t.Context(), "PS256", false); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a line that is not there: %v", err)
	}
	d.silent(t)
}

func TestRecoverKeys(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	before := d.list(t)
	if _, err := d.RecoverKeys(t.Context(), false); !errors.Is(err, keys.ErrNotBehind) {
		t.Errorf("recover, nothing being lost: %v", err)
	}
	d.silent(t)
	done, err := d.RecoverKeys(t.Context(), true)
	if err != nil || done.Version < 2 || len(done.Kept) != 4 || len(done.Signing) != 2 {
		t.Fatalf("recover: %+v, %v", done, err)
	}
	d.recorded(t, "act=keys.recover", "forced=true")
	list := d.list(t)
	for _, k := range before {
		i := slices.IndexFunc(list, func(l operator.KeyState) bool { return l.ID == k.ID })
		if i < 0 || list[i].State != keys.Retired {
			t.Errorf("%v was not retired", k.Key)
		}
	}
	if len(line(list, keys.ES256, keys.Signing)) != 1 || len(line(list, keys.RS256, keys.Signing)) != 1 {
		t.Errorf("nobody signs: %v", list)
	}
}

func TestResealKeys(t *testing.T) {
	d := newDesk(t)
	if _, err := d.ResealKeys(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no ring yet: %v", err)
	}
	d.silent(t)
	d.seed(t)
	if version, err := d.ResealKeys(t.Context()); err != nil || version != 2 {
		t.Fatalf("reseal: version %d, %v", version, err)
	}
	d.recorded(t, "act=keys.reseal", "version=2")
}

// TestStoredIsRecorded: an act that took effect and then failed leaves its
// record; one that was refused leaves nothing.
func TestStoredIsRecorded(t *testing.T) {
	for name, act := range map[string]func(*desk, string) error{
		"keys.rotate":     func(d *desk, _ string) error { _, err := d.RotateKeys(t.Context(), keys.ES256, true); return err },
		"keys.revoke":     func(d *desk, kid string) error { _, err := d.RevokeKey(t.Context(), kid, ""); return err },
		"keys.revoke_all": func(d *desk, _ string) error { _, err := d.RevokeAllKeys(t.Context(), ""); return err },
		"keys.policy": func(d *desk, _ string) error {
			_, err := d.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{RotateEvery: 900 * time.Hour})
			return err
		},
		"keys.import": func(d *desk, _ string) error {
			_, err := d.ImportPublicKeys(t.Context(), material(t, keys.ES256), time.Time{})
			return err
		},
		"keys.reseal":  func(d *desk, _ string) error { _, err := d.ResealKeys(t.Context()); return err },
		"keys.recover": func(d *desk, _ string) error { _, err := d.RecoverKeys(t.Context(), true); return err },
	} {
		d := newDesk(t)
		d.seed(t)
		before := d.list(t)
		kid := line(before, keys.ES256, keys.Signing)[0]
		dir := filepath.Join(t.TempDir(), "marks")
		seen := filepath.Join(dir, "seen")
		d.Keys = keysBeside(t, d.store, seen, nil)
		if err := act(d, kid); !errors.Is(err, keys.ErrMark) {
			t.Errorf("%s without a place for the mark: %v", name, err)
		}
		d.silent(t)
		if after := d.list(t); !slices.EqualFunc(before, after, func(a, b operator.KeyState) bool { return a.ID == b.ID && a.State == b.State }) {
			t.Errorf("%s was refused, and changed the keys to %v", name, after)
		}
		// The place is lost between the store and the mark.
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		d.Keys = keysBeside(t, d.store, seen, func(keys.Ring) { os.RemoveAll(dir) })
		if err := act(d, kid); !errors.Is(err, keys.ErrMark) {
			t.Errorf("%s when the mark fails after all: %v", name, err)
		}
		d.recorded(t, "act="+name)
	}
}

// A client may ask for the algorithms of the ring, and before there is one for
// those that it will have.
func TestAddClientForAlgorithm(t *testing.T) {
	for _, seeded := range []bool{false, true} {
		d := newDesk(t)
		if seeded {
			d.seed(t)
		}
		n := newApp("rsa", storage.AuthNone)
		n.Algorithm = "RS256"
		if _, _, err := d.AddClient(t.Context(), n); err != nil {
			t.Errorf("seeded %v: %v", seeded, err)
		}
		n.Algorithm = "HS256"
		if _, _, err := d.AddClient(t.Context(), n); !slices.Equal(problems(err), []string{"algorithm"}) {
			t.Errorf("seeded %v, HS256: %v", seeded, err)
		}
	}
}

// No private half is in a record or in what an act returns for printing.
func TestKeysDoNotPrint(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	for _, k := range d.list(t) {
		if text := k.String(); text != string(k.Algorithm)+" key "+k.ID {
			t.Errorf("prints as %q", text)
		}
	}
	if bytes.Contains(d.log.Bytes(), []byte("PRIVATE")) {
		t.Error("the log has a private key")
	}
}
