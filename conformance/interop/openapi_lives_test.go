package interop

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// secret is a password that nobody else has.
func secret() string { return oauth2.GenerateVerifier() }

// signsIn reports whether somebody gets tokens in the demo's client.
func (in *inspector) signsIn(username, password string) (*oauth2.Token, bool) {
	token, err := in.client().PasswordCredentialsToken(in.Context(), username, password)
	return token, err == nil
}

// problems expects a refusal to name these fields, each once or more.
func (in *inspector) problems(a answer, fields ...string) {
	in.Helper()
	if got := slices.Compact(a.each("problems", "field")); !slices.Equal(got, fields) {
		in.Errorf("complains of %v, want %v: %s", got, fields, a.raw)
	}
}

func (in *inspector) users() {
	first, second := secret(), secret()
	made := in.want(201, "POST", "/users", object{
		"username": "Adélaïde", "password": first, "foreign_id": "17", "disabled": false,
		"roles": []string{"admin"}, "groups": []string{}, "entitlements": []string{"é"}, "extra": object{"n": nil, "deep": object{"list": []any{1, true, "x"}}},
	})
	at := made.header.Get("Location")
	if shown := in.want(200, "GET", at, nil); shown.raw != made.raw {
		in.Errorf("made %s, shows %s", made.raw, shown.raw)
	}
	if _, ok := in.signsIn("Adélaïde", first); !ok {
		in.Error("the new user cannot sign in")
	}
	for _, edit := range []object{
		{"username": "ada"}, {"password": second}, {"disabled": true}, {"disabled": false}, {"foreign_id": ""}, {"foreign_id": "18"}, {"roles": []string{}},
		{"groups": []string{"g"}}, {"entitlements": []string{"a", "b"}}, {"extra": object{}}, {"extra": object{"level": 7.5}}, {},
	} {
		in.want(200, "PATCH", at, edit)
	}
	if _, ok := in.signsIn("ada", second); !ok {
		in.Error("the edited user cannot sign in")
	}
	for query, found := range map[string]int{"username=ada": 1, "foreign_id=18": 1, "foreign_id=17": 0, "username=nobody": 0, "limit=1": 1, "after=zzz": 0} {
		if got := in.want(200, "GET", "/users?"+query, nil).each("users", "sub"); len(got) != found {
			in.Errorf("%s finds %v", query, got)
		}
	}
	in.want(201, "POST", "/users", object{"username": "bob"})
	in.problems(in.want(409, "POST", "/users", object{"username": "ada"}), "username")
	in.problems(in.want(409, "POST", "/users", object{"username": "eve", "foreign_id": "18"}), "foreign_id")
	in.problems(in.want(409, "PATCH", at, object{"username": "bob"}), "username")
	in.problems(in.want(409, "PUT", "/users/by-foreign-id/19", object{"username": "bob"}), "username")
	in.problems(in.want(400, "POST", "/users", object{
		"username": " ", "password": "short", "password_hash": "no hash", "roles": []string{"a\nb"}, "extra": object{"iss": "x"},
	}), "username", "password", "password_hash", "roles", "extra")
	in.want(200, "DELETE", at, nil)
	in.want(404, "GET", at, nil)
	in.want(404, "PATCH", at, object{"disabled": true})
	in.want(404, "DELETE", at, nil)
}

// djangoHash is a hash as Django writes it.
func djangoHash(in *inspector, password string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte("salt"), 1000, 32)
	if err != nil {
		in.Fatal(err)
	}
	return "pbkdf2_sha256$1000$salt$" + base64.StdEncoding.EncodeToString(key)
}

// imports puts users by whatever ids another system may have, again and again.
func (in *inspector) imports() {
	password := secret()
	hash := djangoHash(in, password)
	for i, id := range []string{
		"1", "django/42 é", "a+b&c=d;e", "%2F", "100%", "?#", `"<quoted>"`, `\`, "{foreign_id}", "sessions", "by-foreign-id", "..a", "~:@!$'()*,",
		"日本語", " ", "a b", strings.Repeat("x", 256), "http://example.com/users/1?x=y#z",
	} {
		path, name := "/users/by-foreign-id/"+url.PathEscape(id), fmt.Sprintf("imported-%02d", i)
		user := object{"username": name, "password_hash": hash, "roles": []string{"staff"}}
		made := in.want(201, "PUT", path, user)
		for range 2 {
			if again := in.want(200, "PUT", path, user); again.raw != made.raw {
				in.Errorf("%q: made %s, and then %s", id, made.raw, again.raw)
			}
		}
		if found := in.want(200, "GET", "/users?foreign_id="+url.QueryEscape(id), nil).each("users", "sub"); !slices.Equal(found, []string{made.str("sub")}) || made.str("foreign_id") != id {
			in.Errorf("%q finds %v, made %s", id, found, made.raw)
		}
		if i == 0 {
			if _, ok := in.signsIn(name, password); !ok {
				in.Error("the password of another system does not sign in")
			}
			in.want(200, "PUT", path, user) // now that the hash is one of ours
			if _, ok := in.signsIn(name, password); !ok {
				in.Error("the second import changed the password")
			}
		}
		in.want(200, "DELETE", made.header.Get("Location"), nil)
	}
	path := "/users/by-foreign-id/1"
	in.want(201, "PUT", path, object{"username": "someone", "password_hash": "!unusable"})
	in.want(200, "PUT", path, object{"username": "someone", "password": password})
	in.problems(in.want(400, "PUT", path, object{"username": "someone", "password_hash": "pbkdf2_sha256$99999999$salt$" + strings.Repeat("A", 43) + "="}), "password_hash")
	in.problems(in.want(400, "PUT", path, object{"username": "someone", "foreign_id": "2"}), "foreign_id")
	in.problems(in.want(400, "PUT", path, object{"username": "someone", "password": password, "password_hash": hash}), "password_hash")
}

// pages lists everybody, a few at a time.
func (in *inspector) pages() {
	var want []string
	for i := range 5 {
		want = append(want, in.want(201, "POST", "/users", object{"username": fmt.Sprintf("page %d &é", i)}).str("sub"))
	}
	all := in.want(200, "GET", "/users?limit=1000", nil).each("users", "sub")
	var got []string
	for after := ""; ; {
		page := in.want(200, "GET", "/users?limit=2&after="+url.QueryEscape(after), nil)
		got = append(got, page.each("users", "sub")...)
		if after = page.str("next"); after == "" {
			break
		}
	}
	if !slices.Equal(got, all) {
		in.Errorf("page by page %v, at once %v", got, all)
	}
	for _, sub := range want {
		if !slices.Contains(got, sub) {
			in.Errorf("%s is on no page", sub)
		}
		in.want(200, "DELETE", "/users/"+sub, nil)
	}
}

func (in *inspector) sessions() {
	password := secret()
	at := in.want(201, "POST", "/users", object{"username": "carol", "password": password}).header.Get("Location")
	for range 3 {
		if _, ok := in.signsIn("carol", password); !ok {
			in.Fatal("cannot sign in")
		}
	}
	sids := in.want(200, "GET", at+"/sessions", nil).each("sessions", "sid")
	var all []string
	for after := ""; ; {
		path := "/sessions?limit=2"
		if after != "" {
			path += "&after=" + after
		}
		page := in.want(200, "GET", path, nil)
		all = append(all, page.each("sessions", "sid")...)
		if after = page.str("next"); after == "" {
			break
		}
	}
	for _, sid := range sids {
		if !slices.Contains(all, sid) {
			in.Errorf("the session %s is on no page", sid)
		}
	}
	if len(sids) != 3 {
		in.Fatalf("%d sessions", len(sids))
	}
	for _, query := range []string{"username=carol", "client_id=" + in.ClientID, "device=client", "older_than=1000000", "idle_for=1000000&limit=2"} {
		in.want(200, "DELETE", "/sessions?dry_run=true&"+query, nil)
	}
	in.want(200, "DELETE", "/sessions?older_than=1000000&dry_run=false", nil)
	in.want(404, "DELETE", "/sessions?username=nobody", nil)
	in.problems(in.want(400, "DELETE", "/sessions", nil), "query")
	one := "/sessions/" + sids[0]
	in.want(200, "GET", one, nil)
	for range 2 {
		if ended := in.want(200, "DELETE", one, nil); ended.str("end_reason") != "revoked" {
			in.Errorf("ended as %s", ended.raw)
		}
	}
	if ended := in.want(200, "DELETE", at+"/sessions", nil); ended.body["sessions_ended"] != 2.0 {
		in.Errorf("ended %s", ended.raw)
	}
	// However a session ends, the description knows the reason.
	for _, edit := range []object{{"password": secret()}, {"disabled": true}} {
		in.want(200, "PATCH", at, object{"password": password, "disabled": false})
		if _, ok := in.signsIn("carol", password); !ok {
			in.Fatal("cannot sign in")
		}
		in.want(200, "PATCH", at, edit)
	}
	token, ok := in.signsIn(in.Username, in.Password)
	if !ok {
		in.Fatal("cannot sign in")
	}
	resp, err := http.PostForm(in.Issuer+"/oauth2/revoke", url.Values{"client_id": {in.ClientID}, "token": {token.RefreshToken}})
	if err != nil {
		in.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 200 {
		in.Fatalf("logging out is answered %s", resp.Status)
	}
	reasons := in.want(200, "GET", "/sessions?limit=1000", nil).each("sessions", "end_reason")
	for _, reason := range []string{"revoked", "password_changed", "user_disabled", "logged_out"} {
		if !slices.Contains(reasons, reason) {
			in.Errorf("no session ended as %s: %v", reason, reasons)
		}
	}
	in.want(200, "DELETE", at, nil)
}

func (in *inspector) clients() {
	everything := object{
		"client_id": "web.app_1-x", "client_name": "The site", "token_endpoint_auth_method": "client_secret_post", "grant_types": []string{"password", "refresh_token"},
		"scope": "read write", "default_scope": "read", "audiences": []string{"https://api.example", "files"}, "default_audiences": []string{"files"},
		"introspects": []string{"https://api.example"}, "claims": []string{"roles", "level"}, "algorithm": "RS256",
		"access_lifetime": 90, "idle_lifetime": 3600, "absolute_lifetime": 7200, "retry_window": 0, "rotate": false,
	}
	at := in.want(201, "POST", "/clients", everything).header.Get("Location")
	for member, value := range everything {
		in.want(200, "PATCH", at, object{member: value})
	}
	in.want(200, "PATCH", at, object{"client_name": "", "scope": "", "default_scope": "", "claims": []string{}, "algorithm": "", "rotate": true})
	shown := in.want(200, "GET", at, nil)
	if shown.str("client_secret") != "" || shown.body["secrets"] != 1.0 {
		in.Errorf("shows %s", shown.raw)
	}
	api := in.want(201, "POST", "/clients", object{"token_endpoint_auth_method": "client_secret_basic", "introspects": []string{"files"}})
	in.want(200, "PATCH", api.header.Get("Location"), object{"introspects": []string{"files", "https://api.example"}, "grant_types": []string{}, "audiences": []string{}})
	in.problems(in.want(400, "PATCH", api.header.Get("Location"), object{"introspects": []string{"//files"}}), "introspects")
	in.want(204, "DELETE", api.header.Get("Location"), nil)
	in.want(201, "POST", at+"/secrets", object{})
	in.problems(in.want(409, "POST", at+"/secrets", object{"replace": false}), "secrets")
	in.want(200, "DELETE", at+"/secrets", nil)
	if replaced := in.want(201, "POST", at+"/secrets", object{"replace": true}); replaced.body["secrets"] != 1.0 || replaced.str("client_secret") == "" {
		in.Errorf("replaced as %s", replaced.raw)
	}
	for _, method := range []string{"none", "client_secret_basic"} {
		other := in.want(201, "POST", "/clients", object{"token_endpoint_auth_method": method, "audiences": []string{"x"}})
		path := other.header.Get("Location")
		if secret := other.str("client_secret"); (secret == "") != (method == "none") {
			in.Errorf("%s: made %s", method, other.raw)
		}
		if method == "none" {
			in.want(200, "PATCH", path, object{"origins": []string{"https://app.example", "http://localhost:3000"}})
			in.problems(in.want(400, "POST", path+"/secrets", object{}), "token_endpoint_auth_method")
			in.problems(in.want(400, "DELETE", path+"/secrets", nil), "token_endpoint_auth_method")
		}
		in.want(204, "DELETE", path, nil)
	}
	if listed := in.want(200, "GET", "/clients", nil).each("clients", "client_id"); !slices.Contains(listed, "web.app_1-x") {
		in.Errorf("lists %v", listed)
	}
	in.problems(in.want(409, "POST", "/clients", everything), "client_id")
	in.problems(in.want(400, "PATCH", at, object{"client_id": "x", "token_endpoint_auth_method": "none"}), "client_id", "token_endpoint_auth_method")
	in.problems(in.want(400, "PATCH", at, object{"access_lifetime": 1e18, "idle_lifetime": 1e300}), "access_lifetime", "idle_lifetime")
	in.want(204, "DELETE", at, nil)
	in.want(404, "DELETE", at, nil)
}

func (in *inspector) keys() {
	in.want(200, "POST", "/keys/rotate", object{})
	turned := in.want(200, "POST", "/keys/rotate", object{"alg": "ES256", "now": true})
	kid := turned.each("rotations", "next_kid")[0]
	for range 2 {
		in.want(200, "POST", "/keys/"+kid+"/revoke", nil)
	}
	in.want(200, "POST", "/keys/"+kid+"/revoke", object{"reason": "it leaked", "dry_run": true})
	in.want(200, "POST", "/keys/rotate", object{"dry_run": true})
	in.want(200, "GET", "/keys/policy", nil)
	change := object{"algorithms": []string{"ES256", "RS256", "EdDSA"}, "rotate_every_seconds": 864000, "keep_after_seconds": 720, "rsa_bits": 3072, "force": true}
	in.want(200, "PATCH", "/keys/policy", change)
	in.want(200, "PATCH", "/keys/policy", object{"algorithms": []string{"ES256", "RS256"}, "dry_run": true})
	in.problems(in.want(400, "PATCH", "/keys/policy", object{"publish_ahead_seconds": 60}), "publish_ahead")
	states := in.want(200, "GET", "/keys", nil).each("keys", "state")
	for _, state := range []string{"waiting", "signing", "retired", "revoked"} {
		if !slices.Contains(states, state) {
			in.Errorf("no key is %s: %v", state, states)
		}
	}
	in.want(404, "POST", "/keys/rotate", object{"alg": "HS256"})
}

// audit: what was done so far is read page by page, and by filters.
func (in *inspector) audit() {
	page := in.want(200, "GET", "/audit?limit=3", nil)
	next := fmt.Sprintf("%.0f", page.body["next"])
	if len(page.each("records", "event")) != 3 || page.body["more"] != true {
		in.Errorf("%s", page.raw)
	}
	events := in.want(200, "GET", "/audit?limit=1000&since=24h&after="+next, nil).each("records", "event")
	for _, event := range []string{"user.add", "user.remove", "client.add_secret", "session.end", "keys.rotate", "keys.policy"} {
		if !slices.Contains(events, event) {
			in.Errorf("%s is not in the audit: %v", event, events)
		}
	}
	if kinds := in.want(200, "GET", "/audit?event=user.*&address=127.0.0.0/8", nil).each("records", "actor_kind"); len(kinds) == 0 || slices.Contains(kinds, "user") {
		in.Errorf("users were changed by %v", kinds)
	}
	in.problems(in.want(400, "GET", "/audit?event=none&sid=x", nil), "sid", "event")
	in.want(404, "GET", "/audit?user=nobody", nil)
	in.bad(400, "GET", "/audit?after=-1", nil)
	in.bad(400, "GET", "/audit?limit=0", nil)
}

// badInput: what the server refuses by its form, the description forbids.
func (in *inspector) badInput() {
	at := in.want(201, "POST", "/users", object{"username": "dave"}).header.Get("Location")
	web := in.want(201, "POST", "/clients", object{"client_id": "plain", "audiences": []string{"x"}}).header.Get("Location")
	for _, bad := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/users?limit=0", nil}, {"GET", "/users?limit=1001", nil}, {"GET", "/users?limit=all", nil}, {"GET", "/sessions?limit=-1", nil},
		{"DELETE", "/sessions?older_than=0", nil}, {"DELETE", "/sessions?idle_for=1h", nil}, {"DELETE", "/sessions?username=", nil}, {"DELETE", "/sessions?device=x&dry_run=yes", nil},
		{"POST", "/users", object{}}, {"POST", "/users", object{"username": ""}}, {"POST", "/users", object{"username": nil}}, {"POST", "/users", object{"username": 1}},
		{"POST", "/users", object{"username": "eve", "password": ""}}, {"POST", "/users", object{"username": "eve", "password_hash": ""}},
		{"POST", "/users", object{"username": "eve", "foreign_id": strings.Repeat("x", 257)}}, {"POST", "/users", object{"Username": "eve"}},
		{"POST", "/users", object{"username": "eve", "sub": "x"}}, {"POST", "/users", []string{"eve"}},
		{"PUT", "/users/by-foreign-id/" + strings.Repeat("x", 257), object{"username": "eve"}},
		{"PATCH", at, object{"roles": nil}}, {"PATCH", at, object{"roles": []any{""}}}, {"PATCH", at, object{"roles": []any{1}}}, {"PATCH", at, object{"groups": "a"}},
		{"PATCH", at, object{"entitlements": []string{strings.Repeat("x", 257)}}}, {"PATCH", at, object{"groups": make([]string, 257)}},
		{"PATCH", at, object{"extra": []any{}}}, {"PATCH", at, object{"disabled": "yes"}}, {"PATCH", at, object{"has_password": true}}, {"PATCH", at, object{"username": ""}},
		{"POST", "/clients", object{}}, {"POST", "/clients", object{"client_id": "a b", "audiences": []string{"x"}}},
		{"POST", "/clients", object{"client_id": strings.Repeat("x", 129), "audiences": []string{"x"}}},
		{"POST", "/clients", object{"audiences": []string{"x"}, "token_endpoint_auth_method": "private_key_jwt"}},
		{"POST", "/clients", object{"audiences": []string{"x"}, "grant_types": []string{"client_credentials"}}},
		{"POST", "/clients", object{"audiences": []string{}}}, {"POST", "/clients", object{"audiences": []string{""}}},
		{"PATCH", web, object{"access_lifetime": -1}}, {"PATCH", web, object{"access_lifetime": "1m"}}, {"PATCH", web, object{"retry_window": 3601}},
		{"PATCH", web, object{"secrets": 1}}, {"PATCH", web, object{"rotate": "no"}}, {"PATCH", web, object{"origins": []string{""}}},
		{"PATCH", web, object{"client_name": strings.Repeat("x", 257)}}, {"PATCH", web, object{"claims": []string{""}}},
		{"POST", web + "/secrets", object{"replace": 1}}, {"POST", "/keys/rotate", object{"now": "yes"}}, {"POST", "/keys/rotate", object{"alg": 1}},
	} {
		in.bad(400, bad.method, bad.path, bad.body)
	}
	for _, path := range []string{"/users/dave", strings.ToUpper(at), "/sessions/x"} {
		path = strings.Replace(path, "/USERS", "/users", 1)
		in.send(404, in.request("DELETE", path, nil))
	}
	in.want(200, "DELETE", at, nil)
	in.want(204, "DELETE", web, nil)
}
