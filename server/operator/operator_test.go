package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// goodHash is of a format that is known.
const goodHash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70"

var start = time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)

// A desk is an operator on a real store, with the log of what was done.
type desk struct {
	*operator.Operator
	store *sqlite.Store
	pool  *password.Pool
	log   *bytes.Buffer
	dir   string // of the store
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	pool := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	d := &desk{store: store, pool: pool, log: &bytes.Buffer{}, dir: dir}
	d.Operator = &operator.Operator{
		Users: store, Clients: store, Sessions: store, Tokens: store, Spent: store, Audit: store, Keys: newKeys(t, store), Passwords: pool, By: "test",
		Log: slog.New(slog.NewTextHandler(d.log, nil)), Now: func() time.Time { return start },
	}
	d.Trial = d.Keys.(*keys.Rotator).DryRun()
	return d
}

// recorded checks that exactly one record was written since the last call and
// that it has the given parts.
func (d *desk) recorded(t *testing.T, parts ...string) {
	t.Helper()
	text := d.log.String()
	d.log.Reset()
	if strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=INFO msg=operator") || !strings.Contains(text, "by=test") {
		t.Errorf("records %q, want one", text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("record %q lacks %q", text, part)
		}
	}
	for _, never := range []string{"$argon2id$", "hmo_", storage.Secret{}.String()} {
		if strings.Contains(text, never) {
			t.Errorf("record %q holds %q", text, never)
		}
	}
}

// hash is a hash made elsewhere.
func (d *desk) hash(t *testing.T, pw storage.Secret) string {
	t.Helper()
	hash, err := d.pool.Hash(t.Context(), pw)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// signsIn reports whether a password is a user's.
func (d *desk) signsIn(t *testing.T, u storage.User, pw storage.Secret) bool {
	t.Helper()
	result, err := d.pool.Verify(t.Context(), u.PasswordHash, pw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.Match
}

// advised checks an error's only problem.
func advised(t *testing.T, err error, field, advice string) {
	t.Helper()
	var invalid operator.Invalid
	if !errors.As(err, &invalid) || len(invalid) != 1 || invalid[0].Field != field || !strings.Contains(invalid[0].Advice, advice) {
		t.Errorf("%v, want one problem of %q with %q", err, field, advice)
	}
}

// conflicted checks that an error says what is in the way.
func conflicted(t *testing.T, err error, field, advice string) {
	t.Helper()
	var conflict operator.Conflict
	if !errors.Is(err, storage.ErrConflict) || !errors.As(err, &conflict) || conflict.Field != field || !strings.Contains(conflict.Advice, advice) {
		t.Errorf("%v, want a conflict of %q with %q", err, field, advice)
	}
}

func (d *desk) silent(t *testing.T) {
	t.Helper()
	if d.log.Len() > 0 {
		t.Errorf("an act that failed was recorded: %s", d.log)
		d.log.Reset()
	}
}

// problems returns the fields that an error complains about.
func problems(err error) (fields []string) {
	var invalid operator.Invalid
	if errors.As(err, &invalid) {
		for _, p := range invalid {
			fields = append(fields, p.Field)
		}
	}
	return fields
}

func secret(t *testing.T) storage.Secret {
	t.Helper()
	return storage.RandomSecret()
}

// login opens a session of a user in a client.
func (d *desk) login(t *testing.T, u storage.User, c storage.Client) storage.RefreshToken {
	t.Helper()
	token := storage.NewRefreshToken()
	_, err := d.store.CreateSession(t.Context(), storage.NewSession{
		Token: token, User: u.ID, PasswordHash: u.PasswordHash, Client: c.Number, Audience: []string{"api"},
		AbsoluteLifetime: time.Hour, IdleLifetime: time.Hour, Now: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (d *desk) refresh(t *testing.T, token storage.RefreshToken, c storage.Client) error {
	t.Helper()
	_, err := d.store.RotateSession(t.Context(), storage.Refresh{
		Token: token, Client: c.Number, Nonce: storage.NewNonce(), Now: start.Add(time.Second),
	})
	return err
}

func TestAddUser(t *testing.T) {
	d, pw := newDesk(t), secret(t)
	claims := storage.UserClaims{Roles: []string{"admin"}, Extra: map[string]any{"tenant": "acme"}}
	// "é" as e and a combining accent is stored composed.
	user, err := d.AddUser(t.Context(), operator.NewUser{Name: "rene\u0301", Password: pw, Claims: claims, ForeignID: "17"})
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=user.add", "username=ren\u00e9", "sub="+user.ID.String())
	got, err := d.store.UserByName(t.Context(), "ren\u00e9")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != user.ID || got.ForeignID != "17" || !slices.Equal(got.Claims.Roles, claims.Roles) || got.Claims.Extra["tenant"] != "acme" {
		t.Errorf("stored %+v", got)
	}
	if !got.CreatedAt.Equal(start.Truncate(time.Microsecond)) {
		t.Errorf("created at %v", got.CreatedAt)
	}
	if result, err := d.pool.Verify(t.Context(), got.PasswordHash, pw, nil); err != nil || !result.Match {
		t.Errorf("the password does not match: %v", err)
	}

	_, err = d.AddUser(t.Context(), operator.NewUser{Name: "ren\u00e9", Password: secret(t)})
	conflicted(t, err, "name", "choose another name")
	_, err = d.AddUser(t.Context(), operator.NewUser{Name: "bob", ForeignID: "17"})
	conflicted(t, err, "foreign_id", "edit that one")
	d.silent(t)
}

func TestAddUserWithHash(t *testing.T) {
	d, pw := newDesk(t), secret(t)
	user, err := d.AddUser(t.Context(), operator.NewUser{Name: "alice", PasswordHash: d.hash(t, pw)})
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=user.add", "hash_format=argon2id")
	if got, err := d.store.UserByID(t.Context(), user.ID); err != nil || !d.signsIn(t, got, pw) || got.Imported != storage.ImportDigest(got.PasswordHash) {
		t.Errorf("stored %+v, %v", got, err)
	}
}

func TestAddUserWithoutPassword(t *testing.T) {
	d := newDesk(t)
	if _, err := d.AddUser(t.Context(), operator.NewUser{Name: "machine", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	got, err := d.store.UserByName(t.Context(), "machine")
	if err != nil || got.PasswordHash != "" || !got.Disabled {
		t.Errorf("stored %+v, %v", got, err)
	}
}

func TestAddUserRefuses(t *testing.T) {
	extra := func(name string) func(*operator.NewUser) {
		return func(n *operator.NewUser) { n.Claims.Extra = map[string]any{name: 1} }
	}
	tests := map[string]struct {
		change func(*operator.NewUser)
		fields []string
	}{
		"nothing":             {func(*operator.NewUser) {}, nil},
		"empty name":          {func(n *operator.NewUser) { n.Name = "" }, []string{"name"}},
		"name of 256 bytes":   {func(n *operator.NewUser) { n.Name = strings.Repeat("n", 256) }, nil},
		"name of 257 bytes":   {func(n *operator.NewUser) { n.Name = strings.Repeat("n", 257) }, []string{"name"}},
		"name not UTF-8":      {func(n *operator.NewUser) { n.Name = "a\xff" }, []string{"name"}},
		"name with a control": {func(n *operator.NewUser) { n.Name = "a\tb" }, []string{"name"}},
		"short password":      {func(n *operator.NewUser) { n.Password = storage.NewSecret("1234567") }, []string{"password"}},
		"long password":       {func(n *operator.NewUser) { n.Password = storage.NewSecret(strings.Repeat("p", 1025)) }, []string{"password"}},
		"empty role":          {func(n *operator.NewUser) { n.Claims.Roles = []string{""} }, []string{"roles"}},
		"long group":          {func(n *operator.NewUser) { n.Claims.Groups = []string{strings.Repeat("g", 257)} }, []string{"groups"}},
		"control in one":      {func(n *operator.NewUser) { n.Claims.Entitlements = []string{"a\n"} }, []string{"entitlements"}},
		"too many roles":      {func(n *operator.NewUser) { n.Claims.Roles = slices.Repeat([]string{"r"}, 257) }, []string{"roles"}},
		"hash of no format":   {func(n *operator.NewUser) { n.Password, n.PasswordHash = storage.Secret{}, "x" }, []string{"password_hash"}},
		"password and hash":   {func(n *operator.NewUser) { n.PasswordHash = goodHash }, []string{"password_hash"}},
		"server's claim":      {extra("sub"), []string{"extra"}},
		"server's, capitals":  {extra("Exp"), []string{"extra"}},
		"a list's claim":      {extra("Roles"), []string{"extra"}},
		"claim without name":  {extra(""), []string{"extra"}},
		"claim with a space":  {extra("a b"), []string{"extra"}},
		"claims too big":      {func(n *operator.NewUser) { n.Claims.Extra = map[string]any{"x": strings.Repeat("x", 9<<10)} }, []string{"extra"}},
		"a number beyond":     {func(n *operator.NewUser) { n.Claims.Extra = map[string]any{"x": []any{json.Number("1e309")}} }, []string{"extra"}},
		"claim no JSON":       {func(n *operator.NewUser) { n.Claims.Extra = map[string]any{"x": func() {}} }, []string{"extra"}},
		"foreign id, control": {func(n *operator.NewUser) { n.ForeignID = "1\x00" }, []string{"foreign_id"}},
		"everything at once": {func(n *operator.NewUser) {
			*n = operator.NewUser{Password: storage.NewSecret("x"), ForeignID: "\n", Claims: storage.UserClaims{Roles: []string{""}}}
		}, []string{"name", "password", "foreign_id", "roles"}},
		"claim with good name": {extra("https://example.com/tenant"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			n := operator.NewUser{Name: "alice", Password: storage.NewSecret(strings.Repeat("pass word ", 2))}
			tt.change(&n)
			_, err := d.AddUser(t.Context(), n)
			if got := problems(err); !slices.Equal(got, tt.fields) || (err == nil) != (tt.fields == nil) {
				t.Errorf("complains about %q (%v), want %q", got, err, tt.fields)
			}
			if err != nil {
				d.silent(t)
				if users, _ := d.store.Users(t.Context(), "", 10); len(users) > 0 {
					t.Errorf("a refused user was stored: %v", users)
				}
			}
		})
	}
}

func TestListUsers(t *testing.T) {
	d := newDesk(t)
	const count = 1201 // more than two pages
	for i := range count {
		name := "u" + string(rune('a'+i/676)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
		if _, err := d.AddUser(t.Context(), operator.NewUser{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	err := d.ListUsers(t.Context(), func(u storage.User) error {
		names = append(names, u.Name)
		return nil
	})
	if err != nil || len(names) != count || !slices.IsSorted(names) {
		t.Errorf("%d users, sorted %v: %v", len(names), slices.IsSorted(names), err)
	}
	stop := errors.New("enough")
	if err := d.ListUsers(t.Context(), func(storage.User) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each said stop, ListUsers said %v", err)
	}
}

func TestSetPassword(t *testing.T) {
	d, old, new := newDesk(t), secret(t), secret(t)
	user, client := d.alice(t, old), d.app(t)
	tokens := []storage.RefreshToken{d.login(t, user, client), d.login(t, user, client)}
	d.log.Reset()

	ended, err := d.SetPassword(t.Context(), "alice", new)
	if err != nil || ended != 2 {
		t.Fatalf("ended %d, %v", ended, err)
	}
	d.recorded(t, "act=user.passwd", "username=alice", "sessions_ended=2")
	for _, token := range tokens {
		if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrEnded) {
			t.Errorf("refresh after the password was set: %v", err)
		}
	}
	got, _ := d.store.UserByName(t.Context(), "alice")
	if r, _ := d.pool.Verify(t.Context(), got.PasswordHash, new, nil); !r.Match {
		t.Error("the new password does not match")
	}
	if r, _ := d.pool.Verify(t.Context(), got.PasswordHash, old, nil); r.Match {
		t.Error("the old password matches still")
	}

	if _, err := d.SetPassword(t.Context(), "alice", storage.NewSecret("short")); !slices.Equal(problems(err), []string{"password"}) {
		t.Errorf("short password: %v", err)
	}
	if _, err := d.SetPassword(t.Context(), "bob", new); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	if _, err := d.SetPassword(t.Context(), "\x00", storage.NewSecret("short")); !slices.Equal(problems(err), []string{"name", "password"}) {
		t.Errorf("impossible name, short password: %v", err)
	}
	d.silent(t)
}

func TestSetDisabled(t *testing.T) {
	d := newDesk(t)
	user, client := d.alice(t, secret(t)), d.app(t)
	token := d.login(t, user, client)
	d.log.Reset()

	if ended, err := d.SetDisabled(t.Context(), "alice", true); err != nil || ended != 1 {
		t.Fatalf("disable: ended %d, %v", ended, err)
	}
	d.recorded(t, "act=user.disable", "sessions_ended=1")
	if got, _ := d.store.UserByName(t.Context(), "alice"); !got.Disabled {
		t.Error("not disabled")
	}
	if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrEnded) {
		t.Errorf("refresh of a disabled user: %v", err)
	}
	if ended, err := d.SetDisabled(t.Context(), "alice", false); err != nil || ended != 0 {
		t.Fatalf("enable: ended %d, %v", ended, err)
	}
	d.recorded(t, "act=user.enable")
	if got, _ := d.store.UserByName(t.Context(), "alice"); got.Disabled {
		t.Error("not enabled")
	}
	if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrEnded) {
		t.Errorf("the session came back: %v", err)
	}
	if _, err := d.SetDisabled(t.Context(), "bob", true); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	d.silent(t)
}

// alice is a user with a password.
func (d *desk) alice(t *testing.T, pw storage.Secret) storage.User {
	t.Helper()
	user, err := d.AddUser(t.Context(), operator.NewUser{Name: "alice", Password: pw})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// app is a public client.
func (d *desk) app(t *testing.T) storage.Client {
	t.Helper()
	client, _, err := d.AddClient(t.Context(), newApp("app", storage.AuthNone))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newApp(id string, method storage.AuthMethod) operator.NewClient {
	return operator.NewClient{ID: id, AuthMethod: method, ClientPolicy: storage.ClientPolicy{
		Grants: []string{"password", "refresh_token"}, Audiences: []string{"api"}, Rotate: true,
	}}
}

func TestAddClient(t *testing.T) {
	d := newDesk(t)
	client, pw, err := d.AddClient(t.Context(), newApp("web", storage.AuthBasic))
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=client.add", "client_id=web", "auth_method=client_secret_basic")
	got, err := d.store.ClientByID(t.Context(), "web")
	if err != nil || got.Number != client.Number || !slices.Equal(got.DefaultAudiences, []string{"api"}) {
		t.Fatalf("stored %+v, %v", got, err)
	}
	if len(got.Secrets) != 1 || !got.Secrets[0].Equal(pw.Digest()) || len(pw.Reveal()) < 43 {
		t.Errorf("the secret of %d characters is not the stored one", len(pw.Reveal()))
	}

	public, none, err := d.AddClient(t.Context(), newApp("", storage.AuthNone))
	if err != nil || len(public.ID) != 22 || !none.Empty() || len(public.Secrets) != 0 {
		t.Errorf("public client %+v with secret %v: %v", public, !none.Empty(), err)
	}
	if strings.Contains(d.log.String(), pw.Reveal()) {
		t.Error("the secret is in the log")
	}
	d.log.Reset()

	_, _, err = d.AddClient(t.Context(), newApp("web", storage.AuthNone))
	conflicted(t, err, "id", "choose another id")
	if _, _, err := d.AddClient(t.Context(), operator.NewClient{ID: "x y"}); !slices.Equal(problems(err), []string{"id", "auth_method", "grants", "audiences"}) {
		t.Errorf("nothing said: %v", err)
	}
	d.silent(t)

	clients, err := d.ListClients(t.Context())
	if err != nil || len(clients) != 2 {
		t.Errorf("listed %v, %v", clients, err)
	}
}

// Invalid is one line that names each field.
func TestInvalidText(t *testing.T) {
	text := operator.Invalid{{"a", "do this"}, {"b", "do that"}}.Error()
	if text != "a: do this; b: do that" {
		t.Errorf("text %q", text)
	}
}

// A copy acts in another's name; the first goes on in its own.
func TestAs(t *testing.T) {
	d := newDesk(t)
	if _, err := d.As("token ci").AddUser(t.Context(), operator.NewUser{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	if text := d.log.String(); !strings.Contains(text, `by="token ci"`) {
		t.Errorf("record %q", text)
	}
	d.log.Reset()
	if _, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=user.add")
}

// What the store reports is passed on, and nothing is done or recorded.
func TestClosedStore(t *testing.T) {
	d := newDesk(t)
	user, client := d.alice(t, secret(t)), d.app(t)
	d.store.Close()
	d.log.Reset()
	no, name, bob := true, "alice", operator.NewUser{Name: "bob", ForeignID: "17"}
	edit := operator.ClientEdit{Name: &name}
	for act, do := range map[string]func(context.Context) error{
		"AddUser": func(ctx context.Context) error { _, err := d.AddUser(ctx, bob); return err },
		"PutUser": func(ctx context.Context) error { _, _, err := d.PutUser(ctx, bob); return err },
		"EditUser": func(ctx context.Context) error {
			_, _, err := d.EditUser(ctx, user.ID, operator.UserEdit{Disabled: &no})
			return err
		},
		"RemoveUser":      func(ctx context.Context) error { _, err := d.RemoveUser(ctx, user.ID); return err },
		"SetPassword":     func(ctx context.Context) error { _, err := d.SetPassword(ctx, "alice", secret(t)); return err },
		"SetDisabled":     func(ctx context.Context) error { _, err := d.SetDisabled(ctx, "alice", true); return err },
		"User":            func(ctx context.Context) error { _, err := d.User(ctx, "alice"); return err },
		"UserByID":        func(ctx context.Context) error { _, err := d.UserByID(ctx, user.ID); return err },
		"UserByForeignID": func(ctx context.Context) error { _, err := d.UserByForeignID(ctx, "17"); return err },
		"UserPage":        func(ctx context.Context) error { _, err := d.UserPage(ctx, "", 1); return err },
		"ListUsers":       func(ctx context.Context) error { return d.ListUsers(ctx, func(storage.User) error { return nil }) },
		"AddClient": func(ctx context.Context) error {
			_, _, err := d.AddClient(ctx, newApp("new", storage.AuthNone))
			return err
		},
		"Client":          func(ctx context.Context) error { _, err := d.Client(ctx, client.ID); return err },
		"EditClient":      func(ctx context.Context) error { _, err := d.EditClient(ctx, client.ID, edit); return err },
		"AddSecret":       func(ctx context.Context) error { _, _, err := d.AddSecret(ctx, client.ID, false); return err },
		"DropOldSecrets":  func(ctx context.Context) error { _, err := d.DropOldSecrets(ctx, client.ID); return err },
		"RemoveClient":    func(ctx context.Context) error { return d.RemoveClient(ctx, client.ID) },
		"ListClients":     func(ctx context.Context) error { _, err := d.ListClients(ctx); return err },
		"Session":         func(ctx context.Context) error { _, err := d.Session(ctx, storage.SessionID{}); return err },
		"UserSessions":    func(ctx context.Context) error { _, err := d.UserSessions(ctx, user.ID); return err },
		"SessionPage":     func(ctx context.Context) error { _, err := d.SessionPage(ctx, storage.SessionID{}, 1); return err },
		"EndSession":      func(ctx context.Context) error { _, err := d.EndSession(ctx, storage.SessionID{}); return err },
		"EndUserSessions": func(ctx context.Context) error { _, err := d.EndUserSessions(ctx, user.ID); return err },
		"AddToken": func(ctx context.Context) error {
			_, _, err := d.AddToken(ctx, "ci", operator.Scopes(), time.Hour)
			return err
		},
		"ListTokens":   func(ctx context.Context) error { _, err := d.ListTokens(ctx); return err },
		"RemoveToken":  func(ctx context.Context) error { return d.RemoveToken(ctx, "ci") },
		"Authenticate": func(ctx context.Context) error { _, err := d.Authenticate(ctx, someToken); return err },
	} {
		if err := do(context.Background()); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, operator.ErrToken) {
			t.Errorf("%s on a closed store: %v", act, err)
		}
		d.silent(t)
	}
}
