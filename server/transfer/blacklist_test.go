package transfer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

const (
	outstandingSQL = `CREATE TABLE token_blacklist_outstandingtoken (id integer PRIMARY KEY, token text, created_at datetime, expires_at datetime, user_id integer, jti varchar(255))`
	blacklistSQL   = `CREATE TABLE token_blacklist_blacklistedtoken (id integer PRIMARY KEY, blacklisted_at datetime, token_id bigint)`
)

func blacklistOf(t *testing.T, path string) (all []operator.BlacklistedToken, err error) {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Blacklist(t.Context(), func(b operator.BlacklistedToken) error { all = append(all, b); return nil })
	return all, err
}

// Page by page, only what is blacklisted, with its end in UTC.
func TestBlacklistOfSQLite(t *testing.T) {
	path, db := newShop(t, outstandingSQL, blacklistSQL)
	for i := range 2*pageRows + 3 {
		if _, err := db.Exec(`INSERT INTO token_blacklist_outstandingtoken (id, expires_at, jti) VALUES ($1, '2026-12-01 08:00:00.5', $2)`, i, fmt.Sprintf("%032x", i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := db.Exec(`INSERT INTO token_blacklist_blacklistedtoken (token_id) VALUES ($1)`, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := blacklistOf(t, path)
	if err != nil || len(all) != pageRows+2 {
		t.Fatalf("%d tokens, %v", len(all), err)
	}
	end := time.Date(2026, 12, 1, 8, 0, 0, 500_000_000, time.UTC)
	for i, b := range all {
		if b.ID != fmt.Sprintf("%032x", 2*i) || b.ExpiresAt != end {
			t.Fatalf("%d is %+v", i, b)
		}
	}

	bare, _ := newShop(t, outstandingSQL)
	if _, err := blacklistOf(t, bare); err == nil || !strings.Contains(err.Error(), "the site does not blacklist tokens") {
		t.Errorf("without the app: %v", err)
	}
	odd, _ := newShop(t, outstandingSQL, blacklistSQL, `INSERT INTO token_blacklist_outstandingtoken (id, jti) VALUES (1, 'x')`, `INSERT INTO token_blacklist_blacklistedtoken (token_id) VALUES (1)`)
	if _, err := blacklistOf(t, odd); err == nil || !strings.Contains(err.Error(), "does not look like Simple JWT's") {
		t.Errorf("without a time: %v", err)
	}
}

const dumpedBlacklist = `[
{"model": "token_blacklist.outstandingtoken", "pk": 1, "fields": {"user": 17, "jti": "one", "token": "secret", "created_at": "2026-11-01T08:00:00Z", "expires_at": "2026-12-01T09:00:00+01:00"}},
{"model": "token_blacklist.outstandingtoken", "pk": 2, "fields": {"user": 17, "jti": "two", "token": "secret", "expires_at": "2026-12-01T08:00:00.123"}},
{"model": "auth.group", "pk": 1, "fields": {"name": "editors"}},
{"model": "token_blacklist.blacklistedtoken", "pk": 7, "fields": {"token": 2, "blacklisted_at": "2026-11-02T08:00:00Z"}},
{"model": "token_blacklist.blacklistedtoken", "pk": 8, "fields": {"token": 1, "blacklisted_at": "2026-11-02T08:00:00Z"}}
]`

func TestDumpedBlacklist(t *testing.T) {
	var got []string
	err := DumpedBlacklist(strings.NewReader(dumpedBlacklist), func(b operator.BlacklistedToken) error {
		got = append(got, b.ID+" "+b.ExpiresAt.Format(time.RFC3339Nano))
		return nil
	})
	if want := "two 2026-12-01T08:00:00.123Z one 2026-12-01T08:00:00Z"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v", got, err)
	}
	for dump, part := range map[string]string{
		``:                                       "not a JSON array",
		`{}`:                                     "not a JSON array",
		dumpedBlacklist[:len(dumpedBlacklist)-1]: "cut off",
		`[{"model": "token_blacklist.blacklistedtoken", "pk": 7, "fields": {"token": 2}}]`:                                      "object 1 (line 1): a blacklisted token that is not outstanding before",
		`[{"model": "token_blacklist.outstandingtoken", "pk": 7, "fields": {"jti": "x"}}]`:                                      "without pk, jti or expires_at",
		`[{"model": "token_blacklist.outstandingtoken", "pk": 7, "fields": {"jti": "x", "expires_at": "secret of the token"}}]`: "without pk, jti or expires_at",
	} {
		err := DumpedBlacklist(strings.NewReader(dump), func(operator.BlacklistedToken) error { return nil })
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", dump, err)
		} else if !strings.Contains(err.Error(), part) && part != "not a JSON array" && part != "cut off" {
			t.Errorf("%q: %v", dump, err)
		}
	}
}

func FuzzDumpedBlacklist(f *testing.F) {
	f.Add(dumpedBlacklist)
	f.Add(`[{"model":"token_blacklist.outstandingtoken","pk":"a","fields":{"jti":"b","expires_at":"2026-12-01T08:00:00"}},{"model":"token_blacklist.blacklistedtoken","fields":{"token":"a"}}]`)
	f.Fuzz(func(t *testing.T, dump string) {
		_ = DumpedBlacklist(strings.NewReader(dump), func(b operator.BlacklistedToken) error {
			if b.ID == "" {
				t.Fatalf("%q has a token without an id", dump)
			}
			return nil
		})
	})
}
