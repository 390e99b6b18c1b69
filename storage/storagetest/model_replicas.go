package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// ReportReplica keeps a replica, and as many as there may be.
func (m *Model) ReportReplica(ctx context.Context, r storage.Replica) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	r.AdoptedAt, r.SeenAt, r.Seen = whole(r.AdoptedAt), whole(r.SeenAt), s.at
	s.replicas[r.ID] = r
	maps.DeleteFunc(s.replicas, func(_ uuid.UUID, r storage.Replica) bool { return r.ForgottenAt(s.at) })
	for len(s.replicas) > storage.MaxReplicas {
		delete(s.replicas, slices.MinFunc(slices.Collect(maps.Values(s.replicas)), longestAgo).ID)
	}
	return nil
}

// longestAgo orders replicas by when they were seen, then by id.
func longestAgo(a, b storage.Replica) int {
	return cmp.Or(cmp.Compare(a.Seen, b.Seen), bytes.Compare(a.ID[:], b.ID[:]))
}

// Replicas returns all, by id.
func (m *Model) Replicas(ctx context.Context) ([]storage.Replica, error) {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(s.replicas), func(a, b storage.Replica) int { return bytes.Compare(a.ID[:], b.ID[:]) }), nil
}

// RemoveReplica reports ErrNotFound.
func (m *Model) RemoveReplica(ctx context.Context, id uuid.UUID) error {
	s, err := m.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if _, ok := s.replicas[id]; !ok {
		return storage.ErrNotFound
	}
	delete(s.replicas, id)
	return nil
}
