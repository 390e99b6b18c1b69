package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// recordAll adds a record of an event, n times.
func recordAll(t *testing.T, s *sqlite.Store, n int, at time.Time, event storage.Event) {
	t.Helper()
	records := make([]storage.Record, n)
	for i := range records {
		records[i] = storage.Record{At: at, Event: event}
	}
	must(t, s.Record(ctx, records...))
}

// Not even somebody with SQL changes a record by mistake, or takes one away
// from the middle.
func TestAuditIsAppendOnly(t *testing.T) {
	s, _ := fresh(t)
	recordAll(t, s, 3, epoch, storage.EventUserAdd)
	recordAll(t, s, 3, epoch, storage.EventSignIn)
	for _, statement := range []string{
		"UPDATE audit SET reason = 'x' WHERE number = 1", "UPDATE audit SET at = 0", "UPDATE OR REPLACE audit SET number = 9 WHERE number = 3",
		"DELETE FROM audit WHERE number = 2", "DELETE FROM audit WHERE number = 6", "DELETE FROM audit WHERE number > 1",
	} {
		err := s.Do(ctx, func(q sqlstore.Querier) error {
			_, err := q.ExecContext(ctx, statement)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	got, err := s.Records(ctx, storage.Span{Limit: 100})
	must(t, err)
	if len(got) != 6 {
		t.Errorf("%d records are left", len(got))
	}
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		_, err := sqlstore.RemoveRecords(ctx, q, storage.Sessions, 5)
		return err
	}))
}

// What cannot be recorded is not done: the record is in the transaction of the
// change, and other operations of the batch do not suffer.
func TestNothingIsDoneUnrecorded(t *testing.T) {
	s, path := fresh(t)
	l := newLogin(t, s)
	tokens := l.open(t, 2)
	token := storage.OperatorToken{Name: "deploy", CreatedAt: epoch, ExpiresAt: epoch.AddDate(1, 0, 0)}
	must(t, s.CreateOperatorToken(ctx, token))
	must(t, s.ReplaceRing(ctx, 0, 1, []byte("ring")))
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		_, err := q.ExecContext(ctx, `CREATE TRIGGER deaf BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'deaf'); END`)
		return err
	}))
	content := func() string {
		var all []string
		for _, table := range []string{"users", "clients", "sessions", "operator_tokens", "ring", "audit"} {
			all = append(all, scalar[string](t, path, fmt.Sprintf(`SELECT count(*) || '/' || coalesce(group_concat(quote(x.a), ','), '') FROM
				(SELECT %s AS a FROM %s ORDER BY 1) x`, map[string]string{
				"users": "name || password_hash || disabled", "clients": "client_id || name", "sessions": "hex(id) || ended_at || generation",
				"operator_tokens": "name", "ring": "version", "audit": "number",
			}[table], table)))
		}
		return strings.Join(all, "\n")
	}
	before := content()
	next := l.session()
	for what, act := range map[string]func() error{
		"CreateUser": func() error { return s.CreateUser(ctx, aUser("bob")) },
		"ChangeUser": func() error {
			_, _, err := s.ChangeUser(ctx, l.user.ID, storage.UserChange{PasswordHash: new("x"), Now: epoch})
			return err
		},
		"RemoveUser":    func() error { _, err := s.RemoveUser(ctx, l.user.ID); return err },
		"CreateClient":  func() error { _, err := s.CreateClient(ctx, aClient("cli")); return err },
		"ChangeClient":  func() error { _, err := s.ChangeClient(ctx, "web", storage.ClientChange{Name: new("x")}); return err },
		"RemoveClient":  func() error { return s.RemoveClient(ctx, "web") },
		"CreateSession": func() error { _, err := s.CreateSession(ctx, next); return err },
		"EndSession": func() error {
			_, err := s.EndSession(ctx, tokens[0].SessionID(), storage.EndedRevoked, epoch)
			return err
		},
		"EndSessions": func() error {
			_, err := s.EndSessions(ctx, l.user.ID, storage.SessionID{}, storage.EndedRevoked, epoch)
			return err
		},
		"EndMatching": func() error {
			_, _, err := s.EndMatching(ctx, storage.SessionID{}, 10, storage.SessionMatch{User: l.user.ID}, storage.EndedRevoked, epoch)
			return err
		},
		"reuse": func() error {
			other := l.refresh(storage.NewRefreshToken())
			other.Token = forge(t, tokens[0])
			_, err := s.RotateSession(ctx, other)
			return err
		},
		"CreateOperatorToken": func() error {
			return s.CreateOperatorToken(ctx, storage.OperatorToken{Name: "x", Digest: storage.Digest{1}, CreatedAt: epoch, ExpiresAt: epoch})
		},
		"RemoveOperatorToken": func() error { return s.RemoveOperatorToken(ctx, "deploy") },
		"ReplaceRing":         func() error { return s.ReplaceRing(ctx, 1, 2, []byte("next")) },
	} {
		if err := act(); err == nil || errors.Is(err, storage.ErrReused) || !strings.Contains(err.Error(), "deaf") {
			t.Errorf("%s: %v", what, err)
		}
		if after := content(); after != before {
			t.Fatalf("%s was done unrecorded:\n%s\nbefore:\n%s", what, after, before)
		}
	}
	// A refresh needs no record, and goes well in a batch with what cannot be recorded.
	h := hold(t, s)
	unrecorded := h.join(func() error { return s.RemoveOperatorToken(ctx, "deploy") })
	refreshed := h.join(func() error { _, err := s.RotateSession(ctx, l.refresh(tokens[0])); return err })
	close(h.letGo)
	if err := <-unrecorded; err == nil || !strings.Contains(err.Error(), "deaf") {
		t.Errorf("in a batch: %v", err)
	}
	if err := <-refreshed; err != nil {
		t.Errorf("beside what cannot be recorded: %v", err)
	}
	if n := scalar[int](t, path, "SELECT count(*) FROM operator_tokens"); n != 1 {
		t.Error("done unrecorded in a batch")
	}
}

// forge is a token of the same session that is not the one it was given.
func forge(t *testing.T, token storage.RefreshToken) storage.RefreshToken {
	t.Helper()
	text := []byte(token.Reveal())
	at := len(text) - 10
	if text[at]++; text[at] == 'Z'+1 || text[at] == 'z'+1 || text[at] == '9'+1 || text[at] == '_'+1 || text[at] == '-'+1 {
		text[at] = 'A'
	}
	out, err := storage.ParseRefreshToken(string(text))
	must(t, err)
	return out
}

// A store of version 3 gets an empty audit, and what is there stays.
func TestFromVersionThree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionTwo(t, path, sqlite.Scripts()[2]+"; PRAGMA user_version = 3")
	s := reopen(t, path)
	if v := scalar[int](t, path, "PRAGMA user_version"); v != len(sqlite.Scripts()) || v < 4 {
		t.Errorf("version %d", v)
	}
	entries, err := s.Sessions(ctx, storage.SessionID{}, 100)
	must(t, err)
	got, err := s.Records(ctx, storage.Span{Limit: 10})
	must(t, err)
	if len(entries) != 7 || len(got) != 0 {
		t.Errorf("%d sessions, %d records", len(entries), len(got))
	}
	_, err = s.EndSessions(ctx, entries[0].User, storage.SessionID{}, storage.EndedRevoked, epoch)
	must(t, err)
	if got, err = s.Records(ctx, storage.Span{Limit: 10}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// Records that are too old or too many are gone within minutes, and the others
// stay.
func TestMaintainKeepsRecordsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		recordAll(t, s, 1000, time.Now().Add(-100*time.Hour), storage.EventSignIn)
		recordAll(t, s, 100, time.Now(), storage.EventUserAdd)
		recordAll(t, s, 1000, time.Now(), storage.EventSignInFailed)
		s.KeepRecords(storage.Retention{Age: 99 * time.Hour, Rows: 900})
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		var g sync.WaitGroup
		g.Go(func() { s.Maintain(stop) })
		time.Sleep(5 * time.Minute)
		for kind, want := range map[storage.AuditKind]int{storage.Acts: 100, storage.Sessions: 0, storage.Failures: 300} {
			if n := scalar[int](t, path, fmt.Sprint("SELECT count(*) FROM audit WHERE kind = ", int(kind))); n != want {
				t.Errorf("%d records of %v are left, want %d", n, kind, want)
			}
		}
		recordAll(t, s, 50, time.Now(), storage.EventSignInFailed)
		time.Sleep(15 * time.Minute)
		if n := scalar[int](t, path, "SELECT count(*) FROM audit WHERE kind = 2"); n != 300 {
			t.Errorf("%d failures are left", n)
		}
		cancel()
		g.Wait()
	})
}
