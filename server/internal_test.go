package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestRemoteAddr(t *testing.T) {
	for give, want := range map[string]string{
		"192.0.2.1:1234":          "192.0.2.1",
		"[::ffff:192.0.2.1]:1234": "192.0.2.1", // the same network to the throttle
		"[2001:db8::1]:1234":      "2001:db8::1",
		"[fe80::1%eth0]:1234":     "fe80::1",
		"":                        "invalid IP",
		"@":                       "invalid IP",
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = give
		r.Header.Set("X-Forwarded-For", "198.51.100.9")
		r.Header.Set("Forwarded", "for=198.51.100.9")
		if got := remoteAddr(r).String(); got != want {
			t.Errorf("%q: %s, want %s", give, got, want)
		}
	}
}

// TestPanic: a defect is answered and logged like any other failure, and what
// it says stays inside.
func TestPanic(t *testing.T) {
	var log strings.Builder
	s := &Server{log: slog.New(slog.NewJSONHandler(&log, nil)), clock: time.Now}
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

// TestErrorsHaveNoOddCharacters: RFC 6749 §5.2 and App. A.7, A.8.
func TestErrorsHaveNoOddCharacters(t *testing.T) {
	for _, e := range []Error{
		errTooLarge, errContentType, errMalformed, errQuery, errRepeated, errMissing, errTwoMethods, errClientID, errClient,
		errGrantType, errUnauthorized, errOrigin, errScope, errTarget, errCredentials, errRefreshToken, errThrottled, errBusy,
		errUnavailable, errInternal, errMethod, errNotFound,
	} {
		odd := func(c rune) bool { return c < 0x20 || c == '"' || c == '\\' || c > 0x7e }
		if strings.ContainsFunc(e.Code+e.Description, odd) || e.Status < 400 || e.Description == "" {
			t.Errorf("%+v", e)
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
