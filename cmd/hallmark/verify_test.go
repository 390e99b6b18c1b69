package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A shop is a demo that commands talk to over HTTP.
type shop struct {
	*desk
	demo
	server *running
}

func newShop(t *testing.T) *shop {
	d := newDesk(t)
	s := d.serve("--demo")
	return &shop{d, readDemo(t, d.data), s}
}

func (s *shop) tokenArgs(more ...string) []string {
	return append([]string{"token", "--issuer", s.Issuer, "--client-id", s.ClientID, "--username", s.Username}, more...)
}

func (s *shop) accessToken() string {
	s.Helper()
	return strings.TrimSpace(s.ok(s.Password+"\n", s.tokenArgs("--access-token")...))
}

func TestTokenCommand(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var answer map[string]any
	if err := json.Unmarshal([]byte(s.ok(s.Password, s.tokenArgs("--scope", "read")...)), &answer); err != nil {
		t.Fatal(err)
	}
	if answer["scope"] != "read" || answer["token_type"] != "Bearer" || answer["expires_in"] != 600.0 || answer["refresh_token"] == nil {
		t.Errorf("answered %v", answer)
	}
	if status := callDemo(t, s.apiURL(), s.accessToken()); status != 200 {
		t.Errorf("the API answers %d", status)
	}

	// Confidential clients, by both methods; the secret comes from a file.
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		var client struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		s.json(&client, "", "client", "add", "--auth", method, "--audience", "urn:a urn:b", "--default-audience", "urn:a")
		file := filepath.Join(t.TempDir(), "secret")
		write(t, file, client.Secret+"\n")
		args := []string{"token", "--issuer", s.Issuer, "--client-id", client.ID, "--client-secret-file", file, "--auth", method, "--username", s.Username}
		out := s.ok(s.Password, append(args, "--access-token", "--resource", "urn:b")...)
		s.ok(out, "verify", "-", "--issuer", s.Issuer, "--audience", "urn:b")
		if method == "client_secret_basic" { // what the issuer's metadata has first
			s.ok(s.Password, "token", "--issuer", s.Issuer, "--client-id", client.ID, "--client-secret-file", file, "--username", s.Username)
		}
		write(t, file, "wrong\n")
		s.fails(exitFailure, s.Password, args, "invalid_client")
	}
}

func callDemo(t *testing.T, address, token string) int {
	t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestTokenCommandFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	s.fails(exitFailure, newPassword(), s.tokenArgs(), "invalid_grant")
	s.fails(exitFailure, s.Password, s.tokenArgs("--scope", "admin"), "invalid_scope")
	s.fails(exitUsage, "", s.tokenArgs(), "standard input is empty")
	s.fails(exitUsage, "", []string{"token", "--issuer", s.Issuer, "--username", "x"}, "--client-id")
	s.fails(exitUsage, s.Password, s.tokenArgs("--client-secret-file", "/nonexistent/secret"), "/nonexistent/secret")
	s.fails(exitUsage, s.Password, []string{"token", "--issuer", "http://issuer.example", "--client-id=x", "--username=y"}, "https")
	s.fails(exitFailure, s.Password, []string{"token", "--issuer", "http://" + closed.Addr().String(), "--client-id=x", "--username=y"}, "metadata", "whether it is running")
	s.fails(exitFailure, s.Password, []string{"token", "--issuer", s.Issuer + "/other", "--client-id=x", "--username=y"}, "metadata")
	s.fails(exitUsage, s.Password, []string{"token", "--issuer", s.Issuer + "/", "--client-id=x", "--username=y"}, "final slash")
}

// What a foreign issuer answers neither steers the terminal nor gets the
// credentials in the clear or to another place.
func TestTokenCommandDistrustsIssuer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var issuer, endpoint string
	var answer func(http.ResponseWriter, *http.Request)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == "GET" {
			json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "token_endpoint": endpoint})
			return
		}
		asked++
		answer(w, r)
	}))
	defer server.Close()
	issuer = server.URL
	args := []string{"token", "--issuer", issuer, "--client-id", "app", "--username", "alice"}
	write := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); w.Write([]byte(body)) }
	}
	for name, tt := range map[string]struct {
		endpoint string
		answer   func(http.ResponseWriter, *http.Request)
		part     string
		asked    int
	}{
		"endpoint in the clear": {"http://issuer.example/token", nil, "https", 0},
		"no endpoint":           {"", nil, "no token_endpoint", 0},
		"control characters":    {issuer + "/token", write(400, `{"error":"\u001b[2Jinvalid_grant"}`), "\uFFFD[2Jinvalid_grant", 1},
		"throttled": {issuer + "/token", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
			w.Write([]byte(`{"error":"slow_down"}`))
		}, "Retry-After: 7", 1},
		"no JSON":  {issuer + "/token", write(502, "<html>"), "502", 1},
		"no token": {issuer + "/token", write(200, `{"token_type":"Bearer"}`), "without an access_token", 1},
		"redirect": {issuer + "/token", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "307", 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{T: t, env: d.env, data: d.data}
			asked, endpoint, answer = 0, tt.endpoint, tt.answer
			d.fails(exitFailure, newPassword(), args, tt.part)
			if asked != tt.asked {
				t.Errorf("the credentials were sent %d times, want %d", asked, tt.asked)
			}
		})
	}
}

func TestVerifyCommand(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	token := s.accessToken()
	_, jwks := get(t, s.Issuer+"/.well-known/jwks.json")
	file := filepath.Join(t.TempDir(), "jwks.json")
	write(t, file, jwks)
	args := func(more ...string) []string {
		return append([]string{"verify", token, "--issuer", s.Issuer, "--audience", demoAudience}, more...)
	}
	if out := s.ok("", args()...); !regexp.MustCompile(`(?m)^signature +ok +- +RFC 7515 §5.2$`).MatchString(out) || !strings.HasSuffix(out, "\nvalid\n") {
		t.Errorf("verify prints\n%s", out)
	}
	s.ok("", args("--scope", "read write")...)
	s.ok(token+"\n", "verify", "-", "--issuer", s.Issuer, "--audience", demoAudience)

	s.server.stop(t) // from here on offline
	s.ok("", args("--jwks", file)...)
	var report struct {
		Valid  bool
		Checks []struct{ Check, Result, Detail, Section string }
	}
	s.json(&report, "", args("--jwks", file)...)
	if !report.Valid || len(report.Checks) < 15 {
		t.Errorf("reported %+v", report)
	}

	parts := strings.Split(token, ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	offline := []string{"--issuer", s.Issuer, "--audience", demoAudience, "--jwks", file}
	for name, tt := range map[string]struct {
		args  []string
		check string // that fails
	}{
		"other audience": {[]string{token, "--issuer", s.Issuer, "--audience", "x", "--jwks", file}, "aud"},
		"other issuer":   {[]string{token, "--issuer", someIssuer, "--audience", demoAudience, "--jwks", file}, "iss"},
		"forged":         {append([]string{forged}, offline...), "signature"},
		"no token":       {append([]string{"x"}, offline...), "form"},
		"without scope":  {append([]string{token, "--scope", "read admin"}, offline...), "granted"},
	} {
		r := s.run("", append([]string{"verify"}, tt.args...)...)
		if r.code != exitUnverified || r.err != "" || !strings.Contains(r.out, "NOT valid: "+tt.check) {
			t.Errorf("%s ended with %d, err %q:\n%s", name, r.code, r.err, r.out)
		}
		asJSON := s.run("", append([]string{"verify", "--json"}, tt.args...)...)
		if err := json.Unmarshal([]byte(asJSON.out), &report); err != nil || report.Valid || asJSON.code != exitUnverified {
			t.Errorf("%s with --json ended with %d: %v %+v", name, asJSON.code, err, report)
		}
	}

	s.fails(exitFailure, "", args(), "whether the issuer is running", "--jwks")
	s.fails(exitUsage, "", args("--jwks", "/nonexistent/jwks"), "/nonexistent/jwks")
	s.fails(exitUsage, "", args("--jwks", os.DevNull), "--jwks")
	s.fails(exitUsage, "", []string{"verify", token, "--issuer", s.Issuer}, "--audience")
	s.fails(exitUsage, "", []string{"verify", token, "--issuer", s.Issuer, "--audience="}, "audience")
	s.fails(exitUsage, "", args("--jwks", file, "--leeway", "11m"), "leeway")
}

func TestConformanceCommand(t *testing.T) {
	if raceEnabled {
		t.Skip("the detector sees these cases in package server, with hashes that are cheap")
	}
	t.Parallel()
	s := newShop(t)
	pw := filepath.Join(t.TempDir(), "password")
	write(t, pw, s.Password+"\n")
	args := []string{
		"conformance", "--issuer", s.Issuer, "--client-id", s.ClientID, "--username", s.Username, "--password-file", pw,
		"--scope", "read write", "--retry-window", "90s", "--skip", "rt-reuse-*,rt-old-refused", "--resource-url", s.apiURL(),
	}
	r := s.run("", args...)
	if r.code != exitOK || !strings.Contains(r.out, "conformance of "+s.Issuer) || strings.Contains(r.out, s.Password) {
		t.Errorf("ended with %d: %s\n%s", r.code, r.err, r.out)
	}
	var report struct {
		Schema  int
		Results []struct{ ID, Outcome string }
	}
	dir := t.TempDir()
	text, asJSON, junit := filepath.Join(dir, "report.txt"), filepath.Join(dir, "report.json"), filepath.Join(dir, "report.xml")
	s.json(&report, "", append(args, "--only", "meta-*,jwks-*", "--text-report", text, "--json-report", asJSON, "--junit-report", junit)...)
	for path, part := range map[string]string{text: "conformance of " + s.Issuer, asJSON: `"schema": 1`, junit: `<testsuite name="jwks"`} {
		if written, err := os.ReadFile(path); err != nil || !strings.Contains(string(written), part) {
			t.Errorf("%s has no %q: %v\n%s", path, part, err, written)
		}
	}
	if r := s.run("", append(args, "--only", "jwks-etag", "--junit-report", filepath.Join(dir, "none", "x"))...); r.code != exitFailure || !strings.Contains(r.out, "1 pass") || !strings.Contains(errorLine(r.err), "none") {
		t.Errorf("a report that cannot be written ended with %d: %s\n%s", r.code, r.err, r.out)
	}
	if report.Schema != 1 || len(report.Results) == 0 {
		t.Errorf("reported %+v", report)
	}
	s.fails(exitUsage, "", []string{"conformance", "--issuer", "http://issuer.example"}, "https")
	s.fails(exitUsage, "", append(args, "--only", "no-such-case"), "no-such-case")
	s.fails(exitUsage, "", append(args, "--client2-secret-file", "/nonexistent/x"), "/nonexistent/x")

	public := filepath.Join(dir, "key.pem")
	write(t, public, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
	s.fails(exitUsage, "", append(args, "--jwt-client-id=x"), "--jwt-client-key-file")
	s.fails(exitUsage, "", append(args, "--jwt-client-id=x", "--jwt-client-key-file", "/nonexistent/x"), "/nonexistent/x")
	s.fails(exitUsage, "", append(args, "--jwt-client-id=x", "--jwt-client-key-file", public), "no private")

	// Nothing to sign in with: nothing is proven about tokens.
	r = s.run("", "conformance", "--issuer", s.Issuer, "--only", "tok-*")
	if r.code != exitFailure || !strings.Contains(errorLine(r.err), "proves nothing") {
		t.Errorf("without a client ended with %d: %s", r.code, r.err)
	}
	// A server that breaks the rules.
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"issuer": "https://other.example", "token_endpoint": "https://other.example/token"})
	}))
	defer bad.Close()
	if r := s.run("", "conformance", "--issuer", bad.URL, "--only", "meta-*"); r.code != exitUnverified {
		t.Errorf("a wrong issuer ended with %d: %s\n%s", r.code, r.err, r.out)
	}
}
