package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// addPortal adds a public client by which users look after their account.
func (k *kit) addPortal(id string, change ...func(*storage.Client)) app {
	k.Helper()
	return k.addClient(id, storage.AuthNone, append([]func(*storage.Client){func(c *storage.Client) {
		c.Scopes, c.Audiences = append(c.Scopes, "sessions"), append(c.Audiences, k.issuer)
		c.Name = "The " + id
	}}, change...)...)
}

// enter signs in to look after the account, from a device.
func (k *kit) enter(p person, portal app, agent string, pairs ...string) answer {
	k.Helper()
	v := with(form("grant_type", "password", "client_id", portal.ID, "username", p.Name, "password", p.password,
		"resource", k.issuer, "scope", "read sessions"), pairs...)
	a := k.post(v, func(r *http.Request) { r.Header.Set("User-Agent", agent) })
	if a.status != 200 {
		k.Fatalf("sign-in answered %d %s", a.status, a.raw)
	}
	return a
}

// call sends a request with the access token of an answer.
func (k *kit) call(method, path string, as answer, body string, edit ...func(*http.Request)) answer {
	k.Helper()
	r, err := http.NewRequest(method, k.issuer+path, strings.NewReader(body))
	k.must(err)
	r.Header.Set("Authorization", "Bearer "+as.str("access_token"))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	return k.do(r)
}

func (k *kit) changePassword(as answer, current, next string, edit ...func(*http.Request)) answer {
	k.Helper()
	body, err := json.Marshal(map[string]string{"current": current, "new": next})
	k.must(err)
	return k.call("POST", "/account/password", as, string(body), edit...)
}

func (k *kit) sid(a answer) string {
	k.Helper()
	return k.claims(a.str("access_token"))["sid"].(string)
}

// forge signs a token of the kit's own keys, with other claims than it would.
func (k *kit) forge(a answer, typ string, change map[string]any) answer {
	k.Helper()
	claims := k.claims(a.str("access_token"))
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	k.must(err)
	token, err := k.keys.Sign(k.Context(), "", typ, payload)
	k.must(err)
	return bearing(token)
}

func bearing(token string) answer { return answer{body: map[string]any{"access_token": token}} }

// accountPaths are the endpoints that want an access token, with a method of each.
var accountPaths = map[string]string{
	"/account/password": "POST", "/account/sessions": "GET", "/account/sessions/x": "DELETE", "/account/sessions/others": "DELETE",
}

// TestAccessTokenRefused: by each of the account's endpoints alike, before
// anything else is looked at.
func TestAccessTokenRefused(t *testing.T) {
	k := newKit(t, "/auth")
	alice, bob, portal := k.addUser("alice"), k.addUser("bob"), k.addPortal("portal")
	noSessions := k.addPortal("cli", func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	good, bobs := k.enter(alice, portal, ""), k.enter(bob, portal, "")
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Authorization"] = values }
	}
	raw := good.str("access_token")
	other := newKit(t, "")
	otherAlice, otherPortal := other.addUser("alice"), other.addPortal("portal")
	foreign := other.enter(otherAlice, otherPortal, "")

	tests := []struct {
		name   string
		token  answer
		edit   func(*http.Request)
		status int
		code   string
		reason string
	}{
		{"no header", good, header(), 401, "invalid_request", "no Authorization"},
		{"Basic", good, header("Basic eDp5"), 401, "invalid_request", "no Authorization"},
		{"in the query only", good, func(r *http.Request) { header()(r); r.URL.RawQuery = "access_token=" + raw }, 400, "invalid_request", "in the query"},
		{"in the query as well", good, func(r *http.Request) { r.URL.RawQuery = "access_token=" + raw }, 400, "invalid_request", "in the query"},
		{"two headers", good, header("Bearer "+raw, "Bearer "+raw), 400, "invalid_request", "2 Authorization"},
		{"no token", good, header("Bearer"), 400, "invalid_request", "not one token"},
		{"two tokens", good, header("Bearer " + raw + " " + raw), 400, "invalid_request", "not one token"},
		{"rubbish", bearing("rubbish"), nil, 401, "invalid_token", "form"},
		{"a refresh token", bearing(good.str("refresh_token")), nil, 401, "invalid_token", "form"},
		{"a byte changed", bearing(raw[:len(raw)-10] + "AAAA" + raw[len(raw)-6:]), nil, 401, "invalid_token", "signature"},
		{"unsigned", bearing(strings.Join(append(strings.Split(raw, ".")[:2], ""), ".")), nil, 401, "invalid_token", "form"},
		{"of another issuer", foreign, nil, 401, "invalid_token", "iss"},
		{"not an access token", k.forge(good, "jwt", nil), nil, 401, "invalid_token", "typ"},
		{"for an API", k.login(alice, portal), nil, 401, "invalid_token", "aud"},
		{"for an API as well", k.forge(good, "at+jwt", map[string]any{"aud": []string{apiAudience, k.issuer}}), nil, 401, "invalid_token", "must be the only one"},
		{"expired", k.forge(good, "at+jwt", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), nil, 401, "invalid_token", "exp"},
		{"without a session", k.enter(alice, noSessions, ""), nil, 401, "invalid_token", "of no session"},
		{"of a malformed session", k.forge(good, "at+jwt", map[string]any{"sid": "x"}), nil, 401, "invalid_token", "not a session id"},
		{"of an unknown session", k.forge(good, "at+jwt", map[string]any{"sid": "AAAAAAAAAAAAAAAAAAAAAA"}), nil, 401, "invalid_token", "no such record"},
		{"of another user's session", k.forge(good, "at+jwt", map[string]any{"sid": k.sid(bobs)}), nil, 401, "invalid_token", "another user or client"},
		{"of another client's session", k.forge(good, "at+jwt", map[string]any{"client_id": "other"}), nil, 401, "invalid_token", "another user or client"},
	}
	for _, tt := range tests {
		for path, method := range accountPaths {
			t.Run(tt.name+" to "+path, func(t *testing.T) {
				k := *k
				k.T = t
				a := k.call(method, path, tt.token, "", func(r *http.Request) {
					if tt.edit != nil {
						tt.edit(r)
					}
				})
				k.refused(a, tt.status, tt.code, tt.reason)
				challenge := a.header.Get("WWW-Authenticate")
				switch inQuery := strings.Contains(tt.reason, "query"); {
				case tt.reason == "no Authorization": // RFC 6750 §3.1
					if challenge != `Bearer realm="hallmark"` {
						t.Errorf("challenge %q", challenge)
					}
				case !inQuery && !strings.HasPrefix(challenge, `Bearer realm="hallmark", error="`+tt.code+`"`):
					t.Errorf("challenge %q", challenge)
				}
				if strings.Contains(k.log.String(), raw) {
					t.Error("the access token is in the log")
				}
			})
		}
	}
	for path, method := range accountPaths { // and the good one is good
		if a := k.call(method, path, good, ""); a.status == 401 || a.status == 503 {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
}

// TestAccessTokenDiesWithItsSession at once, whatever ends it.
func TestAccessTokenDiesWithItsSession(t *testing.T) {
	k := newKit(t, "")
	ofUser := func(statement string, p person) { k.exec(fmt.Sprintf(statement+` x'%x'`, p.ID[:])) }
	for i, tt := range []struct {
		name   string
		end    func(p person, portal app, a answer)
		reason string
	}{
		{"logged out", func(_ person, _ app, a answer) {
			k.must2(k.store.EndSession(t.Context(), k.sessionID(a), storage.EndedLogout, time.Now()))
		}, "logged_out"},
		{"another password", func(p person, _ app, _ answer) {
			k.must2(setPassword(t.Context(), k.store, p.ID, p.PasswordHash, time.Now()))
		}, "password_changed"},
		{"disabled", func(p person, _ app, _ answer) {
			k.must2(setDisabled(t.Context(), k.store, p.ID, true, time.Now()))
		}, "user_disabled"},
		{"disabled, the session left", func(p person, _ app, _ answer) {
			ofUser(`UPDATE users SET disabled = 1 WHERE id =`, p)
		}, "the user is disabled"},
		{"user removed", func(p person, _ app, _ answer) { k.must2(k.store.RemoveUser(t.Context(), p.ID)) }, "no such record"},
		{"client removed", func(_ person, portal app, _ answer) {
			k.must(k.store.RemoveClient(t.Context(), portal.ID))
		}, "no such record"},
		{"idle", func(p person, _ app, _ answer) {
			ofUser(`UPDATE sessions SET idle_lifetime = 1 WHERE user_id =`, p)
		}, "lifetime"},
		{"absolute lifetime", func(p person, _ app, _ answer) {
			ofUser(`UPDATE sessions SET expires_at = auth_time WHERE user_id =`, p)
		}, "lifetime"},
		{"key revoked", func(_ person, _ app, a answer) {
			kid := k.part(a.str("access_token"), 0)["kid"].(string)
			k.must2(k.keys.Edit(t.Context(), func(r keys.Ring, now keys.Instant, generate keys.Generate) (keys.Ring, error) {
				return r.Revoke(kid, "", now, generate)
			}))
		}, "key"},
		{"the clock", func(person, app, answer) { k.clock.jump(13 * time.Minute) }, "exp"},
	} {
		user, portal := k.addUser(fmt.Sprint("user", i)), k.addPortal(fmt.Sprint("portal", i))
		a := k.enter(user, portal, "")
		if a := k.call("GET", "/account/sessions", a, ""); a.status != 200 {
			t.Fatalf("%s: before: %d %s", tt.name, a.status, a.raw)
		}
		tt.end(user, portal, a)
		for path, method := range accountPaths {
			k.refused(k.call(method, path, a, ""), 401, "invalid_token", tt.reason)
		}
	}
}

// must2 is must for a call that returns something else as well.
func (k *kit) must2(_ any, err error) {
	k.Helper()
	k.must(err)
}

func (k *kit) sessionID(a answer) storage.SessionID {
	k.Helper()
	id, err := storage.ParseSessionID(k.sid(a))
	k.must(err)
	return id
}

// TestAccountScope: the sessions need it, the password does not.
func TestAccountScope(t *testing.T) {
	k := newKit(t, "")
	user, portal := k.addUser("alice"), k.addPortal("portal")
	a := k.enter(user, portal, "", "scope", "read")
	for path, method := range map[string]string{
		"/account/sessions": "GET", "/account/sessions/": "DELETE", "/account/sessions/others": "DELETE", "/account/sessions/" + k.sid(a): "DELETE",
	} {
		refused := k.call(method, strings.TrimSuffix(path, "/"), a, "")
		k.refused(refused, 403, "insufficient_scope", `scope is ["read"]`)
		if c := refused.header.Get("WWW-Authenticate"); !strings.Contains(c, `error="insufficient_scope"`) || !strings.HasSuffix(c, `, scope="sessions"`) {
			t.Errorf("challenge %q", c)
		}
	}
	if b := k.changePassword(a, user.password, storage.RandomSecret().Reveal()); b.status != 204 {
		t.Errorf("password: %d %s", b.status, b.raw)
	}
}

// TestAccountMethods: every other one is refused with those that there are.
func TestAccountMethods(t *testing.T) {
	k := newKit(t, "/auth")
	for path, allow := range map[string]string{
		"/oauth2/token": "POST, OPTIONS", "/oauth2/revoke": "POST, OPTIONS", "/oauth2/introspect": "POST, OPTIONS", "/account/password": "POST, OPTIONS",
		"/account/sessions": "GET, HEAD, DELETE, OPTIONS", "/account/sessions/x": "DELETE, OPTIONS", "/account/sessions/others": "DELETE, OPTIONS",
		"/.well-known/jwks.json": "GET, HEAD, OPTIONS", "/.well-known/openid-configuration": "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "BREW"} {
			if strings.Contains(allow, method) {
				continue
			}
			r, err := http.NewRequest(method, k.issuer+path, nil)
			k.must(err)
			a := k.do(r)
			k.refused(a, 405, "invalid_request", method)
			if a.header.Get("Allow") != allow || a.str("error_uri") == "" {
				t.Errorf("%s %s: Allow %q, %s", method, path, a.header.Get("Allow"), a.raw)
			}
		}
	}
	for _, path := range []string{"/account", "/account/", "/account/sessions/", "/account/sessions/x/y", "/account/password/", "/oauth2/revoke/"} {
		if a := k.call("GET", path, answer{}, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestAccountAcrossOrigins: a preflight is answered for registered origins; the
// request must come from one of the token's own client.
func TestAccountAcrossOrigins(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	portal := k.addPortal("portal", func(c *storage.Client) { c.Origins = []string{spa} })
	k.addPortal("other", func(c *storage.Client) { c.Origins = []string{otherSPA} })
	a := k.enter(user, portal, "")
	for path, want := range map[string][2]string{
		"/account/password":        {"POST", "Authorization, Content-Type"},
		"/account/sessions":        {"GET, HEAD, DELETE", "Authorization"},
		"/account/sessions/x":      {"DELETE", "Authorization"},
		"/account/sessions/others": {"DELETE", "Authorization"},
	} {
		for origin, allowed := range map[string]bool{spa: true, otherSPA: true, "https://evil.example": false} {
			pre := k.call("OPTIONS", path, answer{}, "", fromOrigin(origin))
			h := pre.header
			if pre.status != 204 || h.Get("Access-Control-Allow-Credentials") != "" || (h.Get("Access-Control-Allow-Origin") == origin) != allowed ||
				allowed && (h.Get("Access-Control-Allow-Methods") != want[0] || h.Get("Access-Control-Allow-Headers") != want[1]) {
				t.Errorf("preflight of %s from %s: %d %v", path, origin, pre.status, h)
			}
		}
	}
	for path, method := range accountPaths {
		if b := k.call(method, path, a, "", fromOrigin(spa)); b.header.Get("Access-Control-Allow-Origin") != spa || b.str("error") == "unauthorized_client" {
			t.Errorf("%s from its own origin: %d %s %v", path, b.status, b.raw, b.header)
		}
		if b := k.call(method, path, answer{}, "", fromOrigin(spa)); b.header.Get("Access-Control-Allow-Origin") != spa || !strings.Contains(b.header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
			t.Errorf("%s: a page cannot read a refusal: %v", path, b.header)
		}
		for _, origin := range []string{otherSPA, "https://evil.example", "null"} {
			b := k.call(method, path, a, "", fromOrigin(origin))
			k.refused(b, 400, "unauthorized_client", "origin")
			if b.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s may read the answer of %s", origin, path)
			}
		}
	}
}

// A hooked store does something before a password is changed.
type hooked struct {
	*sqlite.Store
	before func()
}

func (h *hooked) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	h.before()
	return h.Store.ChangeUser(ctx, user, c)
}

// hook lets a test act right before the store is asked for a change.
func hook(h *hooked) option {
	return func(c *server.Config) { h.Store, c.Store = c.Store.(*sqlite.Store), h }
}
