package sqlite

import (
	"context"
	"embed"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// Each file takes the schema one version further; user_version counts them.
// A file that was released is never changed again.
//
//go:embed migrations/*.sql
var migrations embed.FS

// scripts returns the migrations; the first one makes version 1.
func scripts() []string {
	entries, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var out []string
	for _, e := range entries {
		b, err := migrations.ReadFile("migrations/" + e.Name())
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
	}
	return out
}

// migrate runs what is missing in one transaction. Of several processes that
// open a file at once one does it, and the others find it done. The file must
// be empty or have one of the application ids: since the probe another may have
// got its name.
func migrate(ctx context.Context, db *sqlx.DB, ids ...int64) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.GetContext(ctx, &version, "PRAGMA user_version"); err != nil {
		return err
	}
	var id int64
	if err := tx.GetContext(ctx, &id, "PRAGMA application_id"); err != nil {
		return err
	}
	all := scripts()
	switch {
	case version > 0 && !slices.Contains(ids, id):
		return errBackup
	case version == len(all):
		return nil
	case version > len(all): // since the probe
		return errNewer
	}
	for i, script := range all[version:] {
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("migration %d: %w", version+i+1, err)
		}
	}
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(all))
	if _, err := tx.ExecContext(ctx, marks); err != nil {
		return err
	}
	return tx.Commit()
}
