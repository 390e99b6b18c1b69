package sqlite_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// A session costs at most 400 bytes of disk, its indexes and the device's label
// included, however often it was refreshed. Where sessions come and go for long,
// the gaps between rows cost some more: that has a bound of its own.
func TestSizeOfASession(t *testing.T) {
	t.Parallel()
	unracing(t)
	const users, most, mostChurned = 500, 400, 450
	sessions := 10_000
	if testing.Short() {
		sessions = 5_000
	}
	s, path := fresh(t)
	l := newLogin(t, s)
	people := make([]storage.User, users)
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		for i := range people {
			people[i] = aUser(fmt.Sprint("user", i))
			if err := sqlstore.CreateUser(ctx, q, people[i]); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, s.Close())
	before := fileSize(t, path)

	s = reopen(t, path)
	tokens := make([]storage.RefreshToken, sessions)
	// The verbs without the group commit around them: a thousand in a transaction.
	each := func(do func(q sqlstore.Querier, i int) error) {
		for at := 0; at < sessions; at += 1000 {
			must(t, s.Do(ctx, func(q sqlstore.Querier) error {
				for i := at; i < at+1000; i++ {
					if err := do(q, i); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}
	create := func(q sqlstore.Querier, i int) error {
		n := l.session()
		n.Device = "Firefox on Ada's laptop!" // 24 bytes, which is a lot of what people call things
		n.Address = "2001:db8:85a3::8a2e:370:7334"
		n.User, n.PasswordHash = people[i%users].ID, people[i%users].PasswordHash
		tokens[i] = n.Token
		_, err := sqlstore.CreateSession(storage.WithAct(ctx, &storage.Act{Request: "4hVbTz0rJqX2mKfA"}), q, n)
		return err
	}
	each(create)
	// A reading of years, so that it has the length that it will have.
	at := storage.ServiceTime(0).Add(3 * 365 * 24 * time.Hour)
	refresh := func(q sqlstore.Querier, i int) error {
		out, err := sqlstore.RotateSession(ctx, q, l.refresh(tokens[i]), at)
		if err == nil && out.Outcome != storage.Rotated {
			err = fmt.Errorf("the refresh was %s, not rotated", out.Outcome)
		}
		return err
	}
	each(refresh)
	for range 5 { // once rotated, a row grows no more: the same statement's effect, quicker
		must(t, s.Do(ctx, func(q sqlstore.Querier) error {
			_, err := q.ExecContext(ctx, `UPDATE sessions SET generation = generation + 100, rotated_at = rotated_at + 90000000,
				previous = current, current = randomblob(32), nonce = randomblob(32)`)
			return err
		}))
	}
	measure := func(what string, most float64) {
		t.Helper()
		must(t, s.Close())
		if pages := pageBytes(t, path); pages != fileSize(t, path) {
			t.Errorf("%d bytes of pages in a file of %d", pages, fileSize(t, path))
		}
		records := auditSize(t, path)
		cost := float64(fileSize(t, path)-before-records) / float64(sessions)
		t.Logf("%s: %.0f bytes a session", what, cost)
		if cost > most {
			t.Errorf("%s: a session costs %.0f bytes, more than %.0f", what, cost, most)
		}
		s = reopen(t, path)
	}
	measure("refreshed", most)
	record := float64(auditSize(t, path)) / float64(sessions)
	t.Logf("%.0f bytes for the record of a sign-in", record)
	if record > mostRecord {
		t.Errorf("a record of the audit costs %.0f bytes, more than %d", record, mostRecord)
	}
	late := epoch.AddDate(1, 0, 0)
	for range 2 { // ids are hashes: what goes and what comes lies anywhere
		each(func(q sqlstore.Querier, i int) error {
			if i%2 == 0 {
				return nil
			}
			if n, err := sqlstore.RemoveSessions(ctx, q, []storage.SessionID{tokens[i].SessionID()}, late); err != nil || n != 1 {
				return fmt.Errorf("%d removed: %w", n, err)
			}
			if err := create(q, i); err != nil {
				return err
			}
			return refresh(q, i)
		})
	}
	measure("half replaced, twice", mostChurned)
}

// mostRecord is what a record of a sign-in may cost, as docs/audit.md says.
const mostRecord = 180

// auditSize is what the records take of a file, with their index.
func auditSize(t *testing.T, path string) int64 {
	t.Helper()
	db, err := sqlx.Open("sqlite3", "file:"+path)
	must(t, err)
	defer db.Close()
	tx, err := db.Beginx()
	must(t, err)
	defer tx.Rollback()
	var before, after, page int64
	must(t, tx.Get(&before, "PRAGMA freelist_count"))
	tx.MustExec("DROP TABLE audit")
	must(t, tx.Get(&after, "PRAGMA freelist_count"))
	must(t, tx.Get(&page, "PRAGMA page_size"))
	return (after - before) * page
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// pageBytes is what the database itself says of its size, free pages included.
func pageBytes(t *testing.T, path string) int64 {
	t.Helper()
	return scalar[int64](t, path, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
}
