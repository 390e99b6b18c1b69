package transfer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// pageRows is how many users are fetched at a time.
const pageRows = 500

// A Database is a Django site's, while it is in use: nothing in it is changed.
type Database struct {
	q       querier
	exists  string              // whether a table of this name is there
	name    func(string) string // of a table, as exists takes it
	release func() error
}

// A querier is a database or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Close lets go of the database.
func (d *Database) Close() error { return d.release() }

// A site is the names of the tables in a database, and what is in the small ones.
type site struct {
	d       *Database
	m       Mapping
	table   string   // as it was named
	columns []string // of the users that are wanted
	pk      string
	short   bool // the ids are UUIDs of 32 digits, as Django writes them into SQLite

	groups map[string]group  // by id
	perms  map[string]string // "app.codename" by id
}

// Count is how many users there are.
func (d *Database) Count(ctx context.Context, table string) (n int64, err error) {
	err = d.each(ctx, "SELECT count(*) FROM "+quoted(table), nil, func(v []any) error {
		n, _ = v[0].(int64)
		return nil
	})
	return n, err
}

// Users reads the users of a Django site in the order of their ids: table is
// theirs ("auth_user"), its companions are found by its name.
func (d *Database) Users(ctx context.Context, table string, m Mapping, each Each) error {
	s := &site{d: d, m: m, table: table, pk: m.idField(), groups: map[string]group{}, perms: map[string]string{}}
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.small(ctx); err != nil {
		return err
	}
	for last := any(nil); ; {
		keys, rows, err := s.page(ctx, last)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.memberships(ctx, keys, rows); err != nil {
			return err
		}
		for i, r := range rows {
			if err := each(m.arrival("id "+s.text(keys[i]), r)); err != nil {
				return err
			}
		}
		last = keys[len(keys)-1]
	}
}

// look finds the columns of the users' table.
func (s *site) look(ctx context.Context) error {
	if there, err := s.d.has(ctx, s.table); err != nil || !there {
		return errors.Join(err, fmt.Errorf("there is no table %s: name the users' with --table, such as accounts_user", s.table))
	}
	rows, err := s.d.q.QueryContext(ctx, "SELECT * FROM "+quoted(s.table)+" LIMIT 0")
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	wanted := []string{s.m.nameField(), "password", "is_active", "is_staff", "is_superuser"}
	for _, column := range s.m.Claims {
		wanted = append(wanted, column)
	}
	there := map[string]bool{}
	for _, t := range types {
		there[t.Name()] = true
		if t.Name() == s.pk {
			s.short = strings.EqualFold(t.DatabaseTypeName(), "char(32)")
		}
	}
	for _, need := range []string{s.pk, s.m.nameField(), "password"} {
		if !there[need] {
			return fmt.Errorf("table %s has no column %s: name the right ones with --table, --id-field and --name-field", s.table, need)
		}
	}
	for claim, column := range s.m.Claims {
		if !there[column] {
			return fmt.Errorf("--claim %s=%s: table %s has no such column", claim, column, s.table)
		}
	}
	for _, column := range wanted {
		if there[column] && column != s.pk && !slices.Contains(s.columns, column) {
			s.columns = append(s.columns, column)
		}
	}
	return rows.Err()
}

// small reads groups and permissions, which are few.
func (s *site) small(ctx context.Context) error {
	for _, t := range []struct {
		tables []string
		query  string
		add    func(v []any)
	}{
		{[]string{"auth_permission", "django_content_type"}, `SELECT p.id, c.app_label, p.codename FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id`,
			func(v []any) { s.perms[s.text(v[0])] = s.text(v[1]) + "." + s.text(v[2]) }},
		{[]string{"auth_group"}, `SELECT id, name FROM auth_group`,
			func(v []any) { s.groups[s.text(v[0])] = group{name: s.text(v[1])} }},
		{[]string{"auth_group", "auth_group_permissions"}, `SELECT group_id, permission_id FROM auth_group_permissions`, s.grant},
	} {
		if there, err := s.d.has(ctx, t.tables...); err != nil || !there {
			if err != nil {
				return err
			}
			continue
		}
		n := 0
		err := s.d.each(ctx, t.query, nil, func(v []any) error {
			if n++; n > 10*maxTable {
				return fmt.Errorf("more than %d rows of %s", 10*maxTable, strings.Join(t.tables, ", "))
			}
			t.add(v)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *site) grant(v []any) {
	id := s.text(v[0])
	g := s.groups[id]
	g.perms = append(g.perms, s.perms[s.text(v[1])])
	s.groups[id] = g
}

// page reads the users after one.
func (s *site) page(ctx context.Context, last any) (keys []any, rows []row, err error) {
	query := "SELECT " + quoted(s.pk)
	for _, c := range s.columns {
		query += ", " + quoted(c)
	}
	query += " FROM " + quoted(s.table)
	var args []any
	if last != nil {
		query, args = query+" WHERE "+quoted(s.pk)+" > $1", []any{last}
	}
	query += fmt.Sprintf(" ORDER BY %s LIMIT %d", quoted(s.pk), pageRows)
	err = s.d.each(ctx, query, args, func(v []any) error {
		r := row{s.pk: s.value(v[0])}
		if s.short {
			if id, err := uuid.Parse(s.text(v[0])); err == nil {
				r[s.pk] = id.String()
			}
		}
		for i, c := range s.columns {
			r[c] = s.value(v[i+1])
		}
		if r["password"] == "" || r["password"] == nil {
			r["password"] = "!" // no password is
		}
		keys, rows = append(keys, v[0]), append(rows, r)
		return nil
	})
	return keys, rows, err
}

// memberships adds groups and permissions to a page of users. A users' model
// without them has no such tables.
func (s *site) memberships(ctx context.Context, keys []any, rows []row) error {
	of := map[string]row{}
	for i, r := range rows {
		of[s.text(keys[i])] = r
	}
	var inherited = map[string][]string{}
	grouped, err := s.members(ctx, "_groups", "group_id", keys, func(user, id string) {
		if r := of[user]; r != nil {
			r["groups"] = appended(r["groups"], s.groups[id].name)
			if len(inherited[user]) < maxListed {
				inherited[user] = append(inherited[user], s.groups[id].perms...)
			}
		}
	})
	if err != nil {
		return err
	}
	own := map[string][]string{}
	permitted, err := s.members(ctx, "_user_permissions", "permission_id", keys, func(user, id string) {
		if len(own[user]) <= maxListed {
			own[user] = append(own[user], s.perms[id])
		}
	})
	if err != nil {
		return err
	}
	for user, r := range of {
		if names, _ := r["groups"].([]any); grouped { // in the order of a dump, so that neither undoes the other
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			r["groups"] = append([]any{}, names...)
		}
		if grouped || permitted {
			r["permissions"] = anys(append(own[user], inherited[user]...))
		}
	}
	return nil
}

// appended adds to a list that is bounded: a longer one is refused anyway.
func appended(list any, name string) []any {
	names, _ := list.([]any)
	if len(names) > maxListed {
		return names
	}
	return append(names, name)
}

// members calls add for each user of a page and what a companion table links
// them to. The column with the user is named after the users' model.
func (s *site) members(ctx context.Context, companion, other string, keys []any, add func(user, id string)) (there bool, err error) {
	table := s.table + companion
	if there, err = s.d.has(ctx, table); err != nil || !there {
		return false, err
	}
	var columns []string
	if columns, err = s.d.columns(ctx, table); err != nil {
		return false, err
	}
	columns = slices.DeleteFunc(columns, func(c string) bool { return c == "id" || c == other })
	if len(columns) != 1 {
		return false, fmt.Errorf("table %s does not look like Django's: it has the columns %s beside id and %s", table, strings.Join(columns, ", "), other)
	}
	user := quoted(columns[0])
	query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s >= $1 AND %s <= $2 ORDER BY %s, %s", user, quoted(other), quoted(table), user, user, user, quoted(other))
	return true, s.d.each(ctx, query, []any{keys[0], keys[len(keys)-1]}, func(v []any) error {
		add(s.text(v[0]), s.text(v[1]))
		return nil
	})
}

// each runs a query and calls back with every row.
func (d *Database) each(ctx context.Context, query string, args []any, add func([]any) error) error {
	rows, err := d.q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := add(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *Database) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := d.q.QueryContext(ctx, "SELECT * FROM "+quoted(table)+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return rows.Columns()
}

// has reports whether all tables are there.
func (d *Database) has(ctx context.Context, tables ...string) (bool, error) {
	for _, table := range tables {
		there := false
		err := d.each(ctx, d.exists, []any{d.name(table)}, func(v []any) error {
			there = v[0] != nil && v[0] != false
			return nil
		})
		if err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// quoted is an identifier, with its schema if there is one.
func quoted(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, `"`, `""`), ".", `"."`) + `"`
}

// value is what a column is as JSON.
func (s *site) value(v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
		}
	case bool:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case string:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
	}
	return nil
}

// text is a key or a name as text.
func (s *site) text(v any) string {
	switch v := s.value(v).(type) {
	case json.Number:
		return v.String()
	case string:
		return v
	}
	if raw, ok := v.([]byte); ok {
		return hex.EncodeToString(raw)
	}
	return ""
}
