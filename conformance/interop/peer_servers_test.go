package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script runs a program that answers each line with the token's subject, or
// with "refused: " and why.
func script(interpreter string) starter {
	return func(t *testing.T, s site, files []string) api {
		d := converse(t, interpreter, files[0], s.issuer, s.audience, s.seconds())
		return api{ask: func(t *testing.T, token string) (string, bool) {
			t.Helper()
			answer, err := d.say(token)
			if err != nil {
				t.Fatal(err)
			}
			return answer, !strings.HasPrefix(answer, "refused: ")
		}}
	}
}

func (s site) seconds() string { return strconv.Itoa(int(s.maxAge / time.Second)) }

// environment is how a server learns what it is set up for.
func (s site) environment(more ...string) []string {
	return append(append(os.Environ(), "ISSUER="+s.issuer, "AUDIENCE="+s.audience, "JWKS_MAX_AGE="+s.seconds()), more...)
}

// behind asks a server on a port. Some answer 500 to what they do not expect;
// that is no way to let a token through.
func behind(port string, subject func(resp *http.Response, body string) string) func(*testing.T, string) (string, bool) {
	return func(t *testing.T, token string) (string, bool) {
		t.Helper()
		resp, body := get(t, "http://127.0.0.1:"+port+"/me", token)
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
			t.Logf("it answered %s", resp.Status)
		}
		return subject(resp, body), resp.StatusCode == http.StatusOK
	}
}

// node runs an API whose answer is the subject.
func node(t *testing.T, s site, files []string) api {
	port := freePort(t)
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command("node", files[0])
		cmd.Env = s.environment("PORT=" + port)
		return cmd
	})
	return api{ask: behind(port, func(_ *http.Response, body string) string { return body }), await: p.await}
}

func django(t *testing.T, s site, files []string) api {
	port := freePort(t)
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command(python, "-B", files[0], port)
		cmd.Env = s.environment()
		return cmd
	})
	ask := behind(port, func(_ *http.Response, body string) string {
		_, after, _ := strings.Cut(body, `"sub":"`)
		subject, _, _ := strings.Cut(after, `"`)
		return subject
	})
	return api{ask: ask, await: p.await, forget: p.restart}
}

const apacheModules = "/usr/lib/apache2/modules/"

func needApache(t *testing.T) {
	need(t, "Debian's libapache2-mod-auth-openidc", "test", "-x", "/usr/sbin/apache2", "-a", "-e", apacheModules+"mod_auth_openidc.so")
}

func apache(t *testing.T, s site, files []string) api { return apacheWith(t, s, files[0]) }

// apacheWith runs it with a configuration, and more in its environment.
func apacheWith(t *testing.T, s site, file string, more ...string) api {
	dir, port := t.TempDir(), freePort(t)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for www-data, when the test runs as root
		t.Fatal(err)
	}
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "headers", "unixd", "auth_openidc"} {
		if _, err := os.Stat(apacheModules + "mod_" + m + ".so"); err == nil {
			fmt.Fprintf(&load, "LoadModule %s_module %smod_%s.so\n", m, apacheModules, m)
		}
	}
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keys := tlsFront(t, s.issuer) // it takes keys over TLS only
	file = filepath.Join(dir, "apache.conf")
	write(t, file, load.String()+fmt.Sprintf(`
ServerName 127.0.0.1
Listen 127.0.0.1:%s
PidFile %s/pid
ErrorLog %s/error.log
DocumentRoot %s
User www-data
Group www-data
Header set Remote-User expr=%%{REMOTE_USER}
OIDCOAuthSSLValidateServer Off
%s`, port, dir, dir, dir, config))
	write(t, filepath.Join(dir, "me"), "hello")
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command("/usr/sbin/apache2", "-DFOREGROUND", "-f", file)
		cmd.Env = s.environment(append(more, "JWKS_URI="+keys+"/.well-known/jwks.json")...)
		return cmd
	})
	ask := behind(port, func(resp *http.Response, _ string) string { return resp.Header.Get("Remote-User") })
	return api{ask: ask, await: p.await, forget: p.signal(syscall.SIGUSR1)} // apachectl graceful
}

// tlsFront is the issuer behind TLS, with a certificate of nobody.
func tlsFront(t *testing.T, issuer string) string {
	target, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	return front.URL
}

func needHAProxy(t *testing.T) {
	need(t, "Debian's haproxy", "test", "-x", "/usr/sbin/haproxy")
}

func haproxy(t *testing.T, s site, files []string) api {
	dir, port := t.TempDir(), freePort(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Subject"))
	}))
	t.Cleanup(upstream.Close)
	fill := func(t *testing.T) {
		t.Helper()
		cmd := exec.Command("sh", files[1], dir)
		cmd.Stdin = strings.NewReader(s.pem(t))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("keys.sh: %v\n%s", err, out)
		}
	}
	fill(t)
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command("/usr/sbin/haproxy", "-W", "-db", "-f", files[0])
		cmd.Env = s.environment("KEYS="+dir, "LISTEN=127.0.0.1:"+port, "API="+strings.TrimPrefix(upstream.URL, "http://"))
		return cmd
	})
	reload := func(t *testing.T) {
		fill(t)
		p.signal(syscall.SIGUSR2)(t) // systemctl reload haproxy
	}
	ask := behind(port, func(_ *http.Response, body string) string { return body })
	return api{ask: ask, await: p.await, forget: reload, refill: reload, secret: dir + "/1.pem"}
}

func (p *program) signal(s os.Signal) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}
