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

// documents are the texts whose command lines and quotations are tested: the
// README first, because the others go on where it ended.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repo(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// runElsewhere marks a document whose lines are for another place than a checkout
// with the demo: the test that it names runs them there.
var runElsewhere = regexp.MustCompile(`(?m)^<!-- run: (\S+) -->$`)

// TestReadme runs the command lines of the README and the other documents
// exactly as they are printed, in their order, in a copy of the checkout: the
// demo in the background, the rest in one shell. What listens on a port gets a
// free one from the environment.
func TestReadme(t *testing.T) {
	t.Parallel()
	unraced(t)
	need(t, "bash", "curl", "sed", "openssl", "timeout", "node")
	dir := checkout(t)
	var blocks [][]string
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if mark := runElsewhere.FindSubmatch(text); mark != nil {
			if runs := repoFile(t, string(mark[1])); !strings.Contains(string(runs), "/docs/"+filepath.Base(path)+`"`) {
				t.Errorf("%s, which is to run %s, does not name it", mark[1], filepath.Base(path))
			}
			continue
		}
		blocks = append(blocks, regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1)...)
	}
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	demos := 0
	for _, block := range blocks {
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

// TestReadmeQuotes: code that a document shows is a file that tests run.
func TestReadmeQuotes(t *testing.T) {
	all := 0
	for _, path := range documents(t) {
		document, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		quotes := regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n+```\\w+\n(.*?)```").FindAllStringSubmatch(string(document), -1)
		if marks := strings.Count(string(document), "<!-- file:"); marks != len(quotes) {
			t.Errorf("%s names %d files and quotes %d", filepath.Base(path), marks, len(quotes))
		}
		for _, q := range quotes {
			text, err := os.ReadFile(filepath.Join(repo(t), q[1]))
			if err != nil || !strings.Contains(string(text), q[2]) {
				t.Errorf("what %s shows of %s differs from the file: %v", filepath.Base(path), q[1], err)
			}
		}
		all += len(quotes)
	}
	if all == 0 {
		t.Error("no file is quoted")
	}
}
