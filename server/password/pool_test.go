package password

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

var swordfish = storage.NewSecret("swordfish")

// stored is a hash of swordfish that costs so much.
func stored(p Params) string { return newArgon2id([]byte("swordfish"), p).encode() }

func TestVerify(t *testing.T) {
	p := New(Config{Params: cheap, Cap: Params{Memory: 256, Time: 3, Threads: 4}})
	own, err := p.Hash(context.Background(), swordfish)
	if err != nil {
		t.Fatal(err)
	}
	foreign := func(salt, key int) string {
		h := argon2idHash{params: cheap, salt: []byte(strings.Repeat("s", salt))}
		h.key = h.derive([]byte("swordfish"), key)
		return h.encode()
	}
	for name, c := range map[string]struct {
		encoded  string
		password string
		want     Result
		err      error
	}{
		"right":             {own, "swordfish", Result{Match: true}, nil},
		"wrong":             {own, "swordfisH", Result{}, nil},
		"no such user":      {"", "swordfish", Result{}, nil},
		"less memory":       {stored(Params{Memory: 32, Time: 1, Threads: 1}), "swordfish", Result{true, true}, nil},
		"more memory":       {stored(Params{Memory: 128, Time: 1, Threads: 1}), "swordfish", Result{true, true}, nil},
		"more passes":       {stored(Params{Memory: 64, Time: 2, Threads: 1}), "swordfish", Result{true, true}, nil},
		"more threads":      {stored(Params{Memory: 64, Time: 1, Threads: 2}), "swordfish", Result{true, true}, nil},
		"short salt":        {foreign(8, 32), "swordfish", Result{true, true}, nil},
		"long key":          {foreign(16, 64), "swordfish", Result{true, true}, nil},
		"just like ours":    {foreign(16, 32), "swordfish", Result{Match: true}, nil},
		"wrong for another": {stored(Params{Memory: 128, Time: 1, Threads: 1}), "wrongfish", Result{}, nil},
		"over the cap":      {stored(Params{Memory: 257, Time: 1, Threads: 1}), "swordfish", Result{}, ErrCost},
		"clear text":        {"swordfish", "swordfish", Result{}, ErrFormat},
		"its own hash":      {own, own, Result{}, nil},
	} {
		got, err := p.Verify(context.Background(), c.encoded, storage.NewSecret(c.password), nil)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, c.want, c.err)
		}
	}
}

// Nobody can sign in as a user who does not exist, even who knows the decoy's password.
func TestDecoyNeverMatches(t *testing.T) {
	p := New(Config{Params: cheap})
	p.decoy = stored(cheap)
	if r, err := p.Verify(context.Background(), "", swordfish, nil); err != nil || r != (Result{}) {
		t.Errorf("%+v, %v; want no match", r, err)
	}
}

// A user who does not exist costs what one who does costs: the same parameters,
// and, within what a busy machine does to medians, the same time.
func TestDecoyCost(t *testing.T) {
	p := New(Config{Workers: 1, Params: Params{Memory: 1024, Time: 2, Threads: 1}})
	real := stored(p.config.Params)
	if h, _, err := parse(p.decoy, p.config.Cap); err != nil || h.cost != p.config.Params || !h.native {
		t.Errorf("the decoy is %s, %v; want it like the pool's own hashes, %s", h.cost, err, p.config.Params)
	}
	took := func(encoded string) time.Duration {
		began := time.Now()
		if r, err := p.Verify(context.Background(), encoded, storage.NewSecret("wrong password"), nil); err != nil || r.Match {
			t.Fatal(r, err)
		}
		return time.Since(began)
	}
	var known, unknown []time.Duration
	for len(known) < 100 || len(unknown) < 100 { // mixed at random: in turns, the collector always hits the same one
		if rand.IntN(2) == 0 {
			known = append(known, took(real))
		} else {
			unknown = append(unknown, took(""))
		}
	}
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	ratio := float64(median(unknown)) / float64(median(known))
	t.Logf("medians: %s for a user, %s for none, ratio %.2f", median(known), median(unknown), ratio)
	if ratio < 0.7 || ratio > 1.4 {
		t.Errorf("no user costs %.2f times what a user costs", ratio)
	}
}

// hold takes a place in the pool until the returned function is called.
func hold(p *Pool, cost Params) (release func()) {
	taken, done := make(chan struct{}), make(chan struct{})
	go p.run(context.Background(), cost, nil, func() { close(taken); <-done })
	<-taken
	return func() { close(done) }
}

func TestBusyAfterMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{Workers: 1, MaxWait: 3 * time.Second, Params: cheap})
		release := hold(p, cheap)
		admit := func() error { t.Error("admitted without a place"); return nil }
		began := time.Now()
		if _, err := p.Verify(context.Background(), "", swordfish, admit); err != ErrBusy {
			t.Errorf("%v, want ErrBusy", err)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %s, want 3s", waited)
		}
		release()
		synctest.Wait()
		if _, err := p.Hash(context.Background(), swordfish); err != nil {
			t.Errorf("after the place was left: %v", err)
		}
	})
}

func TestBusyWhenQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{Workers: 1, MaxWait: time.Hour, MaxQueue: 3, Params: cheap})
		release := hold(p, cheap)
		errs := make(chan error, 3)
		for range 3 {
			go func() { _, err := p.Hash(context.Background(), swordfish); errs <- err }()
		}
		synctest.Wait()
		began := time.Now()
		for range 2 { // a refused caller must not be counted as waiting
			if _, err := p.Hash(context.Background(), swordfish); err != ErrBusy {
				t.Errorf("fourth in a queue of three: %v, want ErrBusy", err)
			}
		}
		if time.Since(began) != 0 {
			t.Error("refused, but not at once")
		}
		release()
		for range 3 {
			if err := <-errs; err != nil {
				t.Errorf("in the queue: %v", err)
			}
		}
		if p.waiting.Load() != 0 {
			t.Errorf("%d still counted as waiting", p.waiting.Load())
		}
	})
}

func TestCallerLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{Workers: 1, MaxWait: time.Hour, MaxQueue: 1, Params: cheap})
		release := hold(p, cheap)
		defer release()
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan error)
		go func() { _, err := p.Hash(ctx, swordfish); left <- err }()
		synctest.Wait()
		began := time.Now()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}

		// The one place in the queue is free again; a deadline is the caller's, not ErrBusy.
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Hash(ctx, swordfish); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want context.DeadlineExceeded", err)
		}
		if left := time.Since(began); left != time.Second {
			t.Errorf("the two left after %s, want 1s", left)
		}
	})
}

func TestEndedContextTakesNoPlace(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := New(Config{Params: cheap})
	admit := func() error { t.Error("admitted"); return nil }
	if _, err := p.Verify(ctx, "", swordfish, admit); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// Once begun, hashing is finished: the answer is there and the place is free.
func TestContextEndsWhileHashing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := New(Config{Workers: 1, Params: cheap})
	r, err := p.Verify(ctx, stored(cheap), swordfish, func() error { cancel(); return nil })
	if err != nil || !r.Match {
		t.Errorf("%+v, %v; want a match", r, err)
	}
	if !p.places.TryAcquire(1) {
		t.Error("the place was not left")
	}
}

func TestAdmit(t *testing.T) {
	p := New(Config{Workers: 1, Params: cheap})
	throttled := errors.New("throttled")
	r, err := p.Verify(context.Background(), stored(cheap), swordfish, func() error {
		if p.places.TryAcquire(1) {
			t.Error("asked before there was a place")
		}
		return throttled
	})
	if err != throttled || r != (Result{}) {
		t.Errorf("%+v, %v; want admit's error as it is and nothing hashed", r, err)
	}
	if !p.places.TryAcquire(1) {
		t.Error("the place was not left")
	}
}

// A panic is the caller's to handle; the pool is whole after it.
func TestPanicLeavesThePlace(t *testing.T) {
	p := New(Config{Workers: 1, Params: cheap})
	func() {
		defer func() {
			if recover() != "from admit" {
				t.Error("the panic was lost")
			}
		}()
		p.Verify(context.Background(), "", swordfish, func() error { panic("from admit") })
	}()
	if !p.places.TryAcquire(1) {
		t.Error("the place was not left")
	}
}

// 200 callers at once, of the pool's own cost and of greater: never more than
// Workers at work, never more memory than was said, and everybody is served.
func TestBoundUnderLoad(t *testing.T) {
	own, heavy, huge := cheap, Params{Memory: 150, Time: 1, Threads: 1}, Params{Memory: 1000, Time: 1, Threads: 2}
	p := New(Config{Workers: 4, MaxWait: time.Minute, MaxQueue: 200, Params: own})
	var running, memory, mostRunning, mostMemory atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		cost := own
		switch i % 10 {
		case 0:
			cost = heavy
		case 1:
			cost = huge
		}
		wg.Go(func() {
			err := p.run(context.Background(), cost, nil, func() {
				atMost(&mostRunning, running.Add(1))
				atMost(&mostMemory, memory.Add(int64(cost.Memory)))
				newArgon2id([]byte("swordfish"), cost)
				runtime.Gosched()
				memory.Add(-int64(cost.Memory))
				running.Add(-1)
			})
			if err != nil {
				t.Errorf("%s: %v", cost, err)
			}
		})
	}
	wg.Wait()
	if n := mostRunning.Load(); n > 4 || n < 2 {
		t.Errorf("%d hashed at once, want up to 4 and more than one", n)
	}
	if n := mostMemory.Load(); n > 1000 {
		t.Errorf("%d KiB at once; want at most 1000, what the greatest takes alone", n)
	}
	if !p.places.TryAcquire(4) || p.waiting.Load() != 0 {
		t.Error("places or waiters are left over")
	}
}

// atMost keeps the greatest of the values that it is given.
func atMost(most *atomic.Int64, n int64) {
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}

// The same, measured: the heap does not grow with the number of callers. 200
// of them without a pool would hold 800 MiB; with two places, 8 MiB and what
// the collector has not taken yet.
func TestHeapUnderLoad(t *testing.T) {
	p := New(Config{Workers: 2, MaxWait: time.Minute, MaxQueue: 200, Params: Params{Memory: 4 << 10, Time: 1, Threads: 1}})
	runtime.GC()
	before := heap()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, heap())
			}
		}
	}()
	goroutines := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if r, err := p.Verify(context.Background(), "", swordfish, nil); err != nil || r.Match {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	close(stop)
	grown := int64(<-peak-before) >> 20
	t.Logf("the heap grew by %d MiB", grown)
	if grown > 64 {
		t.Errorf("the heap grew by %d MiB, want at most 64", grown)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestWeight(t *testing.T) {
	p := New(Config{Workers: 8, Params: Params{Memory: 1024, Time: 2, Threads: 2}})
	for _, c := range []struct {
		cost Params
		want int64
	}{
		{Params{Memory: 8, Time: 1, Threads: 1}, 1},
		{Params{Memory: 1024, Time: 2, Threads: 2}, 1},
		{Params{Memory: 1024, Time: 9, Threads: 2}, 1}, // longer, not wider
		{Params{Memory: 1025, Time: 2, Threads: 2}, 2},
		{Params{Memory: 4096, Time: 2, Threads: 2}, 4},
		{Params{Memory: 1024, Time: 2, Threads: 5}, 3},
		{Params{Memory: 1 << 31, Time: 2, Threads: 2}, 8},
		{Params{Memory: 1<<32 - 1, Time: 2, Threads: 255}, 8},
	} {
		if got := p.weight(c.cost); got != c.want {
			t.Errorf("%s takes %d places, want %d", c.cost, got, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	p := New(Config{})
	want := Config{
		Workers: max(1, runtime.GOMAXPROCS(0)/2), MaxWait: time.Second,
		MaxQueue: 64 * max(1, runtime.GOMAXPROCS(0)/2), Params: Default(), Cap: DefaultCap(),
	}
	if p.config != want {
		t.Errorf("defaults %+v, want %+v", p.config, want)
	}
	big := New(Config{Params: Params{Memory: 1 << 20, Time: 20, Threads: 1}})
	if want := (Params{Memory: 1 << 20, Time: 20, Threads: 16}); big.config.Cap != want {
		t.Errorf("cap %s, want %s: a pool must read what it writes", big.config.Cap, want)
	}
	for name, c := range map[string]Config{
		"negative workers": {Workers: -1},
		"negative wait":    {MaxWait: -1},
		"negative queue":   {MaxQueue: -1},
		"no pass":          {Params: Params{Memory: 64, Threads: 1}},
		"no thread":        {Params: Params{Memory: 64, Time: 1}},
		"too little":       {Params: Params{Memory: 15, Time: 1, Threads: 2}},
		"over its own cap": {Params: Params{Memory: 128, Time: 1, Threads: 1}, Cap: cheap},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New made a pool", name)
				}
			}()
			New(c)
		}()
	}
}

// Secrets do not get into errors, whatever goes wrong.
func TestErrorsHoldNoSecret(t *testing.T) {
	p := New(Config{Params: cheap})
	pw := storage.NewSecret("hunter\u200btwo")
	_, err := p.Verify(context.Background(), "", pw, nil)
	if text := fmt.Sprintf("%v %+v", err, err); err == nil || strings.Contains(text, "hunter") || strings.Contains(text, "200") {
		t.Errorf("the error is %q", text)
	}
}

// What a sign-in costs with the numbers that people get.
func BenchmarkVerify(b *testing.B) {
	p := New(Config{})
	for b.Loop() {
		if _, err := p.Verify(context.Background(), "", swordfish, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// What the costliest hash that may be stored takes.
func BenchmarkCap(b *testing.B) {
	h := newDecoy(DefaultCap())
	for b.Loop() {
		h.matches([]byte("swordfish"))
	}
}
