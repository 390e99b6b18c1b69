package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// introspect asks about a token as a confidential client.
func (k *kit) introspect(as app, token string, pairs ...string) answer {
	k.Helper()
	return k.askAbout(with(form("token", token), pairs...), basicAuth(as.ID, as.secret))
}

func (k *kit) askAbout(v url.Values, edit ...func(*http.Request)) answer {
	k.Helper()
	return k.post(v, append([]func(*http.Request){func(r *http.Request) {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/token") + "/introspect"
	}}, edit...)...)
}

// inactive expects to be told nothing (RFC 7662 §2.2), and why in the record.
func (k *kit) inactive(a answer, why string) {
	k.Helper()
	if a.status != 200 || a.raw != "{\"active\":false}\n" || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		k.Errorf("answered %d %v %s", a.status, a.header, a.raw)
	}
	if got, _ := k.record(a)["outcome"].(string); !strings.Contains(got, "inactive: ") || !strings.Contains(got, why) {
		k.Errorf("inactive because of %q, want %q", got, why)
	}
}

// active expects to be told of a good token.
func (k *kit) active(a answer) map[string]any {
	k.Helper()
	if a.status != 200 || a.body["active"] != true || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		k.Errorf("answered %d %v %s: %v", a.status, a.header, a.raw, k.record(a)["outcome"])
	}
	return a.body
}

// addAPI adds a resource server: no grants, no tokens of its own.
func (k *kit) addAPI(id string, audiences ...string) app {
	k.Helper()
	return k.addClient(id, storage.AuthBasic, func(c *storage.Client) {
		c.ClientPolicy = storage.ClientPolicy{Introspects: audiences}
	})
}

// A signIn is a confidential client with a user in it.
func (k *kit) signIn(p person, as app, pairs ...string) answer {
	k.Helper()
	a := k.post(with(form("grant_type", "password", "username", p.Name, "password", p.password), pairs...), basicAuth(as.ID, as.secret))
	if a.status != 200 {
		k.Fatalf("sign-in answered %d %s", a.status, a.raw)
	}
	return a
}

func (k *kit) refreshAs(as app, token string, pairs ...string) answer {
	k.Helper()
	return k.post(with(form("grant_type", "refresh_token", "refresh_token", token), pairs...), basicAuth(as.ID, as.secret))
}

// TestIntrospectAccessToken: the API that a token is for, and the client that
// it was issued to, are told what is in it, whatever the hint says.
func TestIntrospectAccessToken(t *testing.T) {
	k := newKit(t, "/auth")
	alice := k.addUser("alice", func(u *storage.User) {
		u.Claims = storage.UserClaims{Roles: []string{"admin"}, Extra: map[string]any{
			"tenant": json.Number("12345678901234567891"), "token_type": "access", "active": false, "password": "x",
		}}
	})
	claims := func(c *storage.Client) { c.Claims = []string{"roles", "tenant", "token_type", "active"} }
	web, backend := k.addClient("web", storage.AuthNone, claims), k.addClient("backend", storage.AuthPost, claims)
	api := k.addAPI("api", "https://elsewhere.example", otherAudience)
	for name, a := range map[string]answer{
		"of a public client":   k.login(alice, web, "resource", otherAudience),
		"after a refresh":      k.refresh(web, k.login(alice, web, "resource", otherAudience, "scope", "read admin").str("refresh_token")),
		"of several audiences": k.post(form("grant_type", "password", "client_id", web.ID, "username", alice.Name, "password", alice.password, "resource", apiAudience, "resource", otherAudience)),
	} {
		for _, hint := range []string{"", "access_token", "refresh_token", "unheard_of"} {
			got := k.introspect(api, a.str("access_token"), "token_type_hint", hint)
			want := k.claims(a.str("access_token"))
			want["active"], want["token_type"] = true, "Bearer"
			if told := k.active(got); !sameMembers(told, want) {
				t.Errorf("%s: told %v, the token has %v", name, told, want)
			}
			if !strings.Contains(got.raw, `"tenant":12345678901234567891`) {
				t.Errorf("%s: a number lost digits: %s", name, got.raw)
			}
			rec := k.record(got)
			if rec["endpoint"] != "introspection" || rec["client_id"] != "api" || rec["target_client_id"] != "web" || rec["target_sid"] != k.sid(a) || rec["outcome"] != "active" {
				t.Errorf("%s: the record: %v", name, rec)
			}
		}
	}
	own := k.post(form("grant_type", "password", "username", alice.Name, "password", alice.password, "client_id", backend.ID, "client_secret", backend.secret))
	asPoster := form("client_id", backend.ID, "client_secret", backend.secret, "token", own.str("access_token"))
	told := k.active(k.askAbout(asPoster))
	for _, member := range []string{"active", "scope", "client_id", "token_type", "exp", "iat", "sub", "aud", "iss", "jti", "sid", "auth_time"} {
		if told[member] == nil {
			t.Errorf("%s is missing", member)
		}
	}
	// The API is told of the user what the token says, and no more (RFC 7662 §5).
	if told["username"] != nil || told["password"] != nil {
		t.Errorf("told more: %v", told)
	}
	jwt := k.askAbout(asPoster, func(r *http.Request) { r.Header.Set("Accept", "application/token-introspection+jwt") })
	k.active(jwt) // RFC 9701 is not offered
	if bytes.Contains([]byte(k.log.String()), []byte(own.str("access_token"))) {
		t.Error("an access token is in the log")
	}
}

func sameMembers(a, b map[string]any) bool {
	one, _ := json.Marshal(a)
	two, _ := json.Marshal(b)
	return bytes.Equal(one, two)
}

// TestIntrospectIsolation: nobody is told of tokens that are neither theirs
// nor for them (RFC 7662 §4).
func TestIntrospectIsolation(t *testing.T) {
	k := newKit(t, "")
	alice, backend, other := k.addUser("alice"), k.addClient("backend", storage.AuthBasic), k.addClient("other", storage.AuthBasic)
	api, orders := k.addAPI("api", apiAudience), k.addAPI("orders", otherAudience)
	a := k.signIn(alice, backend)
	access, refresh := a.str("access_token"), a.str("refresh_token")
	k.active(k.introspect(backend, access))
	k.active(k.introspect(api, access))
	k.active(k.introspect(backend, refresh))
	k.inactive(k.introspect(orders, access), "neither issued to the client nor for it")
	k.inactive(k.introspect(other, access), "neither issued to the client nor for it") // though it may ask for that audience
	k.inactive(k.introspect(other, refresh), "another client")
	k.inactive(k.introspect(api, refresh), "another client")
	both := k.signIn(alice, backend, "resource", apiAudience)
	both = k.refreshAs(backend, both.str("refresh_token"))
	k.inactive(k.introspect(orders, both.str("access_token")), "neither")
	// A client of the same id is another one.
	k.must(k.store.RemoveClient(t.Context(), backend.ID))
	again := k.addClient("backend", storage.AuthBasic)
	k.inactive(k.introspect(again, access), "no such record")
	k.inactive(k.introspect(again, refresh), "no such record")
	k.inactive(k.introspect(api, access), "no such record")
}

// TestIntrospectNoToken: what this server did not sign, or did not sign so, is
// inactive like what it never saw.
func TestIntrospectNoToken(t *testing.T) {
	k, foreign := newKit(t, ""), newKit(t, "")
	alice, web, api := k.addUser("alice"), k.addClient("web", storage.AuthNone), k.addAPI("api", apiAudience)
	a := k.login(alice, web)
	access := a.str("access_token")
	k.active(k.introspect(api, access))
	parts := strings.Split(access, ".")
	claims := k.claims(access)
	claims["scope"] = "read write admin"
	payload, err := json.Marshal(claims)
	k.must(err)
	forged := func(typ string, change map[string]any) string { return k.forge(a, typ, change).str("access_token") }
	for name, tt := range map[string]struct{ token, why string }{
		"nothing known":     {"rubbish", "not a token"},
		"three parts":       {"a.b.c", "not a token"},
		"a changed claim":   {parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2], "signature"},
		"a cut signature":   {parts[0] + "." + parts[1] + ".", "form"},
		"another issuer's":  {foreign.login(foreign.addUser("alice"), foreign.addClient("web", storage.AuthNone)).str("access_token"), ""},
		"without algorithm": {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + ".", ""},
		"of another type":   {forged("JWT", nil), "typ"},
		"no audience":       {forged("at+jwt", map[string]any{"aud": nil}), "no audience"},
		"no audiences":      {forged("at+jwt", map[string]any{"aud": []string{}}), "no audience"},
		"an odd audience":   {forged("at+jwt", map[string]any{"aud": []any{apiAudience, 1}}), "no audience"},
		"an empty audience": {forged("at+jwt", map[string]any{"aud": []string{apiAudience, ""}}), "no audience"},
		"another iss":       {forged("at+jwt", map[string]any{"iss": "https://other.example"}), "iss"},
		"of no session":     {forged("at+jwt", map[string]any{"sid": "AAAAAAAAAAAAAAAAAAAAAA"}), "no such record"},
		"another user's":    {forged("at+jwt", map[string]any{"sub": "4f1fca7e-7a7b-4a0d-9d3b-0d7b1a2c3d4e"}), "another user or client"},
		"a second ago":      {forged("at+jwt", map[string]any{"exp": time.Now().Unix() - 1}), "expired"},
		"unknown refresh":   {storage.NewRefreshToken().Reveal(), "no such record"},
		"malformed refresh": {a.str("refresh_token") + "A", "not a token"},
		"huge":              {strings.Repeat("A", 20000) + "." + parts[1] + "." + parts[2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := *k
			k.T = t
			k.inactive(k.introspect(api, tt.token), tt.why)
		})
	}
	if strings.Contains(k.log.String(), "hmr_") {
		t.Error("a refresh token is in the log")
	}
}

// TestIntrospectTellsAtOnce what no verifier can know offline.
func TestIntrospectTellsAtOnce(t *testing.T) {
	k := newKit(t, "")
	api := k.addAPI("api", apiAudience)
	backend := k.addClient("backend", storage.AuthBasic, func(c *storage.Client) { c.RetryWindow = 0 })
	for name, tt := range map[string]struct {
		end          func(person, answer)
		access, reft string
	}{
		"a logout": {func(_ person, a answer) {
			k.revoked(k.revoke(form("token", a.str("refresh_token")), basicAuth(backend.ID, backend.secret)), "")
		}, "logged_out", "ended"},
		"a revocation": {func(_ person, a answer) {
			k.must2(k.store.EndSession(t.Context(), k.sessionID(a), storage.EndedRevoked, k.clock.Now()))
		}, "revoked", "ended"},
		"a new password":  {func(p person, _ answer) { k.must2(setPassword(t.Context(), k.store, p.ID, "x", k.clock.Now())) }, "password_changed", "ended"},
		"a disabled user": {func(p person, _ answer) { k.must2(setDisabled(t.Context(), k.store, p.ID, true, k.clock.Now())) }, "user_disabled", "ended"},
		"a removed user":  {func(p person, _ answer) { k.must2(k.store.RemoveUser(t.Context(), p.ID)) }, "no such record", "no such record"},
		"reuse": {func(_ person, a answer) { // RFC 9700 §4.14.2
			k.refreshAs(backend, a.str("refresh_token"))
			k.refused(k.refreshAs(backend, a.str("refresh_token")), 400, "invalid_grant", "superseded")
		}, "reused", "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			k := *k
			k.T = t
			user := k.addUser(name)
			a := k.signIn(user, backend)
			k.active(k.introspect(api, a.str("access_token")))
			k.active(k.introspect(backend, a.str("refresh_token")))
			tt.end(user, a)
			k.inactive(k.introspect(api, a.str("access_token")), tt.access)
			k.inactive(k.introspect(backend, a.str("refresh_token")), tt.reft)
		})
	}
}

// TestIntrospectRevokedKey: a token of a key that was revoked is active no
// more, its session is.
func TestIntrospectRevokedKey(t *testing.T) {
	k := newKit(t, "")
	alice, backend, api := k.addUser("alice"), k.addClient("backend", storage.AuthBasic), k.addAPI("api", apiAudience)
	a := k.signIn(alice, backend)
	kid := k.part(a.str("access_token"), 0)["kid"].(string)
	_, err := k.keys.Edit(t.Context(), func(r keys.Ring, now keys.Instant, generate keys.Generate) (keys.Ring, error) {
		return r.Revoke(kid, "leaked", now, generate)
	})
	k.must(err)
	k.inactive(k.introspect(api, a.str("access_token")), "key")
	k.active(k.introspect(backend, a.str("refresh_token")))
	k.active(k.introspect(api, k.refreshAs(backend, a.str("refresh_token")).str("access_token")))
}

// TestIntrospectExpiry goes by the wall clock to the second: other verifiers
// have a leeway, the server needs none.
func TestIntrospectExpiry(t *testing.T) {
	k := newKit(t, "")
	alice, backend, api := k.addUser("alice"), k.addClient("backend", storage.AuthBasic), k.addAPI("api", apiAudience)
	a := k.signIn(alice, backend)
	exp := time.Unix(int64(k.claims(a.str("access_token"))["exp"].(float64)), 0)
	k.clock.jump(time.Until(exp) - 3*time.Second)
	k.active(k.introspect(api, a.str("access_token")))
	k.clock.jump(3 * time.Second)
	k.inactive(k.introspect(api, a.str("access_token")), "expired")
	exp = time.Unix(int64(k.active(k.introspect(backend, a.str("refresh_token")))["exp"].(float64)), 0) // idle
	if left := exp.Sub(k.clock.Now()); left > 24*time.Hour || left < 23*time.Hour {
		t.Errorf("the refresh token expires in %v", left)
	}
	k.clock.jump(24 * time.Hour)
	k.inactive(k.introspect(backend, a.str("refresh_token")), "idle or absolute")
}

// TestIntrospectRefreshToken: the client alone is told, by the rules of a
// refresh, and neither a row nor a lineage changes: a spent token that is only
// asked about does not end its session.
func TestIntrospectRefreshToken(t *testing.T) {
	k := newKit(t, "")
	alice := k.addUser("alice")
	backend := k.addClient("backend", storage.AuthBasic)
	strict := k.addClient("strict", storage.AuthBasic, func(c *storage.Client) { c.RetryWindow = 0 })
	first := k.signIn(alice, backend, "scope", "read write").str("refresh_token")
	told := k.active(k.introspect(backend, first, "token_type_hint", "access_token"))
	want := []string{"active", "aud", "auth_time", "client_id", "exp", "iss", "scope", "sid", "sub"}
	if got := slices.Sorted(maps.Keys(told)); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if told["sub"] != alice.ID.String() || told["client_id"] != backend.ID || told["iss"] != k.issuer || told["aud"] != apiAudience || told["scope"] != "read write" {
		t.Errorf("told %v", told)
	}
	second := k.refreshAs(backend, first).str("refresh_token")
	rows := func() int { return k.query(`SELECT sum(generation * 1000 + ended_at + last_used_at) FROM sessions`) }
	before := rows()
	k.active(k.introspect(backend, first)) // inside the retry window
	k.active(k.introspect(backend, second))
	if rows() != before {
		t.Error("asking changed a row")
	}
	spent := k.signIn(alice, strict).str("refresh_token")
	next := k.refreshAs(strict, spent).str("refresh_token")
	before = rows()
	k.inactive(k.introspect(strict, spent), "superseded")
	k.active(k.introspect(strict, next))
	if rows() != before {
		t.Error("asking about a spent token changed a row")
	}
	if a := k.refreshAs(strict, next); a.status != 200 {
		t.Errorf("asking about a spent token ended its session: %s", a.raw)
	}
	k.refused(k.refreshAs(strict, spent), 400, "invalid_grant", "superseded")
	k.exec(`UPDATE sessions SET auth_time = 0`) // as of an old token without iat
	if told := k.active(k.introspect(backend, second)); told["auth_time"] != nil || told["sid"] == nil {
		t.Errorf("nobody knows the sign-in, and told %v", told)
	}
	// A client that may refresh no more has no active refresh token.
	policy := backend.ClientPolicy
	policy.Grants = []string{storage.GrantPassword}
	k.must2(k.store.ChangeClient(t.Context(), backend.ID, storage.ClientChange{Policy: &policy}))
	k.inactive(k.introspect(backend, second), "grant")
}

// TestIntrospectWithoutSession: a token of a client that gets no refresh tokens
// is active while its user and client are.
func TestIntrospectWithoutSession(t *testing.T) {
	k := newKit(t, "")
	api := k.addAPI("api", apiAudience)
	once := func(id string) app {
		return k.addClient(id, storage.AuthBasic, func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	}
	alice, bob, cli, gone := k.addUser("alice"), k.addUser("bob"), once("cli"), once("gone")
	one, two, three := k.signIn(alice, cli), k.signIn(bob, cli), k.signIn(bob, gone)
	for _, a := range []answer{one, two, three} {
		if told := k.active(k.introspect(api, a.str("access_token"))); told["sid"] != nil {
			t.Errorf("told %v", told)
		}
	}
	k.must2(setDisabled(t.Context(), k.store, alice.ID, true, k.clock.Now()))
	k.inactive(k.introspect(api, one.str("access_token")), "disabled")
	k.must(k.store.RemoveClient(t.Context(), gone.ID))
	k.inactive(k.introspect(api, three.str("access_token")), "no such record")
	k.must2(k.store.RemoveUser(t.Context(), bob.ID))
	k.inactive(k.introspect(api, two.str("access_token")), "no such record")
	forged := k.forge(one, "at+jwt", map[string]any{"sub": "nobody"})
	k.inactive(k.introspect(api, forged.str("access_token")), "UUID")
}

// TestIntrospectRefuses whoever is not a client with a secret, before anything
// about the token is looked at (RFC 7662 §2.1, §2.3).
func TestIntrospectRefuses(t *testing.T) {
	k := newKit(t, "")
	alice, web, api := k.addUser("alice"), k.addClient("web", storage.AuthNone), k.addAPI("api", apiAudience)
	token := k.login(alice, web).str("access_token")
	good := form("token", token)
	twice := with(good)
	twice.Add("token", token)
	for name, tt := range map[string]struct {
		form         url.Values
		edit         func(*http.Request)
		status       int
		code, reason string
	}{
		"no client":           {good, nil, 401, "invalid_client", "no client_id"},
		"a public client":     {with(good, "client_id", web.ID), nil, 401, "invalid_client", "public"},
		"unknown client":      {with(good, "client_id", "nobody", "client_secret", "x"), nil, 401, "invalid_client", "unknown"},
		"without its secret":  {with(good, "client_id", api.ID), nil, 401, "invalid_client", "none used"},
		"the wrong method":    {with(good, "client_id", api.ID, "client_secret", api.secret), nil, 401, "invalid_client", "client_secret_post used"},
		"wrong secret":        {good, basicAuth(api.ID, "wrong"), 401, "invalid_client", "wrong secret"},
		"a bearer":            {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, 401, "invalid_client", "not Basic"},
		"no token, no client": {form(), nil, 401, "invalid_client", "no client_id"},
		"no token":            {form(), basicAuth(api.ID, api.secret), 400, "invalid_request", "no token"},
		"an empty token":      {form("token", ""), basicAuth(api.ID, api.secret), 400, "invalid_request", "no token"},
		"two tokens":          {twice, basicAuth(api.ID, api.secret), 400, "invalid_request", "token is repeated"},
		"two methods":         {with(good, "client_secret", "x"), basicAuth(api.ID, api.secret), 400, "invalid_request", "more than one"},
		"another client_id":   {with(good, "client_id", web.ID), basicAuth(api.ID, api.secret), 400, "invalid_request", "differs"},
		"in the query": {good, func(r *http.Request) {
			r.SetBasicAuth(api.ID, api.secret)
			r.URL.RawQuery = "token=x"
		}, 400, "invalid_request", "token in the query"},
		"JSON": {good, func(r *http.Request) {
			r.SetBasicAuth(api.ID, api.secret)
			r.Header.Set("Content-Type", "application/json")
		}, 415, "invalid_request", "another"},
		"from a page": {good, func(r *http.Request) {
			r.SetBasicAuth(api.ID, api.secret)
			r.Header.Set("Origin", spa)
		}, 400, "unauthorized_client", "origin"},
	} {
		t.Run(name, func(t *testing.T) {
			k := *k
			k.T = t
			edit := tt.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			a := k.askAbout(tt.form, edit)
			k.refused(a, tt.status, tt.code, tt.reason)
			if strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") != (tt.status == 401) || a.body["active"] != nil {
				t.Errorf("answered %v %s", a.header, a.raw)
			}
		})
	}
	public, unknown := k.askAbout(with(good, "client_id", web.ID)), k.askAbout(with(good, "client_id", "nobody"))
	if public.raw != unknown.raw {
		t.Error("a public client can be told from an unknown one")
	}
	get := k.askAbout(form(), basicAuth(api.ID, api.secret), func(r *http.Request) { r.Method = "GET" })
	k.refused(get, 405, "invalid_request", "GET")
	// An API cannot sign anybody in.
	k.refused(k.post(form("grant_type", "password", "username", alice.Name, "password", alice.password), basicAuth(api.ID, api.secret)), 400, "unauthorized_client", "grants are []")
	// Without a store nobody knows: to say that it is inactive would sign users out.
	k.must(k.store.Close())
	k.refused(k.askAbout(good, basicAuth(api.ID, api.secret)), 503, "temporarily_unavailable", "")
}

// TestIntrospectStoreFails in the middle: neither true nor false is answered.
func TestIntrospectStoreFails(t *testing.T) {
	broken := &brokenLook{}
	k := newKit(t, "", func(c *server.Config) {
		broken.Store = c.Store
		c.Store = broken
	})
	alice, backend := k.addUser("alice"), k.addClient("backend", storage.AuthBasic)
	a := k.signIn(alice, backend)
	for _, verb := range []string{"session", "user", "service time"} {
		broken.verb = verb
		k.refused(k.introspect(backend, a.str("refresh_token")), 503, "temporarily_unavailable", verb)
		if verb != "service time" {
			k.refused(k.introspect(backend, a.str("access_token")), 503, "temporarily_unavailable", verb)
		}
	}
	broken.verb = ""
	k.active(k.introspect(backend, a.str("access_token")))
}

// A brokenLook is a store of which one verb is away.
type brokenLook struct {
	server.Store
	verb string
}

func (b *brokenLook) fails(verb string) error {
	if b.verb != verb {
		return nil
	}
	return fmt.Errorf("%w: %s", storage.ErrUnavailable, verb)
}

func (b *brokenLook) SessionByID(ctx context.Context, id storage.SessionID) (storage.SessionEntry, error) {
	if err := b.fails("session"); err != nil {
		return storage.SessionEntry{}, err
	}
	return b.Store.SessionByID(ctx, id)
}

func (b *brokenLook) UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) {
	if err := b.fails("user"); err != nil {
		return storage.User{}, err
	}
	return b.Store.UserByID(ctx, id)
}

func (b *brokenLook) ServiceTime(ctx context.Context) (storage.ServiceTime, error) {
	if err := b.fails("service time"); err != nil {
		return 0, err
	}
	return b.Store.ServiceTime(ctx)
}
