package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"
)

// openTerminal returns the two ends of a pseudo-terminal: what a person has
// before them, and what a program has.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		lacking(t, "a pseudo-terminal", err)
	}
	t.Cleanup(func() { person.Close() })
	var unlock, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(arg))); e != 0 {
			lacking(t, "a pseudo-terminal", e)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		lacking(t, "a pseudo-terminal", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// echoes reports whether the terminal shows what is typed.
func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	var state syscall.Termios
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state))); e != 0 {
		t.Fatal(e)
	}
	return state.Lflag&syscall.ECHO != 0
}

// typeLines types lines, each when the program has asked for it.
func typeLines(t *testing.T, person, tty *os.File, asked *lockedBuffer, lines ...string) {
	for i, line := range lines {
		await(t, "asks", func() bool { return strings.Count(asked.String(), ": ") > i && !echoes(t, tty) })
		fmt.Fprint(person, line)
	}
}

// On a terminal a new password is asked for twice and an old one once, without
// echo, and the echo is back after that.
func TestPrompt(t *testing.T) {
	for name, tt := range map[string]struct {
		isNew bool
		lines []string
		want  string
		part  string // of the error
	}{
		"once":      {false, []string{"a password\n"}, "a password", ""},
		"twice":     {true, []string{"a password\n", "a password\n"}, "a password", ""},
		"differing": {true, []string{"a password\n", "b password\n"}, "", "differ"},
		"nothing":   {false, []string{"\n"}, "", "nothing was typed"},
	} {
		t.Run(name, func(t *testing.T) {
			person, tty := openTerminal(t)
			var asked lockedBuffer
			p := &process{stdin: tty, stderr: &asked, stdout: &bytes.Buffer{}}
			done := make(chan struct{})
			go func() {
				defer close(done)
				typeLines(t, person, tty, &asked, tt.lines...)
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for a person who does not type
			defer cancel()
			got, err := p.readPassword(ctx, "Password", tt.isNew)
			<-done
			if got.Reveal() != tt.want || (err == nil) != (tt.part == "") || err != nil && !strings.Contains(err.Error(), tt.part) {
				t.Errorf("read %q, %v", got.Reveal(), err)
			}
			if strings.Contains(asked.String(), "password\n") || !strings.HasPrefix(asked.String(), "Password: ") {
				t.Errorf("shown %q", asked.String())
			}
			if !echoes(t, tty) {
				t.Error("the terminal was left without echo")
			}
		})
	}
}

// Who gives up at the prompt gets the echo back.
func TestPromptInterrupted(t *testing.T) {
	person, tty := openTerminal(t)
	if !term.IsTerminal(int(tty.Fd())) {
		lacking(t, "a terminal", nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var asked lockedBuffer
	p := &process{stdin: tty, stderr: &asked, stdout: &bytes.Buffer{}}
	ended := make(chan error, 1)
	go func() {
		_, err := p.readPassword(ctx, "Password", false)
		ended <- err
	}()
	await(t, "asks", func() bool { return asked.String() != "" && !echoes(t, tty) })
	cancel()
	if err := <-ended; err == nil || exitCode(err) != exitFailure || !strings.Contains(explain(err), "interrupted") {
		t.Errorf("ended with %v", err)
	}
	if !echoes(t, tty) {
		t.Error("the terminal was left without echo")
	}
	// The read that was given up sets the echo once more when it ends, by the number
	// of the file, which would be another test's by then.
	fmt.Fprintln(person)
	await(t, "reads no more", func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("term.ReadPassword"))
	})
}

// Before many sessions are ended it is said how many and whose they are.
func TestRevokeMatchingAsks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("", "client", "add", "--id=web", "--audience=api")
	for _, name := range []string{"alice", "bob"} {
		d.ok(newPassword(), "user", "add", name)
		d.signIn(name, "web")
	}
	revoke := func(answer string, flags ...string) (code int, asked string) {
		person, tty := openTerminal(t)
		var errs lockedBuffer
		fmt.Fprint(person, answer)
		args := append([]string{"session", "revoke", "--client=web"}, flags...)
		code = run(t.Context(), args, tty, &bytes.Buffer{}, &errs, []string{"HALLMARK_DATA=" + d.data})
		return code, errs.String()
	}
	if code, asked := revoke("n\n"); code != exitFailure || !strings.Contains(asked, "End 2 sessions of several users? [y/N] ") {
		t.Errorf("ended with %d, asked %q", code, asked)
	}
	if live := d.many("session", "list"); len(live) != 2 {
		t.Fatalf("it did not wait for the answer: %v", live)
	}
	if code, asked := revoke("y\n", "--user=bob"); code != exitOK || !strings.Contains(asked, "End 1 session of bob? [y/N] ") {
		t.Errorf("ended with %d, asked %q", code, asked)
	}
	if live := d.many("session", "list"); len(live) != 1 || live[0]["username"] != "alice" {
		t.Errorf("left are %v", live)
	}
}

// A terminal sees which case runs, and nothing of it at the end; elsewhere
// there is nothing to see.
func TestConformanceProgress(t *testing.T) {
	t.Parallel()
	person, tty := openTerminal(t)
	issuer := httptest.NewServer(http.NotFoundHandler())
	defer issuer.Close()
	args := []string{"conformance", "--issuer", issuer.URL, "--only", "meta-8414-path,jwks-etag"}
	if code := run(t.Context(), args, strings.NewReader(""), &bytes.Buffer{}, tty, nil); code != exitUnverified {
		t.Errorf("ended with %d", code)
	}
	shown, part := "", make([]byte, 4096)
	for !strings.HasSuffix(shown, "\r\x1b[K") {
		n, err := person.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(part[:n])
	}
	if !strings.HasPrefix(shown, "\r1 of 2: meta-8414-path\x1b[K\r2 of 2: jwks-etag, 1 fail\x1b[K") {
		t.Errorf("shown %q", shown)
	}
	var quiet bytes.Buffer
	if run(t.Context(), args, strings.NewReader(""), &bytes.Buffer{}, &quiet, nil); quiet.Len() > 0 {
		t.Errorf("no terminal was shown %q", quiet.String())
	}
}
