package transfer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// A Fixture writes users as Django's loaddata reads them: groups by their
// names, which it makes where they are missing; the roles staff and superuser
// as the flags. Users keep their Django id if they came from there, and get one
// otherwise. Other roles, entitlements and free claims have no place there.
type Fixture struct {
	w      io.Writer
	groups map[string]bool
	begun  bool

	Without int // users whose hash Django does not read: they got an unusable password
}

type object struct {
	Model  string         `json:"model"`
	PK     any            `json:"pk,omitempty"`
	Fields map[string]any `json:"fields"`
}

// Write writes a user, and before it the groups that were not there yet.
func (f *Fixture) Write(u storage.User) error {
	groups := [][]string{} // natural keys
	for _, name := range u.Claims.Groups {
		groups = append(groups, []string{name})
		if f.groups[name] {
			continue
		}
		if f.groups[name] = true; len(f.groups) > maxTable {
			return fmt.Errorf("more than %d groups", maxTable)
		}
		if err := f.object(object{Model: "auth.group", Fields: map[string]any{"name": name}}); err != nil {
			return err
		}
	}
	hash, ok := djangoHash(u.PasswordHash)
	if !ok {
		f.Without++
	}
	fields := map[string]any{
		"username": u.Name, "password": hash, "is_active": !u.Disabled, "groups": groups,
		"is_staff": slices.Contains(u.Claims.Roles, "staff"), "is_superuser": slices.Contains(u.Claims.Roles, "superuser"),
		"date_joined": u.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for _, name := range []string{"email", "first_name", "last_name"} {
		if text, is := u.Claims.Extra[name].(string); is {
			fields[name] = text
		}
	}
	o := object{Model: "auth.user", Fields: fields}
	if isInteger(u.ForeignID) {
		o.PK = json.Number(u.ForeignID)
	}
	return f.object(o)
}

func (f *Fixture) object(o object) error {
	text, err := encode(o)
	if err != nil {
		return err
	}
	before := ",\n"
	if !f.begun {
		before, f.begun = "[\n", true
	}
	_, err = f.w.Write(append([]byte(before), text...))
	return err
}

// End closes the array.
func (f *Fixture) End() error {
	end := "\n]\n"
	if !f.begun {
		end = "[]\n"
	}
	_, err := io.WriteString(f.w, end)
	return err
}

// djangoHash is a hash as Django has it; "!" for none. PHC strings of PBKDF2
// and scrypt have salts of any bytes, Django's are text.
func djangoHash(hash string) (encoded string, ok bool) {
	if hash == "" || strings.HasPrefix(hash, "!") {
		return "!", true
	}
	switch name, err := password.CheckHash(hash); {
	case err != nil:
	case !strings.HasPrefix(hash, "$"): // Django's own
		return hash, true
	case name == "argon2id" || name == "argon2i":
		return "argon2" + hash, true
	case name == "bcrypt":
		return "bcrypt$" + hash, true
	}
	return "!", false
}
