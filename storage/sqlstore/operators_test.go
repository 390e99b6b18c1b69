package sqlstore_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// What ChangeUser returns is what is read afterwards, whatever was changed.
func TestChangedUsersComeBack(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		var c storage.UserChange
		for _, member := range []**string{&c.PasswordHash, &c.ImportHash, &c.ForeignID} {
			if rapid.Bool().Draw(t, "changed") {
				*member = new(rapid.String().Draw(t, "value"))
			}
		}
		if rapid.Bool().Draw(t, "claims") {
			c.Claims = &storage.UserClaims{Roles: words(t, "roles"), Extra: map[string]any{"n": rapid.IntRange(0, 9).Draw(t, "n")}}
		}
		if rapid.Bool().Draw(t, "standing") {
			c.Disabled = new(rapid.Bool().Draw(t, "disabled"))
		}
		after, _, err := sqlstore.ChangeUser(ctx, w.db, w.user.ID, c)
		must(t, err)
		got, err := sqlstore.UserByID(ctx, w.db, w.user.ID)
		must(t, err)
		if !reflect.DeepEqual(got, after) {
			t.Fatalf("returned %+v\nread %+v", after, got)
		}
	})
}

// What cannot be written is refused, and ends nothing.
func TestChangesThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	_, n, err := sqlstore.ChangeUser(ctx, w.db, w.user.ID, storage.UserChange{
		PasswordHash: new("x"), Claims: &storage.UserClaims{Extra: map[string]any{"inf": math.Inf(1)}}, Now: now,
	})
	want(t, err, sqlstore.ErrRecord)
	got, err := sqlstore.UserByID(ctx, w.db, w.user.ID)
	must(t, err)
	if n != 0 || got.PasswordHash != "h" {
		t.Errorf("%d ended, %+v", n, got)
	}
	e, err := sqlstore.SessionByID(ctx, w.db, w.login.Token.SessionID())
	must(t, err)
	if !e.EndedAt.IsZero() {
		t.Error("a session ended")
	}
}

// An entry is the row, with names.
func TestEntriesComeBack(t *testing.T) {
	w := newWorld(t)
	w.login.Device = "phone"
	made, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	entry := storage.SessionEntry{Session: made, Username: "ada", ClientID: "web"}
	isEntry := func(got storage.SessionEntry, err error) {
		t.Helper()
		must(t, err)
		if !reflect.DeepEqual(got, entry) {
			t.Errorf("got %+v\nwant %+v", got, entry)
		}
	}
	only := func(got []storage.SessionEntry, err error) (storage.SessionEntry, error) {
		t.Helper()
		if len(got) != 1 {
			t.Fatalf("%d entries, %v", len(got), err)
		}
		return got[0], err
	}
	isEntry(sqlstore.SessionByID(ctx, w.db, made.ID))
	isEntry(only(sqlstore.UserSessions(ctx, w.db, w.user.ID, 9)))
	isEntry(only(sqlstore.Sessions(ctx, w.db, storage.SessionID{}, 9)))
	_, err = sqlstore.SessionByID(ctx, w.db, storage.SessionID{})
	want(t, err, storage.ErrNotFound)

	at := now.Add(time.Minute + 999) // ns, which are not kept
	entry.Session = made.End(at, storage.EndedLogout)
	isEntry(sqlstore.EndSession(ctx, w.db, made.ID, storage.EndedLogout, at))
	isEntry(sqlstore.EndSession(ctx, w.db, made.ID, storage.EndedRevoked, at.Add(time.Hour)))
	isEntry(sqlstore.SessionByID(ctx, w.db, made.ID))
	_, err = sqlstore.EndSession(ctx, w.db, storage.SessionID{}, storage.EndedLogout, at)
	want(t, err, storage.ErrNotFound)
}

func TestEndSessions(t *testing.T) {
	w := newWorld(t)
	var ids []storage.SessionID
	for range 3 {
		w.login.Token = storage.NewRefreshToken()
		_, err := sqlstore.CreateSession(ctx, w.db, w.login)
		must(t, err)
		ids = append(ids, w.login.Token.SessionID())
	}
	for _, c := range []struct {
		user uuid.UUID
		keep storage.SessionID
		want int
	}{{uuid.New(), storage.SessionID{}, 0}, {w.user.ID, ids[1], 2}, {w.user.ID, ids[1], 0}, {w.user.ID, storage.SessionID{}, 1}, {w.user.ID, storage.SessionID{}, 0}} {
		n, err := sqlstore.EndSessions(ctx, w.db, c.user, c.keep, storage.EndedRevoked, now)
		must(t, err)
		if n != c.want {
			t.Errorf("%d ended, want %d", n, c.want)
		}
	}
}

func TestRemovals(t *testing.T) {
	w := newWorld(t)
	_, err := sqlstore.CreateSession(ctx, w.db, w.login)
	must(t, err)
	want(t, sqlstore.RemoveClient(ctx, w.db, "Web"), storage.ErrNotFound)
	must(t, sqlstore.RemoveClient(ctx, w.db, "web"))
	_, err = sqlstore.RotateSession(ctx, w.db, w.refresh(), 1000)
	want(t, err, storage.ErrNotFound)
	_, err = sqlstore.SessionByID(ctx, w.db, w.login.Token.SessionID())
	want(t, err, storage.ErrNotFound)
	again, err := sqlstore.CreateClient(ctx, w.db, storage.Client{ID: "web"})
	must(t, err)
	if again.Number <= w.client.Number {
		t.Errorf("the number %d after %d", again.Number, w.client.Number)
	}
	_, ids, err := sqlstore.ScanSessions(ctx, w.db, storage.SessionID{}, 10, now)
	must(t, err)
	if len(ids) != 1 {
		t.Fatalf("the walk finds %v", ids)
	}
	_, err = sqlstore.RemoveUser(ctx, w.db, uuid.New())
	want(t, err, storage.ErrNotFound)
	n, err := sqlstore.RemoveUser(ctx, w.db, w.user.ID)
	must(t, err)
	if n != 1 {
		t.Errorf("%d sessions removed with the user", n)
	}
	n, err = sqlstore.RemoveSessions(ctx, w.db, ids, now) // is gone meanwhile
	must(t, err)
	if n != 0 {
		t.Errorf("%d sessions removed", n)
	}
}

func TestChangedClientsComeBack(t *testing.T) {
	w := newWorld(t)
	policy := storage.ClientPolicy{Grants: []string{storage.GrantPassword}, RetryWindow: time.Second}
	_, err := sqlstore.ChangeClient(ctx, w.db, "app", storage.ClientChange{})
	want(t, err, storage.ErrNotFound)
	w.db.MustExec(`UPDATE clients SET auth_method = 'client_secret_post'`)
	after, err := sqlstore.ChangeClient(ctx, w.db, "web", storage.ClientChange{Name: new("x"), Policy: &policy, AddSecret: &storage.Digest{1}})
	must(t, err)
	got, err := sqlstore.ClientByID(ctx, w.db, "web")
	must(t, err)
	if !reflect.DeepEqual(got, after) || got.Name != "x" || len(got.Secrets) != 1 || !reflect.DeepEqual(got.ClientPolicy, policy) {
		t.Errorf("returned %+v\nread %+v", after, got)
	}
	for range 2 {
		_, err = sqlstore.ChangeClient(ctx, w.db, "web", storage.ClientChange{AddSecret: &storage.Digest{2}})
	}
	want(t, err, storage.ErrConflict)
}

func TestOperatorTokensComeBack(t *testing.T) {
	db := schema(t)
	token := storage.OperatorToken{
		Name: "é", Digest: storage.Digest{1}, Scopes: []string{"read", "users"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	must(t, sqlstore.CreateOperatorToken(ctx, db, token))
	got, err := sqlstore.OperatorToken(ctx, db, token.Digest)
	must(t, err)
	if !reflect.DeepEqual(got, token) {
		t.Errorf("got %+v\nwant %+v", got, token)
	}
	want(t, sqlstore.CreateOperatorToken(ctx, db, storage.OperatorToken{Name: "é", Digest: storage.Digest{2}}), storage.ErrConflict)
	want(t, sqlstore.CreateOperatorToken(ctx, db, storage.OperatorToken{Name: "e", Digest: storage.Digest{1}}), storage.ErrConflict)
	want(t, sqlstore.CreateOperatorToken(ctx, db, storage.OperatorToken{Name: "e", Scopes: []string{"a b"}}), sqlstore.ErrRecord)
	list, err := sqlstore.OperatorTokens(ctx, db)
	must(t, err)
	if !reflect.DeepEqual(list, []storage.OperatorToken{token}) {
		t.Errorf("listed %+v", list)
	}
	want(t, sqlstore.RemoveOperatorToken(ctx, db, "e"), storage.ErrNotFound)
	must(t, sqlstore.RemoveOperatorToken(ctx, db, "é"))
	_, err = sqlstore.OperatorToken(ctx, db, token.Digest)
	want(t, err, storage.ErrNotFound)
}
