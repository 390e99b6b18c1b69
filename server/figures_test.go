package server

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// The figures of docs/keys.md: what a token costs beside its bare signature,
// and a key set beside a bare handler.

// mintServer returns a server that mints, with keys as they come from a store.
func mintServer(t testing.TB) *Server {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	kek := make([]byte, 32)
	rand.Read(kek)
	sealer, err := keys.NewSealer(kek)
	if err != nil {
		t.Fatal(err)
	}
	cfg := keys.RotatorConfig{Store: store, Sealer: sealer, Schedule: keys.DefaultSchedule(), ServiceTime: store.ServiceTime}
	var rotator *keys.Rotator
	for range 2 { // the first one makes them
		rotator = keys.NewRotator(cfg)
		if err := rotator.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(Config{
		Issuer: "https://login.example.com", AccessLifetime: 10 * time.Minute, IdleLifetime: time.Hour, AbsoluteLifetime: time.Hour,
		Store: store, Keys: rotator, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(rotator.Ring()); err != nil {
		t.Fatal(err)
	}
	return s
}

// typicalGrant is a user of a few roles in a client that asks for them.
func typicalGrant(alg keys.Algorithm) Grant {
	session := storage.SessionID(uuid.New())
	return Grant{
		Client:   storage.Client{ID: "web", ClientPolicy: storage.ClientPolicy{Algorithm: string(alg), Claims: []string{"roles", "groups", "tenant"}}},
		User:     storage.User{ID: uuid.New(), Claims: storage.UserClaims{Roles: []string{"reader", "editor"}, Groups: []string{"staff"}, Extra: map[string]any{"tenant": "acme"}}},
		AuthTime: time.Now(), Scope: []string{"orders:read", "orders:write"}, Audience: []string{"https://api.example.com"}, SessionID: &session,
	}
}

// minting returns what makes one access token, and what makes the bare
// signature of one with a key of the same kind.
func minting(t testing.TB, s *Server, alg keys.Algorithm) (mint, raw func()) {
	t.Helper()
	key, err := keys.GenerateKey(alg, 2048)
	if err != nil {
		t.Fatal(err)
	}
	digest, g := sha256.Sum256([]byte("x")), typicalGrant(alg)
	mint = func() {
		if _, err := s.mint(context.Background(), g); err != nil {
			t.Fatal(err)
		}
	}
	raw = func() {
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	mint()
	return mint, raw
}

func BenchmarkMint(b *testing.B) {
	s := mintServer(b)
	for _, alg := range []keys.Algorithm{keys.ES256, keys.RS256} {
		mint, raw := minting(b, s, alg)
		for name, op := range map[string]func(){"token": mint, "bare": raw} {
			b.Run(fmt.Sprintf("%s/%s", alg, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					op()
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
			})
		}
	}
}

// A figure compares two operations, each in the median of many short rounds.
type figure struct{ ratio, rate, bare float64 } // rates are by the second

func (f figure) String() string {
	return fmt.Sprintf("%.2f of the bare one: %.0f of %.0f per second", f.ratio, f.rate, f.bare)
}

// speed runs two operations by turns: how much of the second one's speed the
// first has, whatever else the machine does.
func speed(op, bare func(), times int) figure {
	const rounds = 201
	var ratios, rates, bares []float64
	run := func(f func()) float64 {
		began := time.Now()
		for range times {
			f()
		}
		return float64(times) / time.Since(began).Seconds()
	}
	for i := range rounds {
		var rate, bareRate float64
		if i%2 == 0 {
			rate, bareRate = run(op), run(bare)
		} else {
			bareRate, rate = run(bare), run(op)
		}
		ratios, rates, bares = append(ratios, rate/bareRate), append(rates, rate), append(bares, bareRate)
	}
	for _, all := range [][]float64{ratios, rates, bares} {
		slices.Sort(all)
	}
	return figure{ratios[rounds/2], rates[rounds/2], bares[rounds/2]}
}

// atLeast measures until the figure is reached, a few times: a busy machine may
// spoil one measurement.
func atLeast(t *testing.T, what string, want float64, measure func() figure) {
	t.Helper()
	var got []figure
	for range 5 {
		f := measure()
		if got = append(got, f); f.ratio >= want {
			t.Logf("%s: %v", what, f)
			return
		}
	}
	t.Errorf("%s: %v, want %.2f", what, got, want)
}

// TestMintFigures: a token, claims, JSON and base64 included, costs little
// beside the signature in it.
func TestMintFigures(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector slows our code, and not the assembly of the signatures")
	}
	s := mintServer(t)
	for _, c := range []struct {
		alg   keys.Algorithm
		want  float64
		times int
	}{{keys.ES256, 0.7, 20}, {keys.RS256, 0.9, 1}} {
		mint, raw := minting(t, s, c.alg)
		atLeast(t, string(c.alg), c.want, func() figure { return speed(mint, raw, c.times) })
	}
}

// A page serves bytes over real connections, and fetches them.
type page struct {
	*httptest.Server
	client *http.Client
}

func newPage(t testing.TB, h http.Handler, path string) *page {
	p := &page{Server: httptest.NewServer(h)}
	p.client = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
	p.URL += path
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		p.Close()
	})
	return p
}

func (p *page) get(t testing.TB) []byte {
	resp, err := p.client.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.Status, err)
	}
	return body
}

// keySetPages serve the key set by the whole server, and its bytes by a bare handler.
func keySetPages(t testing.TB) (whole, bare *page) {
	s := mintServer(t)
	whole = newPage(t, s.Handler(), s.paths.KeySet)
	body := whole.get(t)
	bare = newPage(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}), "/")
	return whole, bare
}

func BenchmarkKeySet(b *testing.B) {
	whole, bare := keySetPages(b)
	for name, p := range map[string]*page{"server": whole, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.get(b)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// TestKeySetFigure: the whole server serves the key set nearly as fast as a bare
// handler that writes the same bytes.
func TestKeySetFigure(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector slows our code more than net/http")
	}
	whole, bare := keySetPages(t)
	atLeast(t, "key set", 0.8, func() figure { return speed(func() { whole.get(t) }, func() { bare.get(t) }, 5) })
}
