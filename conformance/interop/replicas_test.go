package interop

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A replica is a server process that shares its store with others.
type replica struct {
	name        string
	public, ops string // URLs
	cmd         *exec.Cmd
	log         syncBuffer
}

// A syncBuffer is written by a process while the test reads it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// seed makes a store whose key ring has a schedule that no flag could give it.
func seed(t *testing.T, data string, schedule keys.Schedule) {
	t.Helper()
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	kek, err := keys.CreateKEKFile(filepath.Join(data, "kek"))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := keys.NewSealer(kek)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rotator := keys.NewRotator(keys.RotatorConfig{
		Store: store, Sealer: sealer, Seen: keys.NewSeen(filepath.Join(data, "kek.seen")), Schedule: schedule, ServiceTime: store.ServiceTime,
	})
	if err := rotator.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// startReplicas starts processes at once on one directory, until the test ends.
func startReplicas(t *testing.T, n int, data, issuer string, flags ...string) []*replica {
	t.Helper()
	var replicas []*replica
	for i := range n {
		r := &replica{name: string(rune('A' + i))}
		r.cmd = exec.Command(binary, append([]string{
			"serve", "--data", data, "--issuer", issuer, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--log-format", "json",
		}, flags...)...)
		r.cmd.Stderr = &r.log
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.end(t) })
		replicas = append(replicas, r)
	}
	for _, r := range replicas {
		r.await(t)
	}
	return replicas
}

// await waits until the process says where it serves.
func (r *replica) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, rec := range r.records() {
			if rec["msg"] == "serving" {
				r.public, r.ops = "http://"+rec["public"].(string), "http://"+rec["operators"].(string)
				return
			}
		}
	}
	t.Fatalf("process %s does not serve; it wrote\n%s", r.name, r.log.String())
}

func (r *replica) records() (records []map[string]any) {
	for line := range strings.Lines(r.log.String()) {
		var rec map[string]any
		if json.Unmarshal([]byte(line), &rec) == nil {
			records = append(records, rec)
		}
	}
	return records
}

func (r *replica) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(r.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the metrics of process %s: %s, %v", r.name, resp.Status, err)
	}
	return string(text)
}

func (r *replica) end(t *testing.T) {
	r.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(30*time.Second, func() { r.cmd.Process.Kill() })
	defer late.Stop()
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("process %s ended with %v", r.name, err)
	}
	if t.Failed() {
		for _, rec := range r.records() {
			if rec["msg"] != "request" || rec["level"] != "INFO" {
				t.Logf("process %s: %v", r.name, rec)
			}
		}
	}
}

// A balancer is the issuer's URL in front of replicas, which take turns.
type balancer struct {
	url    string
	socket net.Listener
	turn   atomic.Int64
	failed atomic.Int64 // requests that no process answered, or with a status from 500
}

// newBalancer takes the address, which the processes must know before they start.
func newBalancer(t *testing.T) *balancer {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &balancer{url: "http://" + socket.Addr().String(), socket: socket}
}

func (b *balancer) serve(t *testing.T, replicas []*replica) {
	t.Helper()
	var targets []*url.URL
	for _, r := range replicas {
		u, err := url.Parse(r.public)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, u)
	}
	server := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(targets[b.turn.Add(1)%int64(len(targets))]) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode >= 500 {
				b.failed.Add(1)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else it was the verifier who went away
				b.failed.Add(1)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}}
	go server.Serve(b.socket)
	t.Cleanup(func() { server.Close() })
}

// addUser registers a user, whose password only the test knows.
func addUser(t *testing.T, data, name string) (password string) {
	t.Helper()
	password = rand.Text()
	cmd := exec.CommandContext(t.Context(), binary, "user", "add", name, "--data", data)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	return password
}
