package sqlite_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/storagetest"
)

// versionOne makes a file as the first version of the schema left it, and lets
// fill put rows into it.
func versionOne(t *testing.T, path string, fill func(*sqlx.DB)) {
	t.Helper()
	must(t, os.WriteFile(path, nil, 0o600))
	db, err := sqlx.Open("sqlite3", "file:"+path+"?_foreign_keys=on&_journal_mode=WAL")
	must(t, err)
	db.SetMaxOpenConns(1)
	db.MustExec(sqlite.Scripts()[0])
	db.MustExec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1", sqlite.ApplicationID))
	fill(db)
	must(t, db.Close())
}

func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func orNull[T comparable](v T, bytes []byte) any {
	if v == *new(T) {
		return nil
	}
	return bytes
}

// insertOld writes a session in the columns of version 1.
func insertOld(db *sqlx.DB, s storage.Session) {
	db.MustExec(`INSERT INTO sessions (id, user_id, client, scope, audience, auth_time, expires_at, idle_lifetime, last_used_at, last_address,
		ended_at, end_reason, generation, current, previous, nonce, rotated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.ID[:], s.User[:], s.Client, strings.Join(s.Scope, " "), strings.Join(s.Audience, " "), us(s.AuthTime), us(s.ExpiresAt),
		s.IdleLifetime.Microseconds(), us(s.LastUsedAt), s.LastAddress, us(s.EndedAt), string(s.EndReason), s.Generation,
		s.Current[:], orNull(s.Previous, s.Previous[:]), orNull(s.Nonce, s.Nonce[:]), int64(s.RotatedAt))
}

// A past is a Model in which something has happened, and the tokens that its
// users hold.
type past struct {
	*storagetest.Model
	login
	users   []storage.User
	clients []storage.Client
	tokens  map[string]storage.RefreshToken
}

func newPast(t *testing.T) past {
	p := past{Model: storagetest.NewModel(), tokens: map[string]storage.RefreshToken{}}
	p.user, p.client = aUser("ada"), aClient("web")
	away := aUser("Ωmega é")
	away.ForeignID, away.Disabled, away.PasswordHash = "django:17", true, ""
	away.Claims = storage.UserClaims{Roles: []string{"staff"}, Extra: map[string]any{"level": json.Number("7.5"), "x": nil}}
	p.users = []storage.User{p.user, away}
	for _, u := range p.users {
		must(t, p.CreateUser(ctx, u))
	}
	gone := aClient("confidential")
	gone.AuthMethod, gone.Secrets, gone.Rotate = storage.AuthBasic, []storage.Digest{{1}, {2}}, false
	for _, c := range []*storage.Client{&p.client, &gone} {
		made, err := p.CreateClient(ctx, *c)
		must(t, err)
		*c, p.clients = made, append(p.clients, made)
	}
	for _, name := range []string{"new", "rotated", "rotated twice", "reused", "ended", "expired", "kept"} {
		n := p.session()
		switch name {
		case "expired":
			n.AbsoluteLifetime = time.Minute
		case "kept":
			n.Client = gone.Number
		}
		_, err := p.CreateSession(ctx, n)
		must(t, err)
		p.tokens[name] = n.Token
	}
	p.rotate(t, "rotated", "rotated twice", "reused", "kept")
	p.AddService(time.Hour)
	p.rotate(t, "rotated twice")
	_, err := p.RotateSession(ctx, p.refresh(p.tokens["before reused"]))
	if err != storage.ErrReused {
		t.Fatal(err)
	}
	_, err = p.EndSession(ctx, p.tokens["ended"].SessionID(), storage.EndedPassword, epoch)
	must(t, err)
	return p
}

func (p past) rotate(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		r := p.refresh(p.tokens[name])
		if name == "kept" {
			r.Client = p.clients[1].Number
		}
		out, err := p.RotateSession(ctx, r)
		must(t, err)
		p.tokens["before "+name], p.tokens[name] = p.tokens[name], out.Token
	}
}

// write puts everything into a file of version 1.
func (p past) write(t *testing.T, db *sqlx.DB) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		must(t, err)
		return string(b)
	}
	for _, u := range p.users {
		db.MustExec(`INSERT INTO users (id, name, password_hash, disabled, claims, foreign_id, created_at) VALUES (?, ?, ?, ?, ?, nullif(?, ''), ?)`,
			u.ID[:], u.Name, u.PasswordHash, u.Disabled, text(u.Claims), u.ForeignID, us(u.CreatedAt))
	}
	for _, c := range p.clients {
		secrets := []byte{} // not nil: that would be null
		for _, d := range c.Secrets {
			secrets = append(secrets, d[:]...)
		}
		db.MustExec(`INSERT INTO clients (number, client_id, name, auth_method, secrets, policy, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			c.Number, c.ID, c.Name, string(c.AuthMethod), secrets, text(c.ClientPolicy), us(c.CreatedAt))
	}
	entries, err := p.Sessions(ctx, storage.SessionID{}, 100)
	must(t, err)
	for _, e := range entries {
		insertOld(db, e.Session)
	}
	at, err := p.ServiceTime(ctx)
	must(t, err)
	db.MustExec(`UPDATE service_time SET reading = ?`, int64(at))
	db.MustExec(`INSERT INTO ring VALUES (1, 7, CAST('sealed' AS BLOB))`)
}

// Everything that a store of version 1 holds is there after it was opened, and
// every refresh token is as good as before.
func TestFromVersionOne(t *testing.T) {
	p := newPast(t)
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionOne(t, path, func(db *sqlx.DB) { p.write(t, db) })
	s := reopen(t, path)
	if v := scalar[int](t, path, "PRAGMA user_version"); v != len(sqlite.Scripts()) || v < 2 {
		t.Errorf("version %d", v)
	}
	if n := scalar[int](t, path, "SELECT count(*) FROM pragma_foreign_key_check"); n != 0 {
		t.Errorf("%d rows refer to nothing", n)
	}
	if verdict := scalar[string](t, path, "PRAGMA integrity_check"); verdict != "ok" {
		t.Error(verdict)
	}
	users, err := s.Users(ctx, "", 10)
	must(t, err)
	want := slices.Clone(p.users)
	for i, u := range want { // when a session of theirs began is read from what is there
		now, err := p.UserByID(ctx, u.ID)
		must(t, err)
		want[i].CameAt = now.CameAt
	}
	if want[0].CameAt.IsZero() || !want[1].CameAt.IsZero() {
		t.Error("the past is not rich enough")
	}
	same(t, users, want)
	clients, err := s.Clients(ctx)
	must(t, err)
	theirs, err := p.Clients(ctx)
	must(t, err)
	same(t, clients, theirs)
	entries, err := s.Sessions(ctx, storage.SessionID{}, 100)
	must(t, err)
	wanted, err := p.Sessions(ctx, storage.SessionID{}, 100)
	must(t, err)
	same(t, entries, wanted)
	if sealed, v, err := s.LoadRing(ctx); err != nil || string(sealed) != "sealed" || v != 7 {
		t.Errorf("the ring is %q at %d, %v", sealed, v, err)
	}
	answers := map[error]int{}
	for name, token := range p.tokens {
		r := p.refresh(token)
		if strings.HasSuffix(name, "kept") {
			r.Client = p.clients[1].Number
		}
		want, wantErr := p.RotateSession(ctx, r)
		got, gotErr := s.RotateSession(ctx, r)
		if gotErr != wantErr || got.Outcome != want.Outcome || got.Token.Reveal() != want.Token.Reveal() {
			t.Errorf("%s: %s, %v; want %s, %v", name, got.Outcome, gotErr, want.Outcome, wantErr)
		}
		answers[gotErr]++
	}
	if answers[nil] == 0 || answers[storage.ErrEnded] == 0 || answers[storage.ErrExpired] == 0 {
		t.Errorf("answers %v: the past is not rich enough", answers)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	must(t, err)
	w, err := json.Marshal(want)
	must(t, err)
	if !bytes.Equal(g, w) {
		t.Errorf("got\n%s, want\n%s", g, w)
	}
}

// What the second version can do works on what the first one left.
func TestVersionTwoOnTheRowsOfOne(t *testing.T) {
	p := newPast(t)
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionOne(t, path, func(db *sqlx.DB) { p.write(t, db) })
	s := reopen(t, path)
	p.s = s

	n := p.session()
	n.Device = "phone"
	_, err := s.CreateSession(ctx, n)
	must(t, err)
	got, err := s.SessionByID(ctx, n.Token.SessionID())
	must(t, err)
	if got.Device != "phone" || got.Username != "ada" || got.ClientID != "web" {
		t.Errorf("%+v", got)
	}
	legacy := "legacy"
	for _, ended := range []int{6, 0} { // not those that had ended before
		u, n, err := s.ChangeUser(ctx, p.user.ID, storage.UserChange{ImportHash: &legacy, Now: epoch})
		must(t, err)
		if n != ended || u.Imported != storage.ImportDigest(legacy) {
			t.Errorf("%d ended, want %d; %+v", n, ended, u)
		}
	}
	must(t, s.RemoveClient(ctx, "confidential")) // a session refers to it
	if _, err := s.SessionByID(ctx, p.tokens["kept"].SessionID()); err != storage.ErrNotFound {
		t.Errorf("a session of the removed client: %v", err)
	}
	must(t, s.CreateOperatorToken(ctx, storage.OperatorToken{Name: "a", CreatedAt: epoch}))
	sessions, err := s.RemoveUser(ctx, p.user.ID)
	must(t, err)
	if sessions != 8 {
		t.Errorf("%d sessions removed", sessions)
	}
}

// A program of version 1 that has the file open goes on to serve: it names its columns.
func TestOldStatementsOnTheNewSchema(t *testing.T) {
	p := newPast(t)
	path := filepath.Join(t.TempDir(), "hallmark.db")
	versionOne(t, path, func(db *sqlx.DB) { p.write(t, db) })
	s := reopen(t, path)
	old, err := sqlx.Open("sqlite3", "file:"+path+"?_foreign_keys=on&_busy_timeout=5000")
	must(t, err)
	defer old.Close()
	n := p.session()
	insertOld(old, n.Session())
	old.MustExec(`INSERT INTO users (id, name, password_hash, disabled, claims, foreign_id, created_at)
		VALUES (randomblob(16), 'carol', 'h', 0, '{}', NULL, 0)`)
	got, err := s.SessionByID(ctx, n.Token.SessionID())
	must(t, err)
	if !reflect.DeepEqual(got.Session, n.Session()) {
		t.Errorf("got\n%+v, want\n%+v", got.Session, n.Session())
	}
	if u, err := s.UserByName(ctx, "carol"); err != nil || u.Imported != (storage.Digest{}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// A script that fails half-way leaves every byte of the file, and the next
// program that finds nothing in its way brings it up to date.
func TestFailingMigration(t *testing.T) {
	for name, obstacle := range map[string]string{ // before and behind the change of a table
		"early": "operator_tokens", "late": "new_sessions",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPast(t)
			path := filepath.Join(t.TempDir(), "hallmark.db")
			versionOne(t, path, func(db *sqlx.DB) {
				p.write(t, db)
				db.MustExec(`CREATE TABLE ` + obstacle + ` (x)`)
			})
			before, err := os.ReadFile(path)
			must(t, err)
			_, err = sqlite.Open(ctx, path, quiet)
			assertRefusal(t, err, path, "migration 2")
			after, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			if v := scalar[int](t, path, "PRAGMA user_version"); v != 1 {
				t.Errorf("version %d", v)
			}
			database(t, path, `DROP TABLE `+obstacle)
			entries, err := reopen(t, path).Sessions(ctx, storage.SessionID{}, 100)
			must(t, err)
			want, err := p.Sessions(ctx, storage.SessionID{}, 100)
			must(t, err)
			same(t, entries, want)
		})
	}
}
