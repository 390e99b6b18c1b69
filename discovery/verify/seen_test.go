package verify

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
)

// remembers says whether the verifier knows the token by its hash.
func (v *Verifier) remembers(token string) bool {
	return v.seen.find(sumOf(token), v.now(), v.leeway) != nil
}

// A token is remembered until it expires, by this verifier's clock, and not
// where the clock is set back.
func TestSeenDiesWithExp(t *testing.T) {
	f := newForge(t)
	now := noon
	v := newVerifier(t, WithKeySet(f.jwks), WithClock(func() time.Time { return now }), WithLeeway(time.Second))
	token := f.es(claims().with("exp", at(time.Minute)).with("nbf", at(0)))
	for _, step := range []struct {
		after   time.Duration
		known   bool
		refused string
	}{
		{0, false, ""}, {0, true, ""}, {time.Minute, true, ""}, {time.Minute + time.Second, false, "exp"},
		{time.Hour, false, "exp"}, {time.Minute, false, ""}, {time.Minute, true, ""},
		{30 * time.Second, false, ""}, {-time.Hour, false, "nbf"},
	} {
		now = noon.Add(step.after)
		if known := v.remembers(token); known != step.known {
			t.Errorf("after %s: remembered: %v", step.after, known)
		}
		if _, err := v.Verify(t.Context(), token); failed(err) != step.refused {
			t.Errorf("after %s: got %v, want %q", step.after, err, step.refused)
		}
	}
}

// A token that was seen dies with its key at the next refresh, though nothing
// else changes, and with the keys' being too old.
func TestSeenDiesWithKey(t *testing.T) {
	bubble(t, func(t *testing.T, o *origin, v *Verifier) {
		o.set("k1", "k2")
		time.Sleep(discovery.MaxAge)
		expect(t, v, "k1", nil)
		expect(t, v, "k2", nil)
		if !v.remembers(tokenBy("k1")) || !v.remembers(tokenBy("k2")) {
			t.Fatal("nothing is remembered")
		}
		o.set("k2", "k3")
		expect(t, v, "k1", nil)
		time.Sleep(discovery.MaxAge)
		if v.remembers(tokenBy("k1")) {
			t.Error("a token outlives its key")
		}
		if !v.remembers(tokenBy("k2")) {
			t.Error("a token is forgotten because another key came")
		}
		expect(t, v, "k1", errUnknownKey)
		expect(t, v, "k2", nil)
		o.fail(breakages["down"])
		time.Sleep(longestStale + discovery.MaxAge)
		if v.remembers(tokenBy("k2")) {
			t.Error("a token outlives the keys' being too old")
		}
		expect(t, v, "k2", errUnavailable)
	})
}

// Nor does a token live on when its kid comes to mean another key.
func TestSeenDiesWithReplacedKey(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks))
	token := f.es(claims())
	if _, err := v.Verify(t.Context(), token); err != nil || !v.remembers(token) {
		t.Fatal(err)
	}
	for name, key := range map[string]struct {
		jose.JSONWebKey
		known bool
	}{
		"the same":          {jose.JSONWebKey{Key: f.ec.Public(), KeyID: "es1", Algorithm: "ES256"}, true},
		"another":           {jose.JSONWebKey{Key: f.attacker.Public(), KeyID: "es1", Algorithm: "ES256"}, false},
		"of another type":   {jose.JSONWebKey{Key: f.rsa.Public(), KeyID: "es1", Algorithm: "RS256"}, false},
		"under another kid": {jose.JSONWebKey{Key: f.ec.Public(), KeyID: "es2", Algorithm: "ES256"}, false},
	} {
		v.authorities[0].keys = fixed{must(discovery.ParseKeySet(f.jwks))}
		v.seen = seen{}
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		v.authorities[0].keys = fixed{must(discovery.ParseKeySet(keySet(key.JSONWebKey)))}
		if known := v.remembers(token); known != key.known {
			t.Errorf("%s: remembered: %v", name, known)
		}
	}
}

// The program is asked about every token, seen or not, and its word ends both.
func TestRevoked(t *testing.T) {
	f := newForge(t)
	var asked atomic.Int64
	revoked := map[string]bool{}
	v := newVerifier(t, WithKeySet(f.jwks), WithRevoked(func(c *Claims) bool {
		asked.Add(1)
		return revoked[c.ID]
	}))
	a, b := f.es(claims().with("jti", `"a"`)), f.es(claims().with("jti", `"b"`))
	verify := func(token, refused string) {
		t.Helper()
		if _, err := v.Verify(t.Context(), token); failed(err) != refused {
			t.Errorf("got %v, want %q", err, refused)
		}
	}
	verify(a, "")
	verify(a, "")
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
	revoked["a"], revoked["b"] = true, true
	verify(a, "revoked")
	if v.seen.find(sumOf(a), noon, 0) != nil {
		t.Error("a revoked token is remembered")
	}
	verify(a, "revoked")
	verify(b, "revoked")
	if v.remembers(b) {
		t.Error("a token that was refused is remembered")
	}
	for _, c := range v.Explain(t.Context(), b) {
		if c.OK == (c.Name == "revoked") {
			t.Errorf("%+v", c)
		}
	}
	delete(revoked, "a")
	verify(a, "")
	n := asked.Load()
	verify(f.token(f.attacker, head("ES256", "es1"), claims()), "signature")
	if asked.Load() != n {
		t.Error("asked about a forged token")
	}
}

// Who changes the claims that he got changes nobody else's.
func TestSeenShareNothing(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks))
	token := f.es(claims().with("roles", `["r"]`).with("groups", `["g"]`).with("x", `{"y":["z",{"w":1}]}`).with("aud", `["a",`+quote(audience)+`]`))
	want := must(v.Verify(t.Context(), token))
	for range 3 {
		got := must(v.Verify(t.Context(), token))
		if !reflect.DeepEqual(got, must(attackVerifier(t, f.jwks).Verify(t.Context(), token))) {
			t.Fatalf("got %+v", got)
		}
		got.Subject, got.Scope[0], got.Audience[0], got.Roles[0], got.Groups[0] = "admin", "admin", "admin", "admin", "admin"
		got.Scope = append(got.Scope[:1], "admin")
		list := got.Extra["x"].(map[string]any)["y"].([]any)
		list[0], list[1].(map[string]any)["w"], got.Extra["new"] = "admin", "admin", "admin"
	}
	want.Roles[0] = "admin" // the claims of the first time are not those that are kept
	if got := must(v.Verify(t.Context(), token)); strings.Contains(fmt.Sprint(*got), "admin") {
		t.Errorf("got %+v", got)
	}
}

// However many tokens there are, no more than the places are kept, and of long
// ones none.
func TestSeenIsBounded(t *testing.T) {
	v := newVerifier(t, WithKeySet(keysOf("k")))
	a := v.attempt("", noon)
	a.claims.ExpiresAt = noon.Add(time.Hour)
	a.set, _ = v.authorities[0].keys.current()
	for i := range 20 * seenSets * seenWays {
		v.seen.remember(sumOf(fmt.Sprint(i)), a)
	}
	kept := 0
	for s := range v.seen.places {
		for w := range v.seen.places[s] {
			if v.seen.places[s][w].Load() != nil {
				kept++
			}
		}
	}
	if kept != seenSets*seenWays {
		t.Errorf("%d are kept", kept)
	}
	latest := fmt.Sprint(20*seenSets*seenWays - 1)
	if !v.remembers(latest) {
		t.Error("the latest is not among them")
	}
	long := strings.Repeat("x", seenLength+1)
	v.seen.remember(sumOf(long), a)
	if v.remembers(long) {
		t.Error("a long token is remembered")
	}
}

// Tokens of 1 KiB and 4 KiB are where the hash is taken in another way.
func TestSeenLengths(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks))
	for _, n := range []int{10, 500, 1000, 2500, 3500} {
		token := f.es(claims().with("x", quote(strings.Repeat("x", n))))
		for i := range 2 {
			if known := v.remembers(token); known != (i == 1 && len(token) <= seenLength) {
				t.Errorf("%d bytes, time %d: remembered: %v", len(token), i, known)
			}
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if changed := token[:len(token)-1]; v.remembers(changed) {
			t.Error("a part of a token passes for it")
		}
	}
}

// What is remembered must not change a verdict: all attacks twice, after all
// good tokens.
func TestAttacksAgain(t *testing.T) {
	jwks, attacks := readAttacks(t)
	v := attackVerifier(t, jwks)
	for round := range 3 {
		for _, a := range attacks {
			if round == 0 && a.refuse != "" {
				continue
			}
			if _, err := v.Verify(t.Context(), a.token); failed(err) != a.refuse {
				t.Errorf("round %d, %s: got %v, want %q", round, a.name, err, a.refuse)
			}
		}
	}
}

// Only a good token's header is remembered, and not too many.
func TestHeadersAreBounded(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks))
	count := func() int {
		if known := v.headers.known.Load(); known != nil {
			return len(*known)
		}
		return 0
	}
	for i := range 3 * manyHeaders {
		header := head("ES256", "es1").with("x", fmt.Sprint(i))
		if _, err := v.Verify(t.Context(), f.token(f.attacker, header, claims())); err == nil || count() > i {
			t.Fatalf("%d headers after bad tokens: %v", count(), err)
		}
		if _, err := v.Verify(t.Context(), f.token(f.ec, header, claims())); err != nil || count() == 0 || count() > manyHeaders {
			t.Fatalf("%d headers: %v", count(), err)
		}
		v.Verify(t.Context(), f.token(f.attacker, header, claims())) // a known header does not help a bad token
		if _, err := v.Verify(t.Context(), f.token(f.attacker, header, claims())); failed(err) != "signature" {
			t.Fatalf("got %v", err)
		}
	}
}

// A remembered token does not keep the texts of others alive, nor its own.
func TestSeenHoldsLittle(t *testing.T) {
	f := newForge(t)
	v := newVerifier(t, WithKeySet(f.jwks))
	before := heap()
	const n = 500
	for i := range n {
		token := f.token(f.ed, head("EdDSA", "ed1"), claims().with("jti", quote(fmt.Sprint(i))))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / n; each > 3<<10 {
		t.Errorf("a token of 400 bytes holds %d", each)
	}
	runtime.KeepAlive(v)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Readers, writers and a program that changes its mind, all at once.
func TestSeenAtOnce(t *testing.T) {
	f := newForge(t)
	var no atomic.Bool
	v := newVerifier(t, WithKeySet(f.jwks), WithRevoked(func(c *Claims) bool { return c.ID == "7" && no.Load() }))
	var tokens []string
	for i := range 16 {
		tokens = append(tokens, f.token(f.ed, head("EdDSA", "ed1"), claims().with("jti", quote(fmt.Sprint(i)))))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for round := range 40 {
				no.Store(round%2 == 0)
				for i, token := range tokens {
					got, err := v.Verify(t.Context(), token)
					if why := (*Error)(nil); errors.As(err, &why) && (why.Check != "revoked" || i != 7) || err == nil && got.ID != fmt.Sprint(i) {
						t.Errorf("token %d: got %+v, %v", i, got, err)
					}
				}
			}
		})
	}
	wg.Wait()
}
