package interop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need stops a test whose peer is not installed: it fails where everything is
// required, and is reported as skipped, by name, elsewhere.
func need(t *testing.T, peer string, probe ...string) {
	t.Helper()
	out, err := exec.Command(probe[0], probe[1:]...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("HALLMARK_REQUIRE_PEERS") != "":
		t.Fatalf("%s is required and not installed: %v\n%s", peer, err, out)
	default:
		t.Skipf("%s is not installed", peer)
	}
}

// python is Debian's, where Debian's packages are.
const python = "/usr/bin/python3"

// TestScripts: a few lines in another language verify tokens from before and
// after a rotation with the keys they hold, and refuse one for another
// audience and a forged one.
func TestScripts(t *testing.T) {
	d := serve(t)
	for name, tt := range map[string]struct {
		need             func(*testing.T)
		command          []string
		forged, stranger string // how it says why
	}{
		"Node jose": {
			func(t *testing.T) { needNode(t, "jose") }, []string{"node", "node/verify.mjs"},
			"JWSSignatureVerificationFailed", `unexpected "aud" claim value`,
		},
		"Debian's python3-jwt": {
			func(t *testing.T) { need(t, "Debian's python3-jwt", python, "-c", "import jwt, cryptography") }, []string{python, "python/verify.py"},
			"InvalidSignatureError", "InvalidAudienceError",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.need(t)
			verifier := func(audience string) *dialogue { return converse(t, append(tt.command, d.Issuer, audience)...) }
			before := d.login(t)
			subject := call(t, d.client().Client(t.Context(), before), d)
			script := verifier(audience)
			verify := func(token string) {
				t.Helper()
				if got, err := script.say(token); err != nil || got != subject {
					t.Errorf("got %q, %v; want %q", got, err, subject)
				}
			}
			verify(before.AccessToken)
			d.operate(t, "keys", "rotate", "--now")
			verify(d.eventually(t, before).AccessToken)
			verify(before.AccessToken)
			forged := before.AccessToken[:len(before.AccessToken)-8] + "AAAAAAAA"
			if got, err := script.say(forged); err == nil || !strings.Contains(err.Error(), tt.forged) {
				t.Errorf("a forged token was answered %q, %v", got, err)
			}
			if got, err := verifier("https://stranger.example").say(before.AccessToken); err == nil || !strings.Contains(err.Error(), tt.stranger) {
				t.Errorf("a token for another audience was answered %q, %v", got, err)
			}
		})
	}
}

// TestResourceServers: real servers in front of an API let the token's bearer
// in, before and after a rotation, and nobody else.
func TestResourceServers(t *testing.T) {
	d := serve(t)
	for name, start := range map[string]func(*testing.T, demo) (url string, who func(*http.Response) string){
		"Django REST framework with SimpleJWT": django, "Apache mod_auth_openidc": apache,
	} {
		t.Run(name, func(t *testing.T) {
			url, who := start(t, d)
			before := d.login(t)
			subject := call(t, d.client().Client(t.Context(), before), d)
			let := func(token string) {
				t.Helper()
				if resp, body := get(t, url, token); resp.StatusCode != 200 || who(resp) != subject {
					t.Errorf("a good token was answered %s %q %.300s", resp.Status, who(resp), body)
				}
			}
			let(before.AccessToken)
			d.operate(t, "keys", "rotate", "--now")
			let(d.eventually(t, before).AccessToken)
			let(before.AccessToken)
			for what, token := range map[string]string{"no": "", "a forged": before.AccessToken[:len(before.AccessToken)-8] + "AAAAAAAA"} {
				if resp, _ := get(t, url, token); resp.StatusCode != 401 {
					t.Errorf("%s token was answered %s", what, resp.Status)
				}
			}
		})
	}
}

func get(t *testing.T, url, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, string(body)
}

func django(t *testing.T, d demo) (string, func(*http.Response) string) {
	need(t, "Debian's python3-djangorestframework-simplejwt", python, "-c", "import rest_framework_simplejwt, django, jwt, cryptography")
	port := freePort(t)
	cmd := exec.Command(python, "-B", "django/api.py", port)
	cmd.Env = append(os.Environ(), "ISSUER="+d.Issuer, "AUDIENCE="+audience)
	background(t, cmd, port)
	return "http://127.0.0.1:" + port + "/me", func(resp *http.Response) string {
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		_, after, _ := strings.Cut(string(body), `"sub":"`)
		subject, _, _ := strings.Cut(after, `"`)
		return subject
	}
}

func apache(t *testing.T, d demo) (string, func(*http.Response) string) {
	const modules = "/usr/lib/apache2/modules/"
	need(t, "Debian's libapache2-mod-auth-openidc", "test", "-x", "/usr/sbin/apache2", "-a", "-e", modules+"mod_auth_openidc.so")
	dir, port := t.TempDir(), freePort(t)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for www-data, when the test runs as root
		t.Fatal(err)
	}
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "headers", "unixd", "auth_openidc"} {
		if _, err := os.Stat(modules + "mod_" + m + ".so"); err == nil {
			fmt.Fprintf(&load, "LoadModule %s_module %smod_%s.so\n", m, modules, m)
		}
	}
	api, err := os.ReadFile("apache/api.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf := load.String() + fmt.Sprintf(`
ServerName 127.0.0.1
Listen 127.0.0.1:%s
PidFile %s/pid
ErrorLog %s/error.log
DocumentRoot %s
User www-data
Group www-data
Header set Remote-User expr=%%{REMOTE_USER}
%s`, port, dir, dir, dir, api)
	write(t, filepath.Join(dir, "apache.conf"), conf)
	write(t, filepath.Join(dir, "me"), "hello")
	cmd := exec.Command("/usr/sbin/apache2", "-DFOREGROUND", "-f", filepath.Join(dir, "apache.conf"))
	cmd.Env = append(os.Environ(), "ISSUER="+d.Issuer, "AUDIENCE="+audience)
	background(t, cmd, port)
	return "http://127.0.0.1:" + port + "/me", func(resp *http.Response) string { return resp.Header.Get("Remote-User") }
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// background runs a server until the test ends and waits until it listens.
func background(t *testing.T, cmd *exec.Cmd, port string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		done := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		done.Stop()
		if t.Failed() {
			t.Logf("%s wrote\n%s", cmd.Path, out.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not listen; it wrote\n%s", cmd.Path, out.String())
}
