package verify

import (
	"errors"
	"slices"
	"time"
)

// Claims is the content of an access token (RFC 9068 §2.2), for those who mint
// it and those who verify it alike. Claims that came from Verify are to be
// trusted; they are shared with nobody.
type Claims struct {
	Issuer    string
	Subject   string
	Audience  []string  // at least one
	ExpiresAt time.Time // seconds, UTC; so are the other times
	IssuedAt  time.Time
	AuthTime  time.Time // when the user signed in; zero if unknown
	ID        string    // jti
	ClientID  string
	Scope     []string
	SessionID string // sid, empty if there is none

	// Lists of strings (RFC 9068 §2.2.3.1). Where an issuer sends one of them in
	// another shape, it is among Extra instead.
	Roles        []string
	Groups       []string
	Entitlements []string

	// Extra holds the other claims by name, nil if there are none. Verify fills
	// it with string, json.Number, bool, nil, []any and map[string]any.
	Extra map[string]any
}

// MarshalJSON writes the payload of an access token: aud as a string when it is
// one and as an array otherwise, scope as one string, times as whole seconds
// rounded down, no nbf. Members of Extra that bear a registered name, in any
// case, are left out. Claims without a required member are an error: such a
// token must not come to be.
func (c Claims) MarshalJSON() ([]byte, error) {
	if c.Issuer == "" || c.Subject == "" || c.ID == "" || c.ClientID == "" || // RFC 9068 §2.2
		len(c.Audience) == 0 || slices.Contains(c.Audience, "") || c.ExpiresAt.IsZero() || c.IssuedAt.IsZero() {
		return nil, errors.New("claims lack one of iss, sub, aud, exp, iat, jti, client_id")
	}
	var room [20]member // all but the extra ones fit
	return marshal(c.appendMembers(room[:0]))
}

// isRegistered says whether Claims has a field for the claim. For nbf it has
// deliberately none.
func isRegistered(name string) bool {
	switch name {
	case "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id",
		"auth_time", "scope", "sid", "roles", "groups", "entitlements":
		return true
	}
	return false
}

// clone returns claims that share nothing with these that can be changed.
func (c *Claims) clone() *Claims {
	copied := *c
	all := make([]string, 0, len(c.Audience)+len(c.Scope)+len(c.Roles)+len(c.Groups)+len(c.Entitlements))
	for _, list := range []*[]string{&copied.Audience, &copied.Scope, &copied.Roles, &copied.Groups, &copied.Entitlements} {
		if *list != nil {
			start := len(all)
			all = append(all, *list...)
			*list = all[start:len(all):len(all)]
		}
	}
	if c.Extra != nil {
		copied.Extra = cloneValue(c.Extra).(map[string]any)
	}
	return &copied
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for name, member := range value {
			copied[name] = cloneValue(member)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i, element := range value {
			copied[i] = cloneValue(element)
		}
		return copied
	}
	return value // a string, a number, true, false, nothing: nobody can change those
}
