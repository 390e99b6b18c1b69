package sqlite_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// TestInspect: a file is described and left as it is, whatever it is.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	current := filepath.Join(dir, "current.db")
	s, err := sqlite.Open(t.Context(), current, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.Inspect(t.Context(), current) // beside a process that has it open
	if err != nil || c.Schema != c.Known || c.Known < 1 || c.Journal != "wal" {
		t.Errorf("open: %+v, %v", c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if closed, err := sqlite.Inspect(t.Context(), current); err != nil || closed != c {
		t.Errorf("closed: %+v, %v", closed, err)
	}

	empty := filepath.Join(dir, "empty.db")
	foreign := filepath.Join(dir, "foreign.db")
	for path, text := range map[string]string{empty: "", foreign: strings.Repeat("not SQLite", 999)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := sqlite.Inspect(t.Context(), empty); err != nil || c.Schema != 0 {
		t.Errorf("empty: %+v, %v", c, err)
	}
	if info, err := os.Stat(empty); err != nil || info.Size() != 0 {
		t.Errorf("the empty file has %d bytes", info.Size())
	}
	if _, err := sqlite.Inspect(t.Context(), foreign); err == nil || !strings.Contains(err.Error(), "not a Hallmark database") {
		t.Errorf("foreign: %v", err)
	}
	if _, err := sqlite.Inspect(t.Context(), filepath.Join(dir, "none.db")); err == nil {
		t.Error("a file that is not there was described")
	}

	db, err := sql.Open("sqlite3", current)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := sqlite.Inspect(ctx, current); err == nil || !strings.Contains(err.Error(), "another process holds it") {
		t.Errorf("held: %v", err)
	}
	db.Close()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind %v, %v", entries, err)
	}
}
