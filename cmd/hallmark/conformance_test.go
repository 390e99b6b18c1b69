package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// TestConformanceOverTLS runs the cases that are about TLS and HTTP against the
// program as it is deployed without a proxy: all apply, and all pass. The
// throttle is left out: it makes one wait, and TLS has no part in it.
func TestConformanceOverTLS(t *testing.T) {
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
