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
