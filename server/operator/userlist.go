package operator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// User finds a user by the name as typed.
func (o *Operator) User(ctx context.Context, typed string) (storage.User, error) {
	name, err := password.UserName(typed)
	if err != nil {
		return storage.User{}, Invalid{{"name", err.Error()}}
	}
	u, err := o.Users.UserByName(ctx, name)
	if err != nil {
		return u, fmt.Errorf("user %q: %w", name, err)
	}
	return u, nil
}

// UserByID finds a user by the subject identifier.
func (o *Operator) UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) {
	u, err := o.Users.UserByID(ctx, id)
	if err != nil {
		return u, fmt.Errorf("user of sub %s: %w", id, err)
	}
	return u, nil
}

// UserByForeignID finds a user by the id in the system that the user came from.
func (o *Operator) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	u, err := o.Users.UserByForeignID(ctx, id)
	if err != nil {
		return u, fmt.Errorf("user of foreign id %q: %w", id, err)
	}
	return u, nil
}

// UserPage returns up to limit users, by name, those after a name.
func (o *Operator) UserPage(ctx context.Context, after string, limit int) ([]storage.User, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	page, err := o.Users.Users(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return page, nil
}

// ListUsers calls each with all users, by name.
func (o *Operator) ListUsers(ctx context.Context, each func(storage.User) error) error {
	return everything(each, func(last *storage.User, limit int) ([]storage.User, error) {
		after := ""
		if last != nil {
			after = last.Name
		}
		return o.UserPage(ctx, after, limit)
	})
}

// SetPassword gives a user a new password and ends all their sessions; it
// returns how many.
func (o *Operator) SetPassword(ctx context.Context, name string, pw storage.Secret) (ended int, err error) {
	return o.editNamed(ctx, name, UserEdit{Password: &pw})
}

// SetDisabled disables a user, which ends all their sessions, or enables them
// again; it returns how many sessions were ended. Access tokens that are out
// stay good until they expire.
func (o *Operator) SetDisabled(ctx context.Context, name string, disabled bool) (ended int, err error) {
	return o.editNamed(ctx, name, UserEdit{Disabled: &disabled})
}

func (o *Operator) editNamed(ctx context.Context, typed string, e UserEdit) (ended int, err error) {
	_, problems := e.check()
	if _, err := password.UserName(typed); err != nil {
		problems = append(Invalid{{"name", err.Error()}}, problems...)
	}
	if len(problems) > 0 {
		return 0, problems
	}
	u, err := o.User(ctx, typed)
	if err != nil {
		return 0, err
	}
	_, ended, err = o.change(ctx, u, e, nil)
	return ended, err
}

// RemoveUser removes a user and their sessions, and tells how many those were.
// Access tokens that are out stay good until they expire.
func (o *Operator) RemoveUser(ctx context.Context, id uuid.UUID) (sessions int, err error) {
	u, err := o.UserByID(ctx, id)
	if err != nil {
		return 0, err
	}
	if sessions, err = o.Users.RemoveUser(ctx, id); err != nil {
		return 0, fmt.Errorf("remove user %q: %w", u.Name, err)
	}
	o.record(ctx, "user.remove", append(userAttrs(u), slog.Int("sessions_removed", sessions))...)
	return sessions, nil
}
