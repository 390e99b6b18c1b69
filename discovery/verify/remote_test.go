package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
)

// An origin is an issuer in memory, as an HTTP transport. Time in its tests is
// that of the synctest bubble.
type origin struct {
	mu      sync.Mutex
	keys    map[string]crypto.Signer
	uri     string // of the keys; the metadata says so
	broken  func(w http.ResponseWriter)
	partly  bool // only the keys are broken
	delay   time.Duration
	fetched []time.Time // of the keys
	same    int         // answers 304
	under   int         // fetches of the keys under way, and the most there were
	most    int
}

func newOrigin(kids ...string) *origin {
	o := &origin{keys: map[string]crypto.Signer{}, uri: issuerURL + "/keys"}
	o.set(kids...)
	return o
}

// set publishes exactly these keys; a kid stands for one key always.
func (o *origin) set(kids ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.keys)
	for _, kid := range kids {
		o.keys[kid] = keyOf(kid)
	}
}

func keyOf(kid string) crypto.Signer {
	seed := make([]byte, 32)
	copy(seed, kid)
	return ed25519.NewKeyFromSeed(seed)
}

func (o *origin) fail(how func(w http.ResponseWriter)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken = how
}

func (o *origin) slow(delay time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delay = delay
}

func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.under++
	o.most = max(o.most, o.under)
	delay := o.delay
	o.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.under--
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	isKeys := r.URL.String() == o.uri
	if isKeys {
		o.fetched = append(o.fetched, time.Now())
	}
	switch {
	case o.broken != nil && (isKeys || !o.partly):
		o.broken(w)
	case isKeys:
		var keys []jose.JSONWebKey
		for kid, key := range o.keys {
			keys = append(keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "EdDSA"})
		}
		must(discovery.NewKeySet(keys)).ServeHTTP(w, r)
		if w.Code == http.StatusNotModified {
			o.same++
		}
	case strings.HasPrefix(r.URL.Path, "/.well-known/"):
		must(discovery.Metadata{Issuer: issuerURL, JWKSURI: o.uri}.Document()).ServeHTTP(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func (o *origin) times() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.fetched)
}

func (o *origin) count() int { return len(o.times()) }

func (o *origin) verifier(t *testing.T) *Verifier {
	t.Helper()
	v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: o}), WithClock(clock), WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// tokenBy is the token by a key, made once: signing takes longer than verifying.
func tokenBy(kid string) string {
	token, made := tokensBy.Load(kid)
	if !made {
		token, _ = tokensBy.LoadOrStore(kid, new(testForge).token(keyOf(kid), head("EdDSA", kid), claims()))
	}
	return token.(string)
}

var tokensBy sync.Map

// cause is what an *Error says in words.
func cause(err error) error {
	if why := (*Error)(nil); errors.As(err, &why) {
		return why.err
	}
	return err
}

// expect verifies a token and returns how long that took.
func expect(t *testing.T, v *Verifier, kid string, want error) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := v.Verify(context.Background(), tokenBy(kid)); !errors.Is(cause(err), want) {
		t.Errorf("%s after %s: got %v, want %v", kid, begin.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), err, want)
	}
	return time.Since(begin)
}

// bubble runs a test with an issuer that publishes k1.
func bubble(t *testing.T, run func(*testing.T, *origin, *Verifier)) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin("k1")
		run(t, o, o.verifier(t))
	})
}

func TestKnownKeysCostNoFetch(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		for range 100 {
			expect(t, v, "k1", nil)
		}
		if n := o.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// Invented kids cause one fetch in 30 seconds however many they are, and delay
// nobody else.
func TestFloodOfInventedKids(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.slow(time.Second)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				for j := range 30 {
					if waited := expect(t, v, fmt.Sprintf("evil-%d-%d", i, j), errUnknownKey); waited > askWait {
						t.Errorf("an invented kid was waited for %s", waited)
					}
					if waited := expect(t, v, "k1", nil); waited != 0 {
						t.Errorf("a valid token waited %s", waited)
					}
					time.Sleep(5 * time.Second)
				}
			})
		}
		wg.Wait()
		passed := time.Since(begin)
		if limit := int(passed/askFloor) + 2; o.count() > limit || o.count() < 3 {
			t.Errorf("%d fetches in %s", o.count(), passed)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.most != 1 {
			t.Errorf("%d fetches at once", o.most)
		}
	})
}

// A key that was never announced is found by its first token, once the floor
// allows it.
func TestUnannouncedKey(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		expect(t, v, "k2", errUnknownKey) // the last fetch was just now
		time.Sleep(askFloor)
		o.slow(time.Second)
		if waited := expect(t, v, "k2", nil); waited != time.Second {
			t.Errorf("waited %s", waited)
		}
		if waited := expect(t, v, "k2", nil); waited != 0 || o.count() != 2 {
			t.Errorf("waited %s again, %d fetches", waited, o.count())
		}
	})
}

// A key that was announced works although the flood has used up the fetches.
func TestAnnouncedKeyDuringFlood(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2") // published, not signing yet
		time.Sleep(discovery.MaxAge)
		expect(t, v, "evil", errUnknownKey)
		if waited := expect(t, v, "k2", nil); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		time.Sleep(askFloor)
		o.slow(time.Hour)
		if waited := expect(t, v, "k2", errUnknownKey); waited != askWait {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := v.Verify(ctx, tokenBy("k2")); !errors.Is(cause(err), errUnknownKey) || time.Since(begin) != 100*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
		if waited := expect(t, v, "k1", nil); waited != 0 {
			t.Errorf("a known key waited %s", waited)
		}
	})
}

// Refreshes come before max-age ends, each at a time of its own, and mostly
// transfer nothing.
func TestBackgroundRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		time.Sleep(24 * time.Hour)
		gaps := map[time.Duration]bool{}
		fetched := o.times()
		for i := 1; i < len(fetched); i++ {
			gap := fetched[i].Sub(fetched[i-1])
			if gap < discovery.MaxAge*8/10 || gap > discovery.MaxAge*95/100 {
				t.Fatalf("refreshed after %s", gap)
			}
			gaps[gap] = true
		}
		o.mu.Lock()
		same := o.same
		o.mu.Unlock()
		if n := len(fetched); n < 24*12 || same != n-1 || len(gaps) < n/2 {
			t.Errorf("%d fetches, %d without a change, %d different gaps", n, same, len(gaps))
		}
		time.Sleep(2 * longestStale) // what is confirmed does not grow old
		expect(t, v, "k1", nil)
	})
}

// A key that was removed stops working within max-age, though nothing unknown
// ever comes.
func TestRemovedKey(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k2")
		expect(t, v, "k1", nil)
		time.Sleep(discovery.MaxAge)
		expect(t, v, "k1", errUnknownKey)
		expect(t, v, "k2", nil)
	})
}

// breakages are ways in which an issuer can be away or mad.
var breakages = map[string]func(w http.ResponseWriter){
	"down":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	"not found":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
	"HTML":       func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
	"empty":      answer(`{"keys":[]}`),
	"nothing":    answer(``),
	"broken":     answer(`{"keys":[{"kty":"OKP"`),
	"unusable":   answer(`{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}`),
	"redirect":   func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(http.StatusFound) },
	"wrong 304":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) },
	"over limit": answer(`{"keys":[]` + strings.Repeat(" ", 300<<10) + `}`),
}

func answer(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	}
}

// The last good keys serve on for a day, then nothing is accepted, and when
// the issuer is back, so is everything.
func TestOutage(t *testing.T) {
	for name, broken := range breakages {
		if name == "wrong 304" || name == "over limit" { // one says that the old keys are current, the other takes long here
			continue
		}
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, o *origin, v *Verifier) {
				time.Sleep(time.Hour)
				last := o.times()[o.count()-1]
				o.fail(broken)
				asked := o.count()
				time.Sleep(time.Until(last.Add(longestStale)))
				expect(t, v, "k1", nil)
				if n := o.count() - asked; n > 24*60*60/40 || n < 24*60 {
					t.Errorf("the issuer was asked %d times in a day", n)
				}
				time.Sleep(time.Second)
				expect(t, v, "k1", errUnavailable)
				o.fail(nil)
				time.Sleep(retryLast)
				if waited := expect(t, v, "k1", nil); waited != 0 {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

// An error is not cached: the first retry comes within seconds.
func TestShortOutage(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		o.fail(breakages["down"])
		time.Sleep(askFloor)
		expect(t, v, "k2", errUnknownKey)
		expect(t, v, "k1", nil)
		o.fail(nil)
		time.Sleep(retryFirst)
		if waited := expect(t, v, "k2", nil); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

// While nothing is usable, a request may bring the keys back, but not more
// often than the floor allows.
func TestFloodDuringOutage(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.fail(breakages["down"])
		time.Sleep(longestStale + discovery.MaxAge)
		asked, begin := o.count(), time.Now()
		for time.Since(begin) < 10*time.Minute {
			expect(t, v, "k1", errUnavailable)
			time.Sleep(time.Second)
		}
		if n := o.count() - asked; n > 10*2+1 {
			t.Errorf("%d fetches in ten minutes", n)
		}
	})
}

// Keys that are broken while the metadata is fine are not fetched more often
// for that.
func TestOutageOfKeysOnly(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.mu.Lock()
		o.partly = true
		o.mu.Unlock()
		o.fail(breakages["empty"])
		time.Sleep(time.Hour)
		expect(t, v, "k1", nil)
		if n := o.count(); n > 60*60/45 || n < 50 {
			t.Errorf("%d fetches in an hour", n)
		}
	})
}

// What tokens ask for and what the timer starts is one fetch, and nobody is
// left waiting when there will be none.
func TestCacheRounds(t *testing.T) {
	c := &cache{wanted: make(chan struct{}, 1)}
	waiting := c.ask()
	if waiting == nil || len(c.wanted) != 1 || c.ask() != waiting {
		t.Fatal("the first token does not cause a fetch, or the second one another")
	}
	c.begin()
	if len(c.wanted) != 0 || c.ask() != waiting {
		t.Error("the fetch that begins is not the one that was asked for")
	}
	c.end()
	select {
	case <-waiting:
	default:
		t.Error("nobody is told of the end")
	}
	if c.ask() != nil {
		t.Error("the floor does not hold")
	}
	c.begun = time.Time{}
	waiting = c.ask()
	c.retire()
	select {
	case <-waiting:
	default:
		t.Error("nobody is told that there will be no fetch")
	}
	if c.begun = (time.Time{}); c.ask() != nil {
		t.Error("there is hope after the end")
	}
}

// A private key among the published ones is not used, and not passed over in
// silence.
func TestPublishedPrivateKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		private := string(must(jose.JSONWebKey{Key: keyOf("leaked"), KeyID: "leaked", Algorithm: "EdDSA"}.MarshalJSON()))
		good := string(must(jose.JSONWebKey{Key: keyOf("k1").Public(), KeyID: "k1", Algorithm: "EdDSA"}.MarshalJSON()))
		o.partly, o.broken = true, answer(`{"keys":[`+private+`,`+good+`,{"kty":"AKP","kid":"new"}]}`)
		var log bytes.Buffer
		v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: o}), WithClock(clock),
			WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		expect(t, v, "k1", nil)
		expect(t, v, "leaked", errUnknownKey)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "leaked") {
			t.Errorf("logged: %s", text)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	for name, broken := range breakages {
		synctest.Test(t, func(t *testing.T) {
			o := newOrigin("k1")
			o.fail(broken)
			v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: o}))
			if err == nil || v != nil || !strings.Contains(err.Error(), issuerURL+"/.well-known/oauth-authorization-server") {
				t.Errorf("%s: got %v, %v", name, v, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin("k1")
		o.uri = ""
		if v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: o})); err == nil || !strings.Contains(err.Error(), "has no jwks_uri") {
			t.Errorf("got %v, %v", v, err)
		}
		o.slow(time.Hour)
		begin := time.Now()
		if v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: o})); err == nil || time.Since(begin) > 20*time.Second {
			t.Errorf("an issuer that hangs: got %v, %v after %s", v, err, time.Since(begin))
		}
	})
}

// Keys that have moved are found through the metadata.
func TestMovedKeys(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.mu.Lock()
		o.uri = issuerURL + "/new-keys"
		o.mu.Unlock()
		o.set("k2")
		time.Sleep(discovery.MaxAge)
		expect(t, v, "k2", nil)
		expect(t, v, "k1", errUnknownKey)
	})
}

// After Close nobody fetches and nobody waits; known keys work until they are
// too old.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		time.Sleep(time.Hour)
		o.slow(5 * time.Second)
		var wg sync.WaitGroup
		time.Sleep(askFloor)
		wg.Go(func() { expect(t, v, "evil", errUnknownKey) }) // waits while Close comes
		time.Sleep(time.Second)
		begin := time.Now()
		v.Close()
		v.Close()
		wg.Wait()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("Close waited %s", waited)
		}
		asked := o.count()
		time.Sleep(time.Hour)
		for range 3 {
			if waited := expect(t, v, "evil", errUnknownKey); waited != 0 {
				t.Errorf("waited %s", waited)
			}
		}
		expect(t, v, "k1", nil)
		time.Sleep(longestStale)
		expect(t, v, "k1", errUnavailable)
		if o.count() != asked {
			t.Error("somebody still fetches")
		}
	})
}
