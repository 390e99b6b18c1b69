package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	maxValues = 256     // members of one claim of a user
	maxValue  = 256     // bytes of one
	maxExtra  = 8 << 10 // bytes of a user's free claims as JSON: they travel in every request
)

// check reports everything that is wrong with an edit, and returns it with the
// name in its normal form.
func (e UserEdit) check() (UserEdit, Invalid) {
	var problems Invalid
	if e.Name != nil {
		name, err := password.UserName(*e.Name)
		if err != nil {
			problems = append(problems, Problem{"name", err.Error()})
		}
		e.Name = &name
	}
	if e.Password != nil {
		problems = append(problems, checkPassword(*e.Password)...)
	}
	if e.PasswordHash != nil {
		if _, err := password.CheckHash(*e.PasswordHash); err != nil {
			problems = append(problems, Problem{"password_hash", err.Error() + "; write it as the other system stores it, or set a password instead"})
		}
	}
	if e.Password != nil && e.PasswordHash != nil {
		problems = append(problems, Problem{"password_hash", "give this or password, not both"})
	}
	if e.ForeignID != nil && (len(*e.ForeignID) > maxValue || !isText(*e.ForeignID)) {
		problems = append(problems, Problem{"foreign_id", fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", maxValue)})
	}
	if e.Claims != nil {
		problems = append(problems, checkUserClaims(*e.Claims)...)
	}
	return e, problems
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
	text, err := json.Marshal(c.Extra)
	switch {
	case err != nil || len(text) > maxExtra:
		problems = append(problems, Problem{"extra", fmt.Sprintf("must be JSON of at most %d bytes", maxExtra)})
	case json.Unmarshal(text, new(any)) != nil: // as most APIs read a token: they would refuse the whole of it
		problems = append(problems, Problem{"extra", "has a number beyond 1.7e308: send it as a string"})
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

// CheckClaim checks the name of a free claim.
func CheckClaim(name string) error { return checkExtraName(name) }

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
