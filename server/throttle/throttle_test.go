package throttle

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// A clock that a test moves.
type clock struct{ now time.Time }

func newClock() *clock                { return &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }
func (c *clock) Now() time.Time       { return c.now }
func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }
func addr(s string) netip.Addr        { return netip.MustParseAddr(s) }
func v4(n int) netip.Addr             { return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}) }
func (t *Throttle) sizes() (n [4]int) {
	return [4]int{len(t.pair.buckets), len(t.network.buckets), len(t.account.buckets), len(t.known.accounts)}
}
func (t *Throttle) may(a string, from netip.Addr) bool {
	_, ok := t.Look(a, from)
	return ok
}

// guess tries n wrong passwords, as a server does, and returns how many were tried.
func guess(t *Throttle, n int, account func(int) string, from func(int) netip.Addr) (tried int) {
	for i := range n {
		if t.may(account(i), from(i)) {
			tried++
			t.Failed(account(i), from(i))
		}
	}
	return tried
}

func always[T any](v T) func(int) T { return func(int) T { return v } }
func names(i int) string            { return "user-" + strconv.Itoa(i) }

var home, cafe = addr("192.0.2.1"), addr("198.51.100.7")

// Check pw-throttle-user: the right password works later, and when it works is said.
func TestManyGuessesAtOneUser(t *testing.T) {
	c := newClock()
	th := New(Config{}, c.Now)
	if n := guess(th, 20, always("alice"), always(home)); n != 10 {
		t.Errorf("%d of 20 wrong passwords were tried, want 10", n)
	}
	wait, ok := th.Look("alice", home)
	if ok || wait != 30*time.Second {
		t.Fatalf("%s, %v; want refused for 30s", wait, ok)
	}
	if !th.may("bob", home) {
		t.Error("bob is refused for alice's failures")
	}
	c.pass(wait - time.Millisecond)
	if w, ok := th.Look("alice", home); ok || w != time.Second {
		t.Errorf("a millisecond early: %s, %v; want refused for 1s, never less", w, ok)
	}
	c.pass(time.Millisecond)
	if !th.may("alice", home) {
		t.Fatal("refused after the time that was said")
	}
	th.Succeeded("alice", home)
	if n := guess(th, 20, always("alice"), always(home)); n != 10 {
		t.Errorf("after a success %d tries, want 10: the failures before it are forgiven", n)
	}
}

// Check pw-throttle-spray, also when each failure is answered after 1.5 s.
func TestOneGuessAtManyUsers(t *testing.T) {
	c := newClock()
	if n := guess(New(Config{}, c.Now), 50, names, always(home)); n != 20 {
		t.Errorf("%d users were tried, want 20", n)
	}
	slow := func(i int) string { c.pass(750 * time.Millisecond); return names(i) } // asked for twice a try
	if n := guess(New(Config{}, c.Now), 50, slow, always(home)); n >= 50 {
		t.Errorf("all %d users were tried", n)
	}
}

// One's own account must not buy guesses at others.
func TestSuccessDoesNotRefillTheNetwork(t *testing.T) {
	th := New(Config{}, newClock().Now)
	tried := 0
	for i := range 50 {
		tried += guess(th, 1, always(names(i)), always(home))
		th.Succeeded("mallory", home)
	}
	if tried != 20 {
		t.Errorf("%d users were tried, want 20", tried)
	}
}

// Check pw-throttle-no-lockout-dos: one network, for a day, hurts nobody elsewhere.
func TestOneNetworkLocksNobodyOut(t *testing.T) {
	c := newClock()
	th := New(Config{}, c.Now)
	for range 24 * 60 * 4 {
		guess(th, 20, always("alice"), always(cafe))
		c.pass(15 * time.Second)
		if !th.may("alice", home) {
			t.Fatalf("after %s alice is refused at home, where she never signed in", c.now.Sub(th.start))
		}
	}
}

// Many networks use up the account's bucket, but not where alice is known.
func TestManyNetworksLockNobodyOutAtHome(t *testing.T) {
	c := newClock()
	th := New(Config{}, c.Now)
	th.Succeeded("alice", home)
	if n := guess(th, 5000, always("alice"), v4); n != 100 {
		t.Errorf("%d guesses from 5000 networks, want 100", n)
	}
	if w, ok := th.Look("alice", cafe); ok || w != 30*time.Second {
		t.Errorf("in a new place: %s, %v; want refused for 30s", w, ok)
	}
	if !th.may("alice", home) {
		t.Error("alice is refused at home")
	}
	if !th.may("bob", cafe) {
		t.Error("bob is refused for alice's failures")
	}

	// Her own mistakes at home count there, and do not make it worse elsewhere.
	if n := guess(th, 20, always("alice"), always(home)); n != 10 {
		t.Errorf("%d tries at home, want 10", n)
	}
	c.pass(30 * time.Second)
	if !th.may("alice", cafe) || !th.may("alice", home) {
		t.Error("refused although each bucket has one again")
	}
}

func TestSuccessesAreFree(t *testing.T) {
	th := New(Config{}, newClock().Now)
	for range 1000 { // all look before the first is through
		if !th.may("alice", home) {
			t.Fatal("a correct sign-in was refused")
		}
	}
	for range 1000 {
		if !th.may("alice", home) {
			t.Fatal("a correct sign-in was refused at the second look")
		}
		th.Succeeded("alice", home)
	}
	if got, want := th.sizes(), [4]int{0, 0, 0, 1}; got != want {
		t.Errorf("%v entries are kept, want %v", got, want)
	}
}

// What was overshot is owed, up to one burst.
func TestDebt(t *testing.T) {
	c := newClock()
	th := New(Config{}, c.Now)
	th.Succeeded("alice", home) // so that this is about two buckets only
	for range 14 {              // 10, and 4 that were being hashed when the tenth failed
		th.Failed("alice", home)
	}
	if w, _ := th.Look("alice", home); w != 5*30*time.Second {
		t.Errorf("owing 4: %s, want 2m30s", w)
	}
	for range 10_000 {
		th.Failed("alice", home)
	}
	if w, _ := th.Look("alice", home); w != 11*30*time.Second {
		t.Errorf("owing all it can: %s, want 5m30s", w)
	}
	if w, _ := th.Look("bob", home); w != 21*3*time.Second {
		t.Errorf("the network, owing all it can: %s, want 1m3s", w)
	}
}

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"0.0.0.0", "::", false},
		{"127.0.0.1", "::1", false},
	} {
		if got := networkOf(addr(c.a)) == networkOf(addr(c.b)); got != c.same {
			t.Errorf("%s and %s: same network %v, want %v", c.a, c.b, got, c.same)
		}
	}
	th := New(Config{}, newClock().Now)
	if n := guess(th, 20, always("alice"), always(netip.Addr{})); n != 10 {
		t.Errorf("%d tries without an address, want 10", n)
	}
}

func TestNamesAreNotKept(t *testing.T) {
	th := New(Config{}, newClock().Now)
	th.Failed("a-name-to-look-for", home)
	th.Succeeded("a-name-to-look-for", home)
	th.Failed("a-name-to-look-for", home)
	for _, kept := range []any{th.pair.byFull[0].key, th.account.byFull[0].key, th.known.latest.Front().Value} {
		if dump := fmt.Sprintf("%s %+v", kept, kept); strings.Contains(dump, "a-name") {
			t.Errorf("a name is kept in clear: %q", dump)
		}
	}
	a, b := New(Config{}, newClock().Now), New(Config{}, newClock().Now)
	if a.key("alice", home) == b.key("alice", home) {
		t.Error("two processes use the same key for names")
	}
	if a.key("alice", home).account == a.key("Alice", home).account || a.key("", home).account == ([16]byte{}) {
		t.Error("two names have one key")
	}
}

// The bucket is the one that everybody knows: golang.org/x/time/rate agrees on
// every step of a long history.
func TestAgreesWithRateLimiter(t *testing.T) {
	c := newClock()
	b := Bucket{Burst: 7, Every: 2 * time.Second}
	wide := Bucket{Burst: 10_000, Every: time.Millisecond}
	th := New(Config{Pair: b, Network: wide, Account: wide}, c.Now)
	limiter := rate.NewLimiter(rate.Every(b.Every), b.Burst)
	for i := range 20_000 {
		c.pass(time.Duration(i*i%1601) * 2 * time.Millisecond)
		want := limiter.AllowN(c.now, 1)
		if got := th.may("alice", home); got != want {
			t.Fatalf("step %d: allowed %v, want %v", i, got, want)
		}
		if want {
			th.Failed("alice", home)
		}
	}
}

// A million invented names from as many networks take no more room than
// Entries allow, and what is much used is still there after them.
func TestMillionNames(t *testing.T) {
	th := New(Config{Entries: 4096}, newClock().Now)
	guess(th, 20, always("alice"), always(home)) // alice's pair at home is empty
	guess(th, 2000, always("bob"), v4)           // bob's account is empty
	guess(th, 50, names, always(cafe))           // the network of the cafe is empty
	for i := range 1_000_000 {
		th.Failed(names(i), v4(1<<20+i))
	}
	if got := th.sizes(); got != [4]int{4096, 4096, 4096, 0} {
		t.Errorf("%v entries, want 4096 each", got)
	}
	for name, refused := range map[string]bool{
		"alice at home": !th.may("alice", home),
		"bob anywhere":  !th.may("bob", addr("203.0.113.9")),
		"the cafe":      !th.may("somebody else", cafe),
	} {
		if !refused {
			t.Errorf("%s: forgotten for invented names", name)
		}
	}
}

// The most that a throttle of the default size takes.
func TestMemory(t *testing.T) {
	before := heapInUse()
	th := New(Config{}, newClock().Now)
	for i := range 80_000 {
		th.Failed(names(i), v4(i))
		for n := range knownNetworks {
			th.Succeeded(names(i), v4(n))
		}
		th.Failed(names(i), v4(i))
	}
	if got := th.sizes(); got != [4]int{65536, 65536, 65536, 65536} {
		t.Errorf("%v entries, want 65536 each", got)
	}
	grown := (heapInUse() - before) >> 20
	t.Logf("%d MiB are held", grown)
	if grown > 64 {
		t.Errorf("%d MiB are held, want at most 64", grown)
	}
	runtime.KeepAlive(th)
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Buckets that are full again are forgotten by and by, without a loop that does it.
func TestFullBucketsAreForgotten(t *testing.T) {
	c := newClock()
	th := New(Config{}, c.Now)
	for i := range 1000 {
		th.Failed(names(i), v4(i))
	}
	c.pass(time.Minute)
	for range 999 {
		th.Failed("alice", home)
	}
	if got := th.sizes(); got != [4]int{1, 1, 1, 0} {
		t.Errorf("%v entries, want one of each kind", got)
	}
}

// One account that signs in from everywhere pushes out its own places only.
func TestKnownPlacesAreBounded(t *testing.T) {
	th := New(Config{Entries: 2}, newClock().Now)
	has := func(account string, n int) bool { return th.known.has(th.key(account, v4(n))) }
	th.Succeeded("alice", v4(0))
	for n := range 1000 {
		th.Succeeded("mallory", v4(n))
		th.Succeeded("mallory", v4(0)) // used again and again: stays
	}
	if !has("alice", 0) {
		t.Error("alice's place was pushed out by mallory's")
	}
	for n := range 1000 {
		if got, want := has("mallory", n), n == 0 || n >= 993; got != want {
			t.Errorf("mallory's place %d: known %v, want %v", n, got, want)
		}
	}
	th.Succeeded("alice", v4(1))
	th.Succeeded("bob", v4(0)) // the third account: mallory was seen longest ago
	if has("mallory", 0) || !has("alice", 0) || !has("alice", 1) || !has("bob", 0) || th.known.latest.Len() != 2 {
		t.Error("not the account that was seen longest ago was forgotten")
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, c := range map[string]Config{
		"no burst":           {Pair: Bucket{Every: time.Second}},
		"negative burst":     {Network: Bucket{Burst: -1, Every: time.Second}},
		"no refill":          {Account: Bucket{Burst: 1}},
		"too often":          {Network: Bucket{Burst: 1, Every: time.Microsecond}},
		"too seldom":         {Network: Bucket{Burst: 1, Every: 25 * time.Hour}},
		"too many":           {Network: Bucket{Burst: 10_001, Every: time.Second}},
		"one network enough": {Account: Bucket{Burst: 100, Every: time.Minute}},
		"negative entries":   {Entries: -1},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New made a throttle", name)
				}
			}()
			New(c, time.Now)
		}()
	}
	most := Bucket{Burst: 10_000, Every: 24 * time.Hour}
	th := New(Config{Pair: most, Network: most, Account: most}, newClock().Now)
	for range 30_000 {
		th.Failed("alice", home)
	}
	if w, ok := th.Look("alice", home); ok || w != 10_001*24*time.Hour {
		t.Errorf("the greatest numbers: %s, %v; want refused for 10001 days", w, ok)
	}
}

// For the race detector; the sum shows that no charge was lost.
func TestParallel(t *testing.T) {
	c := newClock()
	th := New(Config{Pair: Bucket{Burst: 10_000, Every: time.Minute}}, c.Now)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				th.Look("alice", home)
				th.Failed("alice", home)
				th.Failed(names(i), v4(j))
				th.Succeeded(names(i), v4(j))
			}
		})
	}
	wg.Wait()
	th.mu.Lock()
	defer th.mu.Unlock()
	if owed := th.pair.buckets[th.key("alice", home)].fullAt; owed != 4000*time.Minute {
		t.Errorf("%s charged, want 4000 times a minute", owed)
	}
}
