package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

// block finds the only fenced block of a language in a document.
func block(t *testing.T, doc, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(repoFile(t, doc)), -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s", doc, len(found), language)
	}
	return found[0][1]
}

// proxies are the ones whose configuration docs/operations.md shows, and what
// stands around it where a test runs it.
var proxies = []struct {
	language, program string
	config            func(dir, site string) string
	args              func(file string) []string
}{
	{"nginx", "nginx", func(dir, site string) string {
		temp := ""
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
		}
		user := ""
		if os.Getuid() == 0 {
			user = "user root;\n"
		}
		return user + "daemon off;\npid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temp + site + "}\n"
	}, func(file string) []string { return []string{"-c", file, "-e", "stderr"} }},
	{"apache", "apache2", func(dir, site string) string {
		port := regexp.MustCompile(`\*:(\d+)>`).FindStringSubmatch(site)[1]
		load := ""
		for _, name := range []string{"mpm_event", "authz_core", "socache_shmcb", "ssl", "proxy", "proxy_http"} {
			load += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
		}
		return load + "ServerName localhost\nDefaultRuntimeDir " + dir + "\nPidFile " + dir + "/pid\nErrorLog /dev/stderr\nListen 127.0.0.1:" + port + "\n" + site
	}, func(file string) []string { return []string{"-DFOREGROUND", "-f", file} }},
}

// TestProxies runs the proxies' configurations in front of a server: it answers
// over TLS, a client authenticates, and the server knows where it comes from.
func TestProxies(t *testing.T) {
	t.Parallel()
	for _, proxy := range proxies {
		t.Run(proxy.program, func(t *testing.T) {
			need(t, proxy.program)
			dir, port := t.TempDir(), freePort(t)
			pair := makePair(t, nextYear())
			pair.write(t, dir)
			issuer := "https://localhost:" + port
			d := newDesk(t)
			server := d.serve("--issuer", issuer, "--trusted-proxy", "127.0.0.1")
			d.ok(imagePassword+"\n", "user", "add", "alice")
			var client operator.ClientView
			d.json(&client, "", "client", "add", "--auth", "client_secret_basic", "--audience", "https://api.example.com")

			site := strings.NewReplacer(
				"127.0.0.1:8080", server.logged("public"), "login.example.com.pem", "tls.crt", "login.example.com.key", "tls.key",
				"/etc/ssl/certs", dir, "/etc/ssl/private", dir, "login.example.com", "localhost", "443", port,
			).Replace(block(t, "docs/operations.md", proxy.language))
			file := filepath.Join(dir, "proxy.conf")
			if err := os.WriteFile(file, []byte(proxy.config(dir, site)), 0o644); err != nil {
				t.Fatal(err)
			}
			background(t, exec.Command(proxy.program, proxy.args(file)...), port)

			// The proxy is 127.0.0.1, the caller 127.0.0.2, and what it claims is nobody's.
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			caller := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, TLSClientConfig: &tls.Config{RootCAs: pair.roots()}}}
			defer caller.CloseIdleConnections()
			form := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {imagePassword}}
			req, err := http.NewRequest("POST", issuer+"/oauth2/token", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("X-Forwarded-For", "203.0.113.7")
			req.SetBasicAuth(client.ID, client.Secret)
			resp, err := caller.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" || server.logged("address") != "127.0.0.2" {
				t.Errorf("%s, Cache-Control %q, from %q", resp.Status, resp.Header.Get("Cache-Control"), server.logged("address"))
			}
		})
	}
}

// background runs a server until the test ends, and waits until it listens.
func background(t *testing.T, cmd *exec.Cmd, port string) {
	t.Helper()
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // the group started here
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not serve; it wrote\n%s", cmd.Path, log.String())
}

// TestOperationsNames: what docs/operations.md tells operators to look for in
// the log and on standard error is there in the code.
func TestOperationsNames(t *testing.T) {
	out, err := exec.Command("git", "-C", repo(t), "grep", "-h", "", "--", "*.go", ":!*_test.go").Output()
	if err != nil {
		lacking(t, "git, or the checkout is not one", err)
	}
	code := strings.ReplaceAll(string(out), `"session_ended_"+string(done.Session.EndReason)`, `"session_ended_reused" "session_ended_store_behind"`)
	doc := string(repoFile(t, "docs/operations.md"))
	_, doc, _ = strings.Cut(doc, "## What to watch")
	names := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(doc, -1)
	fields, _, _ := strings.Cut(doc, "These want")
	names = append(names, regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(fields, -1)...)
	if len(names) < 30 {
		t.Fatalf("only %d names are found", len(names))
	}
	for _, name := range names {
		text := strings.TrimPrefix(strings.TrimPrefix(name[1], "event="), "error=")
		if !strings.Contains(code, text) {
			t.Errorf("docs/operations.md names %q, which is nowhere in the code", name[1])
		}
	}
}

// TestLinks: what the documents link to in the repository is there, down to the
// heading, and no document is one that nobody finds.
func TestLinks(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "-C", repo(t), "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md").Output()
	if err != nil {
		lacking(t, "git, or the checkout is not one", err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)#?([^)]*)\)`)
	n, linked := 0, map[string]bool{}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		for _, m := range link.FindAllStringSubmatch(string(repoFile(t, name)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			target := filepath.Join(filepath.Dir(name), m[1])
			linked[target] = true
			if _, err := os.Stat(filepath.Join(repo(t), target)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			} else if line, code := strings.CutPrefix(m[2], "L"); code && !strings.HasSuffix(target, ".md") { // the line itself: TestMatrix
				if n, err := strconv.Atoi(line); err != nil || n > strings.Count(string(repoFile(t, target)), "\n") {
					t.Errorf("%s links to %s#%s, and there is no such line", name, m[1], m[2])
				}
			} else if m[2] != "" && !slices.Contains(headings(string(repoFile(t, target))), m[2]) {
				t.Errorf("%s links to %s#%s, and there is no such heading", name, m[1], m[2])
			}
		}
	}
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "docs/") && !linked[name] {
			t.Errorf("no document links to %s", name)
		}
	}
	if n == 0 {
		t.Error("no links are found")
	}
}

// headings are the anchors of a document's headings, as GitHub makes them.
func headings(text string) (anchors []string) {
	for _, m := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
}
