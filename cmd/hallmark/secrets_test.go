package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A spy remembers the secrets of what it sends and is answered.
type spy struct {
	*testing.T
	secrets  map[string]string // what each is
	refusals []string
}

// keep remembers a secret, and returns it.
func (s *spy) keep(what, secret string) string {
	if len(secret) < 8 {
		s.Fatalf("%s is %q", what, secret)
	}
	s.secrets[secret] = what
	return secret
}

// send sends a request; the media type follows from the body.
func (s *spy) send(method, url, bearer, body string, edit ...func(*http.Request)) map[string]any {
	s.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		s.refusals = append(s.refusals, string(text))
	}
	var members map[string]any
	json.Unmarshal(text, &members) // some answers are empty
	for _, name := range []string{"access_token", "refresh_token", "client_secret"} {
		if secret, ok := members[name].(string); ok {
			s.keep(name, secret)
		}
	}
	return members
}

// TestNoSecretInTheLog: of all that passes through a busy server, rightly,
// wrongly and in wrong places, none gets into its log or a refusal.
func TestNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	server := d.serve("--demo", "--log-level", "debug")
	demo := readDemo(t, d.data)
	s := &spy{T: t, secrets: map[string]string{}}
	token, account, users := demo.Issuer+"/oauth2/token", demo.Issuer+"/account", demo.Operators+"/users"
	form := func(pairs ...string) string {
		v := url.Values{"client_id": {demo.ClientID}}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	str := func(members map[string]any, name string) string { v, _ := members[name].(string); return v }
	s.keep("the demo's password", demo.Password)
	kek, err := os.ReadFile(filepath.Join(d.data, "kek"))
	if err != nil {
		t.Fatal(err)
	}
	s.keep("the key-encryption key", strings.TrimSpace(string(kek)))

	signIn := form("grant_type", "password", "username", demo.Username, "password", demo.Password, "resource", demo.Issuer, "scope", "sessions")
	mine, api := s.send("POST", token, "", signIn), s.send("POST", token, "", form("grant_type", "password", "username", demo.Username, "password", demo.Password))
	access, refresh := str(mine, "access_token"), str(mine, "refresh_token")
	s.send("POST", token, "", form("grant_type", "password", "username", demo.Username, "password", s.keep("a wrong password", "wrong but somebody's")))
	s.send("POST", token, "", form("grant_type", "password", "username", s.keep("a password as a name", "password in the name"), "password", demo.Password))
	s.send("POST", token+"?password="+s.keep("a password in the query", "password-in-the-query"), "", signIn)
	s.send("POST", token, "", form("grant_type", "password", "client_secret", s.keep("a secret of nobody", "secret-of-no-client")))
	s.send("POST", token, "", form("grant_type", "refresh_token", "refresh_token", refresh))
	s.send("POST", token, "", form("grant_type", "refresh_token", "refresh_token", refresh+"x"))
	s.send("POST", token, "", form("grant_type", refresh, "scope", refresh, "resource", access))
	s.send("POST", token, "", signIn, func(r *http.Request) { r.SetBasicAuth(demo.ClientID, s.keep("a Basic secret", "secret-by-basic")) })
	s.send("GET", demo.Issuer+"/"+access, "", "")
	s.send("GET", account+"/sessions", access, "")
	s.send("GET", account+"/sessions", str(api, "access_token"), "")
	s.send("GET", account+"/sessions", refresh, "")
	s.send("GET", account+"/sessions?access_token="+access, "", "")
	s.send("DELETE", account+"/sessions/"+refresh, access, "")
	next := s.keep("a new password", "the next pass phrase")
	for _, body := range []string{
		`{"current":"wrong but somebody's","new":"` + next + `"}`, `{"current":"` + demo.Password + `","new":"` + next + `","` + next + `":1}`,
		`{"current":"` + demo.Password + `",` + next, `{"current":"` + demo.Password + `","new":"` + next + `"}`,
	} {
		s.send("POST", account+"/password", access, body)
	}
	s.send("POST", demo.Issuer+"/oauth2/revoke", "", form("token", access))
	s.send("POST", demo.Issuer+"/oauth2/revoke", "", form("token", refresh))

	var made map[string]any
	d.json(&made, "", "operator", "token", "add", "spy", "--scope=users clients sessions keys audit")
	op := s.keep("an operator token", str(made, "token"))
	hash := s.keep("a hash", "pbkdf2_sha256$1000$pepper$"+strings.Repeat("QUJD", 10)+"QUI=")
	for _, body := range []string{
		`{"username":"eve","password":"` + s.keep("another's password", "eve has a password") + `"}`, `{"username":"mal","password_hash":"` + hash + `"}`,
		`{"username":"` + strings.Repeat("x", 300) + `","password":"eve has a password"}`, `{"password":["eve has a password"]}`, `{"password":"eve has a password"`,
	} {
		s.send("POST", users, op, body)
	}
	s.send("GET", users+"?access_token="+op, "", "")
	s.send("GET", users, op+"x", "")
	s.send("GET", users, access, "")
	s.send("GET", demo.Operators+"/keys", op, "")
	s.send("GET", demo.Operators+"/audit", op, "")
	for _, name := range []string{"user", "client_id", "sid", "event", "address", "since", "after"} {
		s.send("GET", demo.Operators+"/audit?"+name+"="+url.QueryEscape(op), op, "")
	}
	s.send("POST", demo.Operators+"/clients", op, `{"client_id":"back","token_endpoint_auth_method":"client_secret_basic","audiences":["urn:a"]}`)
	s.send("POST", demo.Operators+"/clients/back/secrets", op, `{}`)

	if len(s.secrets) < 19 || len(s.refusals) < 20 {
		t.Fatalf("%d secrets and %d refusals are not a busy day: %q", len(s.secrets), len(s.refusals), s.refusals)
	}
	// The audit, and the file of the database with its log, hold the digests of
	// some of them, and nothing that anybody could use.
	s.send("POST", token, "", form("grant_type", "refresh_token", "refresh_token", refresh)) // its session has ended
	await(t, "the failures are recorded", func() bool {
		return strings.Contains(d.ok("", "audit", "--json", "--event=refresh.failed"), "refresh.failed") // the last of them
	})
	audit := d.ok("", "audit", "--limit", "0", "--json") + d.ok("", "audit", "--limit", "0")
	for _, event := range []string{"sign_in", "sign_in.failed", "client.failed", "operator.failed", "refresh.failed", "session.end", "user.passwd", "user.add", "client.add_secret", "token.add"} {
		if !strings.Contains(audit, `"event":"`+event+`"`) {
			t.Errorf("%s is not in the audit", event)
		}
	}
	var stored strings.Builder
	for _, name := range []string{"hallmark.db", "hallmark.db-wal"} {
		text, err := os.ReadFile(filepath.Join(d.data, name))
		if err != nil {
			t.Fatal(err)
		}
		stored.Write(text)
	}
	log := server.err.String()
	for secret, what := range s.secrets {
		parts := []string{secret}
		if strings.Count(secret, ".") == 2 { // of a JWT, each of what is signed and the signature
			parts = append(parts, strings.Split(secret, ".")[1:]...)
		}
		for _, part := range parts {
			if at := strings.Index(log, part); at >= 0 {
				t.Errorf("%s is in the log: …%s…", what, log[max(0, at-200):at])
			}
			for where, text := range map[string]string{"a refusal": strings.Join(s.refusals, "\n"), "the audit": audit, "the database": stored.String()} {
				if strings.Contains(text, part) && !(what == "a hash" && where == "the database") { // which is where it belongs
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
}
