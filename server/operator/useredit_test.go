package operator_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

func TestEditUser(t *testing.T) {
	old, next := storage.RandomSecret(), storage.RandomSecret()
	edits := map[string]struct {
		edit   func(*testing.T, *desk) operator.UserEdit
		ends   bool // the sessions
		holds  func(*testing.T, *desk, storage.User) bool
		record []string
	}{
		"name": {
			edit: func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{Name: new("rene\u0301")} },
			holds: func(t *testing.T, d *desk, u storage.User) bool {
				_, gone := d.store.UserByName(t.Context(), "alice")
				return u.Name == "ren\u00e9" && errors.Is(gone, storage.ErrNotFound)
			},
			record: []string{"act=user.edit", "username=ren\u00e9", "changed=[name]"},
		},
		"password": {
			edit: func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{Password: &next} },
			ends: true,
			holds: func(t *testing.T, d *desk, u storage.User) bool {
				return d.signsIn(t, u, next) && !d.signsIn(t, u, old) && u.Imported == (storage.Digest{})
			},
			record: []string{"act=user.passwd", "changed=[password]"},
		},
		"hash": {
			edit: func(t *testing.T, d *desk) operator.UserEdit {
				return operator.UserEdit{PasswordHash: new(d.hash(t, next))}
			},
			ends: true,
			holds: func(t *testing.T, d *desk, u storage.User) bool {
				return d.signsIn(t, u, next) && u.Imported == storage.ImportDigest(u.PasswordHash)
			},
			record: []string{"act=user.edit", "changed=[password_hash]", "hash_format=argon2id"},
		},
		"foreign id": {
			edit: func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{ForeignID: new("18")} },
			holds: func(t *testing.T, d *desk, u storage.User) bool {
				got, err := d.store.UserByForeignID(t.Context(), "18")
				return err == nil && got.ID == u.ID
			},
			record: []string{"act=user.edit", "changed=[foreign_id]"},
		},
		"no foreign id": {
			edit: func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{ForeignID: new("")} },
			holds: func(t *testing.T, d *desk, u storage.User) bool {
				_, gone := d.store.UserByForeignID(t.Context(), "17")
				return u.ForeignID == "" && errors.Is(gone, storage.ErrNotFound)
			},
			record: []string{"act=user.edit", "changed=[foreign_id]"},
		},
		"disabled": {
			edit:   func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{Disabled: new(true)} },
			ends:   true,
			holds:  func(_ *testing.T, _ *desk, u storage.User) bool { return u.Disabled },
			record: []string{"act=user.disable", "changed=[disabled]", "disabled=true"},
		},
		"enabled already": {
			edit:   func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{Disabled: new(false)} },
			holds:  func(_ *testing.T, _ *desk, u storage.User) bool { return !u.Disabled },
			record: []string{"act=user.enable", "changed=[]", "disabled=false"},
		},
		"claims": {
			edit: func(*testing.T, *desk) operator.UserEdit {
				return operator.UserEdit{Claims: &storage.UserClaims{Roles: []string{"admin"}, Extra: map[string]any{"tenant": "acme"}}}
			},
			holds: func(_ *testing.T, _ *desk, u storage.User) bool {
				return slices.Equal(u.Claims.Roles, []string{"admin"}) && u.Claims.Extra["tenant"] == "acme"
			},
			record: []string{"act=user.edit", "changed=[claims]"},
		},
		"password and disabled": {
			edit: func(*testing.T, *desk) operator.UserEdit {
				return operator.UserEdit{Password: &next, Disabled: new(true)}
			},
			ends:   true,
			holds:  func(t *testing.T, d *desk, u storage.User) bool { return u.Disabled && d.signsIn(t, u, next) },
			record: []string{"act=user.edit", `changed="[password disabled]"`, "disabled=true"},
		},
		"nothing": {
			edit:   func(*testing.T, *desk) operator.UserEdit { return operator.UserEdit{} },
			holds:  func(t *testing.T, d *desk, u storage.User) bool { return d.signsIn(t, u, old) },
			record: []string{"act=user.edit", "changed=[]"},
		},
	}
	for name, tt := range edits {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			before, err := d.AddUser(t.Context(), operator.NewUser{Name: "alice", Password: old, ForeignID: "17"})
			if err != nil {
				t.Fatal(err)
			}
			client := d.app(t)
			token := d.login(t, before, client)
			edit := tt.edit(t, d)
			d.log.Reset()

			after, ended, err := d.EditUser(t.Context(), before.ID, edit)
			if err != nil || (ended == 1) != tt.ends {
				t.Fatalf("ended %d, %v", ended, err)
			}
			d.recorded(t, append(tt.record, "sub="+before.ID.String(), "sessions_ended=")...)
			got, err := d.store.UserByID(t.Context(), before.ID)
			if err != nil || !tt.holds(t, d, got) || !tt.holds(t, d, after) {
				t.Errorf("stored %+v, %v\nreturned %+v", got, err, after)
			}
			if err := d.refresh(t, token, client); errors.Is(err, storage.ErrEnded) != tt.ends {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}

func TestEditUserRefuses(t *testing.T) {
	tests := map[string]struct {
		edit          operator.UserEdit
		field, advice string
	}{
		"empty name":        {operator.UserEdit{Name: new("")}, "name", "1 to 256 bytes"},
		"short password":    {operator.UserEdit{Password: new(storage.NewSecret("1234567"))}, "password", "8"},
		"empty password":    {operator.UserEdit{Password: &storage.Secret{}}, "password", ""},
		"empty hash":        {operator.UserEdit{PasswordHash: new("")}, "password_hash", "unknown format"},
		"hash of no format": {operator.UserEdit{PasswordHash: new("plain text")}, "password_hash", "unknown format"},
		"costly hash": {operator.UserEdit{PasswordHash: new(strings.Replace(goodHash, "m=64", "m=1048576", 1))},
			"password_hash", "set a password instead"},
		"password and hash": {operator.UserEdit{Password: new(storage.RandomSecret()), PasswordHash: new(goodHash)}, "password_hash", "not both"},
		"long foreign id":   {operator.UserEdit{ForeignID: new(strings.Repeat("1", 257))}, "foreign_id", "at most 256 bytes"},
		"role empty":        {operator.UserEdit{Claims: &storage.UserClaims{Roles: []string{""}}}, "roles", "1 to 256 bytes"},
		"server's claim":    {operator.UserEdit{Claims: &storage.UserClaims{Extra: map[string]any{"sub": 1}}}, "extra", "server's own"},
	}
	d := newDesk(t)
	before := d.alice(t, secret(t))
	d.log.Reset()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := d.EditUser(t.Context(), before.ID, tt.edit)
			advised(t, err, tt.field, tt.advice)
			for _, never := range []string{"plain text", "c29tZXNhbHQ", "1234567"} {
				if err != nil && strings.Contains(err.Error(), never) {
					t.Errorf("the error tells %q: %v", never, err)
				}
			}
			d.silent(t)
		})
	}
	_, _, err := d.EditUser(t.Context(), before.ID, operator.UserEdit{
		Name: new("\n"), Password: new(storage.NewSecret("x")), ForeignID: new("\n"), Disabled: new(true),
		Claims: &storage.UserClaims{Groups: []string{"\n"}},
	})
	if got := problems(err); !slices.Equal(got, []string{"name", "password", "foreign_id", "groups"}) {
		t.Errorf("complains about %q: all at once", got)
	}
	if got, err := d.store.UserByID(t.Context(), before.ID); err != nil || got.Disabled || got.Name != "alice" {
		t.Errorf("half of what was refused was done: %+v, %v", got, err)
	}
}

func TestEditUserConflicts(t *testing.T) {
	d := newDesk(t)
	alice := d.alice(t, secret(t))
	if _, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob", ForeignID: "2"}); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	_, _, err := d.EditUser(t.Context(), alice.ID, operator.UserEdit{Name: new("bob"), Disabled: new(true)})
	conflicted(t, err, "name", `"bob" already exists: choose another name`)
	_, _, err = d.EditUser(t.Context(), alice.ID, operator.UserEdit{Name: new("carol"), ForeignID: new("2")})
	conflicted(t, err, "foreign_id", `foreign id "2" already exists`)
	if got, err := d.store.UserByID(t.Context(), alice.ID); err != nil || got.Name != "alice" || got.Disabled {
		t.Errorf("half done: %+v, %v", got, err)
	}
	if _, _, err = d.EditUser(t.Context(), uuid.New(), operator.UserEdit{Disabled: new(true)}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	d.silent(t)
	// One's own are no conflict.
	if _, _, err = d.EditUser(t.Context(), alice.ID, operator.UserEdit{Name: new("alice"), ForeignID: new("1")}); err != nil {
		t.Error(err)
	}
}

// Where no place to hash comes free, nothing is done.
func TestBusy(t *testing.T) {
	d := newDesk(t)
	alice := d.alice(t, secret(t))
	small := password.New(password.Config{Workers: 1, MaxWait: time.Nanosecond, Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	d.Passwords = small
	d.log.Reset()
	hold, held := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := small.Verify(t.Context(), "", storage.RandomSecret(), func() error { close(held); <-hold; return nil })
		done <- err
	}()
	<-held
	_, _, editErr := d.EditUser(t.Context(), alice.ID, operator.UserEdit{Password: new(secret(t)), Disabled: new(true)})
	_, addErr := d.AddUser(t.Context(), operator.NewUser{Name: "bob", Password: secret(t)})
	_, _, putErr := d.PutUser(t.Context(), operator.NewUser{Name: "carol", ForeignID: "3", Password: secret(t)})
	for _, err := range []error{editErr, addErr, putErr} {
		if !errors.Is(err, password.ErrBusy) {
			t.Errorf("%v, want ErrBusy", err)
		}
	}
	d.silent(t)
	if users, err := d.store.Users(t.Context(), "", 10); err != nil || len(users) != 1 || users[0].Disabled {
		t.Errorf("stored %+v, %v", users, err)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRemoveUser(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	token := d.login(t, alice, client)
	d.login(t, alice, client)
	d.log.Reset()
	if sessions, err := d.RemoveUser(t.Context(), alice.ID); err != nil || sessions != 2 {
		t.Fatalf("%d sessions, %v", sessions, err)
	}
	d.recorded(t, "act=user.remove", "username=alice", "sub="+alice.ID.String(), "sessions_removed=2")
	if _, err := d.UserByID(t.Context(), alice.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("refresh: %v", err)
	}
	if _, err := d.RemoveUser(t.Context(), alice.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	d.silent(t)
}

func TestFindUser(t *testing.T) {
	d := newDesk(t)
	want, err := d.AddUser(t.Context(), operator.NewUser{Name: "ren\u00e9", ForeignID: "17"})
	if err != nil {
		t.Fatal(err)
	}
	byName, nameErr := d.User(t.Context(), "rene\u0301")
	byID, idErr := d.UserByID(t.Context(), want.ID)
	byForeign, foreignErr := d.UserByForeignID(t.Context(), "17")
	if err := errors.Join(nameErr, idErr, foreignErr); err != nil || byName.ID != want.ID || byID.ID != want.ID || byForeign.ID != want.ID {
		t.Errorf("found %v, %v, %v: %v", byName.ID, byID.ID, byForeign.ID, err)
	}
	_, nameErr = d.User(t.Context(), "nobody")
	_, idErr = d.UserByID(t.Context(), uuid.New())
	_, foreignErr = d.UserByForeignID(t.Context(), "")
	for _, err := range []error{nameErr, idErr, foreignErr} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	}
}

func TestUserPage(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"c", "a", "b"} {
		if _, err := d.AddUser(t.Context(), operator.NewUser{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := d.UserPage(t.Context(), "a", 1)
	if err != nil || len(page) != 1 || page[0].Name != "b" {
		t.Errorf("%v, %v", page, err)
	}
	for _, limit := range []int{-1, 0, 1001} {
		_, err := d.UserPage(t.Context(), "", limit)
		advised(t, err, "limit", "1 to 1000")
	}
}

// What was made from a record that is another by now is a conflict, and
// changes nothing.
func TestEditOvertaken(t *testing.T) {
	d := newDesk(t)
	alice := d.alice(t, secret(t))
	first, second := storage.UserClaims{Roles: []string{"a"}}, storage.UserClaims{Groups: []string{"b"}}
	if _, _, err := d.EditUser(t.Context(), alice.ID, operator.UserEdit{Claims: &first, From: &alice.Claims}); err != nil {
		t.Fatal(err)
	}
	app, _, err := d.AddClient(t.Context(), newApp("web", storage.AuthNone))
	if err != nil {
		t.Fatal(err)
	}
	faster := app.ClientPolicy
	faster.Scopes = []string{"a"}
	if _, err := d.EditClient(t.Context(), "web", operator.ClientEdit{Policy: &faster, From: &app.ClientPolicy}); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	_, _, userErr := d.EditUser(t.Context(), alice.ID, operator.UserEdit{Claims: &second, From: &alice.Claims, Name: new("x")})
	_, clientErr := d.EditClient(t.Context(), "web", operator.ClientEdit{Policy: &app.ClientPolicy, From: &app.ClientPolicy, Name: new("x")})
	for _, err := range []error{userErr, clientErr} {
		if !errors.Is(err, storage.ErrConflict) || errors.As(err, new(operator.Conflict)) {
			t.Errorf("overtaken: %v", err)
		}
	}
	d.silent(t)
	if u, err := d.UserByID(t.Context(), alice.ID); err != nil || u.Name != "alice" || !slices.Equal(u.Claims.Roles, first.Roles) || u.Claims.Groups != nil {
		t.Errorf("%+v, %v", u, err)
	}
	if c, err := d.Client(t.Context(), "web"); err != nil || c.Name == "x" || !slices.Equal(c.Scopes, faster.Scopes) {
		t.Errorf("%+v, %v", c, err)
	}
}
