package operator_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

func (d *desk) put(t *testing.T, n operator.NewUser) (storage.User, bool) {
	t.Helper()
	u, created, err := d.PutUser(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return u, created
}

func TestPutUser(t *testing.T) {
	d, first := newDesk(t), secret(t)
	n := operator.NewUser{Name: "alice", ForeignID: "17", PasswordHash: d.hash(t, first), Claims: storage.UserClaims{Roles: []string{"staff"}}}
	user, created := d.put(t, n)
	d.recorded(t, "act=user.add", "username=alice", "sub="+user.ID.String(), "hash_format=argon2id")
	if !created || !d.signsIn(t, user, first) {
		t.Errorf("created %v: %+v", created, user)
	}

	client := d.app(t)
	token := d.login(t, user, client)
	d.log.Reset()
	n.Name, n.Claims.Roles = "alicia", []string{"staff", "lead"}
	after, created := d.put(t, n)
	d.recorded(t, "act=user.edit", "username=alicia", `changed="[name claims]"`, "sessions_ended=0")
	if created || after.ID != user.ID || after.Name != "alicia" || !slices.Equal(after.Claims.Roles, n.Claims.Roles) {
		t.Errorf("created %v: %+v", created, after)
	}
	if err := d.refresh(t, token, client); err != nil {
		t.Errorf("the session did not go on: %v", err)
	}

	n.Disabled = true
	if after, _ = d.put(t, n); !after.Disabled {
		t.Error("not disabled")
	}
	d.recorded(t, "changed=[disabled]", "disabled=true", "sessions_ended=1")
	n.Disabled, n.Claims = false, storage.UserClaims{}
	if after, _ = d.put(t, n); after.Disabled || after.Claims.Roles != nil {
		t.Errorf("what is left out is not gone: %+v", after)
	}
	d.recorded(t, `changed="[disabled claims]"`)
}

// The hash that was imported last is in force until it is another one: a
// password that the user chose here outlives every repetition of the import.
func TestImportAgain(t *testing.T) {
	d := newDesk(t)
	imported, chosen, later := secret(t), secret(t), secret(t)
	n := operator.NewUser{Name: "alice", ForeignID: "17", PasswordHash: d.hash(t, imported)}
	user, _ := d.put(t, n)
	if _, _, err := d.EditUser(t.Context(), user.ID, operator.UserEdit{Password: &chosen}); err != nil {
		t.Fatal(err)
	}
	user, client := d.user(t, user.ID), d.app(t)
	token := d.login(t, user, client)
	d.log.Reset()

	d.put(t, n)
	d.recorded(t, "act=user.edit", "changed=[]", "hash_format=argon2id", "sessions_ended=0")
	if u := d.user(t, user.ID); !d.signsIn(t, u, chosen) || d.signsIn(t, u, imported) {
		t.Error("an import of the same hash took the new password away")
	}
	d.log.Reset()
	if _, _, err := d.EditUser(t.Context(), user.ID, operator.UserEdit{PasswordHash: &n.PasswordHash}); err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "changed=[]", "sessions_ended=0")
	if err := d.refresh(t, token, client); err != nil {
		t.Errorf("the session did not go on: %v", err)
	}

	n.PasswordHash = "" // the password stays
	if u, _ := d.put(t, n); !d.signsIn(t, u, chosen) {
		t.Error("without a hash the password went away")
	}
	d.log.Reset()
	n.PasswordHash = d.hash(t, later)
	if u, _ := d.put(t, n); !d.signsIn(t, u, later) {
		t.Error("a new hash is not in force")
	}
	d.recorded(t, "changed=[password_hash]", "sessions_ended=1")
}

func (d *desk) user(t *testing.T, id uuid.UUID) storage.User {
	t.Helper()
	u, err := d.store.UserByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A password that is the user's is no new one.
func TestPutPassword(t *testing.T) {
	d, old, next := newDesk(t), secret(t), secret(t)
	n := operator.NewUser{Name: "alice", ForeignID: "17", Password: old}
	user, _ := d.put(t, n)
	client := d.app(t)
	token := d.login(t, user, client)
	d.log.Reset()
	if again, _ := d.put(t, n); again.PasswordHash != user.PasswordHash {
		t.Error("the same password has another hash")
	}
	d.recorded(t, "act=user.edit", "changed=[]", "sessions_ended=0")
	if err := d.refresh(t, token, client); err != nil {
		t.Errorf("the session did not go on: %v", err)
	}
	n.Password = next
	if after, _ := d.put(t, n); !d.signsIn(t, after, next) {
		t.Error("the new password does not match")
	}
	d.recorded(t, "act=user.edit", "changed=[password]", "sessions_ended=1")

	// A stored hash that nothing reads any more is replaced.
	if _, _, err := d.store.ChangeUser(t.Context(), user.ID, storage.UserChange{PasswordHash: new("unreadable"), Now: start}); err != nil {
		t.Fatal(err)
	}
	if after, _ := d.put(t, n); !d.signsIn(t, after, next) {
		t.Error("the new password does not match")
	}
}

func TestPutUserRefuses(t *testing.T) {
	d := newDesk(t)
	d.alice(t, secret(t))
	d.log.Reset()
	_, _, err := d.PutUser(t.Context(), operator.NewUser{Name: "bob"})
	advised(t, err, "foreign_id", "say which user")
	_, _, err = d.PutUser(t.Context(), operator.NewUser{Password: storage.NewSecret("x"), PasswordHash: "x"})
	if got := problems(err); !slices.Equal(got, []string{"name", "password", "password_hash", "password_hash", "foreign_id"}) {
		t.Errorf("complains about %q", got)
	}
	_, created, err := d.PutUser(t.Context(), operator.NewUser{Name: "alice", ForeignID: "17"})
	conflicted(t, err, "name", "choose another name")
	if created {
		t.Error("created what is refused")
	}
	d.silent(t)
	d.put(t, operator.NewUser{Name: "bob", ForeignID: "18"})
	d.log.Reset()
	_, _, err = d.PutUser(t.Context(), operator.NewUser{Name: "alice", ForeignID: "18", Disabled: true})
	conflicted(t, err, "name", "choose another name")
	if bob, err := d.store.UserByName(t.Context(), "bob"); err != nil || bob.Disabled {
		t.Errorf("half done: %+v, %v", bob, err)
	}
	d.silent(t)
}

// Whatever a user was put to, putting it once more changes nothing.
func TestPutTwice(t *testing.T) {
	d := newDesk(t)
	client := d.app(t)
	passwords := []storage.Secret{secret(t), secret(t)}
	hashes := []string{"", d.hash(t, passwords[0]), d.hash(t, passwords[1])}
	values := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ü"}), 0, 2)
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "foreign id")
		n := operator.NewUser{
			Name: id + rapid.SampledFrom([]string{"x", "e\u0301"}).Draw(rt, "name"), ForeignID: id,
			Disabled: rapid.Bool().Draw(rt, "disabled"),
			Claims: storage.UserClaims{Roles: values.Draw(rt, "roles"), Extra: map[string]any{
				"n": rapid.IntRange(-5, 5).Draw(rt, "n"), "list": values.Draw(rt, "list"),
			}},
		}
		if rapid.Bool().Draw(rt, "by password") {
			n.Password = rapid.SampledFrom(passwords).Draw(rt, "password")
		} else {
			n.PasswordHash = rapid.SampledFrom(hashes).Draw(rt, "hash")
		}
		first, _ := d.put(t, n)
		if first.Disabled != n.Disabled || first.ForeignID != id || !slices.Equal(first.Claims.Roles, n.Claims.Roles) {
			rt.Fatalf("put %+v", first)
		}
		if !n.Password.Empty() && !d.signsIn(t, first, n.Password) {
			rt.Fatal("the password does not match")
		}
		var token storage.RefreshToken
		if !n.Disabled {
			token = d.login(t, first, client)
		}
		d.log.Reset()
		again, created := d.put(t, n)
		d.recorded(t, "act=user.edit", "changed=[]", "sessions_ended=0")
		if created || again.ID != first.ID || again.PasswordHash != first.PasswordHash {
			rt.Fatalf("again: created %v, %+v after %+v", created, again, first)
		}
		if !n.Disabled && d.refresh(t, token, client) != nil {
			rt.Fatal("the session was ended")
		}
	})
}

// Ten at once: one creates, and all mean the same user.
func TestPutUserRace(t *testing.T) {
	d := newDesk(t)
	n := operator.NewUser{Name: "alice", ForeignID: "17", PasswordHash: goodHash}
	var wg sync.WaitGroup
	var mu sync.Mutex
	count, subs := 0, map[uuid.UUID]bool{}
	for range 10 {
		wg.Go(func() {
			u, created, err := d.PutUser(t.Context(), n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if created {
				count++
			}
			subs[u.ID] = true
		})
	}
	wg.Wait()
	text := d.log.String()
	if count != 1 || len(subs) != 1 || strings.Count(text, "act=user.add") != 1 || strings.Count(text, "act=user.edit") != 9 {
		t.Errorf("%d created, %d users, records:\n%s", count, len(subs), text)
	}
}

// A rival does something between an act's look-up by foreign id and what comes
// of it.
type rival struct {
	*sqlite.Store
	acts []func()
}

func (r *rival) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	u, err := r.Store.UserByForeignID(ctx, id)
	if len(r.acts) > 0 {
		act := r.acts[0]
		r.acts = r.acts[1:]
		act()
	}
	return u, err
}

func TestPutUserRivals(t *testing.T) {
	mine, theirs := storage.RandomSecret(), storage.RandomSecret()
	n := operator.NewUser{Name: "alice", ForeignID: "17", Password: mine}
	setup := func(t *testing.T) (*desk, *rival, func(), func()) {
		d := newDesk(t)
		r := &rival{Store: d.store}
		other := *d.Operator // on the store itself
		d.Users = r
		add := func() {
			if _, err := other.AddUser(t.Context(), operator.NewUser{Name: "bob", ForeignID: "17", Password: mine}); err != nil {
				t.Error(err)
			}
		}
		remove := func() {
			u, err := d.store.UserByForeignID(t.Context(), "17")
			if err == nil {
				_, err = other.RemoveUser(t.Context(), u.ID)
			}
			if err != nil {
				t.Error(err)
			}
		}
		return d, r, add, remove
	}
	t.Run("created meanwhile", func(t *testing.T) {
		d, r, add, _ := setup(t)
		r.acts = []func(){add}
		if u, created := d.put(t, n); created || u.Name != "alice" || !d.signsIn(t, u, mine) {
			t.Errorf("created %v: %+v", created, u)
		}
	})
	t.Run("removed meanwhile", func(t *testing.T) {
		d, r, add, remove := setup(t)
		add()
		r.acts = []func(){remove}
		if u, created := d.put(t, n); !created || u.Name != "alice" {
			t.Errorf("created %v: %+v", created, u)
		}
	})
	t.Run("another password meanwhile", func(t *testing.T) {
		d, r, add, _ := setup(t)
		add()
		r.acts = []func(){func() {
			if _, err := d.SetPassword(t.Context(), "bob", theirs); err != nil {
				t.Error(err)
			}
		}}
		if u, _ := d.put(t, n); !d.signsIn(t, u, mine) {
			t.Error("the password that was put is not in force")
		}
	})
	t.Run("no end of it", func(t *testing.T) {
		d, r, add, remove := setup(t)
		add()
		// The third look-up is for what is in the way.
		r.acts = []func(){remove, add, func() {}, func() { t.Error("a third attempt") }}
		if _, _, err := d.PutUser(t.Context(), n); !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		d, r, add, _ := setup(t)
		add()
		d.log.Reset()
		r.acts = []func(){func() { d.store.Close() }}
		if _, _, err := d.PutUser(context.Background(), n); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		d.silent(t)
		again, err := sqlite.Open(t.Context(), filepath.Join(d.dir, "hallmark.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if u, err := again.UserByForeignID(t.Context(), "17"); err != nil || u.Name != "bob" {
			t.Errorf("half done: %+v, %v", u, err)
		}
	})
}
