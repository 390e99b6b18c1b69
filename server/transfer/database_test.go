package transfer

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

// A shop is a database as a Django site with a users' model of its own has it.
func newShop(t *testing.T, statements ...string) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a ?#% shop.sqlite3")
	db, err := sql.Open("sqlite3", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)+"?_journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path, db
}

func users(t *testing.T, path, table string, m Mapping) ([]operator.Arrival, error) {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var all []operator.Arrival
	err = d.Users(t.Context(), table, m, func(a operator.Arrival) error { all = append(all, a); return nil })
	return all, err
}

const members = `CREATE TABLE "shop_member" ("uid" char(32) NOT NULL PRIMARY KEY, "password" varchar(128), "email" varchar(254), "is_active" bool, "photo" blob, "joined" datetime, "credit" real)`

func TestSQLite(t *testing.T) {
	path, db := newShop(t, members,
		`CREATE TABLE auth_group (id integer PRIMARY KEY, name varchar(150))`, `INSERT INTO auth_group VALUES (1, 'others'), (2, 'editors')`,
		`CREATE TABLE shop_member_groups (id integer PRIMARY KEY, member_id char(32), group_id integer)`,
		`INSERT INTO shop_member_groups (member_id, group_id) VALUES ('0b5cf0b54f5c4c2e9d0a6f2f8f0f7c11', 2), ('0b5cf0b54f5c4c2e9d0a6f2f8f0f7c11', 1)`,
		`INSERT INTO shop_member VALUES ('0b5cf0b54f5c4c2e9d0a6f2f8f0f7c11', 'h', 'a@b', 1, x'ff', '2026-01-02 03:04:05.5', 1.5)`,
		`INSERT INTO shop_member VALUES ('ffffffffffffffffffffffffffffffff', NULL, 'c@d', 0, NULL, NULL, NULL)`)
	m := Mapping{IDField: "uid", NameField: "email", IDClaim: "user_id", Claims: map[string]string{"joined": "joined", "credit": "credit", "photo": "photo"}}
	got, err := users(t, path, "shop_member", m)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got,
		`id 0b5cf0b54f5c4c2e9d0a6f2f8f0f7c11 0b5cf0b5-4f5c-4c2e-9d0a-6f2f8f0f7c11 a@b hash=h disabled=false groups=["editors" "others"] entitlements=[] extra={"credit":1.5,"joined":"2026-01-02T03:04:05.5Z","user_id":"0b5cf0b5-4f5c-4c2e-9d0a-6f2f8f0f7c11"} drop=["photo"]`,
		`id ffffffffffffffffffffffffffffffff ffffffff-ffff-ffff-ffff-ffffffffffff c@d hash=! disabled=true groups=[] entitlements=[] extra={"user_id":"ffffffff-ffff-ffff-ffff-ffffffffffff"} drop=["credit" "joined" "photo"]`)

	for _, tt := range []struct {
		table string
		m     Mapping
		part  string
	}{
		{"auth_user", m, "there is no table auth_user"},
		{"shop_member", Mapping{}, "has no column id: name the right ones"},
		{"shop_member", Mapping{IDField: "uid"}, "has no column username"},
		{"shop_member", Mapping{IDField: "uid", NameField: "email", Claims: map[string]string{"x": "y"}}, "--claim x=y: table shop_member has no such column"},
		{`shop_member" --`, m, "there is no table"},
	} {
		if _, err := users(t, path, tt.table, tt.m); err == nil || !strings.Contains(err.Error(), tt.part) {
			t.Errorf("%s %+v: %v, want %q", tt.table, tt.m, err, tt.part)
		}
	}
	if _, err := db.Exec(`ALTER TABLE shop_member_groups ADD COLUMN extra`); err != nil {
		t.Fatal(err)
	}
	if _, err := users(t, path, "shop_member", m); err == nil || !strings.Contains(err.Error(), "does not look like Django's") {
		t.Errorf("%v", err)
	}
}

// The site goes on writing while it is read, in either journal mode, nothing of
// it is changed, and every user comes once, in order, page by page.
func TestSQLiteInUse(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		path, db := newShop(t, `PRAGMA journal_mode = `+mode, `CREATE TABLE auth_user (id integer PRIMARY KEY, username, password)`,
			`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2300) INSERT INTO auth_user SELECT i * 2, 'u' || i, 'h' FROM n`)
		d, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := d.Count(t.Context(), "auth_user"); n != 2300 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		var ids []string
		waited := time.Duration(0)
		err = d.Users(t.Context(), "auth_user", Mapping{}, func(a operator.Arrival) error {
			ids = append(ids, a.ForeignID)
			if len(ids)%500 != 250 {
				return nil
			}
			began := time.Now() // in the middle of a page
			_, err := db.Exec(`INSERT INTO auth_user VALUES ($1, $2, '')`, 2*len(ids)-1, fmt.Sprintf("new%d", len(ids)))
			waited = max(waited, time.Since(began))
			return err
		})
		if err != nil || len(ids) != 2300 || waited > 3*time.Second {
			t.Errorf("%s: %d users, %v; a writer waited %v", mode, len(ids), err, waited)
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != len(ids) {
			t.Error("somebody came twice")
		}
		if err := d.each(t.Context(), "DELETE FROM auth_user RETURNING id", nil, func([]any) error { return nil }); err == nil {
			t.Error("it can be written to")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
