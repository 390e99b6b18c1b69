package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSign(t *testing.T) {
	s := newSite(t)
	if _, err := s.rotator().Sign(t.Context(), "", "", nil); err == nil {
		t.Error("a rotator that was not started signs")
	}
	r := s.started(func(c *RotatorConfig) { c.Schedule = brisk(ES256, RS256) })
	for _, c := range []struct{ alg, typ, want string }{
		{"", "at+jwt", "ES256"}, {"ES256", "JWT", "ES256"}, {"RS256", "at+jwt", "RS256"}, {"RS256", "", "RS256"},
		{"none", "at+jwt", "ES256"}, {"HS256", "", "ES256"},
	} {
		token, err := r.Sign(t.Context(), c.alg, c.typ, []byte(`{"sub":"x"}`))
		s.must(err)
		kid, err := verify(token, r.Ring(), s.now())
		s.must(err)
		var header map[string]string
		parts := strings.Split(token, ".")
		s.must(json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[0])), &header))
		want := map[string]string{"alg": c.want, "kid": kid}
		if c.typ != "" {
			want["typ"] = c.typ
		}
		if len(header) != len(want) || header["alg"] != want["alg"] || header["kid"] != kid || header["typ"] != want["typ"] {
			t.Errorf("header %v, want %v", header, want)
		}
		if body := must(base64.RawURLEncoding.DecodeString(parts[1])); string(body) != `{"sub":"x"}` {
			t.Errorf("payload %s", body)
		}
	}
}

// TestSignTogether: signing while the ring changes, from everywhere at once.
func TestSignTogether(t *testing.T) {
	s := newSite(t)
	r := s.started()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				token, err := r.Sign(t.Context(), "", "at+jwt", []byte("{}"))
				if err == nil {
					_, err = verify(token, r.Ring(), s.now())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		s.pass(10 * time.Second)
		_, err := r.Edit(t.Context(), func(r Ring, now Instant, _ Generate) (Ring, error) { return r.Rotate(ES256, now, false) })
		s.must(err)
	}
	wg.Wait()
}

// TestSignsOnTime: a handover needs no look at its very moment.
func TestSignsOnTime(t *testing.T) {
	s := newSite(t)
	r := s.started()
	s.pass(brisk().RotateEvery - time.Second)
	s.must(r.Look(t.Context()))
	first := s.sign(r)
	s.pass(time.Second)
	if second := s.sign(r); second == first || second != r.Ring().keys[1].ID || s.writes != 1 {
		t.Errorf("%s signs after %s, %d writes", second, first, s.writes)
	}
}

// TestSignersAreBuiltOnce and go with the private half.
func TestSignersAreBuiltOnce(t *testing.T) {
	s := newSite(t)
	r := s.started()
	signer := func() any {
		h := r.held.Load()
		k, _ := h.ring.Signer("", r.instant(h))
		return must(h.bench.signer(k, "at+jwt", nil))
	}
	kid, first := s.sign(r), signer()
	if signer() != first {
		t.Error("it is built for each token")
	}
	s.pass(brisk().RotateEvery)
	s.must(r.Look(t.Context()))
	if _, ok := r.held.Load().bench.made[kid]["at+jwt"]; !ok {
		t.Error("it does not outlive a change of the ring")
	}
	s.pass(brisk().Skew + brisk().Poll)
	s.must(r.Look(t.Context()))
	if _, ok := r.held.Load().bench.made[kid]; ok {
		t.Error("it outlives its key's private half")
	}
	for i := range 3 * maxTypes {
		must(r.Sign(t.Context(), "", strings.Repeat("x", i), nil))
	}
	for _, made := range r.held.Load().bench.made {
		if len(made) > maxTypes {
			t.Errorf("%d signers of one key", len(made))
		}
	}
}

// TestHalvesBelongTogether: a key that would sign what nobody can verify does not sign.
func TestHalvesBelongTogether(t *testing.T) {
	r := started(t, brisk())
	k := r.keys[0]
	k.private = r.keys[1].private
	if _, err := newSigner(k, "", nil); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("%v", err)
	}
	if _, err := newSigner(started(t, brisk(RS256)).keys[0], "", nil); err == nil {
		t.Error("a key that cannot sign at all")
	}
}

// TestSignWhileLooking: a look that hangs holds nobody up for longer than a poll.
func TestSignWhileLooking(t *testing.T) {
	s := newSite(t)
	r := s.started()
	r.turn <- struct{}{} // somebody looks, and does not return
	s.pass(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Sign(ctx, "", "", []byte("{}")); err != nil {
		t.Errorf("it does not sign on: %v", err)
	}
	if err := r.Look(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Look: %v", err)
	}
}

// TestClientGoesAway: a client that hangs up does not make the look fail that it waits for.
func TestClientGoesAway(t *testing.T) {
	s := newSite(t)
	r := s.started()
	s.pass(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // whether the turn or the end of ctx is noticed first is chance
		if _, err := r.Sign(ctx, "", "", []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	if err := r.Healthy(); err != nil || r.failures.Load() != 0 {
		t.Errorf("%v, %d looks failed", err, r.failures.Load())
	}
}

func BenchmarkSign(b *testing.B) {
	s := newSite(b)
	s.started(func(c *RotatorConfig) { c.Schedule = brisk(ES256, RS256) })
	r := s.started() // with keys as they come from the store
	payload := []byte(strings.Repeat("x", 400))
	for _, alg := range []Algorithm{ES256, RS256} {
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(b.Context(), string(alg), "at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
