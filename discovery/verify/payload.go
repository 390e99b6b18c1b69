package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

func checkPayload(_ context.Context, a *attempt) (err error) {
	if a.payload, err = discovery.DecodeMembers(string(a.parts[1])); err != nil {
		return fmt.Errorf("the claims cannot be read: %w", err)
	}
	a.takeRest()
	return nil
}

func checkIssuer(_ context.Context, a *attempt) error {
	iss, _ := a.payload.Get("iss").(string)
	for _, authority := range a.authorities {
		if iss == authority.issuer { // exactly: RFC 9068 §4
			a.authority, a.claims.Issuer = authority, authority.issuer
			return nil
		}
	}
	if len(a.authorities) > 1 {
		return fmt.Errorf("iss is %.200q, which is none of the issuers", iss)
	}
	return fmt.Errorf("iss is %.200q, not %q", iss, a.issuer)
}

func checkAudience(_ context.Context, a *attempt) error {
	switch aud := a.payload.Get("aud").(type) { // RFC 7519 §4.1.3
	case string:
		a.claims.Audience = []string{aud}
	default:
		var ok bool
		if a.claims.Audience, ok = discovery.StringList(aud); !ok {
			return errors.New("aud is missing, or not a string or an array of strings")
		}
	}
	if !slices.Contains(a.claims.Audience, a.audience) {
		return fmt.Errorf("aud is %.200q, without %q", a.claims.Audience, a.audience)
	}
	return nil
}

func checkExpiry(_ context.Context, a *attempt) (err error) {
	if a.claims.ExpiresAt, err = a.date("exp"); err != nil {
		return err
	}
	if late := a.now.Sub(a.claims.ExpiresAt); late >= a.leeway { // RFC 7519 §4.1.4: before, not at
		return fmt.Errorf("the token expired %s ago, at %s", late.Round(time.Second), stamp(a.claims.ExpiresAt))
	}
	return nil
}

func checkNotBefore(_ context.Context, a *attempt) error {
	if !a.payload.Has("nbf") {
		return nil
	}
	nbf, err := a.date("nbf")
	if err == nil && nbf.Sub(a.now) > a.leeway {
		err = fmt.Errorf("the token is not valid before %s", stamp(nbf))
	}
	return err
}

func checkIssuedAt(_ context.Context, a *attempt) (err error) {
	if a.lacks("iat") {
		return nil
	}
	if a.claims.IssuedAt, err = a.date("iat"); err != nil {
		return err
	}
	if a.claims.IssuedAt.Sub(a.now) > a.leeway {
		return fmt.Errorf("the token was issued in the future, at %s", stamp(a.claims.IssuedAt))
	}
	return nil
}

func checkSubject(_ context.Context, a *attempt) error {
	return a.required("sub", &a.claims.Subject)
}

func checkClient(_ context.Context, a *attempt) error {
	return a.required("client_id", &a.claims.ClientID)
}

func checkID(_ context.Context, a *attempt) error {
	return a.required("jti", &a.claims.ID)
}

// checkScope reads the scope, which may be absent but not of another shape:
// nobody should take an array of one element for its string.
func checkScope(_ context.Context, a *attempt) error {
	scope, ok := a.payload.Get("scope").(string)
	if !ok && a.payload.Has("scope") {
		return errors.New("scope is not a string") // RFC 8693 §4.2
	}
	list := make([]string, 0, strings.Count(scope, " ")+1)
	for word := range strings.SplitSeq(scope, " ") {
		if word != "" {
			list = append(list, word)
		}
	}
	a.claims.Scope = list
	return nil
}

// checkSession reads what is said about the login, if anything.
func checkSession(_ context.Context, a *attempt) (err error) {
	if a.payload.Has("auth_time") {
		if a.claims.AuthTime, err = a.date("auth_time"); err != nil {
			return err
		}
	}
	if a.payload.Has("sid") {
		a.claims.SessionID, err = a.text("sid")
	}
	return err
}

// takeRest fills in the claims that cannot make a token invalid.
func (a *attempt) takeRest() {
	for _, m := range a.payload {
		var field *[]string
		switch m.Name {
		case "roles":
			field = &a.claims.Roles
		case "groups":
			field = &a.claims.Groups
		case "entitlements":
			field = &a.claims.Entitlements
		default:
			if isRegistered(m.Name) {
				continue
			}
		}
		if list, ok := discovery.StringList(m.Value); ok && field != nil {
			*field = list
			continue
		}
		if a.claims.Extra == nil {
			a.claims.Extra = make(map[string]any)
		}
		a.claims.Extra[m.Name] = m.Value
	}
}

// lacks says that a member is not there, and need not be.
func (a *attempt) lacks(member string) bool {
	return !a.payload.Has(member) && a.authority.mayLack(member)
}

// required reads a member that this issuer's tokens must have.
func (a *attempt) required(member string, field *string) (err error) {
	if !a.lacks(member) {
		*field, err = a.text(member)
	}
	return err
}

// text reads a member that is there.
func (a *attempt) text(member string) (string, error) {
	text, ok := a.payload.Get(member).(string)
	if !ok || text == "" {
		return "", fmt.Errorf("%s is missing, or not a string", member)
	}
	return text, nil
}

// date reads a NumericDate (RFC 7519 §2): seconds since 1970, up to the year
// 9999, possibly with a fraction.
func (a *attempt) date(member string) (time.Time, error) {
	number, ok := a.payload.Get(member).(json.Number)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is missing, or not a number", member)
	}
	const limit = 253402300800
	if seconds, err := strconv.ParseInt(string(number), 10, 64); err == nil && seconds >= 0 && seconds < limit {
		return time.Unix(seconds, 0).UTC(), nil
	}
	if f, err := strconv.ParseFloat(string(number), 64); err == nil && f >= 0 && f < limit {
		seconds, fraction := math.Modf(f)
		return time.Unix(int64(seconds), int64(fraction*1e9)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%s is out of range", member)
}
