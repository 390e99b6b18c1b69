package operator_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// from is a source of users.
func from(users ...operator.Arrival) func(func(operator.Arrival) error) error {
	return func(each func(operator.Arrival) error) error {
		for i, a := range users {
			a.At = fmt.Sprintf("line %d", i+1)
			if err := each(a); err != nil {
				return err
			}
		}
		return nil
	}
}

// imports imports users and checks the outcomes, and that there is one record
// for all of them, or none of a dry run.
func (d *desk) imports(t *testing.T, opts operator.ImportOptions, users []operator.Arrival, want ...string) (results []operator.ImportResult) {
	t.Helper()
	opts.Each = func(r operator.ImportResult) error {
		results = append(results, r)
		return nil
	}
	d.log.Reset()
	counts, err := d.ImportUsers(t.Context(), from(users...), opts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, r.Outcome)
	}
	if !slices.Equal(got, want) || counts.Rows() != len(want) {
		t.Fatalf("came to %q, %+v; want %q\n%+v", got, counts, want, results)
	}
	if opts.DryRun {
		d.silent(t)
	} else {
		d.recorded(t, "act=user.import", fmt.Sprintf("created=%d", counts.Created), fmt.Sprintf("refused=%d", counts.Refused), "complete=true")
	}
	return results
}

func TestImportUsers(t *testing.T) {
	d, pw := newDesk(t), secret(t)
	hash := d.hash(t, pw)
	alice := operator.Arrival{
		ForeignID: "17", Name: "alice", PasswordHash: &hash, Disabled: new(false), Roles: &[]string{"staff"},
		Groups: &[]string{"ops"}, Extra: storage.FreeClaims{"user_id": 17},
	}
	bob := operator.Arrival{ForeignID: "18", Name: "bob", PasswordHash: new("!unusable"), Disabled: new(true)}
	both := []operator.Arrival{alice, bob}

	d.imports(t, operator.ImportOptions{DryRun: true}, both, "created", "created")
	if _, err := d.store.UserByName(t.Context(), "alice"); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("a dry run made a user: %v", err)
	}
	d.imports(t, operator.ImportOptions{}, both, "created", "created")
	d.imports(t, operator.ImportOptions{}, both, "unchanged", "unchanged")

	u, err := d.UserByForeignID(t.Context(), "17")
	if err != nil || !d.signsIn(t, u, pw) || u.Claims.Extra["user_id"] == nil || u.Disabled {
		t.Errorf("alice is %+v, %v", u, err)
	}
	if v, err := d.UserByForeignID(t.Context(), "18"); err != nil || !v.Disabled || operator.ViewUser(v).Password {
		t.Errorf("bob is %+v, %v", v, err)
	}

	// What is known here alone stays; what the source has follows it.
	claims := u.Claims
	claims.Extra = storage.FreeClaims{"user_id": 17, "tenant": "acme", "email": "old"}
	if _, _, err := d.EditUser(t.Context(), u.ID, operator.UserEdit{Claims: &claims}); err != nil {
		t.Fatal(err)
	}
	alice.Roles, alice.Name, alice.Drop = &[]string{}, "alicia", []string{"email"}
	dry := d.imports(t, operator.ImportOptions{DryRun: true}, []operator.Arrival{alice}, "updated")
	done := d.imports(t, operator.ImportOptions{}, []operator.Arrival{alice}, "updated")
	if !slices.Equal(dry[0].Changed, done[0].Changed) || !slices.Equal(done[0].Changed, []string{"name", "claims"}) {
		t.Errorf("changed %q and %q", dry[0].Changed, done[0].Changed)
	}
	u, err = d.UserByForeignID(t.Context(), "17")
	if err != nil || u.Name != "alicia" || u.Claims.Roles != nil || u.Claims.Extra["tenant"] != "acme" || u.Claims.Extra["email"] != nil || !slices.Equal(u.Claims.Groups, []string{"ops"}) {
		t.Errorf("alicia is %+v, %v", u, err)
	}
}

// A hash that became ours, or a password that was chosen here, is not set back
// by the same import; another hash of the source is a new password.
func TestImportKeepsPasswords(t *testing.T) {
	d, old, chosen, later := newDesk(t), secret(t), secret(t), secret(t)
	hash, next := d.hash(t, old), d.hash(t, later)
	a := operator.Arrival{ForeignID: "17", Name: "alice", PasswordHash: &hash}
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "created")
	if _, err := d.SetPassword(t.Context(), "alice", chosen); err != nil {
		t.Fatal(err)
	}
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "unchanged")
	u, client := d.user(t, d.named(t, "alice")), d.app(t)
	if !d.signsIn(t, u, chosen) {
		t.Error("the import took a password away")
	}
	// What an export of ours holds is no news, and does not make the source's hash news.
	a.PasswordHash = &u.PasswordHash
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "unchanged")
	a.PasswordHash = &hash
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "unchanged")

	d.login(t, u, client)
	a.PasswordHash = &next
	if r := d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "updated"); r[0].Ended != 1 || !slices.Equal(r[0].Changed, []string{"password_hash"}) {
		t.Errorf("%+v", r)
	}
	if u = d.user(t, u.ID); !d.signsIn(t, u, later) {
		t.Error("the new hash is not in force")
	}
}

func (d *desk) named(t *testing.T, name string) uuid.UUID {
	t.Helper()
	u, err := d.store.UserByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// Each user who is refused is refused with the reason, and nobody else for it;
// a dry run foresees all of it.
func TestImportRefuses(t *testing.T) {
	d := newDesk(t)
	d.alice(t, secret(t))
	users := []operator.Arrival{
		{ForeignID: "1", Name: "alice"},
		{ForeignID: "2", Name: "bob"},
		{ForeignID: "3", Name: "bob"},
		{ForeignID: "2", Name: "carol"},
		{ForeignID: "4", Name: " "},
		{ForeignID: "5", Name: "dave", PasswordHash: new("md5$salt$0123456789abcdef")},
		{ForeignID: "6", Name: "erin", PasswordHash: new("pbkdf2_sha256$9000000$NaCl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")},
		{ForeignID: "7", Name: "cafe\u0301"},
		{ForeignID: "8", Name: "caf\u00e9"},
		{Name: "nobody"},
		{ForeignID: "9", Name: "frank", Problems: operator.Invalid{{Field: "groups", Advice: "unknown"}}},
		{ForeignID: "10", Name: "grace", Extra: storage.FreeClaims{"sub": "x"}},
		{ForeignID: "11", Name: "heidi", PasswordHash: new("secret$swordfish")},
	}
	outcomes := []string{"refused", "created", "refused", "refused", "refused", "refused", "refused", "created", "refused", "refused", "refused", "refused", "refused"}
	parts := []string{"name: a user \"alice\" already exists", "", "name: \"bob\" is in the source twice", "foreign_id: \"2\" is in the source twice",
		"name: a user name is", "password_hash: the stored password hash is malformed or of an unknown format: Django's md5 is not taken",
		"pbkdf2_sha256 with 9000000 iterations, at most 2500000", "", "in one Unicode form", "say which user", "groups: unknown", "extra: \"sub\" is the server's own", "no known prefix"}
	dry := d.imports(t, operator.ImportOptions{DryRun: true}, users, outcomes...)
	done := d.imports(t, operator.ImportOptions{}, users, outcomes...)
	for i, part := range parts {
		if got := done[i].Problems.Error(); !strings.Contains(got, part) || (got == "") != (part == "") || dry[i].Problems.Error() != got {
			t.Errorf("%s: %q, want %q; dry: %q", done[i].At, got, part, dry[i].Problems)
		}
		for _, leak := range []string{"swordfish", "0123456789abcdef", "secret$", "NaCl"} {
			if strings.Contains(fmt.Sprintf("%+v", done[i]), leak) {
				t.Errorf("%s: a hash is quoted: %+v", done[i].At, done[i])
			}
		}
	}

	without := d.imports(t, operator.ImportOptions{WithoutHashes: true}, users[5:7], "created", "created")
	for _, r := range without {
		u := d.user(t, d.named(t, r.Name))
		if u.PasswordHash != "" || !strings.HasPrefix(r.Note, "without its password: the stored") {
			t.Errorf("%+v became %+v", r, u)
		}
	}
	d.imports(t, operator.ImportOptions{WithoutHashes: true}, users[5:7], "unchanged", "unchanged")
}

// One takes the name that another gives up, in whatever order they come.
func TestImportNamesMove(t *testing.T) {
	d := newDesk(t)
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{{ForeignID: "1", Name: "a"}, {ForeignID: "2", Name: "b"}}, "created", "created")
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{{ForeignID: "1", Name: "b"}, {ForeignID: "2", Name: "c"}}, "updated", "updated")
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{{ForeignID: "1", Name: "a"}, {ForeignID: "3", Name: "b"}}, "updated", "created")
}

// Users without a foreign id are who their subject identifier says.
func TestImportBySubject(t *testing.T) {
	d := newDesk(t)
	id := uuid.New()
	a := operator.Arrival{ID: id, Name: "alice"}
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "created")
	a.Name = "alicia"
	d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "updated")
	if u := d.user(t, id); u.Name != "alicia" || u.ForeignID != "" {
		t.Errorf("%+v", u)
	}
	a.ForeignID, a.Name = "17", "another"
	r := d.imports(t, operator.ImportOptions{}, []operator.Arrival{a}, "refused")
	if !strings.Contains(r[0].Problems.Error(), "sub: user \"alicia\" has it") {
		t.Errorf("%v", r[0].Problems)
	}
}

// An import that breaks off leaves what is done, says so in its record, and
// goes on when it is run again.
func TestImportBreaksOff(t *testing.T) {
	d, broken := newDesk(t), errors.New("broken")
	users := []operator.Arrival{{ForeignID: "1", Name: "a"}, {ForeignID: "2", Name: "b"}}
	counts, err := d.ImportUsers(t.Context(), func(each func(operator.Arrival) error) error {
		return errors.Join(from(users[:1]...)(each), broken)
	}, operator.ImportOptions{})
	if !errors.Is(err, broken) || counts.Created != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	d.recorded(t, "act=user.import", "created=1", "complete=false")
	d.imports(t, operator.ImportOptions{}, users, "unchanged", "created")

	d.store.Close()
	counts, err = d.ImportUsers(t.Context(), from(users...), operator.ImportOptions{})
	if !errors.Is(err, storage.ErrUnavailable) || counts.Rows() != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestExportUsers(t *testing.T) {
	d := newDesk(t)
	d.put(t, operator.NewUser{Name: "a", ForeignID: "1", PasswordHash: goodHash})
	d.log.Reset()
	var hashes []string
	n, err := d.ExportUsers(t.Context(), func(u storage.User) error {
		hashes = append(hashes, u.PasswordHash)
		return nil
	})
	if err != nil || n != 1 || !slices.Equal(hashes, []string{goodHash}) {
		t.Errorf("%d, %q, %v", n, hashes, err)
	}
	d.recorded(t, "act=user.export", "users=1", "complete=true")
}
