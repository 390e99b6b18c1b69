package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

const someIssuer = "https://issuer.example"

// serveArgs start a server on free ports that is not a demo.
func serveArgs(more ...string) []string {
	return append([]string{"serve", "--issuer", someIssuer, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, more...)
}

// TestStartFails starts the real program on what it must not start on: it says
// in one line what to do, ends with the code, and changes nothing.
func TestStartFails(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	kek := base64.StdEncoding.EncodeToString([]byte("another key-encryption key: 32 B"))

	used := newDesk(t) // a store with keys, to copy
	used.serve("--issuer", someIssuer).stop(t)
	db := func(name string) string { return filepath.Join(name, "hallmark.db") }

	tests := map[string]struct {
		args  []string
		env   map[string]string
		spoil func(t *testing.T, dir string)
		code  int
		parts []string
	}{
		"port taken":          {serveArgs("--listen", busy.Addr().String()), nil, nil, exitFailure, []string{"--listen", "in use", busy.Addr().String()}},
		"operators' port":     {serveArgs("--ops-listen", busy.Addr().String()), nil, nil, exitFailure, []string{"--ops-listen", "in use"}},
		"no address":          {serveArgs("--listen", "8080"), nil, nil, exitUsage, []string{"--listen", "host:port"}},
		"no issuer":           {[]string{"serve"}, nil, nil, exitUsage, []string{"--issuer", "--demo"}},
		"issuer over http":    {serveArgs("--issuer", "http://issuer.example"), nil, nil, exitUsage, []string{"--issuer", "https"}},
		"issuer with slash":   {serveArgs("--issuer", "https://issuer.example/"), nil, nil, exitUsage, []string{"write https://issuer.example;"}},
		"issuer with query":   {serveArgs("--issuer", "https://issuer.example?x"), nil, nil, exitUsage, []string{"query"}},
		"postgres":            {serveArgs("--store", "postgres://localhost/x"), nil, nil, exitUsage, []string{"this build keeps its data in SQLite"}},
		"long access tokens":  {serveArgs("--access-lifetime", "25h"), nil, nil, exitUsage, []string{"--access-lifetime", "keep-after 25h"}},
		"idle over absolute":  {serveArgs("--absolute-lifetime", "1h"), nil, nil, exitUsage, []string{"--idle-lifetime"}},
		"idle too short":      {serveArgs("--idle-lifetime", "179s"), nil, nil, exitUsage, []string{"--idle-lifetime", "2 × retry window 1m30s = 3m0s"}},
		"proxy is no address": {serveArgs("--trusted-proxy", "proxy.example"), nil, nil, exitUsage, []string{"--trusted-proxy", "proxy.example", "10.0.0.0/8"}},
		"no data directory":   {serveArgs("--data", ""), nil, nil, exitUsage, []string{"--data"}},
		"mark corrupt":        {serveArgs(), nil, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "kek.seen"), "{") }, exitUnusable, []string{"kek.seen", "restore the file", "--seen-file"}},
		"mark without place":  {serveArgs("--seen-file", "/nonexistent/mark"), nil, nil, exitUnusable, []string{"/nonexistent/mark", "--seen-file"}},
		"unsafe schedule":     {serveArgs("--publish-ahead", "1m"), nil, nil, exitUsage, []string{"publish-ahead", "2 × max-age"}},
		"unknown algorithm":   {serveArgs("--algorithms", "ES256,HS256"), nil, nil, exitUsage, []string{"HS256", "RS256"}},
		"kek missing":         {serveArgs(), nil, func(t *testing.T, dir string) { remove(t, dir, "kek") }, exitUnusable, []string{"kek", "is missing", "--kek-file"}},
		"kek file missing":    {serveArgs("--kek-file", "/nonexistent/kek"), nil, nil, exitUnusable, []string{"--kek-file", "/nonexistent/kek"}},
		"kek wrong":           {serveArgs(), map[string]string{"HALLMARK_KEK": kek}, nil, exitUnusable, []string{"another key-encryption key", "nothing was changed"}},
		"kek no base64":       {serveArgs(), map[string]string{"HALLMARK_KEK": "secret?"}, nil, exitUnusable, []string{"HALLMARK_KEK", "base64"}},
		"kek command fails":   {serveArgs("--kek-command", "exit 3"), nil, nil, exitUnusable, []string{"--kek-command", "exit status 3"}},
		"kek read by others":  {serveArgs(), nil, func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "kek"), 0o644) }, exitUnusable, []string{"chmod 600"}},
		"database corrupt":    {serveArgs(), nil, func(t *testing.T, dir string) { write(t, db(dir), strings.Repeat("not SQLite", 999)) }, exitUnusable, []string{"hallmark.db", "restore"}},
		"database foreign": {serveArgs(), nil, func(t *testing.T, dir string) {
			remove(t, dir, "hallmark.db")
			execSQL(t, db(dir), "CREATE TABLE x (y)")
		}, exitUnusable, []string{"hallmark.db", "not a Hallmark database"}},
		"database newer":       {serveArgs(), nil, func(t *testing.T, dir string) { execSQL(t, db(dir), "PRAGMA user_version = 999") }, exitUnusable, []string{"hallmark.db", "newer", "upgrade"}},
		"database set back":    {serveArgs(), nil, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "kek.seen"), `{"version":99}`) }, exitUnusable, []string{"keys recover"}},
		"database lost":        {serveArgs(), nil, func(t *testing.T, dir string) { remove(t, dir, "hallmark.db") }, exitUnusable, []string{"keys recover"}},
		"ring corrupt":         {serveArgs(), nil, func(t *testing.T, dir string) { execSQL(t, db(dir), "UPDATE ring SET sealed = x'00'") }, exitUnusable, []string{"restore"}},
		"database's directory": {serveArgs("--store", "/nonexistent/hallmark.db"), nil, nil, exitUnusable, []string{"/nonexistent", "directory"}},
		"data is a file":       {serveArgs("--data", "/dev/null"), nil, nil, exitUnusable, []string{"--data", "/dev/null"}},
		"demo among users":     {[]string{"serve", "--demo", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"}, nil, addUser, exitConflict, []string{"--demo", "alice", "--data"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.env = maps.Clone(tt.env)
			for name, text := range files(t, used.data) {
				write(t, filepath.Join(d.data, name), text)
			}
			if tt.spoil != nil {
				tt.spoil(t, d.data)
			}
			before := files(t, d.data)
			r := d.execute(tt.args...)
			r.check(t, tt.code, tt.args, tt.parts...)
			after := files(t, d.data)
			if name == "database lost" { // an empty one takes its place, without keys
				delete(after, "hallmark.db")
			}
			if !maps.Equal(before, after) {
				t.Errorf("files changed: %d before, %d after", len(before), len(after))
			}
		})
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func execSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func addUser(t *testing.T, dir string) {
	t.Helper()
	d := &desk{T: t, data: dir}
	d.ok(newPassword(), "user", "add", "alice")
}

// A first start makes everything for its owner alone; a port that is taken
// leaves nothing behind.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.data = filepath.Join(d.data, "new")
	s := d.serve("--issuer", someIssuer)
	for name, want := range map[string]os.FileMode{".": 0o700 | os.ModeDir, "hallmark.db": 0o600, "hallmark.db-wal": 0o600, "kek": 0o600, "kek.seen": 0o600} {
		info, err := os.Stat(filepath.Join(d.data, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, want %v: %v", name, info.Mode(), want, err)
		}
	}
	other := newDesk(t)
	other.data = filepath.Join(other.data, "new")
	r := other.run("", serveArgs("--data", other.data, "--listen", s.logged("public"))...)
	r.check(t, exitFailure, []string{"serve"}, "in use")
	if _, err := os.Stat(other.data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed start made %s: %v", other.data, err)
	}
	if code := s.stop(t); code != exitOK {
		t.Errorf("ended with %d", code)
	}
}

// Settings come from the environment, and flags win over it.
func TestServeFromEnvironment(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env = map[string]string{
		"HALLMARK_ISSUER": someIssuer + "/tenant", "HALLMARK_LOG_FORMAT": "json", "HALLMARK_ALGORITHMS": "RS256",
		"HALLMARK_ACCESS_LIFETIME": "2h", "HALLMARK_LISTEN": "not used",
	}
	s := d.serve("--log-format", "text")
	base := "http://" + s.logged("public")
	for path, part := range map[string]string{
		"/.well-known/oauth-authorization-server/tenant": `"issuer":"https://issuer.example/tenant"`,
		"/tenant/.well-known/jwks.json":                  `"RS256"`,
	} {
		if status, body := get(t, base+path); status != 200 || !strings.Contains(body, part) || strings.Contains(body, "ES256") {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	s.stop(t)

	// The schedule is the store's now: another one in the settings is said to be ignored.
	again := d.serve("--log-format", "text", "--algorithms", "ES256", "--rotate-every", "720h", "--simplejwt-client", "nobody")
	if log := again.err.String(); !strings.Contains(log, "--simplejwt-client names a client that is not there") || !strings.Contains(log, "client_id=nobody") {
		t.Errorf("Simple JWT's paths for nobody: %s", log)
	}
	if log := again.err.String(); !strings.Contains(log, "ignored") || !strings.Contains(log, "[algorithms]") {
		t.Errorf("a schedule that is not the store's: %s", log)
	}
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Health is for the operators' listener; what it serves is not on the public
// one, and the demo API is in no server but a demo.
func TestListeners(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.serve("--issuer", someIssuer)
	public, ops := "http://"+s.logged("public"), "http://"+s.logged("operators")
	for address, want := range map[string]int{
		ops + "/healthz": 200, ops + "/readyz": 200, ops + "/metrics": 200, ops + "/oauth2/token": 404, ops + "/.well-known/jwks.json": 404,
		public + "/healthz": 404, public + "/readyz": 404, public + "/metrics": 404, public + demoPath: 404, public + "/.well-known/jwks.json": 200,
	} {
		if status, body := get(t, address); status != want {
			t.Errorf("%s answers %d %s, want %d", address, status, body, want)
		}
	}
	// Headers are bounded.
	conn, err := net.Dial("tcp", s.logged("public"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("64 KiB of headers are answered %q, %v", answer, err)
	}
}

// A key-encryption key may come from a file, the environment or a command; a
// new one is put in front of the old one, which opens what it sealed.
func TestKeyEncryptionKeySources(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	kek := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	first, second := kek("the first key-encryption key 32B"), kek("then another key-encryption key!")
	file := filepath.Join(t.TempDir(), "kek")
	write(t, file, first+"\n")

	d.serve("--issuer", someIssuer, "--kek-file", file).stop(t)
	if _, err := os.Stat(filepath.Join(d.data, "kek")); err == nil {
		t.Error("a key-encryption key was made beside the one that was given")
	}
	d.serve("--issuer", someIssuer, "--kek-command", "cat "+file).stop(t)
	d.env["HALLMARK_KEK"] = second
	d.serve("--issuer", someIssuer, "--kek-file", file).stop(t)
	d.ok("", "keys", "rotate", "--now", "--kek-file", file) // sealed with the second from here on
	d.serve("--issuer", someIssuer).stop(t)
	delete(d.env, "HALLMARK_KEK")
	d.fails(exitUnusable, "", []string{"keys", "list", "--kek-file", file}, "another key-encryption key", "nothing was changed")
}

// TestDrain: a signal lets requests finish that are under way, and accepts no
// more. A second Ctrl-C ends the program at once; a second SIGTERM does not,
// because supervisors send it to a process and to its group.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"SIGTERM": {syscall.SIGTERM}, "SIGTERM twice": {syscall.SIGTERM, syscall.SIGTERM},
		"Ctrl-C": {os.Interrupt}, "Ctrl-C twice": {os.Interrupt, os.Interrupt}, "SIGTERM, Ctrl-C": {syscall.SIGTERM, os.Interrupt},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.ok(newPassword(), "user", "add", "alice")
			d.ok("", "client", "add", "--id=app", "--audience=api")
			var log lockedBuffer
			cmd := exec.Command(buildProgram(t), serveArgs("--data", d.data)...)
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer cmd.Process.Kill()
			s := &running{}
			await(t, "serves", func() bool { return strings.Contains(log.String(), "msg=serving") })
			s.err.Write([]byte(log.String()))

			// A failed sign-in is answered 1.5 s after it began.
			answer := make(chan int, 1)
			began := time.Now()
			go func() {
				resp, err := http.PostForm("http://"+s.logged("public")+"/oauth2/token", url.Values{
					"grant_type": {"password"}, "client_id": {"app"}, "username": {"alice"}, "password": {strings.TrimSpace(newPassword())},
				})
				if err != nil {
					answer <- 0
					return
				}
				resp.Body.Close()
				answer <- resp.StatusCode
			}()
			time.Sleep(300 * time.Millisecond) // it is being answered
			for _, s := range signals {
				cmd.Process.Signal(s)
				await(t, "drains", func() bool { return strings.Contains(log.String(), "shutting down") })
				time.Sleep(50 * time.Millisecond)
			}
			atOnce := len(signals) == 2 && signals[1] == os.Interrupt
			if _, err := net.Dial("tcp", s.logged("public")); err == nil && !atOnce {
				t.Error("a connection was accepted after the signal")
			}
			err, status, took := <-ended, <-answer, time.Since(began)
			switch {
			case atOnce && (err == nil || took > 1200*time.Millisecond):
				t.Errorf("ended with %v after %v, want at once", err, took)
			case !atOnce && (err != nil || status != 400 || took < time.Second):
				t.Errorf("ended with %v after %v, the request answered %d", err, took, status)
			}
		})
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the program never %s", what)
		}
	}
}

// What is open is let go of when a start fails half-way.
func TestFailedStartLetsGo(t *testing.T) {
	d := newDesk(t)
	cfg := Config{
		Place: Place{Data: d.data, KEKFile: []string{filepath.Join(d.data, "none")}}, Logging: Logging{LogFormat: "text", LogLevel: "error"},
		Issuer: someIssuer, Listen: "127.0.0.1:0", OpsListener: OpsListener{OpsListen: "127.0.0.1:0"},
		Sessions: Sessions{AccessLifetime: time.Minute, IdleLifetime: time.Hour, AbsoluteLifetime: time.Hour},
		Keeping:  Keeping{AuditAge: time.Hour, AuditRows: 3000},
	}
	var log bytes.Buffer
	g, err := newInstance(context.Background(), cfg, &process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &log, getenv: func(string) string { return "" }})
	if err == nil || g != nil {
		t.Fatalf("started without its key-encryption key: %v", err)
	}
	if exitCode(err) != exitUnusable {
		t.Errorf("ended with %d: %v", exitCode(err), err)
	}
}

// errors.Join with nothing more keeps the code of a failure.
func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		exitOK: nil, exitFailure: errors.New("any"), exitUsage: usage("x"), exitNotFound: storage.ErrNotFound,
		exitConflict: storage.ErrConflict, exitUnusable: storage.ErrUnavailable, exitUnverified: errShown,
	} {
		if got := exitCode(errors.Join(err, nil)); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
	if line := oneLine("a\nb\r\n\nc"); line != "a; b; c" {
		t.Errorf("one line: %q", line)
	}
}
