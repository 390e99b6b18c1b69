package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	maxValues = 256     // members of one claim of a user
	maxValue  = 256     // bytes of one
	maxExtra  = 8 << 10 // bytes of a user's free claims as JSON: they travel in every request
	pageUsers = 500
)

// NewUser is what AddUser needs. An empty password makes a user whom no
// password signs in until SetPassword.
type NewUser struct {
	Name      string
	Password  storage.Secret
	Claims    storage.UserClaims
	ForeignID string
	Disabled  bool
}

// AddUser creates a user under a new subject identifier. The name is stored
// in its normal form; ErrConflict if somebody has it.
func (o *Operator) AddUser(ctx context.Context, n NewUser) (storage.User, error) {
	var problems Invalid
	name, err := password.UserName(n.Name)
	if err != nil {
		problems = append(problems, Problem{"name", err.Error()})
	}
	if !n.Password.Empty() {
		problems = append(problems, checkPassword(n.Password)...)
	}
	if len(n.ForeignID) > maxValue || !isText(n.ForeignID) {
		problems = append(problems, Problem{"foreign_id", fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", maxValue)})
	}
	if problems = append(problems, checkUserClaims(n.Claims)...); len(problems) > 0 {
		return storage.User{}, problems
	}
	user := storage.User{
		ID: uuid.New(), Name: name, Disabled: n.Disabled,
		Claims: n.Claims, ForeignID: n.ForeignID, CreatedAt: o.now(),
	}
	if !n.Password.Empty() {
		if user.PasswordHash, err = o.Passwords.Hash(ctx, n.Password); err != nil {
			return storage.User{}, fmt.Errorf("hash the password: %w", err)
		}
	}
	if err := o.Users.CreateUser(ctx, user); err != nil {
		return storage.User{}, fmt.Errorf("add user %q: %w", name, err)
	}
	o.record(ctx, "user.add", slog.String("username", name), slog.String("sub", user.ID.String()))
	return user, nil
}

// ListUsers calls each with all users, by name.
func (o *Operator) ListUsers(ctx context.Context, each func(storage.User) error) error {
	for after := ""; ; {
		page, err := o.Users.Users(ctx, after, pageUsers)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		for _, u := range page {
			if err := each(u); err != nil {
				return err
			}
		}
		if len(page) < pageUsers {
			return nil
		}
		after = page[len(page)-1].Name
	}
}

// SetPassword gives a user a new password and ends all their sessions; it
// returns how many.
func (o *Operator) SetPassword(ctx context.Context, name string, pw storage.Secret) (ended int, err error) {
	if problems := checkPassword(pw); problems != nil {
		return 0, problems
	}
	user, err := o.User(ctx, name)
	if err != nil {
		return 0, err
	}
	hash, err := o.Passwords.Hash(ctx, pw)
	if err != nil {
		return 0, fmt.Errorf("hash the password: %w", err)
	}
	if _, ended, err = o.Users.ChangeUser(ctx, user.ID, storage.UserChange{PasswordHash: &hash, Now: o.now()}); err != nil {
		return 0, fmt.Errorf("set the password of %q: %w", user.Name, err)
	}
	o.record(ctx, "user.passwd", slog.String("username", user.Name), slog.String("sub", user.ID.String()),
		slog.Int("sessions_ended", ended))
	return ended, nil
}

// SetDisabled disables a user, which ends all their sessions, or enables them
// again; it returns how many sessions were ended. Access tokens that are out
// stay good until they expire.
func (o *Operator) SetDisabled(ctx context.Context, name string, disabled bool) (ended int, err error) {
	user, err := o.User(ctx, name)
	if err != nil {
		return 0, err
	}
	act := "user.enable"
	if disabled {
		act = "user.disable"
	}
	if _, ended, err = o.Users.ChangeUser(ctx, user.ID, storage.UserChange{Disabled: &disabled, Now: o.now()}); err != nil {
		return 0, fmt.Errorf("%s %q: %w", act, user.Name, err)
	}
	o.record(ctx, act, slog.String("username", user.Name), slog.String("sub", user.ID.String()),
		slog.Int("sessions_ended", ended))
	return ended, nil
}

// User finds a user by the name as typed.
func (o *Operator) User(ctx context.Context, typed string) (storage.User, error) {
	name, err := password.UserName(typed)
	if err != nil {
		return storage.User{}, Invalid{{"name", err.Error()}}
	}
	user, err := o.Users.UserByName(ctx, name)
	if err != nil {
		return user, fmt.Errorf("user %q: %w", name, err)
	}
	return user, nil
}

func checkPassword(pw storage.Secret) Invalid {
	if err := password.Check(pw); err != nil {
		return Invalid{{"password", err.Error()}}
	}
	return nil
}

func checkUserClaims(c storage.UserClaims) (problems Invalid) {
	for _, list := range []struct {
		field  string
		values []string
	}{{"roles", c.Roles}, {"groups", c.Groups}, {"entitlements", c.Entitlements}} {
		if err := checkValues(list.values); err != nil {
			problems = append(problems, Problem{list.field, err.Error()})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		if err := checkExtraName(name); err != nil {
			problems = append(problems, Problem{"extra", fmt.Sprintf("%q %v", name, err)})
		}
	}
	if text, err := json.Marshal(c.Extra); err != nil || len(text) > maxExtra {
		problems = append(problems, Problem{"extra", fmt.Sprintf("must be JSON of at most %d bytes", maxExtra)})
	}
	return problems
}

func checkValues(values []string) error {
	if len(values) > maxValues {
		return fmt.Errorf("%d values; at most %d fit into a token", len(values), maxValues)
	}
	for _, v := range values {
		if v == "" || len(v) > maxValue || !isText(v) {
			return fmt.Errorf("%q must be 1 to %d bytes of UTF-8 without control characters", v, maxValue)
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// isServerClaim knows the claims that the server fills itself (RFC 7519 §4.1,
// RFC 9068 §2.2) and those that would change what a token proves. Some readers
// ignore case, so it is ignored here.
func isServerClaim(name string) bool {
	switch strings.ToLower(name) {
	case "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "auth_time", "sid",
		"acr", "amr", "azp", "cnf", "act", "may_act", "typ", "token_type":
		return true
	}
	return false
}

// checkExtraName checks the name of a free claim.
func checkExtraName(name string) error {
	switch strings.ToLower(name) {
	case "roles", "groups", "entitlements":
		return errors.New("is a list of its own: set it there")
	}
	return checkClaimName(name)
}

// checkClaimName checks a name that a client may ask for.
func checkClaimName(name string) error {
	switch {
	case isServerClaim(name):
		return errors.New("is the server's own to set: choose another name")
	case name == "" || len(name) > 128 || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }):
		return errors.New("must be 1 to 128 visible ASCII characters")
	}
	return nil
}
