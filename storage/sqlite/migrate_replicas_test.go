package sqlite_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// versionTwo makes a file as the second version of the schema left it.
func versionTwo(t *testing.T, path string, more string) {
	t.Helper()
	p := newPast(t)
	versionOne(t, path, func(db *sqlx.DB) {
		p.write(t, db)
		db.MustExec(sqlite.Scripts()[1])
		db.MustExec("PRAGMA user_version = 2")
		if more != "" {
			db.MustExec(more)
		}
	})
}

// A store of version 2 has everything after it was opened, and processes can
// report to it.
func TestFromVersionTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionTwo(t, path, "")
	s := reopen(t, path)
	if v := scalar[int](t, path, "PRAGMA user_version"); v != len(sqlite.Scripts()) || v < 3 {
		t.Errorf("version %d", v)
	}
	if verdict := scalar[string](t, path, "PRAGMA integrity_check"); verdict != "ok" {
		t.Error(verdict)
	}
	if sealed, v, err := s.LoadRing(ctx); err != nil || string(sealed) != "sealed" || v != 7 {
		t.Errorf("the ring is %q at %d, %v", sealed, v, err)
	}
	entries, err := s.Sessions(ctx, storage.SessionID{}, 100)
	must(t, err)
	if len(entries) != 7 {
		t.Errorf("%d sessions", len(entries))
	}
	r := storage.Replica{ID: uuid.New(), Name: "web-1", Version: 7, AdoptedAt: epoch, SeenAt: epoch}
	must(t, s.ReportReplica(ctx, r))
	got, err := s.Replicas(ctx)
	must(t, err)
	if len(got) != 1 || got[0].ID != r.ID || got[0].Version != 7 || got[0].Seen < 1 {
		t.Errorf("replicas %+v", got)
	}
}

// The third script fails without a change to the file. A database that is newer
// than the program is refused, as after any script.
func TestThirdMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionTwo(t, path, `CREATE TABLE replicas (x)`)
	before, err := os.ReadFile(path)
	must(t, err)
	_, err = sqlite.Open(ctx, path, quiet)
	assertRefusal(t, err, path, "migration 3")
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
	database(t, path, `DROP TABLE replicas`)
	must(t, reopen(t, path).Close())
	database(t, path, fmt.Sprintf(`PRAGMA user_version = %d`, len(sqlite.Scripts())+1))
	_, err = sqlite.Open(ctx, path, quiet)
	assertRefusal(t, err, path, "newer")
}
