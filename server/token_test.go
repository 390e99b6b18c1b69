package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

func basicAuth(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// TestTokenRefuses goes through the ways in which a request can be wrong
// before any grant looks at it.
func TestTokenRefuses(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	public := k.addClient("web", storage.AuthNone)
	backend := k.addClient("backend", storage.AuthBasic)
	poster := k.addClient("poster", storage.AuthPost)
	narrow := k.addClient("narrow", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantRefreshToken} })
	good := form("grant_type", "password", "username", user.Name, "password", user.password, "client_id", public.ID)
	without := func(name string) url.Values { v := with(good); v.Del(name); return v }
	twice := func(name, value string) url.Values { v := with(good, name, value); v.Add(name, value); return v }

	tests := []struct {
		name   string
		form   url.Values
		edit   func(*http.Request)
		status int
		code   string
		reason string
	}{
		{"no grant_type", without("grant_type"), nil, 400, "invalid_request", "no grant_type"},
		{"empty grant_type", with(good, "grant_type", ""), nil, 400, "invalid_request", "no grant_type"},
		{"unknown grant_type", with(good, "grant_type", "foo"), nil, 400, "unsupported_grant_type", ""},
		{"grant_type in another case", with(good, "grant_type", "Password"), nil, 400, "unsupported_grant_type", ""},
		{"grant_type not allowed to the client", with(good, "client_id", narrow.ID), nil, 400, "unauthorized_client", ""},
		{"no username", without("username"), nil, 400, "invalid_request", "no username"},
		{"empty username", with(good, "username", ""), nil, 400, "invalid_request", "no username"},
		{"no password", without("password"), nil, 400, "invalid_request", "no password"},
		{"empty password", with(good, "password", ""), nil, 400, "invalid_request", "no password"},
		{"no refresh_token", form("grant_type", "refresh_token", "client_id", public.ID), nil, 400, "invalid_request", "no refresh_token"},
		{"repeated username", twice("username", user.Name), nil, 400, "invalid_request", "repeated"},
		{"repeated scope", twice("scope", "read"), nil, 400, "invalid_request", "repeated"},
		{"repeated unknown", twice("foo", "bar"), nil, 400, "invalid_request", "repeated"},
		{"malformed scope", with(good, "scope", `re"ad`), nil, 400, "invalid_scope", "scope-token"},
		{"scope of nobody", with(good, "scope", "read everything"), nil, 400, "invalid_scope", "not allowed"},
		{"scope in another case", with(good, "scope", "READ"), nil, 400, "invalid_scope", "not allowed"},
		{"relative resource", with(good, "resource", "/x"), nil, 400, "invalid_target", "absolute"},
		{"resource with fragment", with(good, "resource", apiAudience+"#x"), nil, 400, "invalid_target", "absolute"},
		{"unknown resource", with(good, "resource", "https://unknown.example"), nil, 400, "invalid_target", "not allowed"},
		{"JSON", good, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 415, "invalid_request", "Content-Type"},
		{"multipart", good, func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=b") }, 415, "invalid_request", "Content-Type"},
		{"credentials in the query", good, func(r *http.Request) { r.URL.RawQuery = "password=x" }, 400, "invalid_request", "password in the query"},
		{"GET", good, func(r *http.Request) { r.Method = "GET" }, 405, "invalid_request", ""},
		{"DELETE", good, func(r *http.Request) { r.Method = "DELETE" }, 405, "invalid_request", ""},
		{"too large", with(good, "pad", strings.Repeat("x", 64<<10)), nil, 413, "invalid_request", ""},

		{"no client", without("client_id"), nil, 400, "invalid_client", "no client_id"},
		{"unknown client", with(good, "client_id", "nobody"), nil, 400, "invalid_client", "unknown client_id"},
		{"confidential client without secret", with(good, "client_id", backend.ID), nil, 400, "invalid_client", "none used"},
		{"secret in the body of a Basic client", with(good, "client_id", backend.ID, "client_secret", backend.secret), nil, 400, "invalid_client", "client_secret_post used"},
		{"wrong secret in the body", with(good, "client_id", poster.ID, "client_secret", backend.secret), nil, 400, "invalid_client", "wrong secret"},
		{"two methods", with(good, "client_id", backend.ID, "client_secret", backend.secret), basicAuth(backend.ID, backend.secret), 400, "invalid_request", "more than one client authentication"},
		{"Basic for one, client_id of another", good, basicAuth(backend.ID, backend.secret), 400, "invalid_request", "differs"},
		{"wrong secret by Basic", without("client_id"), basicAuth(backend.ID, poster.secret), 401, "invalid_client", "wrong secret"},
		{"unknown client by Basic", without("client_id"), basicAuth("nobody", poster.secret), 401, "invalid_client", "unknown client_id"},
		{"the user's password as a client's", form("grant_type", "password"), basicAuth(user.Name, user.password), 401, "invalid_client", "unknown client_id"},
		{"Bearer", without("client_id"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client", "not Basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := *k
			k.T = t
			a := k.post(tt.form, func(r *http.Request) {
				if tt.edit != nil {
					tt.edit(r)
				}
			})
			k.refused(a, tt.status, tt.code, tt.reason)
			if challenge := a.header.Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(challenge, "Basic realm=") {
				t.Errorf("status %d with challenge %q", a.status, challenge)
			}
			if tt.status == 405 && a.header.Get("Allow") != "POST, OPTIONS" {
				t.Errorf("405 with Allow %q", a.header.Get("Allow"))
			}
			for _, secret := range []string{user.password, backend.secret, poster.secret} {
				if strings.Contains(a.raw+k.log.String(), secret) {
					t.Errorf("a secret is in the answer or the log")
				}
			}
		})
	}
}

func TestUnknownClientLooksLikeWrongSecret(t *testing.T) {
	k := newKit(t, "")
	backend := k.addClient("backend", storage.AuthBasic)
	unknown := k.post(form("grant_type", "password"), basicAuth("nobody", backend.secret))
	wrong := k.post(form("grant_type", "password"), basicAuth(backend.ID, storage.RandomSecret().Reveal()))
	if unknown.status != wrong.status || unknown.raw != wrong.raw {
		t.Errorf("unknown: %d %s; wrong secret: %d %s", unknown.status, unknown.raw, wrong.status, wrong.raw)
	}
}

// TestPasswordGrant follows one answer into every member and claim.
func TestPasswordGrant(t *testing.T) {
	k := newKit(t, "/auth") // an issuer with a path
	user := k.addUser("zoë", func(u *storage.User) {
		u.Claims = storage.UserClaims{Roles: []string{"editor"}, Groups: []string{"staff"}, Extra: map[string]any{"tenant": "t1", "secretive": true, "iss": "https://evil.example"}}
	})
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) {
		c.Claims = []string{"roles", "tenant", "iss"}
		c.AccessLifetime = 5 * time.Minute
	})
	before := time.Now().Unix()
	a := k.login(user, client, "scope", "write read", "resource", otherAudience, "foo", "bar", "nonsense", "")
	if a.str("token_type") != "Bearer" || a.body["expires_in"] != 300.0 || a.str("scope") != "write read" || !strings.HasPrefix(a.str("refresh_token"), "hmr_") {
		t.Errorf("answered %s", a.raw)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json", "Set-Cookie": "", "Strict-Transport-Security": ""} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	head, c := k.part(a.str("access_token"), 0), k.claims(a.str("access_token"))
	if head["typ"] != "at+jwt" || head["alg"] != "ES256" || head["kid"] == "" || len(head) != 3 {
		t.Errorf("header %v", head)
	}
	want := map[string]any{"iss": k.issuer, "sub": user.ID.String(), "aud": otherAudience, "client_id": "web", "scope": "write read", "tenant": "t1"}
	for name, v := range want {
		if c[name] != v {
			t.Errorf("%s = %v, want %v", name, c[name], v)
		}
	}
	if iat, exp := c["iat"].(float64), c["exp"].(float64); int64(iat) < before || int64(iat) > time.Now().Unix() || exp-iat != 300 || c["auth_time"] != iat {
		t.Errorf("iat %v exp %v auth_time %v", iat, exp, c["auth_time"])
	}
	for _, absent := range []string{"nbf", "groups", "entitlements", "secretive", "tenant_id", "username"} {
		if _, ok := c[absent]; ok {
			t.Errorf("claim %s is there", absent)
		}
	}
	if sid, _ := c["sid"].(string); len(sid) != 22 || strings.Contains(a.str("refresh_token"), sid) {
		t.Errorf("sid %q", c["sid"])
	}
}

// TestAlgorithmsAndMethods: each client gets the algorithm of its record, and
// confidential clients by either method.
func TestAlgorithmsAndMethods(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	rs := func(c *storage.Client) { c.Algorithm = "RS256" }
	v := form("grant_type", "password", "username", user.Name, "password", user.password)
	backend := k.addClient("backend", storage.AuthBasic, rs)
	if a := k.post(v, basicAuth(backend.ID, backend.secret)); a.status != 200 || k.part(a.str("access_token"), 0)["alg"] != "RS256" {
		t.Errorf("client_secret_basic: %d %s", a.status, a.raw)
	}
	poster := k.addClient("poster", storage.AuthPost)
	if a := k.post(with(v, "client_id", poster.ID, "client_secret", poster.secret)); a.status != 200 || k.part(a.str("access_token"), 0)["alg"] != "ES256" {
		t.Errorf("client_secret_post: %d %s", a.status, a.raw)
	}
	unheard := k.addClient("unheard", storage.AuthNone, func(c *storage.Client) { c.Algorithm = "ES512" })
	if a := k.login(user, unheard); k.part(a.str("access_token"), 0)["alg"] != "ES256" {
		t.Errorf("a client of an algorithm without a line got %v", k.part(a.str("access_token"), 0))
	}
}

func TestSeveralResources(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	v := form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password,
		"resource", apiAudience, "resource", otherAudience)
	a := k.post(v)
	got, _ := k.claims(a.str("access_token"))["aud"].([]any)
	if !slices.Equal(got, []any{apiAudience, otherAudience}) {
		t.Fatalf("aud = %v", got)
	}
	narrowed := k.refresh(client, a.str("refresh_token"), "resource", otherAudience)
	if aud := k.claims(narrowed.str("access_token"))["aud"]; aud != otherAudience {
		t.Errorf("narrowed aud = %v", aud)
	}
	full := k.refresh(client, narrowed.str("refresh_token"))
	if got, _ := k.claims(full.str("access_token"))["aud"].([]any); len(got) != 2 {
		t.Errorf("the session lost a resource: %v", got)
	}
}

// TestNoSessionWithoutRefreshGrant: access tokens cost no rows.
func TestNoSessionWithoutRefreshGrant(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("cli", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	a := k.login(user, client)
	if _, sid := k.claims(a.str("access_token"))["sid"]; sid || a.str("refresh_token") != "" {
		t.Errorf("answered %s with sid %v", a.raw, sid)
	}
	if got := k.query(`SELECT count(*) FROM sessions`); got != 0 {
		t.Errorf("the store has %d sessions", got)
	}
}

// TestChangesWhileSigningIn: who is disabled while the password is being
// checked gets nothing, and is told so no sooner than others.
func TestChangesWhileSigningIn(t *testing.T) {
	for _, grants := range [][]string{{storage.GrantPassword}, {storage.GrantPassword, storage.GrantRefreshToken}} {
		const after = 2 * time.Second // longer than the hash takes
		k := newKit(t, "", func(c *server.Config) {
			c.FailAfter = after
			c.Passwords = password.New(password.Config{Workers: 1, MaxWait: 30 * time.Second, Params: cheap})
		})
		client := k.addClient("cli", storage.AuthNone, func(c *storage.Client) { c.Grants = grants })
		slow := password.New(password.Config{Workers: 1, Params: password.Params{Memory: 32 << 10, Time: 6, Threads: 1}})
		user := k.addUser("alice")
		hash, err := slow.Hash(t.Context(), storage.NewSecret(user.password))
		k.must(err)
		k.must(k.store.Rehash(t.Context(), user.ID, user.PasswordHash, hash))
		began := time.Now()
		answered := make(chan answer)
		go func() {
			answered <- k.post(form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password))
		}()
		time.Sleep(50 * time.Millisecond) // it is being hashed
		_, err = setDisabled(t.Context(), k.store, user.ID, true, time.Now())
		k.must(err)
		k.refused(<-answered, 400, "invalid_grant", "disabled")
		if took := time.Since(began); took < after {
			t.Errorf("answered after %v, before %v", took, after)
		}
	}
}

// TestNeverWithoutAudience: a client with several audiences and no default
// must say which; a token for nobody in particular would be good everywhere.
func TestNeverWithoutAudience(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.DefaultAudiences = nil })
	v := form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password)
	k.refused(k.post(v), 400, "invalid_target", "no audience")
	k.login(user, client, "resource", apiAudience)
}

// TestUserClaims: a client sees those of the user's claims that its record
// asks for, as they are now.
func TestUserClaims(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice", func(u *storage.User) {
		u.Claims = storage.UserClaims{Roles: []string{"editor"}, Groups: []string{"staff"}, Entitlements: []string{"beta"}}
	})
	names := []string{"roles", "groups", "entitlements"}
	values := map[string]string{"roles": "editor", "groups": "staff", "entitlements": "beta"}
	var last answer
	for i, wanted := range names {
		client := k.addClient("web-"+wanted, storage.AuthNone, func(c *storage.Client) { c.Claims = []string{wanted} })
		last = k.login(user, client)
		c := k.claims(last.str("access_token"))
		for j, name := range names {
			if got := strs(c[name]); i == j && !slices.Equal(got, []string{values[name]}) || i != j && got != nil {
				t.Errorf("a client of %s got %s %q", wanted, name, got)
			}
		}
	}
	k.exec(`UPDATE users SET claims = '{"entitlements":["gold"]}' WHERE name = 'alice'`)
	again := k.refresh(app{Client: storage.Client{ID: "web-entitlements"}}, last.str("refresh_token"))
	if got := strs(k.claims(again.str("access_token"))["entitlements"]); !slices.Equal(got, []string{"gold"}) {
		t.Errorf("after the change a refresh says %q", got)
	}
}

// TestShortestLifetime: a token is good for a second at least.
func TestShortestLifetime(t *testing.T) {
	k := newKit(t, "")
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.AccessLifetime = time.Millisecond })
	if a := k.login(k.addUser("alice"), client); a.body["expires_in"] != 1.0 {
		t.Errorf("expires_in %v", a.body["expires_in"])
	}
}

// TestLifetimeIsBoundByKeys: no token outlives the publication of its key.
func TestLifetimeIsBoundByKeys(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.AccessLifetime = 1000 * time.Hour })
	a := k.login(user, client)
	if got, most := a.body["expires_in"].(float64), k.keys.Ring().Schedule().LongestToken().Seconds(); got > most || got < most-1 {
		t.Errorf("expires_in %v, keys allow %v", got, most)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	k := newKit(t, "/auth")
	for _, path := range []string{"", "/", "/oauth2/token/", "//oauth2/token", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/.well-known/jwks.json/x"} {
		r, _ := http.NewRequest("POST", k.issuer+path, nil)
		if a := k.do(r); a.status != 404 || a.str("error") == "" {
			t.Errorf("POST %s answered %d %s", path, a.status, a.raw)
		}
	}
}
