package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/storage"
)

// accessTokenType is the JWS typ of RFC 9068 §2.1.
const accessTokenType = "at+jwt"

// mint turns a grant into tokens. It is the only place that fills verify.Claims.
func (s *Server) mint(ctx context.Context, g Grant) (tokenResponse, error) {
	lifetime := either(g.Client.AccessLifetime, s.cfg.AccessLifetime)
	// The key that signs now is published only so long after it stops.
	lifetime = max(min(lifetime, s.keys.Ring().Schedule().LongestToken()).Truncate(time.Second), time.Second)
	payload, err := s.claims(g, lifetime).MarshalJSON() // json.Marshal would read it all once more
	if err != nil {
		return tokenResponse{}, fmt.Errorf("marshal claims: %w", err)
	}
	token, err := s.keys.Sign(ctx, g.Client.Algorithm, accessTokenType, payload)
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign: %w", err)
	}
	resp := tokenResponse{
		AccessToken: token, TokenType: "Bearer",
		ExpiresIn: int64(lifetime / time.Second),
		Scope:     strings.Join(g.Scope, " "),
	}
	if g.RefreshToken != nil {
		resp.RefreshToken = g.RefreshToken.Reveal()
	}
	return resp, nil
}

// claims fills RFC 9068 §2.2. There is no nbf (RFC 7519 §4.1.5), and iat is
// rounded down: some verifiers have no leeway.
func (s *Server) claims(g Grant, lifetime time.Duration) verify.Claims {
	issued := s.now().Truncate(time.Second)
	c := verify.Claims{
		Issuer: s.issuer, Subject: g.User.ID.String(), Audience: g.Audience, // RFC 9068 §3, §6
		IssuedAt: issued, ExpiresAt: issued.Add(lifetime), AuthTime: g.AuthTime.Truncate(time.Second),
		ID: newID(), ClientID: g.Client.ID, Scope: g.Scope, // RFC 7519 §4.1.7, RFC 8693 §4.3
	}
	if g.SessionID != nil {
		c.SessionID = g.SessionID.String()
	}
	addUserClaims(&c, g.User.Claims, g.Client.Claims)
	s.addSimpleJWTClaims(&c, g)
	return c
}

// addUserClaims adds the user's claims that the client's record asks for.
func addUserClaims(c *verify.Claims, user storage.UserClaims, wanted []string) {
	for _, name := range wanted {
		switch name {
		case "roles":
			c.Roles = user.Roles
		case "groups":
			c.Groups = user.Groups
		case "entitlements":
			c.Entitlements = user.Entitlements
		}
	}
	for name, value := range user.Extra {
		if slices.Contains(wanted, name) {
			if c.Extra == nil {
				c.Extra = map[string]any{}
			}
			c.Extra[name] = value
		}
	}
}

// newID returns a jti: 128 random bits in base64url.
func newID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
