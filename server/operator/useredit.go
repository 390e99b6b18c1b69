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

// UserEdit is what EditUser changes: a nil member leaves what it names as it is.
type UserEdit struct {
	Name         *string
	Password     *storage.Secret // the user's sessions end
	PasswordHash *string         // made elsewhere; the sessions end, but the one imported last changes nothing
	ForeignID    *string         // empty: none
	Disabled     *bool           // disabling ends the user's sessions
	Claims       *storage.UserClaims
	From         *storage.UserClaims // what Claims was made from: ErrConflict if the user has others by now
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
		If: same, IfClaims: e.From, Now: o.now(),
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
		format, _ := password.CheckHash(*e.PasswordHash)
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
			return Conflict{"name", fmt.Sprintf("a user %q already exists: choose another name", *e.Name)}
		}
	}
	if e.ForeignID != nil {
		if other, err := o.Users.UserByForeignID(ctx, *e.ForeignID); err == nil && other.ID != id {
			return Conflict{"foreign_id", fmt.Sprintf("a user of foreign id %q already exists: edit that one, or put it", *e.ForeignID)}
		}
	}
	return err
}
