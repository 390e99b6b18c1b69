package conformance_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What TLS only should not do warns, and what cannot be seen is no verdict.
func TestOutcomesOverTLS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mutation, id string
		want         conformance.Outcome
		why          string
	}{
		{"3des", "http-ciphers", conformance.Warn, "3DES"},
		{"static-rsa", "http-ciphers", conformance.Warn, "TLS_RSA_WITH_AES"},
		{"expiring", "http-cert", conformance.Warn, "expires"},
		{"closes", "http-keepalive-isolation", conformance.NA, "ends the connection"},
		{"length-required", "http-chunked", conformance.Pass, ""},
		{"", "http-hsts", conformance.Pass, ""},
		{"no-request-id", "http-request-id", conformance.NA, "no request id"},
		{"one-page", "http-debug-endpoints", conformance.NA, "every path"},
		{"cors-open", "http-cors-token", conformance.Pass, ""},
		{"cors-open", "http-cors-credentials", conformance.Pass, ""},
		{"sandbox", "http-csp-json", conformance.Pass, ""},
	} {
		_, target := newFarIssuer(t, tc.mutation)
		r := run(t, target, conformance.Options{Only: []string{tc.id}, Rate: 1000}).Results[0]
		if r.Outcome != tc.want || !strings.Contains(r.Why, tc.why) {
			t.Errorf("%s under %s: %s %q, want %s with %q", tc.id, tc.mutation, r.Outcome, r.Why, tc.want, tc.why)
		}
	}
	_, target := newFarIssuer(t)
	target.HTTP.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	if r := run(t, target, conformance.Options{Only: []string{"http-cert"}, Rate: 1000}).Results[0]; r.Outcome != conformance.Inconclusive {
		t.Errorf("unverified: %s %q", r.Outcome, r.Why)
	}
	target.HTTP.Transport = wrapped{target.HTTP.Transport}
	if r := run(t, target, conformance.Options{Only: []string{"http-tls12"}, Rate: 1000}).Results[0]; r.Outcome != conformance.Inconclusive || !strings.Contains(r.Why, "transport of its own") {
		t.Errorf("a transport of its own: %s %q", r.Outcome, r.Why)
	}
}

// wrapped is a transport that is no *http.Transport.
type wrapped struct{ http.RoundTripper }
