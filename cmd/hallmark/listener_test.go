package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
)

// TestWriteTimeout: an operator's act that runs out of time is answered so, and
// not cut off.
func TestWriteTimeout(t *testing.T) {
	if slack := writeTimeout - server.OpsPatience; slack < 3*time.Second {
		t.Errorf("%s are left for the answer", slack)
	}
}

// TestSlowClients: a client that sends half of what it announced holds its
// connection for as long as it may, and no longer.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := newDesk(t).serve("--issuer", someIssuer)
	for name, tt := range map[string]struct {
		send  string
		limit time.Duration
	}{
		"half a header": {"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nX-Hal", readHeaderTimeout},
		"half a body":   {"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=", readTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", s.logged("public"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			if _, err := io.WriteString(conn, tt.send); err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(began.Add(tt.limit + 3*time.Second))
			_, err = io.Copy(io.Discard, conn) // until the server hangs up
			if took := time.Since(began); err != nil || took < tt.limit-time.Second {
				t.Errorf("let go after %v with %v, want about %v", took, err, tt.limit)
			}
		})
	}
}

// TestNotReadyWhileDraining: whoever spreads the load sees the end come while
// requests that are under way are finished.
func TestNotReadyWhileDraining(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	d.ok("", "client", "add", "--id=app", "--audience=api")
	s := d.serve("--issuer", someIssuer)
	ready := "http://" + s.logged("operators") + "/readyz"
	if status, body := get(t, ready); status != http.StatusOK {
		t.Fatalf("/readyz answers %d %s", status, body)
	}
	answered := make(chan error, 1)
	go func() { // a failed sign-in, which is answered 1.5 s after it began
		resp, err := http.PostForm("http://"+s.logged("public")+"/oauth2/token", url.Values{
			"grant_type": {"password"}, "client_id": {"app"}, "username": {"alice"}, "password": {strings.TrimSpace(newPassword())},
		})
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	time.Sleep(300 * time.Millisecond) // it is being answered
	s.cancel()
	await(t, "drains", func() bool { return strings.Contains(s.err.String(), "shutting down") })
	if status, body := get(t, ready); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("while draining /readyz answers %d %s", status, body)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestNotReadyWhenStale: an instance whose rotator does not look at the store
// any more must get no requests.
func TestNotReadyWhenStale(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	cfg := parse(t, map[string]string{
		"HALLMARK_DATA": d.data, "HALLMARK_ISSUER": someIssuer, "HALLMARK_LISTEN": "127.0.0.1:0", "HALLMARK_OPS_LISTEN": "127.0.0.1:0",
	})
	g, err := newInstance(t.Context(), cfg, &process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		g.ops.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return w.Code, w.Body.String()
	}
	if status, body := ask(); status != http.StatusOK {
		t.Fatalf("right after the start /readyz answers %d %s", status, body)
	}
	time.Sleep(3*g.office.keys.Ring().Schedule().Poll + time.Second)
	if status, body := ask(); status != http.StatusServiceUnavailable || !strings.Contains(body, "key ring") {
		t.Errorf("after more than three polls /readyz answers %d %s", status, body)
	}
}

// TestServiceTimeRuns: time in service passes for a server that nobody asks
// anything. Keys and retry windows wait for it.
func TestServiceTimeRuns(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer)
	path, err := filepath.Abs(filepath.Join(d.data, "hallmark.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?mode=ro", path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reading := func() (us int64) {
		if err := db.QueryRow("SELECT reading FROM service_time").Scan(&us); err != nil {
			t.Fatal(err)
		}
		return us
	}
	before := reading()
	for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if reading() >= before+time.Second.Microseconds() {
			return
		}
	}
	t.Errorf("the counter went from %d to %d µs in 8 s", before, reading())
}
