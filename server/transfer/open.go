package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// IsPostgres says whether the name of a database is a PostgreSQL server's, and
// not a file's.
func IsPostgres(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// Open opens the database of a Django site to read it: a file of SQLite, or
// a PostgreSQL server by its URL, without a password in it: that comes from
// PGPASSWORD, PGPASSFILE or ~/.pgpass, as for psql.
func Open(ctx context.Context, name string) (*Database, error) {
	if IsPostgres(name) {
		return openPostgres(ctx, name)
	}
	return openSQLite(ctx, strings.TrimPrefix(name, "sqlite://"))
}

// openSQLite opens a file that may be in use. Each page of users is read in a
// transaction of its own, so that nobody who writes is held up.
func openSQLite(ctx context.Context, path string) (*Database, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: name the file of a SQLite database, or postgres://USER@HOST/DATABASE", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=ro&_query_only=on&_busy_timeout=10000"}
	db, err := sql.Open("sqlite3", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	d := &Database{
		q: db, release: db.Close, name: func(table string) string { return table },
		exists: "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name = $1",
	}
	if _, err := d.has(ctx, "sqlite_master"); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return d, nil
}

var errPassword = errors.New("a password in the name of a database is seen by every process of this machine: leave it out, and put it into PGPASSWORD, or into a file that PGPASSFILE names")

// openPostgres reads in one transaction, so that what is read is the state of
// one moment; it locks nothing that writers want.
func openPostgres(ctx context.Context, name string) (*Database, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, errors.New("the name of the database is not a URL: write postgres://USER@HOST/DATABASE")
	}
	_, secret := u.User.Password()
	if secret || u.Query().Has("password") {
		return nil, errPassword
	}
	cfg, err := pgx.ParseConfig(name)
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // leaves nothing behind in a pooler's connections
	cfg.RuntimeParams["application_name"] = "hallmark user import"
	db := stdlib.OpenDB(*cfg)
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Database{
		q: tx, name: quoted, exists: "SELECT to_regclass($1::text) IS NOT NULL",
		release: func() error { return errors.Join(tx.Rollback(), db.Close()) },
	}, nil
}
