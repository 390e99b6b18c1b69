package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificateFiles: what the doctor says about a pair of files.
func TestCertificateFiles(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	ca := issue(t, nil, now.Add(1000*day))
	other := issue(t, nil, now.Add(1000*day))
	good, soon, over := issue(t, &ca, now.Add(60*day), "a.example"), issue(t, &ca, now.Add(13*day), "a.example"), issue(t, &ca, now.Add(-time.Hour), "a.example")
	future := issue(t, &ca, now.Add(500*day), "a.example")
	for name, tt := range map[string]struct {
		cert, key string
		mode      os.FileMode
		host      string
		verdict   string
		part      string
	}{
		"good":            {good.cert + ca.cert, good.key, 0o600, "a.example", isOK, "60 days"},
		"for no host":     {good.cert, good.key, 0o600, "", isOK, "for a.example"},
		"alone":           {good.cert, good.key, 0o600, "a.example", isOK, "60 days"},
		"expires soon":    {soon.cert + ca.cert, soon.key, 0o600, "a.example", isWarn, "13 days"},
		"expired":         {over.cert, over.key, 0o600, "a.example", isFail, "expired"},
		"not yet":         {future.cert, future.key, 0o600, "a.example", isFail, "not valid before"},
		"another host":    {good.cert, good.key, 0o600, "b.example", isFail, "for a.example, not for b.example"},
		"another's key":   {good.cert, soon.key, 0o600, "a.example", isFail, "private key"},
		"wrong order":     {good.cert + other.cert, good.key, 0o600, "a.example", isFail, "certificate 1 is not signed by the one after it"},
		"key for a group": {good.cert, good.key, 0o640, "a.example", isOK, "60 days"},
		"key for all":     {good.cert, good.key, 0o644, "a.example", isWarn, "0644"},
		"key writable":    {good.cert, good.key, 0o622, "a.example", isFail, "0622"},
		"no certificate":  {"hello", good.key, 0o600, "a.example", isFail, "PEM"},
		"too long":        {strings.Repeat("x", maxPEM+1), good.key, 0o600, "a.example", isFail, "too large"},
	} {
		certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
		write(t, certFile, tt.cert)
		write(t, keyFile, tt.key)
		chmod(t, keyFile, tt.mode)
		f := checkPair(PublicTLS{certFile, keyFile}.pair(), "https://"+tt.host, now)
		if f.Verdict != tt.verdict || !strings.Contains(f.Seen, tt.part) || (f.Do == "") != (tt.verdict == isOK) {
			t.Errorf("%s: %+v", name, f)
		}
		if strings.Contains(f.Seen, "PRIVATE KEY") {
			t.Errorf("%s shows the key", name)
		}
	}
	if f := checkPair(PublicTLS{"/nonexistent/cert", "/nonexistent/key"}.pair(), "https://a.example", now); f.Verdict != isFail || !strings.Contains(f.Seen, "/nonexistent/key") {
		t.Errorf("without files: %+v", f)
	}
}

// TestDoctorTLSFiles: the files that the settings name are looked at, for the
// hosts under which the listeners are reached.
func TestDoctorTLSFiles(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pair := issue(t, nil, time.Now().Add(90*24*time.Hour), "a.example")
	cert, key := pair.write(t, d.data)
	for _, tt := range []struct {
		args []string
		id   string
		want string
	}{
		{nil, "tls-files", skipped},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--issuer", "https://a.example"}, "tls-files", isOK},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--issuer", "https://b.example"}, "tls-files", isFail},
		{[]string{"--tls-cert", cert}, "tls-files", isFail},
		{[]string{"--ops-tls-cert", cert, "--ops-tls-key", key}, "ops-tls-files", isOK},
		{[]string{"--ops-tls-cert", cert, "--ops-tls-key", key, "--ops", "https://b.example:8081"}, "ops-tls-files", isFail},
	} {
		x := &examination{doctorCmd: parsedDoctor(t, tt.args...), now: time.Now}
		found := map[string]observation{"tls-files": x.tlsFiles(t.Context()), "ops-tls-files": x.opsTLSFiles(t.Context())}
		if got := found[tt.id]; got.Verdict != tt.want {
			t.Errorf("doctor %v: %s is %+v, want %s", tt.args, tt.id, got, tt.want)
		}
	}
}

// TestDoctorTLS looks at an issuer whose certificate this machine does not know.
func TestDoctorTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	d := newDesk(t)
	found, r := d.examine("--issuer", server.URL)
	d.expect(found, "tls", isFail, "does not know", "SSL_CERT_FILE")
	d.expect(found, "metadata-oauth", isFail, "certificate", "see the check tls")
	if r.code == exitOK {
		t.Error("it passed")
	}
	// With the authority known, the connection is good; the rest is not.
	x := &examination{doctorCmd: &doctorCmd{Issuer: server.URL}, now: time.Now, client: server.Client()}
	x.metadataOAuth(t.Context())
	if f := x.tls(t.Context()); f.Verdict != isOK || !strings.Contains(f.Seen, "TLS 1.3") {
		t.Errorf("found %+v", f)
	}
}

// TestDoctorOfTLS: a deployment that speaks TLS on both listeners and is well
// is found well, though the operators' certificate is not for the address that
// it listens on, nor known here. Under a name of its own it is verified.
func TestDoctorOfTLS(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	chmod(t, d.data, 0o700)
	public, operators := makePair(t, nextYear()), makePair(t, nextYear())
	cert, key := public.write(t, t.TempDir())
	opsCert, opsKey := operators.write(t, t.TempDir())
	chmod(t, key, 0o640)
	port := freePort(t)
	issuer := "https://localhost:" + port
	_, s := d.serveProcess("--issuer", issuer, "--listen", "127.0.0.1:"+port, "--tls-cert", cert, "--tls-key", key, "--ops-tls-cert", opsCert, "--ops-tls-key", opsKey)
	file := configFile(t, fmt.Sprintf("issuer = %q\ntls-cert = %q\ntls-key = %q\nops-listen = %q\nops-tls-cert = %q\nops-tls-key = %q\n",
		issuer, cert, key, s.logged("operators"), opsCert, opsKey))

	d.env["SSL_CERT_FILE"] = cert
	r := d.execute("doctor", "--config", file, "--json")
	if r.code != exitOK || strings.Contains(r.out, `"`+isFail+`"`) || strings.Contains(r.out, `"`+isWarn+`"`) || strings.Contains(r.out, `"`+skipped+`"`) {
		t.Errorf("the doctor ended with %d: %s%s", r.code, r.out, r.err)
	}
	if r := d.execute("ready", "--config", file); r.code != exitOK || r.out != "ready\n" {
		t.Errorf("ready ended with %d: %s%s", r.code, r.out, r.err)
	}
	if r := d.execute("ready", "--ops", "https://"+s.logged("operators")); r.code != exitFailure || !strings.Contains(r.err, "certificate") {
		t.Errorf("a certificate that is not for the name of --ops is taken: %d, %s%s", r.code, r.out, r.err)
	}
}
