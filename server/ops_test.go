package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// A bureau is the operators' listener of a kit, and an operator's program.
type bureau struct {
	*kit
	ops   *httptest.Server
	op    *operator.Operator
	token string
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{}
	b.open(newKit(t, "", b.hire))
	return b
}

// hire is the option for a kit with an operator.
func (b *bureau) hire(cfg *server.Config) {
	b.op = &operator.Operator{Passwords: cfg.Passwords, Log: cfg.Log, By: "test"}
	cfg.Operator = b.op
}

// open serves the operators of a kit that was made with hire.
func (b *bureau) open(k *kit) {
	b.kit = k
	b.op.Users, b.op.Clients, b.op.Sessions, b.op.Tokens, b.op.Audit, b.op.Keys = b.store, b.store, b.store, b.store, b.store, b.keys
	b.op.Trial = b.keys.DryRun()
	b.ops = httptest.NewServer(b.server.OpsHandler())
	b.Cleanup(b.ops.Close)
	b.token = b.newToken("all", time.Hour, "users", "clients", "sessions", "keys", "audit")
}

func (b *bureau) newToken(name string, lifetime time.Duration, scopes ...string) string {
	b.Helper()
	_, secret, err := b.op.AddToken(b.Context(), name, scopes, lifetime)
	b.must(err)
	return secret.Reveal()
}

// call sends a request with the token and, unless it is nil, a body.
func (b *bureau) call(method, path string, body any, edit ...func(*http.Request)) answer {
	b.Helper()
	var text string
	switch v := body.(type) {
	case nil:
	case string:
		text = v
	default:
		raw, err := json.Marshal(v)
		b.must(err)
		text = string(raw)
	}
	r, err := http.NewRequest(method, b.ops.URL+path, strings.NewReader(text))
	b.must(err)
	r.Header.Set("Authorization", "Bearer "+b.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	return b.do(r)
}

// want is call for what must be answered so.
func (b *bureau) want(status int, method, path string, body any) answer {
	b.Helper()
	a := b.call(method, path, body)
	if a.status != status {
		b.Fatalf("%s %s answered %d %s, want %d", method, path, a.status, a.raw, status)
	}
	return a
}

type members = map[string]any

// names lists one member of each record of a list.
func (a answer) names(list, member string) (names []string) {
	records, _ := a.body[list].([]any)
	for _, r := range records {
		names = append(names, fmt.Sprint(r.(map[string]any)[member]))
	}
	return names
}

// TestOpsUsers is a user's life by the operators' API.
func TestOpsUsers(t *testing.T) {
	b := newBureau(t)
	web := b.addClient("web", storage.AuthNone)
	first := storage.RandomSecret().Reveal()
	made := b.want(201, "POST", "/users", members{"username": "ada", "password": first, "roles": []string{"admin"}, "extra": members{"team": "core"}})
	at := made.header.Get("Location")
	if at != "/users/"+made.str("sub") || strings.Contains(made.raw, "hash") || made.body["has_password"] != true {
		t.Errorf("made %s at %s", made.raw, at)
	}
	ada := person{User: storage.User{Name: "ada"}, password: first}
	b.login(ada, web)

	if got := b.want(200, "GET", at, nil); got.raw != made.raw {
		t.Errorf("shows %s, made %s", got.raw, made.raw)
	}
	edited := b.want(200, "PATCH", at, members{"username": "lovelace", "groups": []string{"maths"}})
	if edited.str("username") != "lovelace" || fmt.Sprint(edited.body["roles"], edited.body["groups"], edited.body["extra"]) != "[admin] [maths] map[team:core]" {
		t.Errorf("edited to %s", edited.raw)
	}
	ada.Name = "lovelace"
	tokens := b.login(ada, web)

	second := storage.RandomSecret().Reveal()
	b.want(200, "PATCH", at, members{"password": second})
	b.refused(b.refresh(web, tokens.str("refresh_token")), 400, "invalid_grant", "ended")
	ada.password = second
	tokens = b.login(ada, web)
	b.want(200, "PATCH", at, members{"disabled": true})
	b.refused(b.refresh(web, tokens.str("refresh_token")), 400, "invalid_grant", "ended")
	b.want(200, "PATCH", at, members{"disabled": false})
	b.login(ada, web)

	b.addUser("bob")
	b.addUser("carol")
	if got := b.want(200, "GET", "/users?limit=2", nil); !slices.Equal(got.names("users", "username"), []string{"bob", "carol"}) || got.str("next") != "carol" {
		t.Errorf("the first page is %s", got.raw)
	}
	if got := b.want(200, "GET", "/users?limit=2&after=carol", nil); !slices.Equal(got.names("users", "username"), []string{"lovelace"}) || got.str("next") != "" {
		t.Errorf("the second page is %s", got.raw)
	}
	if got := b.want(200, "GET", "/users?username=bob", nil); !slices.Equal(got.names("users", "username"), []string{"bob"}) {
		t.Errorf("found %s", got.raw)
	}
	if got := b.want(200, "GET", "/users?username=nobody", nil); got.raw != `{"users":[]}`+"\n" {
		t.Errorf("found %s", got.raw)
	}
	if got := b.want(200, "DELETE", at, nil); fmt.Sprint(got.body["sessions_ended"]) == "0" {
		t.Errorf("removed with %s", got.raw)
	}
	b.want(404, "GET", at, nil)
	b.want(404, "DELETE", at, nil)
}

// TestOpsPutUser: an importer can repeat itself, in parallel too, and a
// password that was changed here meanwhile stays.
func TestOpsPutUser(t *testing.T) {
	b := newBureau(t)
	web := b.addClient("web", storage.AuthNone)
	elsewhere := b.addUser("elsewhere") // whose hash comes from another system
	b.want(200, "DELETE", "/users/"+elsewhere.ID.String(), nil)
	path := "/users/by-foreign-id/" + url.PathEscape("django/42 é")
	ada := members{"username": "ada", "password_hash": elsewhere.PasswordHash, "roles": []string{"staff"}}

	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses, subs := map[int]int{}, map[string]bool{}
	for range 8 {
		wg.Go(func() {
			a := b.call("PUT", path, ada)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
			subs[a.str("sub")] = true
		})
	}
	wg.Wait()
	if statuses[201] != 1 || statuses[200] != 7 || len(subs) != 1 {
		t.Errorf("answered %v for %d subjects", statuses, len(subs))
	}
	her := person{User: storage.User{Name: "ada"}, password: elsewhere.password}
	tokens := b.login(her, web)
	b.want(200, "PUT", path, ada)
	tokens = b.refresh(web, tokens.str("refresh_token"))
	if tokens.status != 200 {
		t.Errorf("importing her again ended her session: %s", tokens.raw)
	}
	at := "/users/" + b.want(200, "GET", "/users?foreign_id="+url.QueryEscape("django/42 é"), nil).names("users", "sub")[0]
	her.password = storage.RandomSecret().Reveal()
	b.want(200, "PATCH", at, members{"password": her.password})
	put := b.want(200, "PUT", path, members{"username": "countess", "password_hash": elsewhere.PasswordHash})
	if put.body["roles"] != nil || put.str("username") != "countess" {
		t.Errorf("put as %s", put.raw)
	}
	her.Name = "countess"
	b.login(her, web)

	b.refused(b.call("PUT", path, members{"username": "ada", "foreign_id": "43"}), 400, "invalid_request", "foreign_id")
	b.addUser("bob")
	b.refused(b.call("PUT", path, members{"username": "bob"}), 409, "invalid_request", "bob")
}

// TestOpsClients is a client's life by the operators' API: its secret is
// replaced without an outage, and when it leaks, at once.
func TestOpsClients(t *testing.T) {
	b := newBureau(t)
	ada := b.addUser("ada")
	made := b.want(201, "POST", "/clients", members{
		"client_id": "web", "client_name": "The site", "token_endpoint_auth_method": "client_secret_post",
		"audiences": []string{apiAudience}, "scope": "read write", "default_scope": "read", "access_lifetime": 90.0,
	})
	at := made.header.Get("Location")
	secrets := []string{made.str("client_secret")}
	if at != "/clients/web" || len(secrets[0]) < 40 || made.body["retry_window"] != 90.0 || made.body["rotate"] != true || made.body["secrets"] != 1.0 {
		t.Errorf("made %s at %s", made.raw, at)
	}
	works := func(secret string) bool {
		a := b.post(form("grant_type", "password", "client_id", "web", "client_secret", secret, "username", ada.Name, "password", ada.password))
		return a.status == 200 && a.body["expires_in"] == 90.0
	}
	if shown := b.want(200, "GET", at, nil); shown.str("client_secret") != "" || !works(secrets[0]) {
		t.Errorf("shows %s", shown.raw)
	}
	second := b.want(201, "POST", at+"/secrets", members{})
	secrets = append(secrets, second.str("client_secret"))
	if second.body["secrets"] != 2.0 || !works(secrets[0]) || !works(secrets[1]) {
		t.Error("of two secrets, both must work")
	}
	b.refused(b.call("POST", at+"/secrets", members{}), 409, "invalid_request", "secret")
	b.want(200, "DELETE", at+"/secrets", nil)
	if works(secrets[0]) || !works(secrets[1]) {
		t.Error("of a dropped secret and a new one, the new one alone must work")
	}
	leaked := b.want(201, "POST", at+"/secrets", members{"replace": true})
	if works(secrets[1]) || !works(leaked.str("client_secret")) {
		t.Error("of a leaked secret and its replacement, the replacement alone must work")
	}

	edited := b.want(200, "PATCH", at, members{"client_name": "Site", "scope": "read", "access_lifetime": 60})
	if edited.str("client_name") != "Site" || edited.str("scope") != "read" || edited.body["access_lifetime"] != 60.0 || edited.str("default_scope") != "read" {
		t.Errorf("edited to %s", edited.raw)
	}
	b.refused(b.call("PATCH", at, members{"client_id": "other", "token_endpoint_auth_method": "none"}), 400, "invalid_request", "client_id")
	b.refused(b.call("PATCH", at, members{"access_lifetime": 1e300}), 400, "invalid_request", "access_lifetime")
	b.refused(b.call("PATCH", at, members{"default_scope": "admin"}), 400, "invalid_request", "default_scope")
	b.refused(b.call("POST", "/clients", members{"client_id": "web", "audiences": []string{apiAudience}}), 409, "invalid_request", "web")

	api := b.want(201, "POST", "/clients", members{"client_id": "api", "token_endpoint_auth_method": "client_secret_basic", "introspects": []string{apiAudience}})
	if !strings.Contains(api.raw, `"grant_types":[]`) || !strings.Contains(api.raw, `"audiences":[]`) || !slices.Equal(strs(api.body["introspects"]), []string{apiAudience}) {
		t.Errorf("made %s", api.raw)
	}
	b.active(b.introspect(app{storage.Client{ID: "api"}, api.str("client_secret")}, b.login(ada, b.addClient("spa", storage.AuthNone)).str("access_token")))
	b.refused(b.call("PATCH", "/clients/api", members{"introspects": []string{}}), 400, "invalid_request", "grant_types")
	b.refused(b.call("POST", "/clients", members{"introspects": []string{apiAudience}}), 400, "invalid_request", "introspects")
	b.want(204, "DELETE", "/clients/api", nil)
	b.want(204, "DELETE", "/clients/spa", nil)

	public := b.want(201, "POST", "/clients", members{"client_id": "app", "audiences": []string{apiAudience}})
	if public.str("client_secret") != "" || public.str("token_endpoint_auth_method") != "none" {
		t.Errorf("made %s", public.raw)
	}
	if got := b.want(200, "GET", "/clients", nil).names("clients", "client_id"); !slices.Equal(got, []string{"app", "web"}) {
		t.Errorf("lists %v", got)
	}
	tokens := b.login(ada, app{Client: storage.Client{ID: "app"}})
	b.want(204, "DELETE", "/clients/app", nil)
	b.refused(b.refresh(app{Client: storage.Client{ID: "app"}}, tokens.str("refresh_token")), 400, "invalid_client", "unknown client_id")
	b.want(404, "GET", "/clients/app", nil)
}

// TestOpsAuthorization: every act wants an operator token of its area, and
// "read" is enough for looking.
func TestOpsAuthorization(t *testing.T) {
	b := newBureau(t)
	web, ada := b.addClient("web", storage.AuthNone), b.addUser("ada")
	access := b.login(ada, web).str("access_token")
	expired := b.newToken("expired", time.Second, "read", "users", "clients", "sessions", "keys")
	removed := b.newToken("removed", time.Hour, "users")
	b.must(b.op.RemoveToken(b.Context(), "removed"))
	read := b.newToken("reader", time.Hour, "read")
	areas := map[string]string{}
	for _, area := range []string{"users", "clients", "sessions", "keys"} {
		areas[area] = b.newToken("for-"+area, time.Hour, area)
	}
	time.Sleep(1100 * time.Millisecond) // until expired is

	for _, route := range server.OpsRoutes() {
		path := strings.NewReplacer("{sub}", ada.ID.String(), "{client_id}", "web", "{sid}", strings.Repeat("A", 22), "{kid}", "nobody", "{foreign_id}", "1").Replace(route.Path)
		with := func(authorization string) answer {
			return b.call(route.Method, path, nil, func(r *http.Request) {
				r.Header.Del("Authorization")
				if authorization != "" {
					r.Header.Set("Authorization", authorization)
				}
			})
		}
		b.refused(with(""), 401, "invalid_request", "no Authorization")
		for reason, token := range map[string]string{
			"malformed": access, "unknown": "hmo_" + strings.Repeat("A", 43), "expired": expired, "no such record": removed,
		} {
			a := with("Bearer " + token)
			if reason == "no such record" {
				reason = "unknown"
			}
			b.refused(a, 401, "invalid_token", reason)
			if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || !strings.Contains(got, `error="invalid_token"`) {
				t.Errorf("challenges with %q", got)
			}
		}
		for area, token := range areas {
			a := with("Bearer " + token)
			if area == route.Area && (a.status == 401 || a.status == 403) {
				t.Errorf("%s %s answered %d to a token for %s", route.Method, route.Path, a.status, area)
			}
			if area != route.Area {
				b.refused(a, 403, "insufficient_scope", area)
			}
		}
		if a := with("Bearer " + read); (a.status == 403) != (route.Method != "GET") {
			t.Errorf("%s %s answered %d to a token for reading", route.Method, route.Path, a.status)
		}
		if a := b.call("BREW", path, nil); a.status != 405 || !strings.Contains(a.header.Get("Allow"), route.Method) {
			t.Errorf("BREW %s answered %d, allowing %q", route.Path, a.status, a.header.Get("Allow"))
		}
	}
	if rec := b.record(b.call("GET", "/users", nil)); rec["operator"] != "all" || rec["act"] != "GET /users" {
		t.Errorf("recorded %v", rec)
	}
	b.want(201, "POST", "/users", members{"username": "bob"})
	if !strings.Contains(b.log.String(), `"by":"token all"`) {
		t.Error("no record says in whose name the user was added")
	}
	for _, token := range append([]string{read, expired, removed, b.token}, access) {
		if strings.Contains(b.log.String(), token) {
			t.Error("a token is in the log")
		}
	}
}

// TestOpsRefusals: what is wrong is said all at once, with what to do, and
// nothing is done.
func TestOpsRefusals(t *testing.T) {
	b := newBureau(t)
	ada := b.addUser("ada", func(u *storage.User) { u.ForeignID = "17" })
	at := "/users/" + ada.ID.String()
	tests := []struct {
		name, method, path string
		body               any
		status             int
		code, reason       string
		fields             []string
	}{
		{"many at once", "POST", "/users", members{"username": "", "password": "x", "roles": []string{""}, "extra": members{"iss": 1}}, 400, "invalid_request", "name", []string{"username", "password", "roles", "extra"}},
		{"unknown members", "POST", "/users", members{"username": "eve", "admin": true, "Password": "x"}, 400, "invalid_request", "admin", []string{"Password", "admin"}},
		{"a wrong type", "POST", "/users", members{"username": 1}, 400, "invalid_request", "username", []string{"username"}},
		{"a password and a hash", "POST", "/users", members{"username": "eve", "password": storage.RandomSecret().Reveal(), "password_hash": ada.PasswordHash}, 400, "invalid_request", "password", nil},
		{"a hash of no kind", "POST", "/users", members{"username": "eve", "password_hash": "$unheard-of$"}, 400, "invalid_request", "password_hash", []string{"password_hash"}},
		{"a name that is taken", "POST", "/users", members{"username": "ada"}, 409, "invalid_request", "ada", []string{"username"}},
		{"a foreign id that is taken", "POST", "/users", members{"username": "eve", "foreign_id": "17"}, 409, "invalid_request", "foreign", []string{"foreign_id"}},
		{"repeated members", "POST", "/users", `{"username":"eve","username":"mallory"}`, 400, "invalid_request", "repeated", nil},
		{"no object", "POST", "/users", `["eve"]`, 400, "invalid_request", "not one JSON object", nil},
		{"two objects", "POST", "/users", `{"username":"eve"}{}`, 400, "invalid_request", "not one JSON object", nil},
		{"too much", "POST", "/users", `{"username":"` + strings.Repeat("e", 65<<10) + `"}`, 413, "invalid_request", "too large", nil},
		{"an unknown parameter", "GET", "/users?name=ada", nil, 400, "invalid_request", "name", []string{"name"}},
		{"a repeated parameter", "GET", "/users?limit=1&limit=2", nil, 400, "invalid_request", "limit", []string{"limit"}},
		{"no number", "GET", "/users?limit=all", nil, 400, "invalid_request", "limit", []string{"limit"}},
		{"too many", "GET", "/users?limit=1001", nil, 400, "invalid_request", "limit", []string{"limit"}},
		{"two ways to find", "GET", "/users?username=ada&foreign_id=17", nil, 400, "invalid_request", "both", []string{"username"}},
		{"no session id", "GET", "/sessions?after=x", nil, 400, "invalid_request", "session id", []string{"after"}},
		{"nobody", "PATCH", "/users/00000000-0000-4000-8000-000000000000", members{"disabled": true}, 404, "invalid_request", "no such record", nil},
		{"no subject", "GET", "/users/ada", nil, 404, "invalid_request", "UUID", nil},
		{"another spelling", "GET", strings.ToUpper(at[:7]) + at[7:], nil, 404, "invalid_request", "no endpoint", nil},
		{"no session", "DELETE", "/sessions/" + strings.Repeat("A", 22), nil, 404, "invalid_request", "no such record", nil},
		{"no client", "PATCH", "/clients/nobody", members{"scope": ""}, 404, "invalid_request", "no such record", nil},
		{"a client of nothing", "POST", "/clients", members{}, 400, "invalid_request", "audiences", []string{"audiences"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := b.call(tt.method, tt.path, tt.body)
			b.refused(a, tt.status, tt.code, tt.reason)
			var got []string
			for _, p := range a.names("problems", "field") {
				if !slices.Contains(got, p) {
					got = append(got, p)
				}
			}
			if tt.fields != nil && !slices.Equal(got, tt.fields) {
				t.Errorf("complains of %v, want %v: %s", got, tt.fields, a.raw)
			}
			if !strings.HasPrefix(a.str("error_uri"), "https://") || a.str("error_description") == "" {
				t.Errorf("answered %s", a.raw)
			}
		})
	}
	for name, edit := range map[string]func(*http.Request){
		"a form":  func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"no type": func(r *http.Request) { r.Header.Del("Content-Type") },
	} {
		if a := b.call("POST", "/users", members{"username": "eve"}, edit); a.status != 415 {
			t.Errorf("%s was answered %d %s", name, a.status, a.raw)
		}
	}
	if got := b.want(200, "GET", "/users", nil).names("users", "username"); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("what was refused left %v", got)
	}
	b.store.Close()
	for _, call := range []func() answer{
		func() answer { return b.call("GET", "/users", nil) },
		func() answer { return b.call("POST", "/users", members{"username": "eve"}) },
	} {
		if a := call(); a.status != 503 || a.header.Get("Retry-After") == "" || a.str("error") != "temporarily_unavailable" {
			t.Errorf("without its store the server answered %d %s", a.status, a.raw)
		}
	}
}

// TestOpsOpen: the probes and the description want no token, and without an
// operator nothing else is there.
func TestOpsOpen(t *testing.T) {
	k := newKit(t, "")
	ops := httptest.NewServer(k.server.OpsHandler())
	defer ops.Close()
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.json": 200, "/users": 404} {
		r, err := http.NewRequest("GET", ops.URL+path, nil)
		k.must(err)
		if a := k.do(r); a.status != want {
			t.Errorf("%s answered %d", path, a.status)
		}
	}
}

// TestOpsReplicas: a program sees which version each process goes by.
func TestOpsReplicas(t *testing.T) {
	b := newBureau(t)
	b.op.Replicas = b.store.Replicas
	empty := b.want(200, "GET", "/keys", nil)
	if got, ok := empty.body["replicas"].([]any); !ok || len(got) != 0 || empty.body["version"] != 1.0 {
		t.Errorf("without processes: %s", empty.raw)
	}
	now := b.clock.Now()
	r := storage.Replica{ID: uuid.New(), Name: "web-1/17", Version: 1, AdoptedAt: now.Add(-time.Hour), SeenAt: now}
	b.must(b.store.ReportReplica(b.Context(), r))
	b.want(200, "POST", "/keys/rotate", members{"alg": "ES256", "now": true})
	a := b.want(200, "GET", "/keys", nil)
	want := members{
		"id": r.ID.String(), "name": "web-1/17", "version": 1.0, "state": "behind",
		"since": r.AdoptedAt.UTC().Format(time.RFC3339), "last_seen": r.SeenAt.UTC().Format(time.RFC3339),
	}
	if got := a.body["replicas"].([]any); len(got) != 1 || !maps.Equal(got[0].(map[string]any), want) || a.body["version"] != 2.0 {
		t.Errorf("answered %s, want %v", a.raw, want)
	}
	for _, k := range a.body["keys"].([]any) {
		if k.(map[string]any)["signs_until"] == nil {
			t.Errorf("%v does not say until when it signs", k)
		}
	}
}
