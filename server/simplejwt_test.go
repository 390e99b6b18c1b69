package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

// A django is a server whose paths of Simple JWT act for a client.
type django struct {
	*kit
	web app
}

func newDjango(t *testing.T, change func(*storage.Client), options ...option) *django {
	t.Helper()
	k := newKit(t, "/auth", append([]option{patient, func(c *server.Config) { c.SimpleJWT.Client = "web" }}, options...)...)
	return &django{k, k.addClient("web", storage.AuthNone, change)}
}

// still is Simple JWT's default: refresh tokens are not rotated.
func still(c *storage.Client) { c.Rotate = false }

func rotating(*storage.Client) {}

// send posts a body to one of the paths, "" for the first.
func (d *django) send(path, contentType, body string, edit ...func(*http.Request)) answer {
	d.Helper()
	r, err := http.NewRequest("POST", d.issuer+"/api/token/"+path, strings.NewReader(body))
	d.must(err)
	r.Header.Set("Content-Type", contentType)
	for _, e := range edit {
		e(r)
	}
	return d.do(r)
}

func (d *django) json(path string, members map[string]string, edit ...func(*http.Request)) answer {
	d.Helper()
	body, err := json.Marshal(members)
	d.must(err)
	return d.send(path, "application/json", string(body), edit...)
}

func (d *django) obtain(p person) answer {
	d.Helper()
	a := d.json("", map[string]string{"username": p.Name, "password": p.password})
	if a.status != 200 || a.str("access") == "" || a.str("refresh") == "" || len(a.body) != 2 {
		d.Fatalf("answered %d %s", a.status, a.raw)
	}
	return a
}

func (d *django) renew(refresh string) answer {
	d.Helper()
	return d.json("refresh/", map[string]string{"refresh": refresh})
}

// rejected checks a refusal in the form of Simple JWT, and the log's half.
func (d *django) rejected(a answer, status int, body, code, reason string) {
	d.Helper()
	if a.status != status || a.raw != body+"\n" {
		d.Errorf("answered %d %s, want %d %s", a.status, a.raw, status, body)
	}
	if challenge := a.header.Get("WWW-Authenticate"); challenge != "" != (status == 401) || challenge != "" && challenge != `Bearer realm="api"` {
		d.Errorf("%d with the challenge %q", status, challenge)
	}
	rec := d.record(a)
	if got, _ := rec["reason"].(string); !strings.Contains(got, reason) || rec["error"] != code {
		d.Errorf("the record has %v because of %q, want %s because of %q", rec["error"], got, code, reason)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		d.Errorf("Cache-Control: %q", a.header.Get("Cache-Control"))
	}
}

const (
	noAccount   = `{"detail":"No active account found with the given credentials"}`
	notValid    = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
	blacklisted = `{"detail":"Token is blacklisted","code":"token_not_valid"}`
	wrongType   = `{"detail":"Token has wrong type","code":"token_not_valid"}`
)

// TestSimpleJWT: sign in, refresh, verify, blacklist; as JSON and as a form,
// with the final slash and without.
func TestSimpleJWT(t *testing.T) {
	d := newDjango(t, still)
	alice := d.addUser("alice")
	for name, send := range map[string]func(path string, pairs ...string) answer{
		"json": func(path string, pairs ...string) answer {
			members := map[string]string{}
			for name, values := range form(pairs...) {
				members[name] = values[0]
			}
			return d.json(path, members)
		},
		"form": func(path string, pairs ...string) answer {
			return d.send(strings.TrimSuffix(path, "/"), "application/x-www-form-urlencoded", form(pairs...).Encode())
		},
		"no slash at the first": func(path string, pairs ...string) answer {
			return d.send(path, "application/x-www-form-urlencoded; charset=utf-8", form(pairs...).Encode(), func(r *http.Request) {
				r.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
			})
		},
	} {
		pair := send("", "username", "alice", "password", alice.password)
		if pair.status != 200 || len(pair.body) != 2 || !strings.HasPrefix(pair.header.Get("Content-Type"), "application/json") {
			t.Fatalf("%s: answered %d %s", name, pair.status, pair.raw)
		}
		again := send("refresh/", "refresh", pair.str("refresh"))
		if again.status != 200 || len(again.body) != 1 || again.str("access") == "" || again.str("access") == pair.str("access") {
			t.Errorf("%s: refreshed: %d %s", name, again.status, again.raw)
		}
		for _, token := range []string{pair.str("access"), again.str("access"), pair.str("refresh")} {
			if a := send("verify/", "token", token); a.status != 200 || a.raw != "{}\n" {
				t.Errorf("%s: verified: %d %s", name, a.status, a.raw)
			}
		}
		if a := send("blacklist/", "refresh", pair.str("refresh")); a.status != 200 || a.raw != "{}\n" {
			t.Errorf("%s: blacklisted: %d %s", name, a.status, a.raw)
		}
		for _, path := range []string{"refresh/", "blacklist/"} {
			d.rejected(send(path, "refresh", pair.str("refresh")), 401, blacklisted, "token_not_valid", "the session was ended")
		}
		d.rejected(send("verify/", "token", pair.str("refresh")), 401, blacklisted, "token_not_valid", "the session was ended")
		d.rejected(send("verify/", "token", again.str("access")), 401, notValid, "token_not_valid", "the session was ended")
		d.rejected(send("refresh/", "refresh", again.str("access")), 401, wrongType, "token_not_valid", "access token")
	}
	rec := d.record(d.obtain(alice))
	if rec["endpoint"] != "simplejwt_obtain" || rec["client_id"] != "web" || rec["sub"] != alice.ID.String() {
		t.Errorf("the record: %v", rec)
	}
}

// TestSimpleJWTIsOff where no client is named, and says what is wrong with one
// that anybody may not act for.
func TestSimpleJWTIsOff(t *testing.T) {
	k := newKit(t, "/auth")
	off := &django{k, k.addClient("web", storage.AuthNone)}
	off.refused(off.json("", map[string]string{"username": "a", "password": "b"}), 404, "invalid_request", "no endpoint")

	d := newDjango(t, still)
	ask := func(name, reason string) {
		t.Helper()
		a := d.json("", map[string]string{"username": "a", "password": "b"})
		if rec := d.record(a); a.status != 500 || a.str("detail") == "" || !strings.Contains(rec["reason"].(string), reason) {
			t.Errorf("%s: %d %s, %v", name, a.status, a.raw, rec)
		}
	}
	for name, change := range map[string]func(*storage.ClientPolicy){
		"no password": func(c *storage.ClientPolicy) { c.Grants = []string{storage.GrantRefreshToken} },
		"no refresh":  func(c *storage.ClientPolicy) { c.Grants = []string{storage.GrantPassword} },
	} {
		policy := d.web.ClientPolicy
		change(&policy)
		_, err := d.store.ChangeClient(t.Context(), "web", storage.ClientChange{Policy: &policy})
		d.must(err)
		ask(name, "must be public and have")
	}
	d.exec(`UPDATE clients SET client_id = 'other'`)
	ask("a client that is not there", "there is no client")
	d.addClient("web", storage.AuthBasic)
	ask("confidential", "must be public and have")
}

// TestSimpleJWTClaims: tokens of the client say what Simple JWT reads, and are
// access tokens of RFC 9068 still. Those of another client are as they were.
func TestSimpleJWTClaims(t *testing.T) {
	d := newDjango(t, still)
	verifier, err := verify.New(t.Context(), d.issuer, apiAudience)
	d.must(err)
	t.Cleanup(verifier.Close)
	extra := func(id any) func(*storage.User) {
		return func(u *storage.User) {
			u.ForeignID, u.Claims.Extra = "7"+u.Name, storage.FreeClaims{"user_id": id}
		}
	}
	for _, tt := range []struct {
		person person
		want   func(person) string // in JSON
	}{
		{d.addUser("number", extra(json.Number("12345678901234567891"))), func(person) string { return "12345678901234567891" }},
		{d.addUser("text", extra("042")), func(person) string { return `"042"` }},
		{d.addUser("foreign", func(u *storage.User) { u.ForeignID = "43" }), func(person) string { return `"43"` }},
		{d.addUser("odd", extra([]any{"x"})), func(person) string { return `"7odd"` }},
		{d.addUser("ours"), func(p person) string { return `"` + p.ID.String() + `"` }},
	} {
		pair := d.obtain(tt.person)
		claims, err := verifier.Verify(t.Context(), pair.str("access"))
		d.must(err)
		got, err := json.Marshal(claims.Extra["user_id"])
		d.must(err)
		if string(got) != tt.want(tt.person) || claims.Extra["token_type"] != "access" || claims.Subject != tt.person.ID.String() {
			t.Errorf("%s: user_id %s, %v", tt.person.Name, got, claims)
		}
		access, refresh := d.claims(pair.str("access")), d.claims(pair.str("refresh"))
		for _, name := range []string{"token_type", "jti", "exp", "iat", "user_id"} {
			if access[name] == nil || refresh[name] == nil || name != "iat" && name != "user_id" && access[name] == refresh[name] {
				t.Errorf("%s: %s is %v in the access token and %v in the refresh token", tt.person.Name, name, access[name], refresh[name])
			}
		}
		if access["user_id"] != refresh["user_id"] || refresh["token_type"] != "refresh" {
			t.Errorf("%s: the refresh token says %v", tt.person.Name, refresh)
		}
	}
	other := d.claims(d.login(d.addUser("bob"), d.addClient("other", storage.AuthNone)).str("access_token"))
	if other["token_type"] != nil || other["user_id"] != nil {
		t.Errorf("another client's token says %v", other)
	}
	own := d.claims(d.login(d.addUser("eve"), d.web).str("access_token"))
	if own["token_type"] != "access" || own["user_id"] == nil {
		t.Errorf("the client's token from the token endpoint says %v", own)
	}
}

// TestSimpleJWTClaimName: the claim has the name that the site gave it.
func TestSimpleJWTClaimName(t *testing.T) {
	for name, want := range map[string]any{"uid": "43", "sub": nil} {
		d := newDjango(t, still, func(c *server.Config) { c.SimpleJWT.UserIDClaim = name })
		p := d.addUser("alice", func(u *storage.User) { u.ForeignID = "43" })
		if name == "sub" {
			want = p.ID.String()
		}
		pair := d.obtain(p)
		for _, token := range []string{pair.str("access"), pair.str("refresh")} {
			if claims := d.claims(token); claims[name] != want || claims["user_id"] != nil {
				t.Errorf("%s: %v", name, claims)
			}
		}
	}
	for _, name := range []string{"exp", "token_type", "refresh_token", "roles", "Sub", "a b"} {
		if err := (server.SimpleJWT{Client: "web", UserIDClaim: name}).Check(); err == nil {
			t.Errorf("the claim may be %q", name)
		}
	}
}

// TestSimpleJWTRotates where the client does: parallel refreshes and retries
// are answered one and the same JWT, which says when it is over; one that was
// superseded ends the session.
func TestSimpleJWTRotates(t *testing.T) {
	d := newDjango(t, rotating)
	alice := d.addUser("alice")
	first := d.obtain(alice)
	answers := make([]answer, 10)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = d.renew(first.str("refresh")) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != 200 || a.str("refresh") != answers[0].str("refresh") || a.str("refresh") == first.str("refresh") || len(a.body) != 2 {
			t.Fatalf("answered %d %s", a.status, a.raw)
		}
	}
	if again := d.renew(answers[0].str("refresh")); again.str("refresh") != answers[0].str("refresh") {
		t.Errorf("the current one is answered %s", again.raw)
	}
	session := d.sessionOf(answers[0].str("access"))
	claims := d.claims(answers[0].str("refresh"))
	if int64(claims["exp"].(float64)) != session.OverAt().Unix() || claims["jti"] == d.claims(first.str("refresh"))["jti"] {
		t.Errorf("the refresh token says %v of a session until %v", claims, session.OverAt())
	}
	if a := d.json("verify/", map[string]string{"token": first.str("refresh")}); a.status != 200 {
		t.Errorf("a refresh would take it, and it is no good: %s", a.raw)
	}
	d.exec(`UPDATE sessions SET rotated_at = -3600000000, last_used_at = last_used_at - 3600000000`)
	d.rejected(d.json("verify/", map[string]string{"token": first.str("refresh")}), 401, notValid, "token_not_valid", "superseded")
	d.rejected(d.renew(first.str("refresh")), 401, blacklisted, "token_not_valid", "superseded")
	d.rejected(d.renew(answers[0].str("refresh")), 401, blacklisted, "token_not_valid", "ended")
}

// sessionOf is the row of an access token's session.
func (d *django) sessionOf(access string) storage.SessionEntry {
	d.Helper()
	id, err := storage.ParseSessionID(d.claims(access)["sid"].(string))
	d.must(err)
	session, err := d.store.SessionByID(d.Context(), id)
	d.must(err)
	return session
}

// TestSimpleJWTStays: without rotation the JWT names the session's last moment,
// and it is the user who may not go on that ends it.
func TestSimpleJWTStays(t *testing.T) {
	d := newDjango(t, still)
	alice := d.addUser("alice")
	pair := d.obtain(alice)
	session := d.sessionOf(pair.str("access"))
	if exp := int64(d.claims(pair.str("refresh"))["exp"].(float64)); exp != session.ExpiresAt.Unix() {
		t.Errorf("exp is %d, the session ends at %d", exp, session.ExpiresAt.Unix())
	}
	_, err := setDisabled(t.Context(), d.store, alice.ID, true, time.Now())
	d.must(err)
	d.rejected(d.renew(pair.str("refresh")), 401, blacklisted, "token_not_valid", "ended")
	d.rejected(d.json("verify/", map[string]string{"token": pair.str("access")}), 401, notValid, "token_not_valid", "user_disabled")
	d.rejected(d.json("", map[string]string{"username": "alice", "password": alice.password}), 401, noAccount, "no_active_account", "disabled")

	late := d.obtain(d.addUser("bob"))
	d.clock.jump(11 * time.Minute)
	d.rejected(d.json("verify/", map[string]string{"token": late.str("access")}), 401, notValid, "token_not_valid", "")
	d.clock.jump(80 * time.Hour)
	for _, path := range []string{"refresh/", "blacklist/"} {
		d.rejected(d.json(path, map[string]string{"refresh": late.str("refresh")}), 401, notValid, "token_not_valid", "lifetime")
	}
	d.rejected(d.json("verify/", map[string]string{"token": late.str("refresh")}), 401, notValid, "token_not_valid", "lifetime")
}

// TestSimpleJWTReads: fields as Django REST framework reads them, and what is
// wrong with them in its words.
func TestSimpleJWTReads(t *testing.T) {
	d := newDjango(t, still)
	alice := d.addUser("alice")
	d.addForeign("12345", "spaced", djangoHash(d.kit, "spaced", 1000))
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	both := func(problem string) string { return `{"password":["` + problem + `"],"username":["` + problem + `"]}` }
	for name, tt := range map[string]struct {
		kind, body string
		status     int
		want       string // empty: tokens
	}{
		"number, spaces":    {asJSON, `{"username": 12345, "password":"\t spaced\u001f\u00a0", "more": [1]}`, 200, ""},
		"form, spaces":      {asForm, `username=+alice+&password=+` + alice.password, 200, ""},
		"nothing":           {asJSON, ``, 400, both("This field is required.")},
		"nothing of a type": {"text/plain", ``, 400, both("This field is required.")},
		"no members":        {asJSON, `{}`, 400, both("This field is required.")},
		"null":              {asJSON, `{"username":null,"password":null}`, 400, both("This field may not be null.")},
		"empty":             {asJSON, `{"username":"","password":" \n"}`, 400, both("This field may not be blank.")},
		"empty, form":       {asForm, `username=&password=+`, 400, both("This field may not be blank.")},
		"no strings":        {asJSON, `{"username":["a"],"password":true}`, 400, both("Not a valid string.")},
		"objects":           {asJSON, `{"username":{},"password":{"a":1}}`, 400, both("Not a valid string.")},
		"NUL":               {asJSON, `{"username":"a\u0000","password":"\u0000"}`, 400, both("Null characters are not allowed.")},
		"list":              {asJSON, ` []`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
		"number alone":      {asJSON, `5`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got number."]}`},
		"null alone":        {asJSON, `null`, 400, `{"non_field_errors":["No data provided"]}`},
	} {
		a := d.send("", tt.kind, tt.body)
		if tt.want == "" {
			if a.status != 200 || a.str("access") == "" {
				t.Errorf("%s: answered %d %s", name, a.status, a.raw)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { d.rejected(a, tt.status, tt.want, "invalid", "") })
	}
	for name, tt := range map[string]struct {
		a      answer
		status int
		code   string
	}{
		"cut off":      {d.send("", asJSON, `{"username":`), 400, "parse_error"},
		"repeated":     {d.send("", asJSON, `{"username":"a","username":"b","password":"c"}`), 400, "parse_error"},
		"two objects":  {d.send("", asJSON, `{}{}`), 400, "parse_error"},
		"not UTF-8":    {d.send("", asJSON, "{\"username\":\"\xff\"}"), 400, "parse_error"},
		"multipart":    {d.send("", "multipart/form-data; boundary=x", "--x--"), 415, "unsupported_media_type"},
		"text":         {d.send("", "text/plain", "username=a"), 415, "unsupported_media_type"},
		"latin1":       {d.send("", asJSON+"; charset=iso-8859-1", `{}`), 415, "unsupported_media_type"},
		"too large":    {d.send("", asJSON, `"`+strings.Repeat("x", 1<<16)+`"`), 413, "invalid_request"},
		"in the query": {d.send("?password=x", asJSON, `{}`), 400, "invalid_request"},
		"form twice":   {d.send("", asForm, "username=a&username=b"), 400, "invalid_request"},
	} {
		rec := d.record(tt.a)
		if tt.a.status != tt.status || rec["error"] != tt.code || tt.a.str("detail") == "" || len(tt.a.body) != 1 {
			t.Errorf("%s: answered %d %s, recorded %v", name, tt.a.status, tt.a.raw, rec)
		}
	}
	if strings.Contains(d.log.String(), alice.password) {
		t.Error("a password is in the log")
	}
}

// TestSimpleJWTMethods: POST alone, with the answer of Django REST framework.
func TestSimpleJWTMethods(t *testing.T) {
	d := newDjango(t, func(c *storage.Client) { c.Origins = []string{spa} })
	for _, path := range []string{"/api/token", "/api/token/", "/api/token/refresh", "/api/token/verify/", "/api/token/blacklist/"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			r, err := http.NewRequest(method, d.issuer+path, nil)
			d.must(err)
			if a := d.do(r); a.status != 405 || a.header.Get("Allow") != "POST, OPTIONS" || a.str("detail") == "" {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.raw)
			}
		}
		r, err := http.NewRequest("OPTIONS", d.issuer+path, nil)
		d.must(err)
		r.Header.Set("Origin", spa)
		if a := d.do(r); a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != spa {
			t.Errorf("OPTIONS %s: %d %v", path, a.status, a.header)
		}
	}
	alice := d.addUser("alice")
	pair := map[string]string{"username": "alice", "password": alice.password}
	if a := d.json("", pair, fromOrigin(spa)); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != spa {
		t.Errorf("from the site's page: %d %v", a.status, a.header)
	}
	if a := d.json("", pair, fromOrigin("https://evil.example")); a.status != 400 || a.str("detail") == "" {
		t.Errorf("from another page: %d %s", a.status, a.raw)
	}
}

// TestSimpleJWTLimits: the throttle, the pool and the store refuse as Django
// REST framework would.
func TestSimpleJWTLimits(t *testing.T) {
	d := newDjango(t, still, func(c *server.Config) { c.Throttle = throttle.New(throttle.Config{}, time.Now) })
	alice := d.addUser("alice")
	d.rejected(d.json("", map[string]string{"username": "nobody", "password": "x"}), 401, noAccount, "no_active_account", "no such user")
	began := time.Now()
	d.rejected(d.json("", map[string]string{"username": "alice", "password": "wrong"}), 401, noAccount, "no_active_account", "wrong password")
	if took := time.Since(began); took < failAfter {
		t.Errorf("a failure was answered after %v", took)
	}
	var wg sync.WaitGroup
	for range 9 {
		wg.Go(func() { d.json("", map[string]string{"username": "alice", "password": "wrong"}) })
	}
	wg.Wait()
	a := d.json("", map[string]string{"username": "alice", "password": alice.password})
	if a.status != 429 || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.str("detail"), "Request was throttled. Expected available in ") || len(a.body) != 1 {
		t.Errorf("throttled: %d %v %s", a.status, a.header, a.raw)
	}
	pair := d.obtain(d.addUser("bob"))
	d.must(d.store.Close())
	a = d.renew(pair.str("refresh"))
	if a.status != 503 || a.header.Get("Retry-After") == "" || a.str("detail") == "" || len(a.body) != 1 {
		t.Errorf("without a store: %d %v %s", a.status, a.header, a.raw)
	}
}

// TestRefreshJWTIsNoAccessToken: whoever verifies access tokens takes none, and
// the endpoints that take a refresh token take the JWT at its own paths only.
func TestRefreshJWTIsNoAccessToken(t *testing.T) {
	d := newDjango(t, still)
	pair := d.obtain(d.addUser("alice"))
	header, claims := d.part(pair.str("refresh"), 0), d.claims(pair.str("refresh"))
	if header["typ"] != "rt+jwt" || header["alg"] != "HS256" || !slices.Equal(slices.Sorted(maps.Keys(claims)), []string{"exp", "iat", "jti", "refresh_token", "token_type", "user_id"}) {
		t.Errorf("%v %v", header, claims)
	}
	for _, key := range d.keys.Ring().Published(time.Now()) {
		if key.ID == header["kid"] {
			t.Error("its key is in the key set")
		}
	}
	verifier, err := verify.New(t.Context(), d.issuer, apiAudience, verify.AllowTyp("rt+jwt"), verify.AllowMissing("client_id", "jti"))
	d.must(err)
	t.Cleanup(verifier.Close)
	var refusal *verify.Error
	if _, err := verifier.Verify(t.Context(), pair.str("refresh")); !errors.As(err, &refusal) {
		t.Errorf("verified: %v", err)
	}
	d.refused(d.call("GET", "/account/sessions", bearing(pair.str("refresh")), ""), 401, "invalid_token", "")
	d.refused(d.refresh(d.web, pair.str("refresh")), 400, "invalid_grant", "not a refresh token")
	d.rejected(d.renew(claims["refresh_token"].(string)), 401, notValid, "token_not_valid", "not a JWS")
	if a := d.refresh(d.web, claims["refresh_token"].(string)); a.status != 200 {
		t.Errorf("what is inside is no refresh token: %s", a.raw)
	}
}

// TestRefreshJWTSignature: a signature that is wrong is refused; one of a
// key-encryption key that is gone is not looked at, so that its replacement
// signs nobody out. What is inside has to be right in any case.
func TestRefreshJWTSignature(t *testing.T) {
	d := newDjango(t, still)
	pair := d.obtain(d.addUser("alice"))
	parts := strings.Split(pair.str("refresh"), ".")
	other := d.obtain(d.addUser("bob")).str("refresh")
	forged := parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2]
	d.rejected(d.renew(forged), 401, notValid, "token_not_valid", "the signature is wrong")
	d.rejected(d.renew(parts[0]+"."+parts[1]+"."), 401, notValid, "token_not_valid", "the signature is wrong")

	sealer, err := keys.NewSealer(bytes.Repeat([]byte{1, 2}, 16))
	d.must(err)
	elsewhere := server.RefreshJWT(sealer, d.claims(pair.str("refresh")))
	if a := d.renew(elsewhere); a.status != 200 {
		t.Errorf("signed with a key that is gone: %s", a.raw)
	}
	claims := d.claims(pair.str("refresh"))
	claims["refresh_token"] = storage.NewRefreshToken().Reveal()
	d.rejected(d.renew(server.RefreshJWT(sealer, claims)), 401, notValid, "token_not_valid", "no such record")
	claims["refresh_token"] = "hmr_" + claims["refresh_token"].(string)
	d.rejected(d.renew(server.RefreshJWT(sealer, claims)), 401, notValid, "token_not_valid", "not a refresh token")
}
