package keys

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestRotate: where the waiting key's SignsFrom goes, by how long it was served.
func TestRotate(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name      string
		now       Instant // the waiting key is ready at 60 s and planned for 300 s
		immediate bool
		signsFrom time.Duration
		ready     time.Duration
	}{
		{"announced, served for part of it", at(20 * s), false, 60 * s, 60 * s},
		{"announced, served for part of it in an outage", instant(50*s, 20*s), false, 90 * s, 60 * s},
		{"announced, ready", at(100 * s), false, 100 * s, 0},
		{"announced, later than planned", instant(290*s, 20*s), false, 330 * s, 60 * s}, // Advance has put it back; Rotate does not bring that forward
		{"immediate", at(20 * s), true, 20 * s, 0},
		{"immediate at the very beginning", at(0), true, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := advance(t, started(t, brisk()), c.now)
			waiting := r.keys[1].ID
			next, err := r.Rotate("", c.now, c.immediate)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := next.keys[next.find(waiting)].SignsFrom, epoch.Add(c.signsFrom); !got.Equal(want) {
				t.Errorf("before the next step it signs from %s, want %s", got, want)
			}
			next = advance(t, next, c.now)
			k := next.keys[next.find(waiting)]
			if want := epoch.Add(c.signsFrom); !k.SignsFrom.Equal(want) {
				t.Errorf("signs from %s, want %s", k.SignsFrom, want)
			}
			if want := storage.ServiceTime(0); c.ready != 0 {
				if want = at(c.ready).Service; k.ReadyAt != want {
					t.Errorf("ready at %d, want %d", k.ReadyAt, want)
				}
			} else if k.ReadyAt != want {
				t.Errorf("ready at %d, want %d", k.ReadyAt, want)
			}
			signs := !k.SignsFrom.After(c.now.Wall)
			if got := next.State(k, c.now) == Signing; got != signs {
				t.Errorf("signs: %v", got)
			}
			if signs && (len(next.keys) != 3 || next.keys[0].GoneAt.IsZero()) {
				t.Error("its predecessor is not retired, or nobody waits")
			}
		})
	}
}

// TestRotateAgain: rotating again announces the next key; it does not pile up keys.
func TestRotateAgain(t *testing.T) {
	now := at(100 * time.Second)
	r := advance(t, started(t, brisk()), now)
	for range 5 {
		r = advance(t, must(r.Rotate(ES256, now, false)), now)
	}
	if got := states(r, ES256, now); !slices.Equal(got, []State{Retired, Signing, Waiting}) {
		t.Errorf("%v", got)
	}
	if want := epoch.Add(160 * time.Second); !r.keys[2].SignsFrom.Equal(want) {
		t.Errorf("the next one signs from %s, want %s", r.keys[2].SignsFrom, want)
	}
}

// TestRotateBehind: an operator whose clock is behind that of the last one.
func TestRotateBehind(t *testing.T) {
	ahead, behind := at(100*time.Second), instant(85*time.Second, 101*time.Second)
	r := advance(t, must(advance(t, started(t, brisk()), ahead).Rotate(ES256, ahead, true)), ahead)
	signer, waiting := r.keys[1], r.keys[2]
	r = must(r.Rotate(ES256, behind, true))
	if got := r.keys[r.find(signer.ID)]; !got.SignsFrom.Equal(behind.Wall) {
		// It is what is waiting by the clock that is behind.
		t.Errorf("the signer signs from %s", got.SignsFrom)
	}
	r = must(advance(t, r, behind).Rotate(ES256, behind, true))
	r = advance(t, r, ahead)
	if k, _ := r.Signer(ES256, ahead); k.ID != waiting.ID {
		t.Errorf("the key that was rotated to does not sign")
	}
}

// TestRotateBehindASigner: where the signer's own SignsFrom is still to come by
// the operator's clock, the next key does not get in before it.
func TestRotateBehindASigner(t *testing.T) {
	ahead, behind := at(100*time.Second), instant(85*time.Second, 101*time.Second)
	r := advance(t, started(t, brisk()), ahead)
	r = must(r.Revoke(r.keys[0].ID, "", ahead, cheap()))
	waiting := r.keys[2].ID
	r = advance(t, must(r.Rotate(ES256, behind, true)), behind)
	if got := r.keys[r.find(waiting)].SignsFrom; !got.Equal(ahead.Wall) {
		t.Errorf("it signs from %s", got)
	}
	if k, _ := r.Signer(ES256, ahead); k.ID != waiting {
		t.Errorf("%v signs", k)
	}
}

func TestRotateRefuses(t *testing.T) {
	now := at(100 * time.Second)
	r := advance(t, started(t, brisk()), now)
	if _, err := r.Rotate(RS256, now, false); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a line that is not there: %v", err)
	}
	if _, err := must(NewRing(brisk())).Rotate("", now, true); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an empty ring: %v", err)
	}
	var err error
	for n := 0; err == nil; n++ {
		if n > maxPublished {
			t.Fatal("immediate rotations fill the key set without end")
		}
		var next Ring
		if next, err = r.Rotate(ES256, now, true); err == nil {
			r = advance(t, next, now)
		}
	}
	if !strings.Contains(err.Error(), "wait until retired ones are gone") {
		t.Error(err)
	}
	if _, err := r.Rotate(ES256, now, false); err != nil {
		t.Errorf("an announced rotation is refused: %v", err)
	}
}

// TestRevoke: who signs after the revocation of each key of a line.
func TestRevoke(t *testing.T) {
	s := brisk()
	now := at(s.RotateEvery + 10*time.Second) // retired (private half still there), signing, waiting
	base := poll(t, started(t, s), 0, s.RotateEvery+10*time.Second)
	if got := states(base, ES256, now); !slices.Equal(got, []State{Retired, Signing, Waiting}) || base.keys[0].private == nil {
		t.Fatal(got)
	}
	for i, c := range []struct {
		name   string
		signer int // of the base ring's keys
	}{{"the retired one", 1}, {"the signing one", 2}, {"the waiting one", 1}} {
		t.Run(c.name, func(t *testing.T) {
			kid := base.keys[i].ID
			r, err := base.Revoke(kid, "", now, cheap())
			if err != nil {
				t.Fatal(err)
			}
			k := r.keys[r.find(kid)]
			if k.Public != nil || k.private != nil || !k.RevokedAt.Equal(now.Wall) || r.State(k, now) != Revoked {
				t.Errorf("the revoked key: %+v", k)
			}
			if slices.ContainsFunc(r.Published(now.Wall), func(k Key) bool { return k.ID == kid }) {
				t.Error("it is published")
			}
			signer, _ := r.Signer(ES256, now)
			if signer.ID != base.keys[c.signer].ID {
				t.Error("another key signs")
			}
			if r.line(ES256).next(r.line(ES256).signer(now)) == nil {
				t.Error("nobody waits")
			}
			if next := advance(t, r, now); !next.same(r) {
				t.Error("Revoke leaves something to do")
			}
			if again := must(r.Revoke(kid, "", at(time.Hour), cheap())); !again.same(r) {
				t.Error("revoking it again changes something")
			}
		})
	}
	if _, err := base.Revoke("nobody", "", now, cheap()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an unknown kid: %v", err)
	}
}

// TestRevokeAgainAndAgain: a line outlives any number of revocations of its signer.
func TestRevokeAgainAndAgain(t *testing.T) {
	r, now := started(t, brisk()), at(time.Second)
	for range 10 {
		signer, ok := r.Signer(ES256, now)
		if !ok || signer.private == nil {
			t.Fatal("nobody signs")
		}
		r = must(r.Revoke(signer.ID, "", now, cheap()))
	}
	if got := len(r.revokedKids()); got != 10 {
		t.Errorf("%d records", got)
	}
}

// TestRevokeBehind: an operator whose clock is behind revokes a key that signs
// only elsewhere.
func TestRevokeBehind(t *testing.T) {
	s := brisk()
	r := poll(t, started(t, s), 0, s.RotateEvery)
	behind := instant(s.RotateEvery-s.Skew, s.RotateEvery+time.Second)
	leaked, heir := r.keys[1].ID, r.keys[2].ID
	r = must(r.Revoke(leaked, "", behind, cheap()))
	if k, _ := r.Signer(ES256, at(s.RotateEvery+time.Second)); k.ID != heir {
		t.Errorf("the waiting key was not promoted: %v signs", k)
	}
}

// TestRevokedRecordGoes: it outlives every ring that still held the key, and then it goes.
func TestRevokedRecordGoes(t *testing.T) {
	s := brisk()
	r := started(t, s)
	kid := r.keys[0].ID
	r = must(r.Revoke(kid, "", at(0), cheap()))
	end := 2*s.RotateEvery + s.KeepAfter
	if r = poll(t, r, 0, end-us); r.find(kid) < 0 {
		t.Error("it went early")
	}
	if r = advance(t, r, at(end)); r.find(kid) >= 0 {
		t.Error("it stays")
	}
}

// TestRecover: nothing that may have leaked or be superseded signs again, and
// every token still verifies.
func TestRecover(t *testing.T) {
	s := brisk(ES256, RS256)
	base := poll(t, started(t, s), 0, s.RotateEvery+10*time.Second)
	now := at(s.RotateEvery + 12*time.Second)
	base = must(base.Revoke(base.line(RS256)[2].ID, "", now, cheap()))
	was := base.keys[0].GoneAt
	r, err := base.Recover(now, cheap())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range base.Keys() {
		got := r.keys[r.find(k.ID)]
		switch {
		case got.private != nil:
			t.Errorf("%v has its private half", k)
		case k.RevokedAt.IsZero() && got.GoneAt.Before(k.GoneAt):
			t.Errorf("%v: GoneAt went from %s to %s", k, k.GoneAt, got.GoneAt)
		case k.RevokedAt.IsZero() && k.GoneAt.IsZero() && !got.GoneAt.Equal(now.Wall.Add(s.stay())):
			t.Errorf("%v goes at %s", k, got.GoneAt)
		}
	}
	if got := r.keys[r.find(base.keys[0].ID)].GoneAt; !got.Equal(was) {
		t.Errorf("a retired key's GoneAt went from %s to %s", was, got)
	}
	for _, alg := range s.Algorithms {
		k, _ := r.Signer(alg, now)
		if k.Algorithm != alg || base.find(k.ID) >= 0 {
			t.Errorf("%s: %v signs", alg, k)
		}
		if w := r.line(alg).next(&k); w == nil || w.ReadyAt != now.Service.Add(s.PublishAhead) {
			t.Errorf("%s: nobody waits, or not for long enough: %+v", alg, w)
		}
	}
	if next := advance(t, r, now); !next.same(r) {
		t.Error("Recover leaves something to do")
	}
	// The old keys' public halves go when their last tokens have expired, and the revoked record stays.
	r = poll(t, r, 312*time.Second, 312*time.Second+s.stay())
	if got := len(r.Published(at(312*time.Second + s.stay()).Wall)); got != 4 {
		t.Errorf("%d keys are published at the end, want 4", got)
	}
	if got := len(r.revokedKids()); got != 1 {
		t.Errorf("%d records", got)
	}
}

// TestRevokeAll: what the high-water mark is used with.
func TestRevokeAll(t *testing.T) {
	r := started(t, brisk())
	a, b := r.keys[0].ID, r.keys[1].ID
	if kid, ok := r.holdsAny([]string{"nobody", b}); !ok || kid != b {
		t.Errorf("holdsAny: %q, %v", kid, ok)
	}
	r = must(r.revokeAll([]string{"nobody", a, b, a}, at(time.Second), cheap()))
	if _, ok := r.holdsAny([]string{"nobody", a, b}); ok || len(r.revokedKids()) != 2 {
		t.Errorf("%v after revoking all", r)
	}
	if _, ok := r.Signer(ES256, at(time.Second)); !ok {
		t.Error("nobody signs")
	}
}
