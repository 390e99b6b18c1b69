package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance/rotation"
	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// lateAPI is an API that looks for the issuer when the first request comes, and
// keeps the keys that it finds then for ever.
func lateAPI(issuer, audience string, requests *lockedBuffer) http.Handler {
	var mu sync.Mutex
	var v *verify.Verifier
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(requests, r.Method+" "+r.URL.Path+"\n")
		mu.Lock()
		defer mu.Unlock()
		if v == nil {
			resp, err := http.Get(issuer + "/.well-known/jwks.json")
			if err != nil {
				http.Error(w, "no issuer", http.StatusServiceUnavailable)
				return
			}
			defer resp.Body.Close()
			jwks, _ := io.ReadAll(resp.Body)
			if v, err = verify.New(r.Context(), issuer, audience, verify.WithKeySet(jwks), verify.WithLogger(slog.New(slog.DiscardHandler))); err != nil {
				http.Error(w, "no keys", http.StatusServiceUnavailable)
				return
			}
		}
		v.Require("read", "write")(hello).ServeHTTP(w, r)
	})
}

// TestDoctorVerifier runs the real program against an API in another process
// that froze its keys: it says so, and ends with the code.
func TestDoctorVerifier(t *testing.T) {
	t.Parallel()
	binary, address := buildProgram(t), freeAddress(t)
	var requests lockedBuffer
	api := httptest.NewServer(lateAPI("http://"+address, "urn:example:api", &requests))
	defer api.Close()
	cmd := exec.CommandContext(t.Context(), binary, "doctor", "verifier", api.URL+"/me", "--json", "--method", "POST", "--listen", address,
		"--audience", "urn:example:api", "--scope", "read write", "--alg", "RS256", "--period", "1s", "--timeout", "2s")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitUnverified {
		t.Fatalf("ended with %v\n%s%s", err, out.String(), errs.String())
	}
	var report rotation.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range report.Findings {
		got[f.ID] = f.Verdict
	}
	for id, want := range map[string]string{"valid": "ok", "tampered": "ok", "announced": "fail", "old-key": "ok", "unannounced": "skipped", "flood": "ok", "outage": "ok"} {
		if got[id] != want {
			t.Errorf("%s is %q, want %q", id, got[id], want)
		}
	}
	if report.Survives || !strings.HasPrefix(report.Summary, "would survive a rotation: no, because the new key's tokens are still refused") {
		t.Errorf("concluded %q", report.Summary)
	}
	for _, part := range []string{"issuer    http://" + address, "audience  urn:example:api", "algorithm RS256", "… a new key is published; it signs in 2s", "the issuer is away for 3s"} {
		if !strings.Contains(errs.String(), part) {
			t.Errorf("it does not say %q:\n%s", part, errs.String())
		}
	}
	if !strings.Contains(requests.String(), "POST /me") || strings.Contains(requests.String(), "GET") {
		t.Errorf("the API was asked\n%.200s", requests.String())
	}
}

// TestDoctorVerifierTable: for people, with an API that follows.
func TestDoctorVerifierTable(t *testing.T) {
	t.Parallel()
	d, address := newDesk(t), freeAddress(t)
	issuer := "http://" + address
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A verifier made anew for each request follows everything, and needs the issuer.
		resp, err := http.Get(issuer + "/.well-known/jwks.json")
		if err != nil {
			http.Error(w, "no issuer", http.StatusServiceUnavailable)
			return
		}
		defer resp.Body.Close()
		jwks, _ := io.ReadAll(resp.Body)
		v, err := verify.New(r.Context(), issuer, "http://"+r.Host, verify.WithKeySet(jwks), verify.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			http.Error(w, "no keys", http.StatusServiceUnavailable)
			return
		}
		v.Require()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })).ServeHTTP(w, r)
	}))
	defer api.Close()
	r := d.run("", "doctor", "verifier", api.URL, "--listen", address, "--period", "1s", "--timeout", "2s")
	if r.code != exitOK || !strings.Contains(r.out, "would survive a rotation: yes, because") || !strings.Contains(r.out, "see also: flood, outage") ||
		!strings.Contains(r.out, "What to do:") {
		t.Errorf("ended with %d\n%s%s", r.code, r.out, r.err)
	}
}

// TestDoctorVerifierFails: nobody comes, or what is said cannot be.
func TestDoctorVerifierFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }))
	defer deaf.Close()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	began := time.Now()
	r := d.run("", "doctor", "verifier", deaf.URL, "--wait", "1500ms")
	if r.code != exitFailure || r.out != "" || !strings.Contains(r.err, "neither fetched the key set") || time.Since(began) > 10*time.Second {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	// Nobody is there, and that is said while it waits, once.
	r = d.run("", "doctor", "verifier", "http://"+freeAddress(t), "--wait", "3500ms")
	if r.code != exitFailure || strings.Count(r.err, "does not answer yet: dial tcp") != 1 {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	// Somebody presses Enter though nothing is ready: the control says what the API answers.
	r = d.run("\n", "doctor", "verifier", deaf.URL, "--timeout", "1s")
	if r.code != exitUnverified || !strings.Contains(r.out, "it answered 401 Unauthorized; it never fetched the key set") || !strings.Contains(r.out, "--audience") {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	for _, tt := range []struct {
		args []string
		code int
		part string
	}{
		{[]string{"ftp://x"}, exitUsage, "the API's URL"},
		{[]string{deaf.URL, "--issuer", "http://x/"}, exitUsage, "final slash"},
		{[]string{deaf.URL, "--period", "100ms"}, exitUsage, "whole seconds"},
		{[]string{deaf.URL, "--alg", "none"}, exitUsage, "--alg"},
		{[]string{deaf.URL, "--listen", busy.Addr().String()}, exitFailure, "in use"},
		{[]string{}, exitUsage, "<url>"},
	} {
		d.fails(tt.code, "", append([]string{"doctor", "verifier"}, tt.args...), tt.part)
	}
}
