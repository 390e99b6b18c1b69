package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A hallmark is a running server of ours with Simple JWT's paths, which can be
// killed and comes back at the same addresses, and a token for a site.
type hallmark struct {
	demo
	*program
	token     string
	tokenFile string
}

// claimed are the claims that the site's client asks for.
var claimed = []string{"roles", "groups", "entitlements", "email", "team", "born"}

func startHallmark(t *testing.T) *hallmark {
	t.Helper()
	dir, port, ops := t.TempDir(), freePort(t), freePort(t)
	h := &hallmark{
		demo:      demo{Issuer: "http://127.0.0.1:" + port, Operators: "http://127.0.0.1:" + ops, data: filepath.Join(dir, "data")},
		tokenFile: filepath.Join(dir, "operator"),
	}
	h.program = launch(t, port, func() *exec.Cmd {
		return exec.Command(binary, "serve", "--issuer", h.Issuer, "--data", h.data, "--listen", "127.0.0.1:"+port,
			"--ops-listen", "127.0.0.1:"+ops, "--simplejwt-client", "site")
	})
	h.await(t)
	args := []string{"client", "add", "--id", "site", "--auth", "none", "--audience", siteAudience, "--algorithm", rs256}
	for _, c := range claimed {
		args = append(args, "--claim", c)
	}
	h.operate(t, args...)
	var made struct{ Token string }
	if err := json.Unmarshal(h.operate(t, "operator", "token", "add", "django", "--scope", "users", "--json"), &made); err != nil || made.Token == "" {
		t.Fatalf("the operator token: %v", err)
	}
	h.token = made.Token
	write(t, h.tokenFile, made.Token+"\n")
	return h
}

// kill is kill -9.
func (h *hallmark) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-h.ended
}

func (h *hallmark) back(t *testing.T) {
	t.Helper()
	h.start(t)
	h.await(t)
}

// imports takes over a user whom no site has.
func (h *hallmark) imports(t *testing.T, line string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.jsonl")
	write(t, file, line+"\n")
	h.operate(t, "user", "import", file)
}

// signIn returns the claims of the access token that a password is good for, or
// nil, and the refresh token.
func (h *hallmark) signIn(t *testing.T, name, password string) (jwt.MapClaims, string) {
	t.Helper()
	got := tokens{}
	if status := h.post(t, "", map[string]string{"username": name, "password": password}, &got); status == http.StatusUnauthorized {
		return nil, ""
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(got["access"], claims); err != nil {
		t.Fatalf("sign in %s: %v %v", name, got, err)
	}
	return claims, got["refresh"]
}

func (h *hallmark) post(t *testing.T, to string, body map[string]string, into any) (status int) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(h.Issuer+"/api/token/"+to, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// has holds what a sign-in says of somebody.
func (h *hallmark) has(t *testing.T, name, password string, want map[string]any) {
	t.Helper()
	claims, _ := h.signIn(t, name, password)
	if claims == nil {
		t.Errorf("%s does not sign in", name)
		return
	}
	got := map[string]any{}
	for _, c := range append([]string{"user_id"}, claimed...) {
		if value, there := claims[c]; there {
			got[c] = value
		}
	}
	x, _ := json.Marshal(got)
	y, _ := json.Marshal(want)
	if !bytes.Equal(x, y) {
		t.Errorf("%s has the claims\n%s, want\n%s", name, x, y)
	}
}

func (h *hallmark) refuses(t *testing.T, name, password string) {
	t.Helper()
	if claims, _ := h.signIn(t, name, password); claims != nil {
		t.Errorf("%s signs in with %q", name, password)
	}
}

// settings are some of HALLMARK.
type settings map[string]any

// overTLS is the operators' listener behind a certificate that no system knows.
func (h *hallmark) overTLS(t *testing.T) (address, ca string) {
	t.Helper()
	target, err := url.Parse(h.Operators)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	return front.URL, ca
}

// A syncedSite is django/synced.py with a database of its own.
type syncedSite struct {
	h        *hallmark
	database string
	env      []string
	*dialogue
}

// startSynced makes a site and runs one process of it. The settings are added
// to HALLMARK.
func startSynced(t *testing.T, h *hallmark, model string, settings settings) *syncedSite {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	s := &syncedSite{h: h, database: filepath.Join(t.TempDir(), "db.sqlite3")}
	s.env = append(os.Environ(), "OPERATORS_URL="+h.Operators, "TOKEN_FILE="+h.tokenFile, "HALLMARK="+string(text), "AUTH_USER_MODEL="+model)
	if model == "auth.User" {
		made, err := emptyDatabase()
		if err != nil {
			t.Fatal(err)
		}
		write(t, s.database, made)
	} else if out, err := s.manage(t, "migrate", "--run-syncdb", "-v0"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.dialogue = s.process(t)
	return s
}

// emptyDatabase is what "migrate" makes, which takes a while.
var emptyDatabase = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hallmark-django")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	database := filepath.Join(dir, "db.sqlite3")
	cmd := exec.Command(python, "-B", "django/synced.py", database, "migrate", "-v0")
	cmd.Env = append(os.Environ(), "OPERATORS_URL=", "TOKEN_FILE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("migrate: %w\n%s", err, out)
	}
	made, err := os.ReadFile(database)
	return string(made), err
})

// process runs one more process of the site.
func (s *syncedSite) process(t *testing.T) *dialogue {
	t.Helper()
	return converseIn(t, s.env, python, "-B", "django/synced.py", s.database)
}

// manage is manage.py.
func (s *syncedSite) manage(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, append([]string{"-B", "django/synced.py", s.database}, args...)...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// do has the site do something, and returns what that left in answer, and how
// long it took.
func (s *syncedSite) do(t *testing.T, python string) (answer any, took time.Duration) {
	t.Helper()
	answer, took, err := doIn(s.dialogue, python)
	if err != nil {
		t.Fatalf("%s: %v", python, err)
	}
	return answer, took
}

func doIn(d *dialogue, python string) (answer any, took time.Duration, err error) {
	line, err := json.Marshal(python)
	if err != nil {
		return nil, 0, err
	}
	text, err := d.say(string(line))
	if err != nil {
		return nil, 0, err
	}
	var said struct {
		Answer  any
		Error   string
		Seconds float64
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, text)
	}
	if said.Error != "" {
		err = errors.New(said.Error)
	}
	return said.Answer, time.Duration(said.Seconds * float64(time.Second)), err
}

// arrives waits until nothing is on its way any more: seconds, but for a machine
// that is very busy.
func (s *syncedSite) arrives(t *testing.T) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < time.Minute {
		if left, _ := s.do(t, "answer = Change.objects.count()"); left == 0.0 {
			t.Logf("it arrived within %v", time.Since(began).Round(time.Millisecond))
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	left, _ := s.do(t, "answer = list(Change.objects.values_list('kind', 'key', 'error'))")
	t.Fatalf("it does not arrive: %v\nthe site wrote\n%s", left, s.stderr.String())
}

// agrees holds Hallmark against the site: an import of the site's database, with
// the same rules, finds nothing to do.
func (s *syncedSite) agrees(t *testing.T, users int, flags ...string) {
	t.Helper()
	report := s.h.operate(t, append([]string{"user", "import", "--from-django", s.database, "--dry-run", "--each"}, flags...)...)
	if want := fmt.Sprintf("would be 0 created, 0 updated, %d unchanged, 0 refused\n", users); !strings.HasSuffix(string(report), want) {
		t.Errorf("an import would change something; want %s\n%s", want, report)
	}
}

// quiet: nothing secret is in what the site wrote.
func (s *syncedSite) quiet(t *testing.T) {
	t.Helper()
	if err := s.end(); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{s.h.token, "pbkdf2_sha256$"} {
		if strings.Contains(s.stderr.String(), secret) {
			t.Errorf("the site wrote a secret:\n%s", s.stderr.String())
		}
	}
}
