package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// NewUser is what AddUser and PutUser need. Without Password and PasswordHash
// no password signs a new user in until one is set.
type NewUser struct {
	Name         string
	Password     storage.Secret
	PasswordHash string // made elsewhere; not with Password
	Claims       storage.UserClaims
	ForeignID    string // the id in the system that the user comes from
	Disabled     bool
}

// edit is what makes a user so.
func (n NewUser) edit() UserEdit {
	e := UserEdit{Name: &n.Name, ForeignID: &n.ForeignID, Disabled: &n.Disabled, Claims: &n.Claims}
	if !n.Password.Empty() {
		e.Password = &n.Password
	}
	if n.PasswordHash != "" {
		e.PasswordHash = &n.PasswordHash
	}
	return e
}

// AddUser creates a user under a new subject identifier. The name is stored
// in its normal form; ErrConflict if somebody has it, or the foreign id.
func (o *Operator) AddUser(ctx context.Context, n NewUser) (storage.User, error) {
	e, problems := n.edit().check()
	if len(problems) > 0 {
		return storage.User{}, problems
	}
	return o.create(ctx, e)
}

// PutUser makes the user of a foreign id so: it creates one, or changes the one
// that is there. Doing it again changes nothing: without Password and
// PasswordHash the password stays as it is, and so it does with a Password
// that is the user's or the PasswordHash that was imported last.
func (o *Operator) PutUser(ctx context.Context, n NewUser) (u storage.User, created bool, err error) {
	e, problems := n.edit().check()
	if n.ForeignID == "" {
		problems = append(problems, Problem{"foreign_id", "say which user: the id in the system that the user comes from"})
	}
	if len(problems) > 0 {
		return storage.User{}, false, problems
	}
	for again := true; ; again = false {
		u, created, err = o.put(ctx, e)
		faster := errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound)
		if !faster || !again {
			return u, created, err
		}
	}
}

func (o *Operator) put(ctx context.Context, e UserEdit) (u storage.User, created bool, err error) {
	before, err := o.Users.UserByForeignID(ctx, *e.ForeignID)
	if errors.Is(err, storage.ErrNotFound) {
		u, err = o.create(ctx, e)
		return u, err == nil, err
	}
	if err != nil {
		return u, false, fmt.Errorf("user of foreign id %q: %w", *e.ForeignID, err)
	}
	var same *string
	if e.Password != nil {
		has, err := o.hasPassword(ctx, before, *e.Password)
		if err != nil {
			return u, false, fmt.Errorf("compare the password of %q: %w", before.Name, err)
		}
		if has {
			e.Password, same = nil, &before.PasswordHash
		}
	}
	u, _, err = o.change(ctx, before, e, same)
	return u, false, err
}

// hasPassword reports whether a password is a user's.
func (o *Operator) hasPassword(ctx context.Context, u storage.User, pw storage.Secret) (bool, error) {
	if u.PasswordHash == "" {
		return false, nil
	}
	result, err := o.Passwords.Verify(ctx, u.PasswordHash, pw, nil)
	if errors.Is(err, password.ErrFormat) || errors.Is(err, password.ErrCost) {
		return false, nil // nobody's: a new one helps
	}
	return result.Match, err
}

// create adds a user as an edit that was checked says.
func (o *Operator) create(ctx context.Context, e UserEdit) (storage.User, error) {
	u := storage.User{
		ID: uuid.New(), Name: *e.Name, Disabled: *e.Disabled,
		Claims: *e.Claims, ForeignID: *e.ForeignID, CreatedAt: o.now(),
	}
	if e.PasswordHash != nil {
		u.PasswordHash, u.Imported = *e.PasswordHash, storage.ImportDigest(*e.PasswordHash)
	}
	if e.Password != nil {
		var err error
		if u.PasswordHash, err = o.Passwords.Hash(ctx, *e.Password); err != nil {
			return storage.User{}, fmt.Errorf("hash the password: %w", err)
		}
	}
	if err := o.Users.CreateUser(ctx, u); err != nil {
		return storage.User{}, fmt.Errorf("add user %q: %w", u.Name, o.taken(ctx, u.ID, e, err))
	}
	o.record(ctx, "user.add", append(userAttrs(u), e.attrs()...)...)
	return u, nil
}

// UserEdit is what EditUser changes: a nil member leaves what it names as it is.
type UserEdit struct {
	Name         *string
	Password     *storage.Secret // the user's sessions end
	PasswordHash *string         // made elsewhere; the sessions end, but the one imported last changes nothing
	ForeignID    *string         // empty: none
	Disabled     *bool           // disabling ends the user's sessions
	Claims       *storage.UserClaims
}

// EditUser changes a user and returns the user as it is then, and how many
// sessions were ended. Access tokens that are out stay good until they expire.
func (o *Operator) EditUser(ctx context.Context, id uuid.UUID, e UserEdit) (u storage.User, ended int, err error) {
	e, problems := e.check()
	if len(problems) > 0 {
		return u, 0, problems
	}
	before, err := o.UserByID(ctx, id)
	if err != nil {
		return u, 0, err
	}
	return o.change(ctx, before, e, nil)
}

// change does an edit that was checked; if same is not nil, only while that is
// the user's hash.
func (o *Operator) change(ctx context.Context, before storage.User, e UserEdit, same *string) (storage.User, int, error) {
	c := storage.UserChange{
		Name: e.Name, ImportHash: e.PasswordHash, Disabled: e.Disabled, Claims: e.Claims, ForeignID: e.ForeignID,
		If: same, Now: o.now(),
	}
	if e.Password != nil {
		hash, err := o.Passwords.Hash(ctx, *e.Password)
		if err != nil {
			return storage.User{}, 0, fmt.Errorf("hash the password: %w", err)
		}
		c.PasswordHash = &hash
	}
	u, ended, err := o.Users.ChangeUser(ctx, before.ID, c)
	if err != nil {
		return storage.User{}, 0, fmt.Errorf("%s %q: %w", e.act(), before.Name, o.taken(ctx, before.ID, e, err))
	}
	attrs := append(userAttrs(u), slog.Any("changed", e.changed(before, u)), slog.Int("sessions_ended", ended))
	o.record(ctx, e.act(), append(attrs, e.attrs()...)...)
	return u, ended, nil
}

// act is the name of the edit in the log.
func (e UserEdit) act() string {
	password, disabled := e.Password, e.Disabled
	e.Password, e.Disabled = nil, nil
	switch rest := e != (UserEdit{}); {
	case rest || (password == nil) == (disabled == nil):
		return "user.edit"
	case password != nil:
		return "user.passwd"
	case *disabled:
		return "user.disable"
	}
	return "user.enable"
}

// changed names the members of the edit that made a difference.
func (e UserEdit) changed(before, after storage.User) []string {
	names := []string{} // not null
	for _, m := range []struct {
		name    string
		changed bool
	}{
		{"name", e.Name != nil && before.Name != after.Name},
		{"password", e.Password != nil},
		{"password_hash", e.PasswordHash != nil && before.Imported != after.Imported},
		{"foreign_id", e.ForeignID != nil && before.ForeignID != after.ForeignID},
		{"disabled", e.Disabled != nil && before.Disabled != after.Disabled},
		{"claims", e.Claims != nil && !sameJSON(before.Claims, after.Claims)},
	} {
		if m.changed {
			names = append(names, m.name)
		}
	}
	return names
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// attrs is what the log says of an edit beside the user.
func (e UserEdit) attrs() (attrs []slog.Attr) {
	if e.Disabled != nil {
		attrs = append(attrs, slog.Bool("disabled", *e.Disabled))
	}
	if e.PasswordHash != nil {
		format, _ := checkHash(*e.PasswordHash)
		attrs = append(attrs, slog.String("hash_format", format))
	}
	return attrs
}

func userAttrs(u storage.User) []slog.Attr {
	return []slog.Attr{slog.String("username", u.Name), slog.String("sub", u.ID.String())}
}

// taken says what of an edit is somebody else's, if that is what err is about.
func (o *Operator) taken(ctx context.Context, id uuid.UUID, e UserEdit, err error) error {
	if !errors.Is(err, storage.ErrConflict) {
		return err
	}
	if e.Name != nil {
		if other, err := o.Users.UserByName(ctx, *e.Name); err == nil && other.ID != id {
			return Conflict{"name", fmt.Sprintf("%q is the name of another user: choose another one", *e.Name)}
		}
	}
	if e.ForeignID != nil {
		if other, err := o.Users.UserByForeignID(ctx, *e.ForeignID); err == nil && other.ID != id {
			return Conflict{"foreign_id", fmt.Sprintf("%q is the foreign id of another user: change that one", *e.ForeignID)}
		}
	}
	return err
}
