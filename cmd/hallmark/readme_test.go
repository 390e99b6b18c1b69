package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const serveDemo = "go run ./cmd/hallmark serve --demo\n"

// TestReadme runs the README's command lines exactly as they are printed, in
// their order, in a copy of the checkout: the demo in the background, the rest
// in one shell. What listens on a port gets a free one from the environment.
func TestReadme(t *testing.T) {
	for _, command := range []string{"bash", "curl", "sed", "openssl", "timeout"} {
		if _, err := exec.LookPath(command); err != nil {
			lacking(t, command, err)
		}
	}
	dir := checkout(t)
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	demos := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		switch block[1] {
		case serveDemo:
			demos++
		case "go test ./...\n": // what runs this
		default:
			// A server goes on until it is told to end; five seconds show that it starts.
			lines := strings.ReplaceAll(block[1], "./hallmark serve", "timeout --preserve-status -s TERM 5 ./hallmark serve")
			script.WriteString("set -v\n" + lines + "set +v\n")
		}
	}
	if demos != 1 {
		t.Fatalf("the README starts the demo %d times, with %q", demos, serveDemo)
	}
	script.WriteString(`test "$(get token.json refresh_token)" != "$(get refreshed.json refresh_token)"` + "\n")

	env := append(os.Environ(), "HALLMARK_LISTEN=127.0.0.1:0", "HALLMARK_OPS_LISTEN=127.0.0.1:0")
	serve := exec.Command("bash", "-c", "exec "+serveDemo)
	serve.Dir, serve.Env = dir, env
	serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run starts a child
	var served lockedBuffer
	serve.Stdout, serve.Stderr = &served, &served
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		syscall.Kill(-serve.Process.Pid, syscall.SIGTERM) // the group started above
		serve.Wait()
	}()
	awaitDemo(t, dir, &served)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir, shell.Env = dir, env
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\nthe demo wrote\n%s", err, out, served.String())
	}
}

func awaitDemo(t *testing.T, dir string, served *lockedBuffer) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		d, err := loadDemo(filepath.Join(dir, "hallmark-data"))
		if err != nil || d.Issuer == "" {
			continue
		}
		if resp, err := http.Get(d.Issuer + demoPath); err == nil {
			resp.Body.Close()
			return
		}
	}
	t.Fatalf("the demo does not serve; it wrote\n%s", served.String())
}

// checkout copies what git would, committed or not, to a directory of its own.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repo(t)
	out, err := list.Output()
	if err != nil {
		lacking(t, "git, or the checkout is not one", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(repo(t), name))
		if os.IsNotExist(err) { // deleted, not committed
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReadmeQuotes: code that the README shows is a file that tests run.
func TestReadmeQuotes(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repo(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	quotes := regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n+```\\w+\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if marks := strings.Count(string(readme), "<!-- file:"); marks != len(quotes) || marks == 0 {
		t.Errorf("%d files are named, %d are quoted", marks, len(quotes))
	}
	for _, q := range quotes {
		text, err := os.ReadFile(filepath.Join(repo(t), q[1]))
		if err != nil || !strings.Contains(string(text), q[2]) {
			t.Errorf("the README's %s differs from the file: %v", q[1], err)
		}
	}
}
