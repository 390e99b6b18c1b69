package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// TestConformanceInterrupted: Ctrl-C ends the run, and what was found until
// then is in every report.
func TestConformanceInterrupted(t *testing.T) {
	t.Parallel()
	var issuer string
	var requests atomic.Int32
	enough := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 6 {
			close(enough)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "token_endpoint": issuer + "/token"})
	}))
	defer srv.Close()
	issuer = srv.URL
	dir := t.TempDir()
	text, xml := filepath.Join(dir, "report.txt"), filepath.Join(dir, "report.xml")
	cmd := exec.CommandContext(t.Context(), buildProgram(t), "conformance", "--issuer", issuer, "--only=meta-*", "--rate=5",
		"--json", "--text-report", text, "--junit-report", xml)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { cmd.Wait(); close(over) }()
	select {
	case <-enough: // for the next it waits a fifth of a second
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		<-over
	case <-over:
		t.Fatalf("ended by itself: %s", stderr.String())
	}
	var report conformance.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || !report.Partial || report.Left == 0 || len(report.Results) == 0 {
		t.Errorf("%v, partial %v with %d results and %d left", err, report.Partial, len(report.Results), report.Left)
	}
	want, why := exitFailure, "interrupted"
	if report.Count(conformance.Fail) > 0 { // the signal was slow
		want, why = exitUnverified, ""
	}
	if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(stderr.String(), why) {
		t.Errorf("ended with %d, want %d: %s", code, want, stderr.String())
	}
	for path, part := range map[string]string{text: "partial: interrupted with", xml: `name="complete"`} {
		got, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(got), part) {
			t.Errorf("%s: %v, no %q in it:\n%s", path, err, part, got)
		}
	}
}
