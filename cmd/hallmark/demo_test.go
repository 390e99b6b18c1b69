package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

func readDemo(t *testing.T, dir string) demo {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]string
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"issuer", "client_id", "username", "password"} {
		if members[name] == "" {
			t.Errorf("demo.json lacks %s", name)
		}
	}
	if len(members) != 5 {
		t.Errorf("demo.json has %d members", len(members))
	}
	return demo{Issuer: members["issuer"], Operators: members["operators"], ClientID: members["client_id"], Username: members["username"], Password: members["password"]}
}

// TestDemoLines pastes what the demo prints into a shell, line by line.
func TestDemoLines(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		lacking(t, "sh", err)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		lacking(t, "curl", err)
	}
	d := newDesk(t)
	s := d.serve("--demo")
	creds := readDemo(t, d.data)
	if info, err := os.Stat(filepath.Join(d.data, "demo.json")); err != nil || info.Mode() != 0o600 {
		t.Errorf("demo.json: %v, %v", info.Mode(), err)
	}
	if strings.Contains(s.err.String(), creds.Password) {
		t.Error("the password is in the log")
	}
	var lines []string
	for line := range strings.Lines(s.out.String()) {
		if pasted, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSpace(pasted))
		}
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines to paste in\n%s", len(lines), s.out.String())
	}
	// This test runs inside the test's program: verify is the real one's.
	own := regexp.MustCompile(`^\S.* verify --issuer`)
	if !own.MatchString(lines[4]) {
		t.Fatalf("the last line is %q", lines[4])
	}
	lines[4] = own.ReplaceAllString(lines[4], buildProgram(t)+" verify --issuer")

	script := "set -e\n" + strings.Join(lines, "\necho; echo ==\n")
	out, err := exec.Command(shell, "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parts := strings.Split(string(out), "\n==\n")
	for i, want := range []string{
		`"token_type":"Bearer".*"refresh_token":"hmr_`, `^\s*$`, `"roles":\["demonstrator"\],"scope":\["read","write"\]`,
		`"refresh_token":"hmr_`, `(?s)signature +ok.*\nvalid`,
	} {
		if i >= len(parts) || !regexp.MustCompile(want).MatchString(parts[i]) {
			t.Errorf("line %d, %q, does not print %s; all:\n%s", i, lines[i], want, out)
			break
		}
	}

	// Without a token, and with one that is not for it, the API says no.
	for header, want := range map[string]string{"": "401", "Bearer x.y.z": "401", "Basic eDp5": "401"} {
		out, err := exec.Command("curl", "-s", "-o", os.DevNull, "-w", "%{http_code}", "-H", "Authorization: "+header, creds.apiURL()).Output()
		if err != nil || string(out) != want {
			t.Errorf("Authorization %q is answered %s, %v", header, out, err)
		}
	}
}

// TestDemoAgain: a second start goes on with the same data and prints the same
// lines; what a first one left unfinished is finished.
func TestDemoAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.serve("--demo")
	creds, address := readDemo(t, d.data), first.logged("public")
	if code := first.stop(t); code != exitOK {
		t.Fatalf("ended with %d: %s", code, first.err.String())
	}
	second := d.serve("--demo", "--listen", address)
	if first.out.String() != second.out.String() {
		t.Errorf("printed at first\n%s\nand then\n%s", first.out.String(), second.out.String())
	}
	if strings.Contains(second.err.String(), "act=") {
		t.Errorf("a second start did something: %s", second.err.String())
	}

	// Scripts find the operators' listener, wherever it is this time.
	if moved := readDemo(t, d.data); moved.Issuer != creds.Issuer || moved.Operators != "http://"+second.logged("operators") {
		t.Errorf("a second start listens on %s and remembers %s", second.logged("operators"), moved.Operators)
	}
	second.stop(t)

	// On another port it is another issuer, with the same credentials.
	d.serve("--demo").stop(t)
	moved := readDemo(t, d.data)
	if moved.Issuer == creds.Issuer || moved.Password != creds.Password || moved.ClientID != creds.ClientID {
		t.Errorf("on another port the demo is %s, before %s", moved.Issuer, creds.Issuer)
	}
	// There, too, its client may look after the account.
	d.serve("--demo")
	moved = readDemo(t, d.data)
	resp, err := http.PostForm(moved.Issuer+"/oauth2/token", url.Values{
		"grant_type": {"password"}, "client_id": {moved.ClientID}, "username": {moved.Username}, "password": {moved.Password},
		"resource": {moved.Issuer}, "scope": {"sessions"},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a token for the account is answered %s", resp.Status)
	}

	// Interrupted after the file was written and before anything else was.
	other := newDesk(t)
	text, err := os.ReadFile(filepath.Join(d.data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(other.data, "demo.json"), string(text))
	other.serve("--demo")
	fresh := readDemo(t, other.data)
	if out := other.ok(fresh.Password, "token", "--issuer", fresh.Issuer, "--client-id", fresh.ClientID, "--username", fresh.Username, "--access-token"); len(out) < 100 {
		t.Errorf("the finished demo answers %q", out)
	}
}

// TestDemoTogether: of two first starts at once both serve, and demo.json holds
// what signs in at both.
func TestDemoTogether(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	args := []string{"serve", "--demo", "--data", d.data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}
	both := make([]running, 2)
	var wg sync.WaitGroup
	for i := range both {
		wg.Go(func() {
			if code := run(ctx, args, strings.NewReader(""), &both[i].out, &both[i].err, nil); code != exitOK {
				t.Errorf("one of two ended with %d: %s", code, both[i].err.String())
			}
		})
	}
	for i := range both {
		await(t, "serves", func() bool {
			return strings.Contains(both[i].out.String(), "demo.json") || strings.Contains(both[i].err.String(), "hallmark: ")
		})
		printed := regexp.MustCompile(`-d username=(\S+) -d password=([^)]+)`).FindStringSubmatch(both[i].out.String())
		if creds := readDemo(t, d.data); len(printed) != 3 || printed[2] != creds.Password {
			t.Errorf("one of two printed other credentials than demo.json holds:\n%s", both[i].out.String())
			continue
		}
		issuer := "http://" + both[i].logged("public")
		creds := readDemo(t, d.data)
		d.ok(creds.Password, "token", "--issuer", issuer, "--client-id", creds.ClientID, "--username", creds.Username)
	}
	cancel()
	wg.Wait()
}

// TestDemoKeeps: who comes second takes the credentials of the first, whatever
// it drew, and writes its own issuer.
func TestDemoKeeps(t *testing.T) {
	dir := t.TempDir()
	var all []*demo
	for range 2 {
		d, err := loadDemo(dir)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	first, second := all[0], all[1]
	first.Issuer, second.Issuer = "http://127.0.0.1:1", "http://127.0.0.1:2"
	drawn := first.Password
	for _, d := range all {
		if err := d.keep(); err != nil {
			t.Fatal(err)
		}
	}
	if got := readDemo(t, dir); first.Password != drawn || got.Password != drawn || second.Password != drawn || second.ClientID != first.ClientID {
		t.Errorf("demo.json has %s, the first had drawn %s, the second goes by %s", got.Password, drawn, second.Password)
	} else if got.Issuer != second.Issuer || second.Issuer != "http://127.0.0.1:2" {
		t.Errorf("demo.json has the issuer %s", got.Issuer)
	}
}

// overtaken are users among whom another process adds one right after a look
// for them.
type overtaken struct {
	*sqlite.Store
	add func()
}

func (o overtaken) UserByName(ctx context.Context, name string) (storage.User, error) {
	user, err := o.Store.UserByName(ctx, name)
	o.add()
	return user, err
}

// TestDemoOvertaken: the demo's user may be there by the time it is added.
func TestDemoOvertaken(t *testing.T) {
	p := &process{getenv: func(string) string { return "" }}
	dir := t.TempDir()
	o, err := p.openStore(t.Context(), filepath.Join(dir, "hallmark.db"), 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer o.store.Close()
	if err := o.openKeys(t.Context(), p, Place{Data: dir}, keys.RotatorConfig{}); err != nil {
		t.Fatal(err)
	}
	d, err := loadDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Issuer = "http://127.0.0.1:1"
	faster := o.Operator
	o.Users = overtaken{o.store, func() {
		if err := d.prepare(t.Context(), &faster); err != nil {
			t.Error(err)
		}
	}}
	if err := d.prepare(t.Context(), &o.Operator); err != nil {
		t.Errorf("the second of two starts: %v", err)
	}
	o.Users = o.store
	if err := d.try(t.Context(), o); err != nil || d.dead != "" {
		t.Errorf("afterwards: %v %s", err, d.dead)
	}
}

// TestDemoDead: credentials that sign nobody in any more are not printed.
func TestDemoDead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--demo").stop(t)
	creds := readDemo(t, d.data)
	d.ok(newPassword(), "user", "passwd", "demo")
	for act, part := range map[string]string{"": "was changed", "disable": "user enable demo"} {
		if act != "" {
			d.ok("", "user", act, "demo")
		}
		s := d.serve("--demo")
		if out := s.out.String(); !strings.Contains(out, part) || strings.Contains(out, creds.Password) {
			t.Errorf("%s: printed\n%s", part, out)
		}
		s.stop(t)
		if act != "" {
			d.ok("", "user", "enable", "demo")
		}
	}
	d.ok(creds.Password+"\n", "user", "passwd", "demo")
	if s := d.serve("--demo"); !strings.Contains(s.out.String(), creds.Password) {
		t.Errorf("printed\n%s", s.out.String())
	}
}

func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	args := []string{"serve", "--demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}
	tests := map[string]struct {
		prepare func(d *desk)
		code    int
		part    string
	}{
		"another user before the demo's": {func(d *desk) { d.ok("", "user", "add", "adam", "--no-password") }, exitConflict, `"adam"`},
		"another user after the demo's":  {func(d *desk) { d.ok("", "user", "add", "zoe", "--no-password") }, exitConflict, `"zoe"`},
		"forgotten":                      {func(d *desk) { remove(d.T, d.data, "demo.json") }, exitConflict, "restore it"},
		"damaged":                        {func(d *desk) { write(d.T, filepath.Join(d.data, "demo.json"), "{") }, exitFailure, "demo.json cannot be used"},
		"empty":                          {func(d *desk) { write(d.T, filepath.Join(d.data, "demo.json"), "{}") }, exitFailure, "credentials are missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.serve("--demo").stop(t)
			tt.prepare(d)
			before := files(t, d.data)
			d.fails(tt.code, "", append(args, "--data", d.data), tt.part)
			if !maps.Equal(before, files(t, d.data)) {
				t.Error("a demo that was refused changed something")
			}
		})
	}
}

// An issuer with another name than the listener's is found all the same, and
// one that nobody should trust is refused.
func TestDemoIssuer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.serve("--demo", "--issuer", "http://localhost:1/tenant", "--listen", "0.0.0.0:0")
	base := "http://" + strings.Replace(s.logged("public"), "[::]", "127.0.0.1", 1)
	if status, _ := get(t, base+demoPath); status != 401 {
		t.Errorf("the demo API answers %d", status)
	}
	if !strings.Contains(s.out.String(), "curl -s http://localhost:1/demo/me") {
		t.Errorf("printed\n%s", s.out.String())
	}
	s.stop(t)
	d.fails(exitUsage, "", []string{"serve", "--demo", "--issuer", "http://example.com", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, "https")
}
