package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Condition is what Inspect found about a database file.
type Condition struct {
	Schema  int    // its version; 0: an empty file
	Known   int    // the version that this program makes of it when it opens it
	Journal string // "wal" where everything is right
}

// Inspect looks at a database file that is there and leaves it as it is: it is
// not migrated. A file that Open would refuse is an error in one line that says
// what to do. ctx bounds the wait for whoever holds the file.
func Inspect(ctx context.Context, path string) (Condition, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Condition{}, fmt.Errorf("storage/sqlite: %w", err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return Condition{}, fmt.Errorf("storage/sqlite: %w", irregular(path, info))
	}
	c := Condition{Known: len(scripts())}
	err = poll(ctx.Done(), lockWait, func() error { return c.read(ctx, path) })
	switch {
	case err == errLeft, errors.Is(err, context.DeadlineExceeded):
		return Condition{}, fmt.Errorf("storage/sqlite: %s: another process holds it: %w", path, context.Cause(ctx))
	case err != nil:
		return Condition{}, fmt.Errorf("storage/sqlite: %w", explain(path, err))
	}
	return c, nil
}

func (c *Condition) read(ctx context.Context, path string) error {
	if err := probe(ctx, path, applicationID); err != nil {
		return err
	}
	db, err := connect(probeDSN(path), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.GetContext(ctx, &c.Schema, "PRAGMA user_version"); err != nil {
		return err
	}
	return db.GetContext(ctx, &c.Journal, "PRAGMA journal_mode")
}
