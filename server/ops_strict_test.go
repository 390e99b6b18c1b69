package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// TestOpsEditTogether: programs that each change another member of a record at
// once undo nothing of each other's.
func TestOpsEditTogether(t *testing.T) {
	b := newBureau(t)
	user := "/users/" + b.addUser("ada").ID.String()
	made := b.want(201, "POST", "/clients", members{"client_id": "web", "audiences": []string{apiAudience}})
	for path, edits := range map[string]members{
		user: {
			"roles": []any{"r"}, "groups": []any{"g"}, "entitlements": []any{"e"}, "extra": members{"level": 7.5},
		},
		made.header.Get("Location"): {
			"scope": "read", "claims": []any{"roles"}, "access_lifetime": 60.0, "origins": []any{"https://app.example"},
		},
	} {
		for range 5 {
			var wg sync.WaitGroup
			for member, value := range edits {
				wg.Go(func() {
					if a := b.call("PATCH", path, members{member: value}); a.status != 200 {
						t.Errorf("%s of %s: %d %s", member, path, a.status, a.raw)
					}
				})
			}
			wg.Wait()
			now := b.want(200, "GET", path, nil)
			for member, value := range edits {
				if fmt.Sprint(now.body[member]) != fmt.Sprint(value) {
					t.Errorf("%s of %s is %v, was set to %v", member, path, now.body[member], value)
				}
			}
			clear := members{"roles": []any{}, "groups": []any{}, "entitlements": []any{}, "extra": members{}}
			if path != user {
				clear = members{"scope": "", "claims": []any{}, "access_lifetime": 0, "origins": []any{}}
			}
			b.want(200, "PATCH", path, clear)
		}
	}
}

// TestOpsStrict: nothing of a request is passed over, and nothing that was
// refused is done.
func TestOpsStrict(t *testing.T) {
	b := newBureau(t)
	web, ada := b.addClient("web", storage.AuthNone), b.addUser("ada")
	b.login(ada, web)
	at := "/users/" + ada.ID.String()
	many := "{"
	for i := range 5000 {
		many += fmt.Sprintf(`"m%d":0,`, i)
	}
	for name, tt := range map[string]struct {
		method, path string
		body         any
		status       int
		reason       string
	}{
		"a filter that is none":       {"DELETE", at + "/sessions?client_id=web", nil, 400, "client_id: is no parameter here; there are none"},
		"a body that is not read":     {"DELETE", at + "/sessions", members{"client_id": "web"}, 400, "body: send none"},
		"a body for a list":           {"GET", "/users", members{}, 400, "body: send none"},
		"a parameter beside a body":   {"PATCH", at + "?disabled=true", members{}, 400, "disabled"},
		"a token in the query":        {"GET", "/keys?access_token=x", nil, 400, "access_token: is no parameter"},
		"a broken query":              {"GET", "/users?limit=%zz", nil, 400, "query"},
		"a semicolon":                 {"GET", "/users?limit=1;after=x", nil, 400, "query"},
		"a name that is not UTF-8":    {"GET", "/users?username=%ff", nil, 400, "username: must be UTF-8"},
		"a NUL":                       {"GET", "/users?after=a%00b", nil, 400, "after: must be UTF-8"},
		"a name that nobody can have": {"GET", "/users?username=%20ada", nil, 400, "username"},
		"no name":                     {"GET", "/users?username=", nil, 400, "username"},
		"no limit":                    {"GET", "/users?limit=", nil, 400, "limit"},
		"no password":                 {"POST", "/users", members{"username": "eve", "password": ""}, 400, "password: is empty"},
		"no hash":                     {"PUT", "/users/by-foreign-id/1", members{"username": "eve", "password_hash": ""}, 400, "password_hash: is empty"},
		"null":                        {"PATCH", at, members{"disabled": true, "roles": nil}, 400, "roles: is null"},
		"an endless number":           {"PATCH", at, `{"extra":{"id":1e999}}`, 400, "extra"},
		"thousands of members":        {"POST", "/users", many + `"username":"eve"}`, 400, "m0: is no member"},
		"a long name of a member":     {"POST", "/users", members{"username": "eve", strings.Repeat("x", 60000): 1}, 400, strings.Repeat("x", 64) + ": is no member"},
		"a client of dots":            {"POST", "/clients", members{"client_id": "..", "audiences": []string{apiAudience}}, 400, "dots"},
		"a subject in capitals":       {"DELETE", "/users/" + strings.ToUpper(ada.ID.String()), nil, 404, "lower case"},
		"a path that is not UTF-8":    {"PUT", "/users/by-foreign-id/%ff", members{"username": "eve"}, 404, "well-formed"},
		"a line break in the id":      {"PUT", "/users/by-foreign-id/a%0ab", members{"username": "eve"}, 404, "well-formed"},
		"a tab in the id":             {"PUT", "/users/by-foreign-id/a%09b", members{"username": "eve"}, 400, "foreign_id"},
		"too long an id":              {"PUT", "/users/by-foreign-id/" + strings.Repeat("x", 257), members{"username": "eve"}, 400, "foreign_id"},
	} {
		a := b.call(tt.method, tt.path, tt.body)
		b.refused(a, tt.status, "invalid_request", tt.reason)
		if len(a.raw) > 16<<10 {
			t.Errorf("%s is answered with %d bytes", name, len(a.raw))
		}
	}
	if got := b.want(200, "GET", "/users", nil).names("users", "username"); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("what was refused left %v", got)
	}
	if got := b.want(200, "GET", at+"/sessions", nil).names("sessions", "state"); !slices.Equal(got, []string{"live"}) {
		t.Errorf("what was refused left the sessions %v", got)
	}
	exact := b.want(200, "PATCH", at, `{"extra":{"id":9007199254740993,"big":1e30,"half":0.5}}`)
	if !strings.Contains(exact.raw, `"id":9007199254740993`) {
		t.Errorf("kept as %s", exact.raw)
	}
}

// TestOpsHTTP: HEAD is GET without its body, methods that are not there are
// told, and nothing is granted to pages of other origins.
func TestOpsHTTP(t *testing.T) {
	b := &bureau{}
	b.open(newKit(t, "", b.hire, func(cfg *server.Config) { cfg.Issuer = "https://login.example" }))
	ada := b.addUser("ada")
	at := "/users/" + ada.ID.String()
	ask := func(method, path, token string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, b.ops.URL+path, nil)
		b.must(err)
		r.Header.Set("Origin", "https://elsewhere.example")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		b.must(err)
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || method == "HEAD" && len(body) > 0 {
			t.Errorf("%s %s: %q, %v", method, path, body, err)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Strict-Transport-Security" {
				t.Errorf("%s %s is answered with %s", method, path, name)
			}
		}
		return resp
	}
	reader := b.newToken("reader", time.Hour, "read")
	for path, status := range map[string]int{"/users": 200, at: 200, at + "x": 404, "/users?x=1": 400, "/keys": 200, "/healthz": 200, "/metrics": 200, "/openapi.json": 200} {
		get, head := ask("GET", path, reader), ask("HEAD", path, reader)
		if get.StatusCode != status || head.StatusCode != status || head.ContentLength != get.ContentLength {
			t.Errorf("%s: GET %d, HEAD %d of %d bytes, want %d", path, get.StatusCode, head.StatusCode, head.ContentLength, status)
		}
	}
	if resp := ask("HEAD", "/users", "x"); resp.StatusCode != 401 {
		t.Errorf("HEAD without a good token is answered %d", resp.StatusCode)
	}
	for path, allow := range map[string]string{
		"/users": "GET, HEAD, POST", "/users/by-foreign-id/sessions": "PUT", "/users/by-foreign-id/1": "PUT", at: "GET, HEAD, PATCH, DELETE", "/readyz": "GET, HEAD", "/metrics": "GET, HEAD",
	} {
		for range 10 { // each time another handler: its order is no chance
			resp := httptest.NewRecorder()
			b.server.OpsHandler().ServeHTTP(resp, httptest.NewRequest("OPTIONS", path, nil))
			if resp.Code != 405 || resp.Header().Get("Allow") != allow {
				t.Errorf("OPTIONS %s: %d, allows %q, want %q", path, resp.Code, resp.Header().Get("Allow"), allow)
			}
		}
	}
	if resp := ask("OPTIONS", "/users", b.token); resp.StatusCode != 405 {
		t.Errorf("a preflight is answered %d", resp.StatusCode)
	}
	if resp := ask("GET", "/nothing", b.token); resp.StatusCode != 404 {
		t.Errorf("nothing is answered %d", resp.StatusCode)
	}
}

// TestOpsClock: whether a session goes on is a question to the server's clock,
// like all others.
func TestOpsClock(t *testing.T) {
	b := newBureau(t)
	web, ada := b.addClient("web", storage.AuthNone), b.addUser("ada")
	sid := b.claims(b.login(ada, web).str("access_token"))["sid"].(string)
	for _, want := range []string{"live", "expired"} {
		one := b.want(200, "GET", "/sessions/"+sid, nil).str("state")
		if all := b.want(200, "GET", "/sessions", nil).names("sessions", "state"); one != want || !slices.Equal(all, []string{want}) {
			t.Errorf("the session is %s, in the list %v, want %s", one, all, want)
		}
		b.clock.jump(100 * time.Hour)
	}
}

// TestOpsSlow: a body that does not come is told so, on a connection that
// does not wait for ever.
func TestOpsSlow(t *testing.T) {
	b := newBureau(t)
	slow := httptest.NewUnstartedServer(b.server.OpsHandler())
	slow.Config.ReadTimeout = 300 * time.Millisecond
	slow.Start()
	defer slow.Close()
	for _, method := range []string{"POST", "GET"} {
		body, w := io.Pipe()
		defer w.Close()
		r, err := http.NewRequest(method, slow.URL+"/users", body)
		b.must(err)
		r.ContentLength = 10
		r.Header.Set("Authorization", "Bearer "+b.token)
		r.Header.Set("Content-Type", "application/json")
		b.refused(b.do(r), 408, "invalid_request", "")
	}
}
