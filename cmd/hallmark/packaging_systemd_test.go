package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const unitFile = "docs/systemd/hallmark.service"

// unit reads the settings of the unit: all values that each has, in order.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(string(repoFile(t, unitFile))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: not a setting: %s", unitFile, line)
		}
		settings[name] = append(settings[name], value)
	}
	return settings
}

func TestUnit(t *testing.T) {
	need(t, "systemd-analyze")
	// The same unit, but with a program that is there.
	path := filepath.Join(t.TempDir(), "hallmark.service")
	text := strings.ReplaceAll(string(repoFile(t, unitFile)), "/usr/local/bin/hallmark", buildProgram(t))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "hallmark") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// In tenths: 0 is a service that may do nothing, 96 one that says nothing.
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=12", path).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}

	u := unit(t)
	for name, want := range map[string]string{
		"KillSignal": "SIGTERM", "Restart": "on-failure", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "MemoryDenyWriteExecute": "yes",
		"CapabilityBoundingSet": "", "User": "hallmark", "RestartPreventExitStatus": fmt.Sprint(exitUsage), "LoadCredential": "kek:/etc/hallmark/kek",
	} {
		if got := u[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if stop, err := time.ParseDuration(u["TimeoutStopSec"][0] + "s"); err != nil || stop <= drainTimeout {
		t.Errorf("TimeoutStopSec is %s: requests that are under way get %s", stop, drainTimeout)
	}
}

// A unitRun is the unit's command line and environment, with its directories
// put below one of the test's.
type unitRun struct {
	dir  string
	args []string
	env  []string
}

func newUnitRun(t *testing.T) unitRun {
	t.Helper()
	u, r := unit(t), unitRun{dir: t.TempDir()}
	state, credentials := filepath.Join(r.dir, "state"), filepath.Join(r.dir, "credentials")
	for _, name := range strings.Fields(strings.Join(u["StateDirectory"], " ")) { // systemd makes them
		if err := os.MkdirAll(filepath.Join(state, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range strings.Fields(strings.Join(u["Environment"], " ")) {
		r.env = append(r.env, strings.NewReplacer("%S", state, "%d", credentials, "/etc/hallmark", r.dir).Replace(pair))
	}
	// What the administrator writes, as docs/operations.md says.
	write(t, filepath.Join(r.dir, "hallmark.toml"), block(t, "docs/operations.md", "toml"))
	r.env = append(r.env, "HALLMARK_LISTEN=127.0.0.1:0", "HALLMARK_OPS_LISTEN=127.0.0.1:0")
	id, _, _ := strings.Cut(u["LoadCredential"][0], ":")
	shell(t, r.dir, "mkdir credentials && head -c 32 /dev/urandom | base64 > credentials/"+id)
	if os.Getuid() == 0 {
		// The mask of the access control list that lets the service read it.
		shell(t, r.dir, "chmod 0440 credentials/"+id+" && chmod 0555 credentials")
	} else {
		shell(t, r.dir, "chmod 0400 credentials/"+id+" && chmod 0555 credentials")
	}
	t.Cleanup(func() { os.Chmod(credentials, 0o755) })
	r.args = strings.Fields(u["ExecStart"][0])
	if r.args[0] != "/usr/local/bin/hallmark" {
		t.Fatalf("ExecStart begins with %s", r.args[0])
	}
	r.args[0] = staticProgram(t)
	return r
}

// denied are system calls that the unit's filter answers with an error and that
// the program can do without: Go raises the limit on open files, which the unit
// has done already, and files are given away, by SQLite and by us, only by root.
var denied = []string{"prlimit64", "setrlimit", "fchown", "fchownat"}

// TestUnitRuns runs the unit's command line and holds what the process asks of
// the kernel against what the unit permits.
func TestUnitRuns(t *testing.T) {
	t.Parallel()
	need(t, "strace", "systemd-analyze")
	r := newUnitRun(t)
	trace := filepath.Join(r.dir, "trace")
	cmd := exec.Command("strace", append([]string{"-f", "-qq", "-e", "signal=none", "-o", trace}, r.args...)...)
	cmd.Env = r.env
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceValue(func() error {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // the group started here: strace passes nothing on
		return cmd.Wait()
	})
	defer end()
	public, _ := awaitServing(t, log)

	operate := func(stdin string, args ...string) {
		t.Helper()
		op := exec.Command(r.args[0], args...)
		op.Env, op.Stdin = r.env, strings.NewReader(stdin)
		if out, err := op.CombinedOutput(); err != nil {
			t.Fatalf("hallmark %q: %v\n%s", args, err, out)
		}
	}
	operate(imagePassword+"\n", "user", "add", "alice")
	operate("", "client", "add", "--id", "web", "--audience", "https://api.example.com")
	operate("", "keys", "rotate", "--now")
	operate("", "config", "check")
	resp, err := http.PostForm("http://"+public+"/oauth2/token", map[string][]string{
		"grant_type": {"password"}, "client_id": {"web"}, "username": {"alice"}, "password": {imagePassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a sign-in is answered %s\n%s", resp.Status, log.String())
	}
	if err := end(); err != nil || !strings.Contains(log.String(), "shutting down") {
		t.Errorf("SIGTERM ends it with %v\n%s", err, log.String())
	}
	if got := listDir(t, filepath.Join(r.dir, "state/hallmark-keys")); !slices.Contains(got, "kek.seen") {
		t.Errorf("the mark is not in a directory of its own: %q", got)
	}
	checkTrace(t, trace, permitted(t))
}

// checkTrace holds the recorded system calls against the unit.
func checkTrace(t *testing.T, path string, may map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]bool{}
	families := strings.Fields(strings.Join(unit(t)["RestrictAddressFamilies"], " "))
	call := regexp.MustCompile(`^\d+ +([a-z_0-9]+)\((.*)`)
	for line := range strings.Lines(string(text)) {
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		calls[m[1]] = true
		if (m[1] == "mmap" || m[1] == "mprotect") && strings.Contains(m[2], "PROT_WRITE|PROT_EXEC") {
			t.Errorf("against MemoryDenyWriteExecute: %s", line)
		}
		if family, _, _ := strings.Cut(m[2], ","); m[1] == "socket" && !slices.Contains(families, family) {
			t.Errorf("against RestrictAddressFamilies: %s", line)
		}
	}
	if !calls["accept4"] || !calls["fsync"] && !calls["fdatasync"] {
		t.Errorf("the trace is not of a server: %d calls", len(calls))
	}
	for name := range calls {
		if !may[name] && !slices.Contains(denied, name) && name != "execve" { // the last is strace's own
			t.Errorf("the unit's SystemCallFilter lacks %s", name)
		}
	}
}

// permitted are the system calls that the unit's filter lets through.
func permitted(t *testing.T) map[string]bool {
	t.Helper()
	may := map[string]bool{}
	for _, filter := range unit(t)["SystemCallFilter"] {
		names, deny := strings.CutPrefix(filter, "~")
		for _, set := range strings.Fields(names) {
			for _, name := range syscallSet(t, set) {
				may[name] = !deny
			}
		}
	}
	for _, name := range syscallSet(t, "@default") { // always permitted
		may[name] = true
	}
	return may
}

// syscallSet resolves a set of system calls, and the sets in it.
func syscallSet(t *testing.T, set string) (names []string) {
	t.Helper()
	if !strings.HasPrefix(set, "@") {
		return []string{set}
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter", set).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", set, err)
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line != "" && line != set && !strings.HasPrefix(line, "#") {
			names = append(names, syscallSet(t, line)...)
		}
	}
	return names
}
