package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tls is how is speaks TLS.
func (is *issuer) tls(t *testing.T) *tls.Config {
	t.Helper()
	c := &tls.Config{}
	switch {
	case is.mutated("tls-old"):
		c.MinVersion = tls.VersionTLS10
	case is.mutated("no-tls13"):
		c.MaxVersion = tls.VersionTLS12
	case is.mutated("rc4"):
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}
	case is.mutated("3des"):
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}
	case is.mutated("static-rsa"):
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	case is.mutated("rsa-1024"):
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		c.Certificates = []tls.Certificate{newCertificate(t, key, err, 90*24*time.Hour)}
	case is.mutated("expiring"):
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c.Certificates = []tls.Certificate{newCertificate(t, key, err, 13*24*time.Hour)}
	}
	return c
}

// newCertificate is one for example.com that began 90 days ago.
func newCertificate(t *testing.T, key crypto.Signer, err error, left time.Duration) tls.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-90 * 24 * time.Hour), NotAfter: time.Now().Add(left),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// waitForBody reads a body without having asked for it (RFC 9110 §10.1.1).
func waitForBody(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	io.CopyN(io.Discard, buffered, r.ContentLength)
	io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// remembered is the client that a request is from; a mutation has the whole
// connection be one client's.
func (is *issuer) remembered(r *http.Request, id string) string {
	if before := is.byConn[r.RemoteAddr]; before != "" && is.mutated("sticky-client") {
		return before
	}
	is.byConn[r.RemoteAddr] = id
	return id
}

// headers are what every answer has.
func (is *issuer) headers(h http.Header, r *http.Request) {
	set := func(mutation, name, otherwise, value string) {
		if is.mutated(mutation) {
			value = otherwise
		}
		switch {
		case value != "":
			h.Set(name, value)
		case is.mutated(mutation):
			h.Del(name)
		}
	}
	https := ""
	if r.TLS != nil {
		https = "max-age=31536000; includeSubDomains"
	}
	set("sniff", "X-Content-Type-Options", "", "nosniff")
	set("no-csp", "Content-Security-Policy", "", "frame-ancestors 'none'; default-src 'none'")
	set("open-csp", "Content-Security-Policy", "default-src 'self'", "")
	set("no-hsts", "Strict-Transport-Security", "", https)
	set("short-hsts", "Strict-Transport-Security", "max-age=3600", "")
	set("hsts-in-clear", "Strict-Transport-Security", "max-age=31536000", "")
	set("banner", "Server", "httpd/2.4.1", "httpd")
	set("powered", "X-Powered-By", "Express", "")
	set("same-request-id", "X-Request-Id", "1", rand.Text())
	set("secret-request-id", "X-Request-Id", alicePassword, "")
	set("clock-off", "Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), "")
	set("no-request-id", "X-Request-Id", "", "")
	set("sandbox", "Content-Security-Policy", "sandbox", "")
	set("cors-open", "Access-Control-Allow-Origin", "*", "")
	if len(r.TransferEncoding) > 0 && !is.mutated("chunks-kept") { // RFC 9112 §6.1
		h.Set("Connection", "close")
	}
	set("closes", "Connection", "close", "")
	if is.mutated("no-date") {
		h["Date"] = nil
	}
	if is.mutated("zstd") && strings.Contains(r.Header.Get("Accept-Encoding"), "zstd") {
		h.Set("Content-Encoding", "zstd")
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
	case is.mutated("cors-trusting"), is.mutated("cors-null") && origin == "null":
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Allow-Origin", origin)
	case is.mutated("cors-reflected"):
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// odd answers requests that are not for what is there, by a mutation; it
// reports whether it did.
func (is *issuer) odd(w http.ResponseWriter, r *http.Request) bool {
	is.claimed = r.Header.Get("X-Forwarded-For")
	switch {
	case is.mutated("expect-ignored") && r.Header.Get("Expect") != "":
		waitForBody(w, r)
	case is.mutated("large-500") && len(r.Header.Get("X-Large")) > 32<<10:
		w.WriteHeader(500)
	case is.mutated("head-500") && r.Method == http.MethodHead:
		w.WriteHeader(500)
	case is.mutated("trace") && r.Method == http.MethodTrace:
		w.Header().Set("Content-Type", "message/http")
		r.Header.Write(w)
	case is.mutated("doc-post-any") && r.Method == http.MethodPatch:
		w.WriteHeader(204)
	case is.mutated("ask-first") && r.Method == http.MethodPatch:
		w.WriteHeader(401)
	case is.mutated("slash-first") && r.Method == http.MethodPatch:
		http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
	case is.mutated("html-405") && r.Method == http.MethodPatch:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(405)
		io.WriteString(w, "<h1>Method Not Allowed</h1>")
	case is.mutated("trace-404") && strings.Contains(r.URL.Path, "nothing-"):
		w.WriteHeader(404)
		io.WriteString(w, "Traceback (most recent call last):")
	case is.mutated("oidc-elsewhere") && strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		http.Redirect(w, r, "/login", http.StatusFound)
	case is.mutated("html-404") && strings.Contains(r.URL.Path, "nothing-"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(404)
		io.WriteString(w, "<h1>Not Found</h1>")
	case is.mutated("one-page") && strings.Contains(r.URL.Path, "nothing-"):
		io.WriteString(w, "<title>App</title>")
	case is.mutated("debug") && strings.HasSuffix(r.URL.Path, "/debug/vars"):
		writeJSON(w, 200, map[string]string{"cmdline": "serve"})
	default:
		return false
	}
	return true
}

// lenient answers every stream of an HTTP/2 connection with 200 and nothing.
func lenient(_ *http.Server, conn *tls.Conn, _ http.Handler) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	io.CopyN(io.Discard, conn, 24)                // the preface
	conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
		switch {
		case head[3] == 4 && head[4]&1 == 0:
			conn.Write([]byte{0, 0, 0, 4, 1, 0, 0, 0, 0})
		case head[3] == 1: // HEADERS: RFC 7541 App. A, 8 is :status 200
			conn.Write([]byte{0, 0, 1, 1, 0x5, head[5], head[6], head[7], head[8], 0x88})
		}
	}
}
