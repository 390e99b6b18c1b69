package verify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

// patient is a verifier that may start without its issuer.
func (o *origin) patient(t *testing.T, longest time.Duration) *Verifier {
	t.Helper()
	begin := time.Now()
	v := newVerifier(t, WithHTTPClient(&http.Client{Transport: o}), WithOutage(longest, true))
	if waited := time.Since(begin); waited != 0 {
		t.Errorf("New waited %s", waited)
	}
	return v
}

// Asked to, a verifier starts without its issuer, says so to whom it must
// refuse, and works once the issuer is there.
func TestStartWithIssuerDown(t *testing.T) {
	for name, broken := range breakages {
		synctest.Test(t, func(t *testing.T) {
			o := newOrigin("k1")
			o.fail(broken)
			v := o.patient(t, 24*time.Hour)
			var why *Error
			if _, err := v.Verify(t.Context(), tokenBy("k1")); !errors.As(err, &why) || !why.Unavailable || why.Status != 503 || why.Challenge != "" {
				t.Errorf("%s: got %v", name, err)
			}
			time.Sleep(time.Hour)
			if waited := expect(t, v, "k1", errUnavailable); waited > askWait {
				t.Errorf("%s: waited %s", name, waited)
			}
			asked := o.count()
			o.fail(nil)
			time.Sleep(retryLast)
			if waited := expect(t, v, "k1", nil); waited != 0 || o.count()-asked > 2 {
				t.Errorf("%s: waited %s, %d fetches", name, waited, o.count()-asked)
			}
			expect(t, v, "evil", errUnknownKey)
		})
	}
}

// The first tokens wait for the first keys, a little.
func TestStartWithoutWaiting(t *testing.T) {
	for _, test := range []struct {
		delay, waited time.Duration
		want          error
	}{
		{250 * time.Millisecond, 500 * time.Millisecond, nil}, // of the metadata, and of the keys
		{time.Minute, askWait, errUnavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := newOrigin("k1")
			o.slow(test.delay)
			v := o.patient(t, 24*time.Hour)
			if waited := expect(t, v, "k1", test.want); waited != test.waited {
				t.Errorf("a token waited %s for an issuer that takes %s", waited, test.delay)
			}
		})
	}
}

// Close ends a start that hangs, and whoever waits for it.
func TestCloseWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin("k1")
		o.slow(time.Hour)
		v := o.patient(t, 24*time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() { expect(t, v, "k1", errUnavailable) })
		synctest.Wait()
		begin := time.Now()
		v.Close()
		wg.Wait()
		expect(t, v, "k1", errUnavailable)
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

// The keys serve on for the time that is stated, neither less nor more, also
// when it is shorter than their max-age.
func TestStatedOutage(t *testing.T) {
	for _, longest := range []time.Duration{minOutage, 4 * time.Minute, 3 * time.Hour, 3 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := newOrigin("k1")
			v := newVerifier(t, WithHTTPClient(&http.Client{Transport: o}), WithOutage(longest, false))
			o.slow(time.Second)
			for range 8 { // while the issuer is there, they are never too old
				time.Sleep(longest / 3)
				if waited := expect(t, v, "k1", nil); waited != 0 {
					t.Errorf("longest %s: a token waited %s", longest, waited)
				}
			}
			o.slow(0)
			time.Sleep(longest) // the next fetch takes no time, so that it is known when it was
			last := o.times()[o.count()-1]
			o.fail(breakages["down"])
			if rest := time.Until(last.Add(longest)); rest <= 0 {
				t.Fatalf("the keys are %s old while the issuer is there", longest-rest)
			} else {
				time.Sleep(rest)
			}
			expect(t, v, "k1", nil)
			time.Sleep(time.Second)
			expect(t, v, "k1", errUnavailable)
		})
	}
}

// However many tokens wait at once, more are not kept waiting.
func TestWaitingTokensAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		time.Sleep(askFloor)
		o.slow(time.Second)
		var wg sync.WaitGroup
		for range mostWaiting {
			wg.Go(func() { expect(t, v, "k2", nil) })
		}
		synctest.Wait()
		if waited := expect(t, v, "k2", errUnknownKey); waited != 0 {
			t.Errorf("one more waited %s", waited)
		}
		if waited := expect(t, v, "k1", nil); waited != 0 {
			t.Errorf("a known key waited %s", waited)
		}
		wg.Wait()
		if c := v.authorities[0].keys.(*remote); c.waiting != 0 {
			t.Errorf("%d are still counted", c.waiting)
		}
		expect(t, v, "k2", nil)
	})
}

// A million tokens with invented kids, over five minutes, cause a handful of
// fetches. Meanwhile no valid token waits, nor one by a key that was announced,
// and no token waits longer than it may.
func TestMillionInventedKids(t *testing.T) {
	workers, each := 100, 10_000
	if raceEnabled {
		each /= 50 // it is the same in slow motion
	}
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		time.Sleep(discovery.MaxAge) // announced
		o.slow(500 * time.Millisecond)
		begin, asked := time.Now(), o.count()
		rest := b64(claims().String()) + "." + b64(strings.Repeat("s", 64))
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				kid := []byte("evil-00000000-00000")
				for i := range each {
					for digit, n := len(kid)-1, worker*each+i; n > 0; digit, n = digit-1, n/10 {
						if kid[digit] == '-' {
							digit--
						}
						kid[digit] = byte('0' + n%10)
					}
					_, err := v.Verify(context.Background(), b64(`{"alg":"EdDSA","typ":"at+jwt","kid":"`+string(kid)+`"}`)+"."+rest)
					if !errors.Is(cause(err), errUnknownKey) {
						t.Errorf("got %v", err)
						return
					}
					if i%(each/100) == 0 {
						if expect(t, v, "k1", nil) != 0 || expect(t, v, "k2", nil) != 0 {
							t.Error("a valid token waited")
						}
						time.Sleep(3 * time.Second)
					}
				}
			})
		}
		wg.Wait()
		passed := time.Since(begin)
		if n := o.count() - asked; n < 5 || n > int(passed/askFloor)+2 {
			t.Errorf("%d fetches in %s", n, passed)
		}
		t.Logf("%d tokens, %d fetches in %s", workers*each, o.count()-asked, passed)
	})
}
