package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "192.0.2.1:1", nil, "192.0.2.1"},
		{"direct, claims another", "192.0.2.1:1", []string{"198.51.100.9"}, "192.0.2.1"},
		{"IPv4 as IPv6", "[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		{"IPv6", "[2001:db8::1]:1", nil, "2001:db8::1"},
		{"zone", "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"no address", "", nil, "invalid IP"},
		{"behind a proxy", "127.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"behind two", "127.0.0.1:1", []string{"192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
		{"behind two, in two headers", "127.0.0.1:1", []string{"192.0.2.1", "10.1.2.3"}, "192.0.2.1"},
		{"behind one, claims another", "127.0.0.1:1", []string{"198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
		{"behind one, claims to be a proxy", "127.0.0.1:1", []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"the proxy itself", "127.0.0.1:1", nil, "127.0.0.1"},
		{"rubbish", "127.0.0.1:1", []string{"192.0.2.1, unknown"}, "127.0.0.1"},
		{"spelt as IPv6", "127.0.0.1:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		r.Header.Set("Forwarded", "for=198.51.100.9")
		r.Header.Set("X-Real-Ip", "198.51.100.9")
		if got := clientAddr(r, proxies).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzClientAddr: whatever the header says, the address is the peer's unless
// the peer is trusted.
func FuzzClientAddr(f *testing.F) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Add("192.0.2.1, 10.0.0.1")
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		r.RemoteAddr = "203.0.113.5:1"
		if got := clientAddr(r, proxies).String(); got != "203.0.113.5" {
			t.Errorf("%q made it %s", forwarded, got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		if !clientAddr(r, proxies).IsValid() {
			t.Errorf("%q left no address", forwarded)
		}
	})
}

// TestPanic: a defect is answered and logged like any other failure, and what
// it says stays inside.
func TestPanic(t *testing.T) {
	var log strings.Builder
	s := &Server{log: slog.New(slog.NewJSONHandler(&log, nil)), clock: time.Now, metrics: newMetrics(nil)}
	rec := httptest.NewRecorder()
	h := s.handle("broken", func(http.ResponseWriter, *http.Request) error { panic("inner workings") })
	h.ServeHTTP(rec, httptest.NewRequest("POST", "/", nil))
	var answer map[string]string
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 500 || answer["error"] != "server_error" {
		t.Errorf("answered %d %s", rec.Code, rec.Body)
	}
	if strings.Contains(rec.Body.String(), "inner workings") || !strings.Contains(log.String(), "inner workings") || !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("answered %s, logged %s", rec.Body, log.String())
	}
}

// TestCausesStayInside: an error from below has a public half that says nothing of it.
func TestCausesStayInside(t *testing.T) {
	for cause, want := range map[error]Error{
		errors.New("inner workings"):                                              errInternal,
		fmt.Errorf("inner workings: %w", storage.ErrUnavailable):                  errUnavailable,
		fmt.Errorf("inner workings: %w", context.DeadlineExceeded):                errUnavailable,
		fmt.Errorf("inner workings: %w", context.Canceled):                        errBusy,
		fmt.Errorf("wrapped: %w", errScope.because(errors.New("inner workings"))): errScope,
	} {
		rec := httptest.NewRecorder()
		refusal := asError(cause)
		refusal.render(rec)
		if rec.Code != want.Status || !strings.Contains(rec.Body.String(), want.Description) || strings.Contains(rec.Body.String(), "inner workings") {
			t.Errorf("%v: answered %d %s", cause, rec.Code, rec.Body)
		}
		if (rec.Code == 503) != (rec.Header().Get("Retry-After") != "") || !strings.Contains(refusal.Error(), "inner workings") {
			t.Errorf("%v: Retry-After %q, private half %q", cause, rec.Header().Get("Retry-After"), refusal)
		}
	}
}

// TestRefusedRefreshes: what the store says of a refresh, as clients hear it.
func TestRefusedRefreshes(t *testing.T) {
	away := errors.New("disk on fire")
	for err, want := range map[error]string{
		storage.ErrNotFound: "invalid_grant", storage.ErrExpired: "invalid_grant", storage.ErrEnded: "invalid_grant",
		storage.ErrClient: "invalid_grant", storage.ErrDisabled: "invalid_grant", storage.ErrReused: "invalid_grant",
		storage.ErrBehind: "invalid_grant", storage.ErrScope: "invalid_scope", storage.ErrResource: "invalid_target",
		storage.ErrGrant: "unauthorized_client", storage.ErrUnavailable: "temporarily_unavailable", away: "server_error",
	} {
		got := asError(refuseRefresh(&event{}, storage.NewRefreshToken(), storage.Refreshed{}, fmt.Errorf("wrapped: %w", err)))
		if got.Code != want || !errors.Is(got, err) {
			t.Errorf("%v: %v, want %s", err, got, want)
		}
	}
}

// TestFailingPlaces: failed sign-ins give back the place in which they wait,
// and beyond the bound they are turned away.
func TestFailingPlaces(t *testing.T) {
	s := &Server{cfg: Config{FailAfter: time.Millisecond}, failing: make(chan struct{}, 1)}
	for range 3 {
		if err := s.waitUntil(t.Context(), time.Now()); err != nil {
			t.Fatalf("the place was not given back: %v", err)
		}
	}
	s.failing <- struct{}{}
	if err := asError(s.waitUntil(t.Context(), time.Now())); err.Status != 503 || err.RetryAfter == 0 {
		t.Errorf("no place left: %v", err)
	}
}

// TestNewRefuses what would make tokens that nobody should trust.
func TestNewRefuses(t *testing.T) {
	good := Config{Issuer: "https://a.example", AccessLifetime: 1, IdleLifetime: 1, AbsoluteLifetime: 1, Store: struct{ Store }{}}
	if s, err := New(good); err != nil || !s.https {
		t.Fatalf("a good config: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no issuer":     func(c *Config) { c.Issuer = "" },
		"http":          func(c *Config) { c.Issuer = "http://a.example" },
		"final slash":   func(c *Config) { c.Issuer += "/" },
		"query":         func(c *Config) { c.Issuer += "?a" },
		"fragment":      func(c *Config) { c.Issuer += "#a" },
		"user":          func(c *Config) { c.Issuer = "https://u@a.example" },
		"no access":     func(c *Config) { c.AccessLifetime = 0 },
		"no idle":       func(c *Config) { c.IdleLifetime = 0 },
		"no absolute":   func(c *Config) { c.AbsoluteLifetime = 0 },
		"negative idle": func(c *Config) { c.IdleLifetime = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSecurityHeaders: HSTS over https only.
func TestSecurityHeaders(t *testing.T) {
	for https, want := range map[bool]string{true: "max-age=31536000", false: ""} {
		h := http.Header{}
		(&Server{https: https}).secure(h, "id")
		if h.Get("Strict-Transport-Security") != want || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Request-Id") != "id" {
			t.Errorf("https %v: %v", https, h)
		}
	}
}

// TestOriginsAreReadAgain, but not for every preflight; and while they cannot
// be read, those last known are allowed.
func TestOriginsAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, known := 0, []storage.Client{{ClientPolicy: storage.ClientPolicy{Origins: []string{"https://a.example"}}}}
		var broken error
		o := &origins{clients: func(context.Context) ([]storage.Client, error) { reads++; return known, broken }}
		expect := func(origin string, want bool) {
			t.Helper()
			if got := o.registered(t.Context(), origin); got != want {
				t.Errorf("%s: %v, want %v", origin, got, want)
			}
		}
		expect("https://a.example", true)
		known[0].Origins = []string{"https://b.example"}
		expect("https://b.example", false)
		if reads != 1 {
			t.Errorf("the store was read %d times", reads)
		}
		time.Sleep(originsFresh)
		expect("https://b.example", true)
		expect("https://a.example", false)
		broken = storage.ErrUnavailable
		time.Sleep(originsFresh)
		expect("https://b.example", true)
		expect("https://c.example", false)
	})
}
