package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A desk runs commands on one data directory, in this process.
type desk struct {
	*testing.T
	data string
	env  map[string]string
}

// A result is how a command ended.
type result struct {
	code     int
	out, err string
}

func newDesk(t *testing.T) *desk {
	return &desk{T: t, data: t.TempDir(), env: map[string]string{}}
}

// run runs a command line with standard input.
func (d *desk) run(stdin string, args ...string) result {
	d.Helper()
	var out, errs bytes.Buffer
	code := run(d.Context(), args, strings.NewReader(stdin), &out, &errs, append(d.environ(), "HALLMARK_DATA="+d.data))
	return result{code, out.String(), errs.String()}
}

// environ is the environment of commands, beside HALLMARK_DATA.
func (d *desk) environ() (pairs []string) {
	for name, value := range d.env {
		pairs = append(pairs, name+"="+value)
	}
	return pairs
}

// ok runs a command that must succeed and returns its standard output.
func (d *desk) ok(stdin string, args ...string) string {
	d.Helper()
	r := d.run(stdin, args...)
	if r.code != exitOK {
		d.Fatalf("hallmark %s ended with %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// json runs a command that must succeed with --json and reads its document.
func (d *desk) json(into any, stdin string, args ...string) {
	d.Helper()
	out := d.ok(stdin, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		d.Fatalf("hallmark %s --json: %v in %s", strings.Join(args, " "), err, out)
	}
}

// fails runs a command that must fail: with a code, with nothing on standard
// output, and with one line on standard error that has the given parts.
func (d *desk) fails(code int, stdin string, args []string, parts ...string) {
	d.Helper()
	r := d.run(stdin, args...)
	r.check(d.T, code, args, parts...)
}

func (r result) check(t *testing.T, code int, args []string, parts ...string) {
	t.Helper()
	line := errorLine(r.err)
	if r.code != code || r.out != "" || line == "" {
		t.Errorf("hallmark %s ended with %d, want %d with one line that says why; out %q, err %q",
			strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	for _, part := range parts {
		if !strings.Contains(line, part) {
			t.Errorf("hallmark %s: %q lacks %q", strings.Join(args, " "), line, part)
		}
	}
}

// errorLine finds the one line of an error, beside the log; empty if there are
// none or several.
func errorLine(stderr string) (found string) {
	for line := range strings.Lines(stderr) {
		switch {
		case strings.HasPrefix(line, "hallmark: ") && found == "":
			found = strings.TrimSpace(line)
		case !strings.HasPrefix(line, "time="):
			return ""
		}
	}
	return found
}

// execute runs the real program and waits for its end.
func (d *desk) execute(args ...string) result {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, buildProgram(d.T), args...)
	cmd.Env = append(append(os.Environ(), "HALLMARK_DATA="+d.data), d.environ()...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// files returns the names and contents of what is in a directory, so that a
// test can tell that nothing was changed. SQLite's working files are left out.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		if name := e.Name(); !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, ".lock") {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			found[name] = string(text)
		}
	}
	return found
}

// A lockedBuffer can be read while a server writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A running server in this process.
type running struct {
	out, err lockedBuffer
	cancel   context.CancelFunc
	done     chan int
}

// serve starts a server on the desk's data and waits until it says that it
// serves; a demo, until it has printed its lines.
func (d *desk) serve(args ...string) *running {
	d.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &running{cancel: cancel, done: make(chan int, 1)}
	args = append([]string{"serve", "--data", d.data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...)
	environ := d.environ()
	go func() {
		s.done <- run(ctx, args, strings.NewReader(""), &s.out, &s.err, environ)
	}()
	d.Cleanup(func() { s.stop(d.T) })
	demo := strings.Contains(strings.Join(args, " "), "--demo")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if demo && strings.Contains(s.out.String(), "demo.json") || !demo && strings.Contains(s.err.String(), "msg=serving") {
			return s
		}
		select {
		case code := <-s.done:
			s.done <- code
			d.Fatalf("hallmark %s ended with %d: %s", strings.Join(args, " "), code, s.err.String())
		default:
		}
	}
	d.Fatalf("hallmark %s does not serve: %s", strings.Join(args, " "), s.err.String())
	return nil
}

// stop ends the server as a signal would and returns its exit code.
func (s *running) stop(t *testing.T) int {
	t.Helper()
	s.cancel()
	select {
	case code := <-s.done:
		s.done <- code
		return code
	case <-time.After(time.Minute):
		t.Fatal("the server does not end")
		return -1
	}
}

// logged finds a value in the server's log.
func (s *running) logged(name string) string {
	_, rest, _ := strings.Cut(s.err.String(), " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(value)
}

// freeAddress returns an address that nobody has, with a port from below those
// that the system gives to whoever names none: one of these may be taken by the
// time that it is used, or between two uses.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprint("127.0.0.1:", 20000+rand.IntN(12000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}
