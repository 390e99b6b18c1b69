package keys

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/storage"
)

// A site is a store in memory, a clock that tests move, and rotators on them.
type site struct {
	testing.TB
	*memory
	dir string

	mu   sync.Mutex
	wall time.Time
	log  strings.Builder
}

func newSite(t testing.TB) *site {
	s := &site{TB: t, dir: t.TempDir(), wall: epoch}
	s.memory = &memory{service: func() storage.ServiceTime { return storage.ServiceTime(1).Add(s.now().Sub(epoch)) }}
	return s
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wall
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wall = s.wall.Add(d)
}

// Write keeps what is logged.
func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// seen is the high-water file of one machine of the site.
func (s *site) seen(machine string) *Seen { return NewSeen(filepath.Join(s.dir, machine+".seen")) }

// config is that of a process on machine "a" that makes ES256 keys.
func (s *site) config(change ...func(*RotatorConfig)) RotatorConfig {
	cfg := RotatorConfig{
		Store: s.memory, Sealer: must(NewSealer(testKEK(1))), Seen: s.seen("a"), Schedule: brisk(),
		ServiceTime: s.ServiceTime, Now: s.now, Log: slog.New(slog.NewTextHandler(s, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func (s *site) rotator(change ...func(*RotatorConfig)) *Rotator {
	return NewRotator(s.config(change...))
}

// started returns a rotator that serves.
func (s *site) started(change ...func(*RotatorConfig)) *Rotator {
	s.Helper()
	r := s.rotator(change...)
	s.must(r.Start(s.Context()))
	return r
}

func on(machine *Seen) func(*RotatorConfig) { return func(c *RotatorConfig) { c.Seen = machine } }

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// sign signs for a client of the default algorithm and checks the token with
// the published keys of the same process. It returns the kid.
func (s *site) sign(r *Rotator) string {
	s.Helper()
	token, err := r.Sign(s.Context(), "", "at+jwt", []byte(`{"sub":"x"}`))
	s.must(err)
	kid, err := verify(token, r.Ring(), s.now())
	s.must(err)
	return kid
}

// verify checks a compact token as a verifier with the ring's key set does.
func verify(token string, ring Ring, now time.Time) (kid string, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return "", err
	}
	kid = jws.Signatures[0].Header.KeyID
	for _, k := range ring.Published(now) {
		if k.ID == kid {
			body, err := jws.Verify(k.JWK())
			if err == nil && !json.Valid(body) {
				err = fmt.Errorf("payload %q", body)
			}
			return kid, err
		}
	}
	return kid, fmt.Errorf("key %s is not published", kid)
}

// row opens what is stored.
func (s *site) row() Ring {
	s.Helper()
	sealed, v := s.backup()
	r, err := must(NewSealer(testKEK(1))).Open(sealed)
	s.must(err)
	if r.version != v {
		s.Fatalf("version %d in a row of version %d", r.version, v)
	}
	return r
}
