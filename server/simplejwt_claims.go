package server

import (
	"encoding/json"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/storage"
)

// addSimpleJWTClaims adds what Simple JWT reads to the access tokens of its
// client, wherever they are minted.
func (s *Server) addSimpleJWTClaims(c *verify.Claims, g Grant) {
	if g.Client.ID != s.cfg.SimpleJWT.Client {
		return
	}
	if c.Extra == nil {
		c.Extra = map[string]any{}
	}
	c.Extra["token_type"] = "access"
	if name := s.cfg.SimpleJWT.claim(); name != "sub" {
		c.Extra[name] = foreignUserID(g.User)
	}
}

// foreignUserID is the user's primary key in Django, with its type: the free
// claim user_id, else the id that the user was imported with, else ours.
func foreignUserID(u storage.User) any {
	switch id := u.Claims.Extra[defaultUserIDClaim].(type) {
	case string:
		if id != "" {
			return id
		}
	case json.Number, int, int64, float64:
		return id
	}
	if u.ForeignID != "" {
		return u.ForeignID
	}
	return u.ID.String()
}
