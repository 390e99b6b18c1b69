package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A browser is an HTTPS client that keeps its connections, and says how it came.
type browser struct {
	*http.Client
	t *testing.T
}

func newBrowser(t *testing.T, m madePair, versions ...uint16) browser {
	config := &tls.Config{RootCAs: m.roots(), ServerName: "localhost"}
	for _, v := range versions {
		config.MinVersion, config.MaxVersion = v, v
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return browser{&http.Client{Transport: transport, Timeout: 10 * time.Second}, t}
}

// get returns the serial of the certificate and whether the connection was an old one.
func (b browser) get(address string) (serial string, reused bool) {
	b.t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(b.t.Context(), trace), "GET", address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.Do(req)
	if err != nil {
		b.t.Errorf("%s: %v", address, err)
		return "", false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		b.t.Errorf("%s answers %s %s, want 200 over HTTP/2", address, resp.Proto, resp.Status)
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.String(), reused
}

// serveProcess runs the real program until the test ends.
func (d *desk) serveProcess(args ...string) (*lockedBuffer, *running) {
	d.Helper()
	var log lockedBuffer
	cmd := exec.Command(buildProgram(d.T), append([]string{"serve", "--data", d.data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	await(d.T, "serves", func() bool {
		return strings.Contains(log.String(), "msg=serving") || strings.Contains(log.String(), "hallmark: ")
	})
	s := &running{}
	s.err.Write([]byte(log.String()))
	return &log, s
}

// TestTLS: the program serves over TLS, takes a new pair without a restart, and
// keeps the old one, and its connections, when the new one cannot be used.
func TestTLS(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	// As Kubernetes mounts a secret: the files point into ..data, which is swapped.
	mount := t.TempDir()
	swap := func(name string, m madePair) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(mount, name), 0o700); err != nil {
			t.Fatal(err)
		}
		m.write(t, filepath.Join(mount, name))
		link := filepath.Join(mount, "..new")
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	first, second := makePair(t, nextYear()), makePair(t, nextYear())
	swap("first", first)
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	forOps := makePair(t, nextYear())
	opsCert, opsKey := forOps.write(t, t.TempDir())
	log, s := d.serveProcess("--issuer", "https://localhost:8443", "--tls-cert", filepath.Join(mount, "tls.crt"), "--tls-key", filepath.Join(mount, "tls.key"),
		"--ops-tls-cert", opsCert, "--ops-tls-key", opsKey)
	jwks, ready := "https://"+s.logged("public")+"/.well-known/jwks.json", "https://"+s.logged("operators")+"/readyz"

	kept := newBrowser(t, first)
	if serial, _ := kept.get(jwks); serial != first.serial() {
		t.Errorf("served %s, want the first %s", serial, first.serial())
	}
	if serial, _ := newBrowser(t, forOps).get(ready); serial != forOps.serial() {
		t.Errorf("operators are served %s, want %s", serial, forOps.serial())
	}
	newBrowser(t, first, tls.VersionTLS12).get(jwks)
	for _, listener := range []string{"public", "operators"} {
		conn, err := tls.Dial("tcp", s.logged(listener), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			conn.Close()
			t.Errorf("to the %s, TLS 1.1 is spoken", listener)
		}
	}
	if status, body := get(t, "http://"+s.logged("public")+"/.well-known/jwks.json"); status != 400 || strings.Contains(body, "keys") {
		t.Errorf("plain HTTP is answered %d %s", status, body)
	}

	swap("second", second)
	await(t, "reloads", func() bool { return strings.Contains(log.String(), "TLS certificate reloaded") })
	if serial, _ := newBrowser(t, second).get(jwks); serial != second.serial() {
		t.Errorf("after the swap %s is served, want %s", serial, second.serial())
	}
	if serial, reused := kept.get(jwks); serial != first.serial() || !reused {
		t.Errorf("a connection from before the swap: %s, kept %v", serial, reused)
	}
	if !strings.Contains(log.String(), "not_after="+stamp(nextYear())[:13]) {
		t.Errorf("the expiry is not logged: %s", log.String())
	}

	foreign := makePair(t, nextYear())
	for i, broken := range []madePair{{cert: "not PEM", key: second.key}, {cert: foreign.cert, key: second.key}} {
		swap([]string{"broken", "mismatch"}[i], broken)
		await(t, "complains", func() bool { return strings.Count(log.String(), "was not reloaded") == i+1 })
		if serial, _ := newBrowser(t, second).get(jwks); serial != second.serial() {
			t.Errorf("with a pair that cannot be used %s is served", serial)
		}
	}
	time.Sleep(2 * certificatePoll) // no more is said about it
	third := makePair(t, nextYear())
	swap("third", third)
	await(t, "reloads again", func() bool { return strings.Count(log.String(), "TLS certificate reloaded") == 2 })
	if serial, _ := newBrowser(t, third).get(jwks); serial != third.serial() {
		t.Errorf("after a repair %s is served", serial)
	}
	if n := strings.Count(log.String(), "was not reloaded"); n != 2 {
		t.Errorf("two broken pairs are said %d times: %s", n, log.String())
	}
	for _, secret := range []string{first.key, second.key, third.key} {
		if strings.Contains(log.String(), strings.Split(secret, "\n")[1]) {
			t.Error("a key is in the log")
		}
	}
}

// TestCertificateLook: what one look after the other says and takes.
func TestCertificateLook(t *testing.T) {
	var log bytes.Buffer
	said := func(parts ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if log.Len() == 0 {
			lines = nil
		}
		if len(lines) != len(parts) {
			t.Errorf("said %q, want %q", lines, parts)
		}
		for i := range min(len(lines), len(parts)) {
			if !strings.Contains(lines[i], parts[i]) {
				t.Errorf("said %s, want %s", lines[i], parts[i])
			}
		}
		log.Reset()
	}
	now := time.Now()
	old, next := makePair(t, now.Add(10*24*time.Hour)), makePair(t, nextYear())
	dir := t.TempDir()
	cert, key := old.write(t, dir)
	chmod(t, key, 0o604)
	c, err := newCertificate(pair{"public", "", cert, key}, "https://login.example.com", slog.New(slog.NewTextHandler(&log, nil)), now)
	if err != nil {
		t.Fatal(err)
	}
	said("others can read the TLS key", "TLS certificate\" listener=public", "not for the issuer's host")
	c.look(now)
	said()

	// Between the two files a look finds a pair that does not fit: not yet an error.
	write(t, cert, next.cert)
	c.look(now)
	said()
	write(t, cert, old.cert)
	c.look(now)
	write(t, cert, next.cert)
	c.look(now)
	said()
	c.look(now)
	said("was not reloaded")
	c.look(now)
	said()
	remove(t, dir, "tls.key")
	c.look(now)
	c.look(now)
	said("was not reloaded")

	// The old one goes on, and its end comes near.
	c.look(now.Add(4 * 24 * time.Hour))
	said("expires soon")
	c.look(now.Add(4*24*time.Hour + 23*time.Hour))
	said()
	c.look(now.Add(5*24*time.Hour + time.Minute))
	said("expires soon")
	c.look(now.Add(11 * 24 * time.Hour))
	said("has expired")

	write(t, key, next.key)
	c.look(now.Add(11 * 24 * time.Hour))
	said("reloaded", "not for the issuer's host")
	if got, _ := c.config().GetCertificate(nil); got.Leaf.SerialNumber.String() != next.serial() {
		t.Error("the new pair is not served")
	}
	soon := makePair(t, now.Add(time.Hour))
	soon.write(t, dir)
	c.look(now)
	said("reloaded", "not for the issuer's host", "expires soon")
}

// TestTLSRefused: pairs that cannot be served, each with what to change.
func TestTLSRefused(t *testing.T) {
	t.Parallel()
	m, other := makePair(t, nextYear()), makePair(t, nextYear())
	cert, key := m.write(t, t.TempDir())
	_, foreign := other.write(t, t.TempDir())
	none := filepath.Join(t.TempDir(), "none")
	both := filepath.Join(t.TempDir(), "both.pem")
	write(t, both, m.cert+m.key)
	d := newDesk(t)
	for _, tt := range []struct {
		cert, key string
		want      []string
	}{
		{cert, "", []string{"--tls-cert without --tls-key: give both"}},
		{"", key, []string{"--tls-key without --tls-cert: give both"}},
		{none, "", []string{"--tls-cert without --tls-key", "--tls-cert: |no such file"}},
		{none, none, []string{"--tls-cert: |no such file", "--tls-key: |no such file"}},
		{cert, foreign, []string{"--tls-cert " + cert + "|--tls-key " + foreign + "|does not match|its own key"}},
		{key, cert, []string{"switched"}},
		{cert, cert, []string{"found a certificate rather than a key"}},
		{filepath.Dir(cert), key, []string{"--tls-cert: |is a directory"}},
	} {
		for _, prefix := range []string{"", "ops-"} {
			args := serveArgs("--data", filepath.Join(d.data, "new"), "--"+prefix+"tls-cert="+tt.cert, "--"+prefix+"tls-key="+tt.key)
			var want []string
			for _, line := range tt.want {
				want = append(want, strings.ReplaceAll(line, "--tls-", "--"+prefix+"tls-"))
			}
			d.complains(args, want...)
			args[0] = "check"
			d.complains(append([]string{"config"}, args...), want...)
		}
	}
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("something was made: %v", left)
	}
	if out := d.ok("", "config", "check", "--issuer", someIssuer, "--tls-cert", both, "--tls-key", both); out != "ok\n" {
		t.Errorf("a certificate and its key in one file: %s", out)
	}
}
