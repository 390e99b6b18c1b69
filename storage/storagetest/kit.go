package storagetest

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	window   = 90 * time.Second
	idle     = 24 * time.Hour
	absolute = 30 * 24 * time.Hour
)

// A store is a fixture in the hands of one case.
type store struct {
	*testing.T
	Fixture
	now   time.Time // the wall clock
	began time.Time // before the store was made, by the machine's clock
}

func newStore(t *testing.T, open func(*testing.T) Fixture) *store {
	t.Helper()
	s := &store{T: t, now: time.Date(2026, 11, 23, 8, 0, 0, 123_456_000, time.UTC), began: time.Now()}
	s.Fixture = open(t)
	return s
}

func (s *store) reopen() { s.Backend = s.Reopen() }

func (s *store) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// wants expects one error of package storage, or none.
func (s *store) wants(want, err error) {
	s.Helper()
	if got := verdict(err); got != want {
		s.Fatalf("got %v, want %v", err, want)
	}
}

// aUser is a user who may sign in.
func (s *store) aUser(name string) storage.User {
	return storage.User{ID: uuid.New(), Name: name, PasswordHash: "hash of " + name, CreatedAt: s.now}
}

func (s *store) addUser(name string) storage.User {
	s.Helper()
	u := s.aUser(name)
	s.must(s.CreateUser(s.Context(), u))
	return u
}

// aClient is a public client that may refresh.
func (s *store) aClient(id string) storage.Client {
	return storage.Client{
		ID: id, Name: "The " + id, AuthMethod: storage.AuthNone, CreatedAt: s.now,
		ClientPolicy: storage.ClientPolicy{
			Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
			Scopes: []string{"read", "write", "admin"}, DefaultScopes: []string{"read"},
			Audiences:        []string{"https://a.example", "https://b.example", "https://c.example"},
			DefaultAudiences: []string{"https://a.example"},
			RetryWindow:      window, Rotate: true,
		},
	}
}

func (s *store) addClient(id string, change ...func(*storage.Client)) storage.Client {
	s.Helper()
	c := s.aClient(id)
	for _, apply := range change {
		apply(&c)
	}
	c, err := s.CreateClient(s.Context(), c)
	s.must(err)
	return c
}

// A device holds the refresh token of one login.
type device struct {
	client int64
	token  storage.RefreshToken
}

// aSession is a login that would be granted.
func (s *store) aSession(u storage.User, c storage.Client) storage.NewSession {
	return storage.NewSession{
		Token: storage.NewRefreshToken(), User: u.ID, PasswordHash: u.PasswordHash, Client: c.Number,
		Scope: []string{"read", "write"}, Audience: []string{"https://a.example", "https://b.example"},
		AbsoluteLifetime: absolute, IdleLifetime: idle, Address: "192.0.2.1", Now: s.now,
	}
}

func (s *store) login(u storage.User, c storage.Client, change ...func(*storage.NewSession)) device {
	s.Helper()
	n := s.aSession(u, c)
	for _, apply := range change {
		apply(&n)
	}
	_, err := s.CreateSession(s.Context(), n)
	s.must(err)
	return device{client: c.Number, token: n.Token}
}

func (s *store) request(d device, change ...func(*storage.Refresh)) storage.Refresh {
	r := storage.Refresh{Token: d.token, Client: d.client, Nonce: storage.NewNonce(), Address: "192.0.2.2", Now: s.now}
	for _, apply := range change {
		apply(&r)
	}
	return r
}

func (s *store) refresh(d device, change ...func(*storage.Refresh)) (storage.Refreshed, error) {
	return s.RotateSession(s.Context(), s.request(d, change...))
}

// refreshed expects an outcome and returns the device with its next token.
func (s *store) refreshed(d device, want storage.Outcome) device {
	s.Helper()
	out, err := s.refresh(d)
	s.must(err)
	if out.Outcome != want {
		s.Fatalf("%q, want %q", out.Outcome, want)
	}
	return device{client: d.client, token: out.Token}
}

// row looks at a session.
func (s *store) row(t storage.RefreshToken) storage.Session {
	s.Helper()
	out, err := s.RotateSession(s.Context(), peek(t, s.now))
	s.wants(storage.ErrClient, err)
	return out.Before
}

// peek is a refresh in the name of no client: it is refused, with the row.
func peek(t storage.RefreshToken, now time.Time) storage.Refresh {
	return storage.Refresh{Token: t, Client: 0, Nonce: storage.NewNonce(), Now: now}
}

// live expects a session to be usable, ended expects why it is not.
func (s *store) live(t storage.RefreshToken) {
	s.Helper()
	s.ended(t, "")
}

func (s *store) ended(t storage.RefreshToken, why storage.EndReason) {
	s.Helper()
	if row := s.row(t); row.EndReason != why || row.EndedAt.IsZero() != (why == "") {
		s.Fatalf("ended at %v as %q, want %q", row.EndedAt, row.EndReason, why)
	}
}

// gone expects that there is no such session.
func (s *store) gone(t storage.RefreshToken) {
	s.Helper()
	_, err := s.RotateSession(s.Context(), peek(t, s.now))
	s.wants(storage.ErrNotFound, err)
}

// forged is a token of the same session at a generation.
func forged(t storage.RefreshToken, generation uint32) storage.RefreshToken {
	prefix, encoded, _ := strings.Cut(t.Reveal(), "_")
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint32(b[16:20], generation)
	out, err := storage.ParseRefreshToken(prefix + "_" + base64.RawURLEncoding.EncodeToString(b))
	if err != nil {
		panic(err)
	}
	return out
}

// parallel starts n calls at once and waits for them all.
func parallel[T any](n int, run func(i int) (T, error)) ([]T, []error) {
	var wg sync.WaitGroup
	values, errs, start := make([]T, n), make([]error, n), make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			values[i], errs[i] = run(i)
		})
	}
	close(start)
	wg.Wait()
	return values, errs
}

// parallelOnly is parallel for calls that return an error alone.
func parallelOnly(n int, run func(i int) error) []error {
	_, errs := parallel(n, func(i int) (struct{}, error) { return struct{}{}, run(i) })
	return errs
}

// setPassword gives a user another hash.
func setPassword(ctx context.Context, b Standing, user uuid.UUID, hash string, now time.Time) (ended int, err error) {
	_, ended, err = b.ChangeUser(ctx, user, storage.UserChange{PasswordHash: &hash, Now: now})
	return ended, err
}

// setDisabled disables a user or enables them again.
func setDisabled(ctx context.Context, b Standing, user uuid.UUID, disabled bool, now time.Time) (ended int, err error) {
	_, ended, err = b.ChangeUser(ctx, user, storage.UserChange{Disabled: &disabled, Now: now})
	return ended, err
}
