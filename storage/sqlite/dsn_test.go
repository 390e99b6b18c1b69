package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// The settings are asked of the connections that do the work, not read from the DSN.
func TestSettingsOfLiveConnections(t *testing.T) {
	common := map[string]string{
		"journal_mode": "wal", "synchronous": "2" /* FULL */, "secure_delete": "1", "foreign_keys": "1",
	}
	s, _ := fresh(t)

	t.Run("writer", func(t *testing.T) {
		want := with(common, "query_only", "0", "busy_timeout", "0", "cache_size", "-16384")
		must(t, s.Do(ctx, func(q sqlstore.Querier) error {
			assertPragmas(t, q, want)
			return nil
		}))
	})
	t.Run("readers", func(t *testing.T) {
		want := with(common, "query_only", "1", "busy_timeout", "5000")
		size := s.Readers().Stats().MaxOpenConnections
		if size < 2 {
			t.Fatalf("a pool of %d", size)
		}
		for range size { // every one of the pool, all open at once
			c, err := s.Readers().Connx(ctx)
			must(t, err)
			defer c.Close()
			assertPragmas(t, c, want)
			if _, err := c.ExecContext(ctx, "DELETE FROM service_time"); err == nil {
				t.Error("a reader could write")
			}
		}
	})
}

func assertPragmas(t *testing.T, q sqlstore.Querier, want map[string]string) {
	t.Helper()
	for name, value := range want {
		var got string
		must(t, sqlx.GetContext(ctx, q, &got, "PRAGMA "+name))
		if got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
}

func with(m map[string]string, pairs ...string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// A transaction of the writer has the write lock from its first moment, one of
// a reader never.
func TestTransactionsBeginImmediatelyOrDeferred(t *testing.T) {
	s, path := fresh(t)
	other, err := sqlx.Open("sqlite3", sqlite.WriterDSN(path))
	must(t, err)
	defer other.Close()

	reading, err := s.Readers().BeginTxx(ctx, nil)
	must(t, err)
	defer reading.Rollback()
	var n int
	must(t, reading.Get(&n, "SELECT count(*) FROM users"))

	writing, err := other.BeginTxx(ctx, nil)
	if err != nil {
		t.Fatal("a reader is in the writer's way:", err)
	}
	defer writing.Rollback()
	third, err := sqlx.Open("sqlite3", sqlite.WriterDSN(path))
	must(t, err)
	defer third.Close()
	if tx, err := third.BeginTxx(ctx, nil); err == nil {
		tx.Rollback()
		t.Error("two transactions of writers are open at once")
	}
}

// What is in a path stays in the path.
func TestPathsThatLookLikeSettings(t *testing.T) {
	for _, name := range []string{
		"a?mode=memory.db", "100%25 ours.db", "x#y.db", "a&b=c.db", "with space.db", "file:odd.db", "ünïcode.db",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s := reopen(t, path)
			must(t, s.CreateUser(ctx, aUser("ada")))
			must(t, s.Close())
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			if _, err := reopen(t, path).UserByName(ctx, "ada"); err != nil {
				t.Error("not found again:", err)
			}
		})
	}
}

// Secrets that were replaced are gone from the file, not only from the row.
func TestReplacedRingIsOverwritten(t *testing.T) {
	s, path := fresh(t)
	old := strings.Repeat("sealed-before ", 40)
	must(t, s.ReplaceRing(ctx, 0, 1, []byte(old)))
	must(t, s.ReplaceRing(ctx, 1, 2, []byte("short")))
	must(t, s.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(b), "sealed-before") {
		t.Error("the replaced ring is still in the file")
	}
}

// scalar reads one value straight from the file.
func scalar[T any](t testing.TB, path, query string) (v T) {
	t.Helper()
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?mode=ro&_busy_timeout=5000", path))
	must(t, err)
	defer db.Close()
	must(t, db.QueryRowContext(context.Background(), query).Scan(&v))
	return v
}
