package operator

import (
	"context"
	"errors"
	"fmt"

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
	return o.createAs(ctx, uuid.New(), e)
}

func (o *Operator) createAs(ctx context.Context, id uuid.UUID, e UserEdit) (storage.User, error) {
	u := storage.User{
		ID: id, Name: *e.Name, Disabled: *e.Disabled,
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
