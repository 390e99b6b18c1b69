package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// A madePair is a certificate and its key, in PEM.
type madePair struct {
	cert, key string
	leaf      *x509.Certificate
	private   *ecdsa.PrivateKey
}

// makePair makes a certificate for this machine that is its own authority.
func makePair(t *testing.T, notAfter time.Time) madePair {
	t.Helper()
	return issue(t, nil, notAfter, "localhost")
}

// issue makes a certificate for hosts that is good until notAfter, and began a
// year and a day before; without an authority it is one, and signs itself.
func issue(t *testing.T, by *madePair, notAfter time.Time, hosts ...string) madePair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "of the tests", SerialNumber: serial.String()},
		NotBefore: notAfter.Add(-366 * 24 * time.Hour), NotAfter: notAfter,
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	parent, signer := template, key
	if by == nil {
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		parent, signer = by.leaf, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return madePair{cert: text("CERTIFICATE", der), key: text("PRIVATE KEY", keyDER), leaf: leaf, private: key}
}

func nextYear() time.Time { return time.Now().Add(365 * 24 * time.Hour) }

// roots trust a pair and nothing else.
func (m madePair) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(m.leaf)
	return pool
}

func (m madePair) serial() string { return m.leaf.SerialNumber.String() }

// write puts a pair into a directory and returns the paths. The key is its
// owner's alone.
func (m madePair) write(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, cert, m.cert)
	write(t, key, m.key)
	chmod(t, key, 0o600)
	return cert, key
}
