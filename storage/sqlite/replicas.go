package sqlite

import (
	"context"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// ReportReplica keeps what a process says of itself, seen now in service time
// whatever r.Seen is. Those that reported no more for storage.KeepReplica are
// removed, and of more than storage.MaxReplicas those seen longest ago.
func (s *Store) ReportReplica(ctx context.Context, r storage.Replica) error {
	_, err := write(ctx, s, func(ctx context.Context, q sqlstore.Querier, at storage.ServiceTime) (struct{}, error) {
		return struct{}{}, sqlstore.ReportReplica(ctx, q, r, at)
	})
	return err
}

// Replicas returns every replica, by id.
func (s *Store) Replicas(ctx context.Context) ([]storage.Replica, error) {
	return read(s, func(q sqlstore.Querier) ([]storage.Replica, error) { return sqlstore.Replicas(ctx, q) })
}

// RemoveReplica removes a replica, which ends; storage.ErrNotFound.
func (s *Store) RemoveReplica(ctx context.Context, id uuid.UUID) error {
	return exec(ctx, s, func(ctx context.Context, q sqlstore.Querier) error { return sqlstore.RemoveReplica(ctx, q, id) })
}
