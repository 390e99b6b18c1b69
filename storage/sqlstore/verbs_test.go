package sqlstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

var (
	ctx = context.Background()
	now = time.Date(2026, 11, 23, 9, 0, 0, 123456000, time.UTC)
)

// schema returns a database with the tables, for statements of the test's own.
func schema(t *testing.T) *sqlx.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.db")
	s, err := sqlite.Open(ctx, path, slog.New(slog.NewTextHandler(io.Discard, nil)))
	must(t, err)
	must(t, s.Close())
	db, err := sqlx.Open("sqlite3", "file:"+path+"?_foreign_keys=on&_synchronous=OFF")
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// failer is a test or a property.
type failer interface {
	Helper()
	Fatal(...any)
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("reported %v, want %v", err, want)
	}
}

func words(t *rapid.T, label string) []string {
	values := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, label)
	if len(values) == 0 {
		return nil
	}
	return values
}

// Whatever is known of a user comes back.
func TestUsersComeBack(t *testing.T) {
	db := schema(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		u := storage.User{
			ID: uuid.New(), Name: fmt.Sprint(n, rapid.String().Draw(t, "name")), PasswordHash: rapid.String().Draw(t, "hash"),
			Disabled: rapid.Bool().Draw(t, "disabled"), CreatedAt: now.Add(time.Duration(n) * time.Microsecond),
			Claims: storage.UserClaims{Roles: words(t, "roles"), Groups: words(t, "groups"), Entitlements: words(t, "entitlements")},
		}
		if rapid.Bool().Draw(t, "imported") {
			u.ForeignID = fmt.Sprint(n, rapid.String().Draw(t, "foreign"))
			u.Imported = storage.ImportDigest(u.PasswordHash)
		}
		if rapid.Bool().Draw(t, "extra") {
			u.Claims.Extra = map[string]any{"text": rapid.String().Draw(t, "text"), "yes": true, "list": []any{"a", nil}, "half": json.Number("0.5"), "n": json.Number(fmt.Sprint(rapid.Int64().Draw(t, "n")))}
		}
		must(t, sqlstore.CreateUser(ctx, db, u))
		for _, find := range []func() (storage.User, error){
			func() (storage.User, error) { return sqlstore.UserByName(ctx, db, u.Name) },
			func() (storage.User, error) { return sqlstore.UserByID(ctx, db, u.ID) },
			func() (storage.User, error) { return sqlstore.UserByForeignID(ctx, db, u.ForeignID) },
		} {
			got, err := find()
			if u.ForeignID == "" && errors.Is(err, storage.ErrNotFound) {
				continue // by the id that there is none of
			}
			must(t, err)
			if !reflect.DeepEqual(got, u) {
				t.Fatalf("got %+v\nwant %+v", got, u)
			}
		}
	})
}

func TestClientsComeBack(t *testing.T) {
	db := schema(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		c := storage.Client{
			ID: fmt.Sprint("client", n), Name: rapid.String().Draw(t, "name"), AuthMethod: storage.AuthBasic,
			CreatedAt: now, ClientPolicy: storage.ClientPolicy{
				Grants: words(t, "grants"), Scopes: words(t, "scopes"), DefaultScopes: words(t, "default scopes"),
				Audiences: words(t, "audiences"), DefaultAudiences: words(t, "default audiences"), Claims: words(t, "claims"),
				Algorithm:      rapid.String().Draw(t, "alg"),
				AccessLifetime: time.Duration(rapid.Int64().Draw(t, "access")), IdleLifetime: time.Duration(rapid.Int64().Draw(t, "idle")),
				AbsoluteLifetime: time.Duration(rapid.Int64().Draw(t, "absolute")), RetryWindow: time.Duration(rapid.Int64().Draw(t, "window")),
				Rotate: rapid.Bool().Draw(t, "rotate"), Origins: words(t, "origins"),
			},
		}
		for range rapid.IntRange(0, 3).Draw(t, "secrets") {
			c.Secrets = append(c.Secrets, storage.RandomSecret().Digest())
		}
		made, err := sqlstore.CreateClient(ctx, db, c)
		must(t, err)
		if made.Number == 0 {
			t.Fatal("no number")
		}
		got, err := sqlstore.ClientByID(ctx, db, c.ID)
		must(t, err)
		if c.Number = made.Number; !reflect.DeepEqual(made, c) || !reflect.DeepEqual(got, c) {
			t.Fatalf("made %+v\ngot %+v\nwant %+v", made, got, c)
		}
	})
}

// A world is one user, one client and one session.
type world struct {
	db     *sqlx.DB
	user   storage.User
	client storage.Client
	login  storage.NewSession
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{db: schema(t), user: storage.User{ID: uuid.New(), Name: "ada", PasswordHash: "h", CreatedAt: now}}
	must(t, sqlstore.CreateUser(ctx, w.db, w.user))
	var err error
	w.client, err = sqlstore.CreateClient(ctx, w.db, storage.Client{ID: "web", ClientPolicy: storage.ClientPolicy{
		Grants: []string{storage.GrantRefreshToken}, Scopes: []string{"a", "b"}, Audiences: []string{"x"},
		RetryWindow: storage.DefaultRetryWindow, Rotate: true,
	}})
	must(t, err)
	w.login = storage.NewSession{
		Token: storage.NewRefreshToken(), User: w.user.ID, PasswordHash: "h", Client: w.client.Number,
		Scope: []string{"a", "b"}, Audience: []string{"x"}, AbsoluteLifetime: time.Hour, IdleLifetime: time.Minute,
		Address: "192.0.2.1", Now: now.Add(999), // ns, which are not kept
	}
	return w
}

func (w world) refresh() storage.Refresh {
	return storage.Refresh{
		Token: w.login.Token, Client: w.client.Number, Nonce: storage.NewNonce(),
		Address: "192.0.2.2", Now: now.Add(time.Second + 999),
	}
}

// What the verbs return is what they stored, to the microsecond.
func TestSessionsAreReturnedAsStored(t *testing.T) {
	w := newWorld(t)
	made, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	out, err := sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	must(t, err)
	if !reflect.DeepEqual(out.Before, made) {
		t.Errorf("created %+v\nread %+v", made, out.Before)
	}
	if made.AuthTime != now || made.ExpiresAt != now.Add(time.Hour) {
		t.Errorf("authenticated at %v, expires at %v", made.AuthTime, made.ExpiresAt)
	}
	again, err := sqlstore.RotateSession(ctx, w.db, w.refresh(), 2000)
	must(t, err)
	if again.Outcome != storage.Retried || !reflect.DeepEqual(again.Before, out.Session) {
		t.Errorf("%s: rotated to %+v\nread %+v", again.Outcome, out.Session, again.Before)
	}
	if out.Session.LastUsedAt != now.Add(time.Second) || out.Session.LastAddress != "192.0.2.2" || out.Session.RotatedAt != 1000 {
		t.Errorf("rotated to %+v", out.Session)
	}
}

func TestCreateSessionRefuses(t *testing.T) {
	w := newWorld(t)
	try := func(change func(*storage.NewSession)) error {
		n := w.login
		n.Token = storage.NewRefreshToken()
		change(&n)
		_, err := sqlstore.CreateSession(ctx, w.db, n)
		return err
	}
	want(t, try(func(n *storage.NewSession) { n.User = uuid.New() }), storage.ErrNotFound)
	want(t, try(func(n *storage.NewSession) { n.Client++ }), storage.ErrNotFound)
	want(t, try(func(n *storage.NewSession) { n.PasswordHash = "old" }), storage.ErrConflict)
	want(t, try(func(n *storage.NewSession) { n.Scope = []string{"a b"} }), sqlstore.ErrRecord)
	must(t, try(func(n *storage.NewSession) { n.Token = w.login.Token }))
	want(t, try(func(n *storage.NewSession) { n.Token = w.login.Token }), storage.ErrConflict)
	disabled := true
	_, _, err := sqlstore.ChangeUser(ctx, w.db, w.user.ID, storage.UserChange{Disabled: &disabled, Now: now})
	must(t, err)
	want(t, try(func(*storage.NewSession) {}), storage.ErrDisabled)
}

// If the row is not the one that was decided on, nothing is answered.
func TestMissedSwap(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	w.db.MustExec(`CREATE TEMP TRIGGER missed BEFORE UPDATE ON sessions BEGIN SELECT RAISE(IGNORE); END`)
	out, err := sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	if err == nil || out.Outcome != "" {
		t.Errorf("answered %s (%v)", out.Outcome, err)
	}
	w.db.MustExec(`DROP TRIGGER missed`)
	out, err = sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	must(t, err)
	if out.Outcome != storage.Rotated {
		t.Errorf("afterwards: %s", out.Outcome)
	}
}

func TestPasswordsAndSessions(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)

	want(t, sqlstore.Rehash(ctx, w.db, uuid.New(), "h", "i"), storage.ErrNotFound)
	want(t, sqlstore.Rehash(ctx, w.db, w.user.ID, "x", "i"), storage.ErrConflict)
	must(t, sqlstore.Rehash(ctx, w.db, w.user.ID, "h", "i"))
	out, err := sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	must(t, err)
	if out.User.PasswordHash != "i" {
		t.Errorf("rehashed to %q", out.User.PasswordHash)
	}
	hash := "j"
	change := storage.UserChange{PasswordHash: &hash, Now: now}
	for turn, ended := range []int{1, 0} { // what has ended does not end again
		_, n, err := sqlstore.ChangeUser(ctx, w.db, w.user.ID, change)
		must(t, err)
		if n != ended {
			t.Errorf("password %d: ended %d", turn, n)
		}
	}
	out, err = sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	want(t, err, storage.ErrEnded)
	if out.Session.EndReason != storage.EndedPassword || out.Session.EndedAt != now {
		t.Errorf("ended for %q at %v", out.Session.EndReason, out.Session.EndedAt)
	}
	_, _, err = sqlstore.ChangeUser(ctx, w.db, uuid.New(), change)
	want(t, err, storage.ErrNotFound)
}

func TestRing(t *testing.T) {
	db := schema(t)
	_, _, err := sqlstore.LoadRing(ctx, db)
	want(t, err, storage.ErrNotFound)
	want(t, sqlstore.ReplaceRing(ctx, db, 1, 2, []byte("x")), storage.ErrConflict)
	want(t, sqlstore.ReplaceRing(ctx, db, 0, 0, []byte("x")), storage.ErrConflict)
	must(t, sqlstore.ReplaceRing(ctx, db, 0, 3, []byte("three")))
	want(t, sqlstore.ReplaceRing(ctx, db, 0, 4, []byte("x")), storage.ErrConflict)
	want(t, sqlstore.ReplaceRing(ctx, db, 2, 4, []byte("x")), storage.ErrConflict)
	want(t, sqlstore.ReplaceRing(ctx, db, 3, 3, []byte("x")), storage.ErrConflict)
	must(t, sqlstore.ReplaceRing(ctx, db, 3, 8, []byte("eight")))
	sealed, v, err := sqlstore.LoadRing(ctx, db)
	must(t, err)
	if string(sealed) != "eight" || v != 8 {
		t.Errorf("version %d: %q", v, sealed)
	}
}

// Between being found and being removed a session may have been used.
func TestRemoveLooksAgain(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	later := now.Add(storage.KeepEnded + time.Hour)
	next, ids, err := sqlstore.ScanSessions(ctx, w.db, storage.SessionID{}, 10, later)
	must(t, err)
	if len(ids) != 1 || next != (storage.SessionID{}) {
		t.Fatalf("found %v, next %v", ids, next)
	}
	n, err := sqlstore.RemoveSessions(ctx, w.db, append(ids, storage.SessionID{1}), now.Add(time.Hour))
	must(t, err)
	if n != 0 {
		t.Error("removed what may not be removed")
	}
	n, err = sqlstore.RemoveSessions(ctx, w.db, append(ids, ids...), later)
	must(t, err)
	if n != 1 {
		t.Errorf("removed %d", n)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	for _, limit := range []int{0, -1} {
		users, err := sqlstore.Users(ctx, w.db, "", limit)
		must(t, err)
		all, err := sqlstore.Sessions(ctx, w.db, storage.SessionID{}, limit)
		must(t, err)
		theirs, err := sqlstore.UserSessions(ctx, w.db, w.user.ID, limit)
		must(t, err)
		_, ids, err := sqlstore.ScanSessions(ctx, w.db, storage.SessionID{}, limit, now.AddDate(9, 0, 0))
		must(t, err)
		if len(users)+len(ids)+len(all)+len(theirs) > 0 {
			t.Errorf("limit %d: %d users, %d sessions", limit, len(users), len(ids)+len(all)+len(theirs))
		}
	}
}
