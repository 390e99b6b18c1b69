package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/conformance"
)

// newRefreshToken returns one of 130 random bits.
func (is *issuer) newRefreshToken(s *session) string {
	switch {
	case is.mutated("refresh-grows"):
		return "rt_" + rand.Text() + strings.Repeat("x", s.uses)
	case is.mutated("refresh-lenient"): // as a JWT signed with HS512, whose last character has four bits that are none
		return "e30.e30." + strings.Repeat("A", 32) + rand.Text()[:25] + "A"
	case is.mutated("refresh-latin"):
		return "rt_é" + rand.Text()
	case is.mutated("refresh-short"):
		return "rt_" + rand.Text()[:16]
	case is.mutated("refresh-counter"):
		return fmt.Sprintf("refresh-token-number-%040d", len(is.sessions))
	}
	return "rt_" + rand.Text()
}

// takesForeign reports whether a client may refresh with another's token.
func (is *issuer) takesForeign(client string, s *session, token string) bool {
	if is.mutated("foreign-takes") { // not yet, but from now on
		s.client = client
		return false
	}
	public := is.clients[client].method == conformance.AuthNone
	return is.mutated("unbound") || is.mutated("public-unbound") && public || is.mutated("spent-unbound") && token != s.current
}

// readMore does with what stands beside a refresh token what nobody should.
func (is *issuer) readMore(s *session, form url.Values) {
	switch {
	case form.Has("username") && is.mutated("extra-refused"):
		refuse("invalid_request")
	case form.Has("username") && is.mutated("extra-logs-in"):
		if u := is.users[form.Get("username")]; u != nil && u.password == form.Get("password") {
			s.user = form.Get("username")
		}
	}
}

// addIDToken adds one where openid was granted.
func (is *issuer) addIDToken(body map[string]any, s *session) {
	stray := is.mutated("id-token-stray") || s.uses > 0 && is.mutated("id-token-late")
	if !slices.Contains(s.scope, "openid") && !stray {
		return
	}
	claims := map[string]any{"iss": is.url, "sub": s.user, "aud": s.client, "auth_time": 1}
	switch {
	case s.uses > 0 && (is.mutated("id-token-other") || is.mutated("id-token-stray")):
		claims["sub"] = "somebody"
	case s.uses > 0 && is.mutated("id-token-more"):
		claims["aud"] = []string{s.client, "another"}
	case s.uses > 0 && is.mutated("id-token-time"):
		claims["auth_time"] = 2
	case s.uses > 0 && is.mutated("id-token-brief"):
		delete(claims, "auth_time")
	case s.uses > 0 && is.mutated("id-token-once"):
		return
	}
	text, _ := json.Marshal(claims)
	token := "e30." + base64.RawURLEncoding.EncodeToString(text) + ".c2ln"
	body["id_token"] = token
	is.see(token)
}
