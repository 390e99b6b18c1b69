package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// KeptSuffix comes after a store's name, and the date after it, where a restore
// keeps what it replaced.
const KeptSuffix = ".replaced-"

// A Difference is something that putting the backup in the store's place undoes.
type Difference struct {
	What  string   `json:"what"`
	Count int      `json:"count"`
	Names []string `json:"names"` // of the first maxNames, in order
}

const maxNames = 20

// differences are read from the store that is there (main) and the copy of the
// backup. Each query yields names, of users where it is about sessions.
var differences = []struct{ what, query string }{
	{"users_lost", `SELECT name FROM main.users WHERE id NOT IN (SELECT id FROM copy.users)`},
	{"users_back", `SELECT name FROM copy.users WHERE id NOT IN (SELECT id FROM main.users)`},
	{"users_enabled", bothUsers + `m.disabled = 1 AND c.disabled = 0`},
	{"users_disabled", bothUsers + `m.disabled = 0 AND c.disabled = 1`},
	{"passwords_undone", bothUsers + `m.password_hash <> c.password_hash`},
	{"users_changed", bothUsers + `(m.name, m.claims, m.foreign_id) IS NOT (c.name, c.claims, c.foreign_id)`},
	{"clients_lost", `SELECT client_id FROM main.clients WHERE number NOT IN (SELECT number FROM copy.clients)`},
	{"clients_back", `SELECT client_id FROM copy.clients WHERE number NOT IN (SELECT number FROM main.clients)`},
	{"client_secrets_undone", bothClients + `m.secrets <> c.secrets`},
	{"clients_changed", bothClients + `(m.client_id, m.name, m.auth_method, m.policy) IS NOT (c.client_id, c.name, c.auth_method, c.policy)`},
	{"operator_tokens_lost", `SELECT name FROM main.operator_tokens WHERE digest NOT IN (SELECT digest FROM copy.operator_tokens)`},
	{"operator_tokens_back", `SELECT name FROM copy.operator_tokens WHERE digest NOT IN (SELECT digest FROM main.operator_tokens)`},
	{"sessions_lost", `SELECT u.name FROM main.sessions s JOIN main.users u ON u.id = s.user_id WHERE :living AND s.id NOT IN (SELECT id FROM copy.sessions)`},
	{"sessions_back", `SELECT u.name FROM copy.sessions s JOIN copy.users u ON u.id = s.user_id WHERE :living AND s.id NOT IN (SELECT id FROM main.sessions WHERE ended_at = 0)`},
	{"sessions_behind", `SELECT u.name FROM copy.sessions s JOIN copy.users u ON u.id = s.user_id WHERE :living AND EXISTS (SELECT 1 FROM main.sessions m WHERE m.id = s.id AND m.ended_at = 0 AND m.generation > s.generation)`},
}

const (
	bothUsers   = `SELECT c.name FROM main.users m JOIN copy.users c ON m.id = c.id WHERE `
	bothClients = `SELECT c.client_id FROM main.clients m JOIN copy.clients c ON m.number = c.number WHERE `
)

// ErrIncomparable is reported where what a backup undoes is not known.
var ErrIncomparable = errors.New("the store that is there cannot be compared with the backup")

// Differences compares the copy with the store that it is to replace, after
// Hold or View; there are none where there is no store. What the sessions of
// the backup come to is told of those that still live in the copy.
func (r *Restoration) Differences(ctx context.Context, now time.Time) ([]Difference, error) {
	if !exists(r.path) {
		return nil, nil
	}
	if r.old == nil {
		return nil, fmt.Errorf("storage/sqlite: %w: it is no database, or damaged", ErrIncomparable)
	}
	found, err := r.compare(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w: %w", ErrIncomparable, err)
	}
	return found, nil
}

func (r *Restoration) compare(ctx context.Context, now time.Time) (found []Difference, err error) {
	conn, err := r.old.Connx(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var schema int
	if err := conn.GetContext(ctx, &schema, "PRAGMA main.user_version"); err != nil {
		return nil, err
	}
	if schema < 2 || schema > len(scripts()) {
		return nil, fmt.Errorf("it has schema %d", schema)
	}
	if _, err := conn.ExecContext(ctx, "ATTACH ? AS copy", dsn(r.temp, map[string]string{"mode": "ro"})); err != nil {
		return nil, err
	}
	defer func() {
		_, detached := conn.ExecContext(context.WithoutCancel(ctx), "DETACH copy")
		err = errors.Join(err, detached)
	}()
	for _, d := range differences {
		query := strings.ReplaceAll(d.query, ":living", fmt.Sprintf("s."+strings.ReplaceAll(living, "AND ", "AND s."), micros(now)))
		one := Difference{What: d.what}
		if err := conn.GetContext(ctx, &one.Count, "SELECT count(*) FROM ("+query+")"); err != nil {
			return nil, fmt.Errorf("%s: %w", d.what, err)
		}
		if one.Count == 0 {
			continue
		}
		if one.Names, err = firstNames(ctx, conn, query); err != nil {
			return nil, fmt.Errorf("%s: %w", d.what, err)
		}
		found = append(found, one)
	}
	return found, nil
}

func firstNames(ctx context.Context, conn *sqlx.Conn, query string) (names []string, err error) {
	err = conn.SelectContext(ctx, &names, fmt.Sprintf("SELECT DISTINCT * FROM (%s) ORDER BY 1 LIMIT %d", query, maxNames))
	return names, err
}

// literal is a path as a pattern that matches it alone.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
