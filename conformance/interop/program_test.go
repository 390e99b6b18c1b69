package interop

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// A program is a peer that listens on a port, and can be started anew there.
type program struct {
	port    string
	command func() *exec.Cmd

	cmd   *exec.Cmd
	out   bytes.Buffer
	ended chan struct{} // closed when cmd is no more
}

// launch starts a program, which runs until the test ends.
func launch(t *testing.T, port string, command func() *exec.Cmd) *program {
	t.Helper()
	p := &program{port: port, command: command}
	p.start(t)
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s wrote\n%s", p.cmd.Path, p.out.String())
		}
	})
	return p
}

func (p *program) start(t *testing.T) {
	t.Helper()
	p.cmd = p.command()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan<- struct{}) {
		cmd.Wait()
		close(ended)
	}(p.cmd, p.ended)
}

func (p *program) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	<-p.ended
	late.Stop()
}

// restart does what operators do when nothing gentler helps.
func (p *program) restart(t *testing.T) {
	t.Helper()
	p.stop()
	p.start(t)
	p.await(t)
}

// await returns when the program listens: it, and not another that has its port.
func (p *program) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", "127.0.0.1:"+p.port, time.Second); err == nil {
			conn.Close()
			p.lives(t)
			return
		}
		p.lives(t)
	}
	t.Fatalf("%s does not listen", p.cmd.Path)
}

func (p *program) lives(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%s ended", p.cmd.Path)
	default:
	}
}

// get calls an API with a token, on a connection of its own: a server that was
// started anew knows nothing of older ones.
func get(t *testing.T, url, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp, body.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// freePort returns a port that nobody listens on, from below those that the
// system gives to connections and to whoever names none: one of these may be
// taken before a program has started.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
