package sqlstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

type replicaRow struct {
	ID        []byte `db:"id"`
	Name      string `db:"name"`
	Version   int64  `db:"version"`
	AdoptedAt int64  `db:"adopted_at"`
	SeenAt    int64  `db:"seen_at"`
	Seen      int64  `db:"seen"`
}

const (
	replicaColumns = `id, name, version, adopted_at, seen_at, seen`

	upsertReplica = `INSERT INTO replicas (` + replicaColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET name = $2, version = $3, adopted_at = $4, seen_at = $5, seen = $6`
	deleteForgotten = `DELETE FROM replicas WHERE seen <= $1`
	// There are none behind the offset as a rule: then the comparison is with null.
	deleteSurplus = `DELETE FROM replicas WHERE (seen, id) <=
		(SELECT seen, id FROM replicas WHERE seen > $1 ORDER BY seen DESC, id DESC LIMIT 1 OFFSET $2)`
	selectReplicas = `SELECT ` + replicaColumns + ` FROM replicas ORDER BY id`
	deleteReplica  = `DELETE FROM replicas WHERE id = $1`
)

// ReportReplica keeps what a process says of itself, seen at a service time,
// and removes those that are to be forgotten then and the surplus.
func ReportReplica(ctx context.Context, q Querier, r storage.Replica, at storage.ServiceTime) error {
	_, err := change(ctx, q, upsertReplica, r.ID[:], r.Name, int64(r.Version), micros(r.AdoptedAt), micros(r.SeenAt), int64(at))
	if err != nil {
		return err
	}
	limit := int64(at.Add(-storage.KeepReplica)) // as Replica.ForgottenAt has it
	if _, err := change(ctx, q, deleteForgotten, limit); err != nil {
		return err
	}
	_, err = change(ctx, q, deleteSurplus, limit, storage.MaxReplicas)
	return err
}

// Replicas returns every replica, by id.
func Replicas(ctx context.Context, q Querier) ([]storage.Replica, error) {
	rows, err := all[replicaRow](ctx, q, selectReplicas)
	if err != nil {
		return nil, err
	}
	return records(rows, replicaRow.replica)
}

// RemoveReplica reports ErrNotFound.
func RemoveReplica(ctx context.Context, q Querier, id uuid.UUID) error {
	return must(ctx, q, storage.ErrNotFound, deleteReplica, id[:])
}

func (r replicaRow) replica() (storage.Replica, error) {
	var d decoder
	out := storage.Replica{
		Name: r.Name, Version: storage.Version(r.Version),
		AdoptedAt: instant(r.AdoptedAt), SeenAt: instant(r.SeenAt), Seen: storage.ServiceTime(r.Seen),
	}
	d.fixed("replicas.id", out.ID[:], r.ID)
	return out, d.err
}
