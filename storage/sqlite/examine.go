package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"
)

// Examine reads a backup, or another copy of a database, from end to end and
// leaves it as it is. What is not ours, of a newer program or damaged is an
// error in one line that says what to do.
func Examine(ctx context.Context, file string, now time.Time) (Summary, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return Summary{}, fmt.Errorf("storage/sqlite: %w", err)
	}
	s, err := examine(ctx, file, now)
	if err != nil {
		return Summary{}, fmt.Errorf("storage/sqlite: %w", err)
	}
	return s, nil
}

func examine(ctx context.Context, file string, now time.Time) (s Summary, err error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return s, err
	case !info.Mode().IsRegular():
		return s, irregular(file, info)
	case info.Size() == 0:
		return s, explain(file, errForeign)
	}
	s.Bytes = info.Size()
	id, err := identify(ctx, file)
	if err != nil {
		return s, explain(file, err)
	}
	db, err := connect(probeDSN(file), 1)
	if err != nil {
		return s, err
	}
	defer db.Close()
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return s, explain(file, err)
	}
	defer tx.Rollback()
	if err := tx.GetContext(ctx, &s.Schema, "PRAGMA user_version"); err != nil {
		return s, explain(file, err)
	}
	if s.Schema == 0 { // a database without anything in it
		return s, explain(file, errForeign)
	}
	if err := whole(ctx, tx); err != nil {
		return s, explain(file, err)
	}
	if err := s.count(ctx, tx, id, now); err != nil {
		return s, explain(file, err)
	}
	return s, nil
}

// identify tells whether a file is a backup or a store, of a schema that is known.
func identify(ctx context.Context, file string) (id int64, err error) {
	err = poll(ctx.Done(), lockWait, func() error {
		id = applicationID
		err := probe(ctx, file, id)
		if errors.Is(err, errBackup) {
			id = backupID
			err = probe(ctx, file, id)
		}
		return err
	})
	return id, err
}

// whole refuses a file with as much as one bad page, index or reference.
func whole(ctx context.Context, tx *sqlx.Tx) error {
	var verdict string
	if err := tx.GetContext(ctx, &verdict, "PRAGMA integrity_check(1)"); err != nil {
		return err
	}
	var dangling int
	if err := tx.GetContext(ctx, &dangling, "SELECT count(*) FROM pragma_foreign_key_check"); err != nil {
		return err
	}
	if verdict != "ok" || dangling > 0 {
		return errForeign
	}
	return nil
}

// living is a condition on a session's row at a time in microseconds.
const living = "ended_at = 0 AND expires_at > %[1]d AND last_used_at + idle_lifetime > %[1]d"

func (s *Summary) count(ctx context.Context, tx *sqlx.Tx, id int64, now time.Time) error {
	var taken int64
	queries := map[string]any{
		"SELECT ifnull(max(version), 0) FROM ring": &s.Ring,
		"SELECT count(*) FROM users":               &s.Users,
		"SELECT count(*) FROM clients":             &s.Clients,
		"SELECT count(*) FROM sessions WHERE client IN (SELECT number FROM clients) AND " + fmt.Sprintf(living, micros(now)): &s.Sessions,
	}
	if id == backupID {
		queries["SELECT taken_at FROM backup"] = &taken
	}
	for query, into := range queries {
		if err := tx.GetContext(ctx, into, query); err != nil {
			return err
		}
	}
	if taken != 0 {
		s.TakenAt = time.UnixMicro(taken).UTC()
	}
	return nil
}
