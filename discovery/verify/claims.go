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
	return marshal(c.members())
}

// registered are the claims that Claims has fields for, and nbf, which it has
// deliberately not.
var registered = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id",
	"auth_time", "scope", "sid", "roles", "groups", "entitlements",
}
