package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// TestConformanceOverTLS runs the cases that are about TLS and HTTP against the
// program as it is deployed without a proxy: all apply, and all pass. The
// throttle is left out: it makes one wait, and TLS has no part in it.
func TestConformanceOverTLS(t *testing.T) {
	if raceEnabled {
		t.Skip("the detector sees these cases in package server, with hashes that are cheap")
	}
	t.Parallel()
	d, pair := newDesk(t), makePair(t, nextYear())
	cert, key := pair.write(t, t.TempDir())
	s := d.serve("--issuer", "https://localhost:8443", "--tls-cert", cert, "--tls-key", key)
	password := strings.TrimSpace(newPassword())
	d.ok(password, "user", "add", "alice")
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	d.json(&client, "", "client", "add", "--auth", "client_secret_basic", "--audience", "urn:example:api")
	report, err := conformance.Run(t.Context(), conformance.Target{
		Issuer: "https://localhost:8443",
		Client: conformance.Client{ID: client.ID, Secret: client.Secret},
		User:   conformance.User{Name: "alice", Password: password},
		HTTP: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pair.roots()}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, s.logged("public"))
			},
		}},
	}, conformance.Options{Only: []string{"http-*", "meta-issuer-form"}, Skip: []string{"http-forwarded-spoof"}, Abuse: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) < 5 {
		t.Errorf("%d cases", len(report.Results))
	}
	for _, r := range report.Results {
		if r.Outcome != conformance.Pass {
			t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
		}
	}
}

func TestConformanceList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var list []conformance.Check
	d.json(&list, "", "conformance", "list")
	if len(list) < 500 {
		t.Errorf("%d checks", len(list))
	}
	for _, c := range list {
		if c.ID == "tok-dup-scope" && (!c.Built || c.Level != conformance.Must || c.Section == "" || len(c.Links) == 0 || c.Expected == "" || len(c.Needs) != 3) {
			t.Errorf("%+v", c)
		}
	}
	all, built := d.ok("", "conformance", "list"), d.ok("", "conformance", "list", "--built")
	if strings.Count(built, "\n") != len(conformance.Cases())+3 || !strings.Contains(all, "\njwt-alg-none ") || strings.Contains(built, "\njwt-alg-none ") {
		t.Errorf("built are\n%s", built)
	}
	d.fails(exitUsage, "", []string{"conformance"}, "--issuer")
}

// What the caller got wrong is told apart from what the server did.
func TestConformanceExitCodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	for part, tc := range map[string]struct {
		code int
		args []string
	}{
		"glob":          {exitUsage, []string{"--issuer", gone.URL, "--only=["}},
		"no case":       {exitUsage, []string{"--issuer", gone.URL, "--skip=tok-nothing"}},
		"absolute URL":  {exitUsage, []string{"--issuer=issuer.example"}},
		"not https":     {exitUsage, []string{"--issuer=http://issuer.invalid"}},
		"not reachable": {exitFailure, []string{"--issuer", gone.URL}},
	} {
		d.fails(tc.code, "", append([]string{"conformance"}, tc.args...), part)
	}
}

// A warning fails a strict run, a waiver spares it until it expires, and a file
// of waivers is what it says or nothing.
func TestConformanceWaivers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var issuer string
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "token_endpoint": issuer + "/token"})
	}))
	defer plain.Close()
	issuer = plain.URL
	file := filepath.Join(t.TempDir(), "waivers.toml")
	args := []string{"conformance", "--issuer", issuer, "--only", "meta-cors,meta-8414-path"} // one warning, one pass
	strict := append(args, "--strict", "--waivers", file)
	ends := func(want int, args ...string) string {
		t.Helper()
		r := d.run("", args...)
		if r.code != want || r.err != "" {
			t.Errorf("%v ended with %d, want %d: %s\n%s", args, r.code, want, r.err, r.out)
		}
		return r.out
	}
	ends(exitOK, args...)
	ends(exitUnverified, append(args, "--strict")...)
	write(t, file, "# known\n[[waiver]]\nid = \"meta-c*\"\nreason = \"No pages use it.\"\nexpires = 9999-12-31\n")
	if out := ends(exitOK, strict...); !strings.Contains(out, "1 waived") || !strings.Contains(out, "warn until 9999-12-31: No pages use it.") {
		t.Errorf("waived:\n%s", out)
	}
	write(t, file, "[[waiver]]\nid = \"meta-cors\"\nreason = \"No pages use it.\"\nexpires = 2026-01-01\n[[waiver]]\nid = \"meta-8414-*\"\nreason = \"x\"\nexpires = 9999-12-31\n")
	if out := ends(exitUnverified, strict...); !strings.Contains(out, "expired (2026-01-01)") || !strings.Contains(out, "unused (9999-12-31)") {
		t.Errorf("expired and unused:\n%s", out)
	}
	// The manual's is one.
	manual, err := os.ReadFile(filepath.Join(repo(t), "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(manual), "```toml\n")
	block, _, _ = strings.Cut(block, "```")
	write(t, file, block)
	if waivers, err := readWaivers(file); err != nil || len(waivers) != 1 {
		t.Errorf("the manual's file: %v, %v", waivers, err)
	}
	for text, part := range map[string]string{
		"[[waiver]]\nid = \"a\"\nreason = \"x\"\nexpires = \"2027-01-01\"\n":        "expires",
		"[[waiver]]\nid = \"a\"\nreason = \"x\"\nexpires = 2027-01-01T00:00:00Z\n":  "expires = 2027-06-30",
		"[[waiver]]\nid = \"a\"\nreason = \"x\"\n":                                  "expires = 2027-06-30",
		"[[waiver]]\nid = \"a\"\nreason = \" \"\nexpires = 2027-01-01\n":            "no reason",
		"[[waiver]]\nreason = \"x\"\nexpires = 2027-01-01\n":                        "no id",
		"[[waiver]]\nid = \"a\"\nreason = \"x\"\nexpires = 2027-01-01\nuntil = 1\n": "waiver.until",
		"[[waivers]]\nid = \"a\"\n":                                                 "waivers",
		"[[waiver]]\nid = \"[\"\nreason = \"x\"\nexpires = 2027-01-01\n":            "glob",
		"":       "no [[waiver]]",
		"waiver": "--waivers",
		strings.Repeat("# long\n", maxConfigFile): "too long",
	} {
		write(t, file, text)
		d.fails(exitUsage, "", strict, part)
	}
	d.fails(exitUsage, "", append(args, "--waivers", "/nonexistent/waivers"), "/nonexistent/waivers")
}
