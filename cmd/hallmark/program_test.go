package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
)

// A program is a real server process.
type program struct {
	*testing.T
	binary string
	data   string
	listen string // the same after a restart
	args   []string
	cmd    *exec.Cmd
	out    bytes.Buffer
	demo
}

// programDir has the built program while the tests run.
var programDir string

// TestMain runs more tests at a time than there are processors, unless it is
// told how many: most of them wait for processes.
func TestMain(m *testing.M) {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err)
		}
	}
	var err error
	if programDir, err = os.MkdirTemp("", "hallmark-program"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programDir)
	os.Exit(code)
}

// buildProgram builds the program once for all tests that run it as a process.
func buildProgram(t *testing.T) string {
	t.Helper()
	unraced(t)
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "hallmark")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// unraced ends a test that drives processes of the built program: the race
// detector sees nothing in them, and the run without it has the test too.
func unraced(t *testing.T) {
	if raceEnabled {
		t.Skip("drives other processes, in which the race detector sees nothing")
	}
}

// lacking skips a test for want of something, by name, and fails it where
// everything is required.
func lacking(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("HALLMARK_REQUIRE_PEERS") != "" {
		t.Fatalf("required and not here: %s: %v", what, err)
	}
	t.Skipf("not here: %s", what)
}

// start runs serve --demo as a process and waits until it serves.
func (p *program) start() {
	p.Helper()
	p.cmd = exec.Command(p.binary, append([]string{"serve", "--demo", "--data", p.data, "--listen", p.listen, "--ops-listen", "127.0.0.1:0"}, p.args...)...)
	p.out.Reset()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(p.data, "demo.json"))
		if err != nil || json.Unmarshal(text, &p.demo) != nil || p.Issuer == "" {
			continue
		}
		if resp, err := http.Get(p.Issuer + demoPath); err == nil {
			resp.Body.Close()
			p.listen = strings.TrimPrefix(p.Issuer, "http://")
			return
		}
	}
	p.kill()
	p.Fatalf("the server does not serve; it wrote\n%s", p.out.String())
}

// kill ends the process like a power cut would.
func (p *program) kill() {
	p.cmd.Process.Kill() // SIGKILL
	p.cmd.Wait()
}

func (p *program) post(form url.Values) map[string]any {
	p.Helper()
	form.Set("client_id", p.ClientID)
	resp, err := http.PostForm(p.Issuer+"/oauth2/token", form)
	if err != nil {
		p.Error(err)
		return nil
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 200 {
		p.Errorf("answered %s %v, %v", resp.Status, answer, err)
	}
	return answer
}

func (p *program) login() map[string]any {
	p.Helper()
	return p.post(url.Values{"grant_type": {"password"}, "username": {p.Username}, "password": {p.Password}})
}

func (p *program) refresh(token any) map[string]any {
	p.Helper()
	s, _ := token.(string)
	return p.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s}})
}

// call returns the status with which the demo API answers a token.
func (p *program) call(token any) int {
	p.Helper()
	req, err := http.NewRequest("GET", p.Issuer+demoPath, nil)
	if err != nil {
		p.Fatal(err)
	}
	s, _ := token.(string)
	req.Header.Set("Authorization", "Bearer "+s)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// operate runs another process on the same data and returns its exit code.
func (p *program) operate(args ...string) (int, string) {
	p.Helper()
	out, err := exec.Command(p.binary, args...).CombinedOutput()
	if err != nil && !strings.Contains(err.Error(), "exit status") {
		p.Fatal(err)
	}
	code := 0
	if err != nil {
		code = err.(*exec.ExitError).ExitCode()
	}
	return code, string(out)
}

// verify has the command explain a token.
func (p *program) verify(token any) int {
	p.Helper()
	s, _ := token.(string)
	code, _ := p.operate("verify", "--issuer", p.Issuer, "--audience", demoAudience, s)
	return code
}

// TestProgram is the life of a client beside the real program: it signs in,
// calls an API, refreshes from ten tabs at once, and goes on through a
// rotation of the keys and a kill -9.
func TestProgram(t *testing.T) {
	t.Parallel()
	p := &program{T: t, binary: buildProgram(t), data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0"}
	p.start()
	defer func() { p.kill() }()

	first := p.login()
	if got := p.call(first["access_token"]); got != 200 {
		t.Fatalf("the API answered %d", got)
	}
	if got := p.call(first["refresh_token"]); got != 401 {
		t.Errorf("the API answered a refresh token with %d", got)
	}
	tabs := make([]map[string]any, 10)
	var wg sync.WaitGroup
	for i := range tabs {
		wg.Go(func() { tabs[i] = p.refresh(first["refresh_token"]) })
	}
	wg.Wait()
	for _, tab := range tabs {
		if tab["refresh_token"] != tabs[0]["refresh_token"] || p.call(tab["access_token"]) != 200 {
			t.Fatalf("tabs got different refresh tokens, or one's access token is refused")
		}
	}

	if code, out := p.operate("keys", "rotate", "--now", "--data", p.data); code != 0 {
		t.Fatalf("rotate ended with %d: %s", code, out)
	}
	rotated := p.untilSignedAnew(first)
	for name, token := range map[string]any{"old": first["access_token"], "new": rotated["access_token"]} {
		if p.call(token) != 200 || p.verify(token) != exitOK {
			t.Errorf("after the rotation the %s token does not verify", name)
		}
	}

	// The answer to this refresh is lost in the crash.
	lost := p.refresh(tabs[0]["refresh_token"])
	p.kill()
	p.start()
	again := p.refresh(tabs[0]["refresh_token"])
	if again["refresh_token"] != lost["refresh_token"] {
		t.Errorf("asked again after the crash, the client got another refresh token")
	}
	if last := p.refresh(lost["refresh_token"]); p.call(last["access_token"]) != 200 {
		t.Errorf("the session does not go on after the crash")
	}
	for name, token := range map[string]any{"old": first["access_token"], "rotated": rotated["access_token"]} {
		if p.call(token) != 200 {
			t.Errorf("after the crash the %s token does not verify", name)
		}
	}

	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ended the program with %v; it wrote\n%s", err, p.out.String())
	}
	for _, secret := range []any{first["access_token"], first["refresh_token"], lost["refresh_token"]} {
		if strings.Contains(p.out.String(), secret.(string)) {
			t.Error("a token is in the output")
		}
	}
}

// untilSignedAnew signs in until the running server has heard of the rotation.
func (p *program) untilSignedAnew(before map[string]any) map[string]any {
	p.Helper()
	head := func(answer map[string]any) string {
		s, _ := answer["access_token"].(string)
		head, _, _ := strings.Cut(s, ".")
		return head
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if answer := p.login(); head(answer) != head(before) {
			return answer
		}
	}
	p.Fatal("the server signs on with the old key")
	return nil
}

// TestServeBesideOperators: what operators do shows at once in the running server.
func TestServeBesideOperators(t *testing.T) {
	p := &program{T: t, binary: buildProgram(t), data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0"}
	p.start()
	defer p.kill()
	session := p.login()
	if code, out := p.operate("user", "disable", p.Username, "--data", p.data); code != 0 {
		t.Fatalf("disable ended with %d: %s", code, out)
	}
	resp, err := http.PostForm(p.Issuer+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {p.ClientID}, "refresh_token": {session["refresh_token"].(string)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), "invalid_grant") {
		t.Errorf("a disabled user's refresh was answered %s %s", resp.Status, body)
	}
	if code, out := p.operate("user", "enable", p.Username, "--data", p.data); code != 0 {
		t.Fatalf("enable ended with %d: %s", code, out)
	}
	if p.call(p.login()["access_token"]) != 200 {
		t.Error("an enabled user's token is refused")
	}
	list, out := p.operate("keys", "list", "--json", "--data", p.data)
	var listed []map[string]any
	if list != 0 || json.Unmarshal([]byte(out), &listed) != nil || len(listed) != 4 {
		t.Errorf("keys list ended with %d: %s", list, out)
	}
}

// TestTrustedProxy: behind a proxy that is trusted, who guesses passwords holds
// off their own network; behind one that is not, everybody.
func TestTrustedProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want int // for the right password from another network
	}{
		"trusted":     {[]string{"--trusted-proxy", "127.0.0.0/8,::1"}, http.StatusOK},
		"not trusted": {nil, http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			p := &program{T: t, binary: buildProgram(t), data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", args: tt.args}
			p.start()
			defer p.kill()
			signIn := func(from, password string) int {
				form := url.Values{"grant_type": {"password"}, "client_id": {p.ClientID}, "username": {p.Username}, "password": {password}}
				req, err := http.NewRequest("POST", p.Issuer+"/oauth2/token", strings.NewReader(form.Encode()))
				if err != nil {
					t.Error(err)
					return 0
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("X-Forwarded-For", from)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return 0
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() { signIn("203.0.113.1", strings.TrimSpace(newPassword())) })
			}
			wg.Wait()
			if got := signIn("203.0.113.1", p.Password); got != http.StatusTooManyRequests {
				t.Errorf("who guessed is answered %d", got)
			}
			if got := signIn("198.51.100.7", p.Password); got != tt.want {
				t.Errorf("another network is answered %d, want %d", got, tt.want)
			}
		})
	}
}

// TestReseal changes the key-encryption key as the manual says, in real
// processes: the new one second, then first, reseal, drop the old.
func TestReseal(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	oldKEK, newKEK := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for _, path := range []string{oldKEK, newKEK} {
		if _, err := keys.CreateKEKFile(path); err != nil {
			t.Fatal(err)
		}
	}
	serves := func(keks ...string) {
		t.Helper()
		p := &program{T: t, binary: buildProgram(t), data: d.data, listen: "127.0.0.1:0"}
		for _, path := range keks {
			p.args = append(p.args, "--kek-file", path)
		}
		p.start()
		defer p.kill()
		if p.call(p.login()["access_token"]) != 200 {
			t.Errorf("serving with %q, a token is refused", keks)
		}
	}
	serves(oldKEK)
	serves(oldKEK, newKEK)
	serves(newKEK, oldKEK)
	list := []string{"keys", "list", "--kek-file"}
	dropped := []string{"serve", "--demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--kek-file", newKEK}
	d.execute(dropped...).check(t, exitUnusable, dropped, "another key-encryption key", "nothing was changed")

	reseal := d.execute("keys", "reseal", "--kek-file", newKEK, "--kek-file", oldKEK)
	if reseal.code != exitOK || !strings.Contains(reseal.out, "first key-encryption key") || !strings.Contains(reseal.err, "act=keys.reseal") {
		t.Fatalf("keys reseal ended with %d: %s%s", reseal.code, reseal.out, reseal.err)
	}
	if r := d.execute(append(list, newKEK)...); r.code != exitOK || !strings.Contains(r.out, "signing") {
		t.Errorf("keys list with the new key alone ended with %d: %s%s", r.code, r.out, r.err)
	}
	serves(newKEK)
	d.execute(append(list, oldKEK)...).check(t, exitUnusable, list, "another key-encryption key")
}
