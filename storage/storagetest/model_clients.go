package storagetest

import (
	"context"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/storage"
)

// CreateClient gives the client the next number.
func (m *Model) CreateClient(ctx context.Context, c storage.Client) (storage.Client, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Client{}, err
	}
	for _, other := range s.clients {
		if other.ID == c.ID {
			return storage.Client{}, storage.ErrConflict
		}
	}
	if c, err = keepClient(c); err != nil {
		return storage.Client{}, err
	}
	s.numbered++
	c.Number = s.numbered
	s.clients[c.Number] = c
	if err := s.record(ctx, storage.ClientAdded(c)); err != nil {
		return storage.Client{}, err
	}
	return keepClient(c)
}

// ClientByID reports ErrNotFound.
func (m *Model) ClientByID(ctx context.Context, id string) (storage.Client, error) {
	clients, err := m.Clients(ctx)
	if err != nil {
		return storage.Client{}, err
	}
	for _, c := range clients {
		if c.ID == id {
			return c, nil
		}
	}
	return storage.Client{}, storage.ErrNotFound
}

// Clients returns all, by id.
func (m *Model) Clients(ctx context.Context) ([]storage.Client, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var out []storage.Client
	for _, c := range s.clients {
		c, err := keepClient(c)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b storage.Client) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func keepClient(c storage.Client) (storage.Client, error) {
	policy, err := kept(c.ClientPolicy)
	c.ClientPolicy, c.Secrets, c.CreatedAt = policy, slices.Clone(c.Secrets), whole(c.CreatedAt)
	return c, err
}

// ChangeClient does what storage.ClientChange says.
func (m *Model) ChangeClient(ctx context.Context, id string, change storage.ClientChange) (storage.Client, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return storage.Client{}, err
	}
	for number, before := range s.clients {
		if before.ID != id {
			continue
		}
		after, err := change.Apply(before)
		if err != nil {
			return before, err
		}
		if after, err = keepClient(after); err != nil {
			return before, err
		}
		s.clients[number] = after
		if r, changed := storage.ClientChanged(before, after, change); changed {
			if err := s.record(ctx, r); err != nil {
				return before, err
			}
		}
		return keepClient(after)
	}
	return storage.Client{}, storage.ErrNotFound
}

// RemoveClient leaves the client's sessions to SweepSessions.
func (m *Model) RemoveClient(ctx context.Context, id string) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	for number, c := range s.clients {
		if c.ID == id {
			delete(s.clients, number)
			return s.record(ctx, storage.ClientRemoved(id))
		}
	}
	return storage.ErrNotFound
}
