package storagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// A Model is a backend in memory. Its rules are package storage's, its
// transactions a mutex, and its service time stands still but for AddService,
// so that a test decides when a retry window is over.
type Model struct {
	state  *state // shared by the models that Reopen returns
	closed bool   // guarded by state.mu
}

type state struct {
	mu       sync.Mutex
	users    map[uuid.UUID]storage.User
	clients  map[int64]storage.Client
	numbered int64 // clients, ever
	sessions map[storage.SessionID]storage.Session
	tokens   map[string]storage.OperatorToken // by name
	replicas map[uuid.UUID]storage.Replica
	spent    map[storage.Digest]storage.Spent
	records  []storage.Record
	recorded int64 // records, ever
	sealed   []byte
	version  storage.Version // 0: no ring yet
	at       storage.ServiceTime
}

// NewModel returns an empty store.
func NewModel() *Model {
	return &Model{state: &state{
		users:    map[uuid.UUID]storage.User{},
		clients:  map[int64]storage.Client{},
		sessions: map[storage.SessionID]storage.Session{},
		tokens:   map[string]storage.OperatorToken{},
		replicas: map[uuid.UUID]storage.Replica{},
		spent:    map[storage.Digest]storage.Spent{},
		at:       1,
	}}
}

// Reopen closes the model and returns another with the same content.
func (m *Model) Reopen() *Model {
	m.Close()
	return &Model{state: m.state}
}

// AddService makes the service time d later.
func (m *Model) AddService(d time.Duration) {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	m.state.at = m.state.at.Add(max(d, 0))
}

// Close makes every later verb report ErrUnavailable.
func (m *Model) Close() error {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	m.closed = true
	return nil
}

// begin starts a transaction, which lasts until the mutex is unlocked.
func (m *Model) begin(ctx context.Context) (*state, error) {
	m.state.mu.Lock()
	if err := ctx.Err(); err != nil {
		return m.state, fmt.Errorf("storagetest: %w", err)
	}
	if m.closed {
		return m.state, fmt.Errorf("storagetest: %w: closed", storage.ErrUnavailable)
	}
	return m.state, nil
}

// ServiceTime is what NewModel and AddService made it.
func (m *Model) ServiceTime(ctx context.Context) (storage.ServiceTime, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return s.at, nil
}

// Check reports whether the model is open.
func (m *Model) Check(ctx context.Context) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	return err
}

// LoadRing reports ErrNotFound when there is none yet.
func (m *Model) LoadRing(ctx context.Context) (sealed []byte, v storage.Version, err error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return nil, 0, err
	case s.version == 0:
		return nil, 0, storage.ErrNotFound
	}
	return bytes.Clone(s.sealed), s.version, nil
}

// ReplaceRing is a compare-and-swap on the version.
func (m *Model) ReplaceRing(ctx context.Context, old, next storage.Version, sealed []byte) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case s.version != old || next <= old:
		return storage.ErrConflict
	}
	s.sealed, s.version = bytes.Clone(sealed), next
	return s.record(ctx, storage.RingReplaced(ctx, next)...)
}

// kept is v as a store gives it back: a copy, made of JSON values.
func kept[T any](v T) (out T, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		err = fmt.Errorf("storagetest: %w", err)
	}
	return out, err
}

// whole is t as it is kept.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
