// Package interop shows that clients and resource servers written by others
// work with a running Hallmark, as they come from their registries. It is a
// module of its own, so that none of them is a dependency of the server.
package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// binary is built once from the checkout that this module lies in.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hallmark-interop")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "hallmark")
	build := exec.Command("go", "build", "-o", binary, "./cmd/hallmark")
	build.Dir = "../.."
	build.Stderr = os.Stderr
	code := 1
	if build.Run() == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// demo is what a script reads from demo.json.
type demo struct {
	Issuer    string `json:"issuer"`
	Operators string `json:"operators"`
	ClientID  string `json:"client_id"`
	Username  string `json:"username"`
	Password  string `json:"password"`

	data string
}

// audience is whom the demo's tokens are for: its own API.
const audience = "urn:example:demo-api"

func (d demo) jwksURI() string { return d.Issuer + "/.well-known/jwks.json" }

// serve runs the demo server on free ports until the test ends. The flags are
// added to the command line.
func serve(t *testing.T, flags ...string) demo {
	t.Helper()
	d := demo{data: filepath.Join(t.TempDir(), "data")}
	args := append([]string{"serve", "--demo", "--data", d.data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, flags...)
	cmd := exec.Command(binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the server ended with %v; it wrote\n%s", err, out.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if raw, err := os.ReadFile(filepath.Join(d.data, "demo.json")); err == nil && json.Unmarshal(raw, &d) == nil && d.Issuer != "" {
			return d
		}
	}
	t.Fatal("the server wrote no demo.json")
	return d
}

// operate runs an operator's command on the server's data and returns what it
// prints.
func (d demo) operate(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "HALLMARK_DATA="+d.data)
	var records bytes.Buffer
	cmd.Stderr = &records
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hallmark %v: %v\n%s%s", args, err, out, records.Bytes())
	}
	return out
}
