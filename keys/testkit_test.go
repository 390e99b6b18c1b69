package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// epoch is when test histories begin.
var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// brisk is a safe schedule in which much happens in minutes.
func brisk(algorithms ...Algorithm) Schedule {
	if algorithms == nil {
		algorithms = []Algorithm{ES256}
	}
	return Schedule{
		Algorithms: algorithms, RotateEvery: 300 * time.Second, PublishAhead: 60 * time.Second, KeepAfter: 185 * time.Second,
		MaxAge: 10 * time.Second, Poll: 5 * time.Second, Skew: 20 * time.Second,
	}
}

// at is an instant some time after epoch, by clock and by counter alike.
func at(d time.Duration) Instant { return instant(d, d) }

func instant(wall, service time.Duration) Instant {
	return Instant{Wall: epoch.Add(wall), Service: storage.ServiceTime(1).Add(service)}
}

// cheap makes keys for rings that never sign anything: EC keys, and for RS256
// what looks like an RSA key from outside.
func cheap() Generate {
	return func(a Algorithm, _ int) (crypto.Signer, error) {
		if a != RS256 && a != PS256 {
			return GenerateKey(a, 0)
		}
		n := make([]byte, leastRSABits/8)
		rand.Read(n)
		n[0] |= 0x80
		return facade{&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}, nil
	}
}

// A facade has a public half only.
type facade struct{ public *rsa.PublicKey }

func (f facade) Public() crypto.PublicKey { return f.public }

func (f facade) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a facade signs nothing")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// started returns a ring as it is right after its first step, at epoch.
func started(t *testing.T, s Schedule) Ring {
	t.Helper()
	return advance(t, must(NewRing(s)), at(0))
}

func advance(t *testing.T, r Ring, now Instant) Ring {
	t.Helper()
	next, changed, err := r.Advance(now, cheap())
	if err != nil {
		t.Fatal(err)
	}
	if changed == next.same(r) {
		t.Fatalf("Advance reports changed = %v for a ring that did differ: %v", changed, !next.same(r))
	}
	again, changed, err := next.Advance(now, func(Algorithm, int) (crypto.Signer, error) { return nil, errors.New("not idempotent") })
	if err != nil || changed || !again.same(next) {
		t.Fatalf("a second Advance at the same instant: changed %v, error %v", changed, err)
	}
	return next
}

// poll advances as a rotator does, each Poll until an instant, with clock and counter in step.
func poll(t *testing.T, r Ring, from, to time.Duration) Ring {
	t.Helper()
	for d := from; d < to; d += r.schedule.Poll {
		r = advance(t, r, at(d))
	}
	return advance(t, r, at(to))
}

// kids names a line's keys in order, for comparisons.
func kids(r Ring, alg Algorithm) (out []string) {
	for _, k := range r.line(alg) {
		out = append(out, k.ID)
	}
	return out
}

func states(r Ring, alg Algorithm, now Instant) (out []State) {
	for _, k := range r.line(alg) {
		out = append(out, r.State(*k, now))
	}
	return out
}

// memory is a store in memory with the compare-and-swap of the contract, and
// with what can go wrong.
type memory struct {
	mu      sync.Mutex
	sealed  []byte
	version storage.Version
	writes  int
	fail    error                      // every call fails
	before  func()                     // called in ReplaceRing before the comparison
	service func() storage.ServiceTime // the counter
}

func (m *memory) LoadRing(ctx context.Context) ([]byte, storage.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return nil, 0, m.fail
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case m.version == 0:
		return nil, 0, storage.ErrNotFound
	}
	return slices.Clone(m.sealed), m.version, nil
}

func (m *memory) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	if m.before != nil {
		m.before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return m.fail
	case ctx.Err() != nil:
		return ctx.Err()
	case m.version != old || next <= old:
		return storage.ErrConflict
	}
	m.sealed, m.version = slices.Clone(sealed), next
	m.writes++
	return nil
}

func (m *memory) ServiceTime(context.Context) (storage.ServiceTime, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	return m.service(), nil
}

// backup returns the content; restore puts it back, as an operator would.
func (m *memory) backup() (sealed []byte, v storage.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sealed), m.version
}

func (m *memory) restore(sealed []byte, v storage.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sealed, m.version = slices.Clone(sealed), v
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func testKEK(fill byte) []byte {
	key := make([]byte, kekBytes)
	for i := range key {
		key[i] = fill + byte(i)
	}
	return key
}
