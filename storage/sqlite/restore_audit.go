package sqlite

import (
	"context"
	"fmt"
)

// auditLeap is how far the audit's numbers go on behind those of the backup
// where nobody knows which were given since: further than any store got.
const auditLeap = 1 << 32

// numberOn has the audit of the copy go on with numbers that were never given,
// so that whoever reads behind a number misses nothing. Nobody writes to the
// store any more.
func (r *Restoration) numberOn(ctx context.Context) error {
	next := fmt.Sprintf("(SELECT ifnull(max(seq), 0) + %d FROM sqlite_sequence WHERE name = 'audit')", auditLeap)
	if given, known := r.given(ctx); known {
		next = fmt.Sprint(given)
	}
	err := alter(ctx, aloneDSN(r.temp), `
		INSERT INTO sqlite_sequence (name, seq) SELECT 'audit', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'audit');
		UPDATE sqlite_sequence SET seq = max(seq, `+next+`) WHERE name = 'audit'`)
	if err != nil {
		return fmt.Errorf("storage/sqlite: %w", explain(r.temp, err))
	}
	return nil
}

// given is the highest number that the store which is there gave. A backup in
// the store's place knows no more than the one that is restored.
func (r *Restoration) given(ctx context.Context) (highest int64, known bool) {
	if r.old == nil || r.itself {
		return 0, false
	}
	var id int64
	if err := r.old.GetContext(ctx, &id, "PRAGMA application_id"); err != nil || id != applicationID {
		return 0, false
	}
	err := r.old.GetContext(ctx, &highest, "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'")
	return highest, err == nil
}
