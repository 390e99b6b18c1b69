package operator_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)

// A desk is an operator on a real store, with the log of what was done.
type desk struct {
	*operator.Operator
	store *sqlite.Store
	pool  *password.Pool
	log   *bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	pool := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	d := &desk{store: store, pool: pool, log: &bytes.Buffer{}}
	d.Operator = &operator.Operator{
		Users: store, Clients: store, Sessions: store, Tokens: store, Keys: newKeys(t, store), Passwords: pool, By: "test",
		Log: slog.New(slog.NewTextHandler(d.log, nil)), Now: func() time.Time { return start },
	}
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
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the same name again: %v", err)
	}
	d.silent(t)
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
		"server's claim":      {extra("sub"), []string{"extra"}},
		"server's, capitals":  {extra("Exp"), []string{"extra"}},
		"a list's claim":      {extra("Roles"), []string{"extra"}},
		"claim without name":  {extra(""), []string{"extra"}},
		"claim with a space":  {extra("a b"), []string{"extra"}},
		"claims too big":      {func(n *operator.NewUser) { n.Claims.Extra = map[string]any{"x": strings.Repeat("x", 9<<10)} }, []string{"extra"}},
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
	if _, err := d.SetPassword(t.Context(), "\x00", new); !slices.Equal(problems(err), []string{"name"}) {
		t.Errorf("impossible name: %v", err)
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

	if _, _, err := d.AddClient(t.Context(), newApp("web", storage.AuthNone)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the same id again: %v", err)
	}
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

// What the store reports is passed on.
func TestClosedStore(t *testing.T) {
	d := newDesk(t)
	d.alice(t, secret(t))
	d.store.Close()
	d.log.Reset()
	ctx := context.Background()
	_, addErr := d.AddUser(ctx, operator.NewUser{Name: "bob"})
	_, setErr := d.SetDisabled(ctx, "alice", true)
	_, clientsErr := d.ListClients(ctx)
	_, _, clientErr := d.AddClient(ctx, newApp("app", storage.AuthNone))
	for i, err := range []error{
		addErr, setErr, clientsErr, clientErr, d.ListUsers(ctx, func(storage.User) error { return nil }),
	} {
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("act %d on a closed store: %v", i, err)
		}
	}
	d.silent(t)
}
