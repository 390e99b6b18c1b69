package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	certificatePoll = 2 * time.Second
	maxPEM          = 1 << 20
	closeToExpiry   = 7 * 24 * time.Hour
	remindEvery     = 24 * time.Hour
)

// A pair names a certificate and its key.
type pair struct {
	listener  string // public or operators
	prefix    string // of the settings: --PREFIXtls-cert
	cert, key string // PEM files; both empty: plain HTTP
}

func (t PublicTLS) pair() pair   { return pair{"public", "", t.TLSCert, t.TLSKey} }
func (o OpsListener) pair() pair { return pair{"operators", "ops-", o.OpsTLSCert, o.OpsTLSKey} }

func (c Config) pairs() []pair { return []pair{c.PublicTLS.pair(), c.OpsListener.pair()} }

func (p pair) certSetting() string { return p.prefix + "tls-cert" }
func (p pair) keySetting() string  { return p.prefix + "tls-key" }

// parse wants a certificate and its own key.
func (p pair) parse(cert, key []byte) (*tls.Certificate, error) {
	parsed, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--%s %s, --%s %s: %w; give a certificate and its own key, both in PEM", p.certSetting(), p.cert, p.keySetting(), p.key, err)
	}
	return &parsed, nil
}

// read reads the files that are named, and finds those that cannot be read.
func (p pair) read(f *findings) (cert, key []byte, ok bool) {
	ok = true
	for _, file := range []struct {
		setting, path string
		text          *[]byte
	}{{p.certSetting(), p.cert, &cert}, {p.keySetting(), p.key, &key}} {
		if file.path == "" {
			continue
		}
		var err error
		if *file.text, _, err = readLimited(file.path, maxPEM); err != nil {
			f.add(exitUsage, on(file.setting), "--%s: %v", file.setting, err)
			ok = false
		}
	}
	return cert, key, ok
}

// load reads a pair that is named whole.
func (p pair) load() (parsed *tls.Certificate, sum [sha256.Size]byte, err error) {
	var f findings
	cert, key, ok := p.read(&f)
	if !ok {
		return nil, sum, f.err(nil)
	}
	sum = sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))
	parsed, err = p.parse(cert, key)
	return parsed, sum, err
}

// A certificate is served to clients, and replaced when its files change: also
// when the directory that they are in is a symbolic link to another.
type certificate struct {
	pair
	host    string // that clients ask for; empty: unknown
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	// The rest belongs to the one that looks.
	loaded   [sha256.Size]byte // what is served
	failing  string            // what cannot be served, and why
	said     bool              // that it cannot
	reminded time.Time         // of the expiry
}

// newCertificate loads a pair and says what is unusual about it.
func newCertificate(p pair, issuer string, log *slog.Logger, now time.Time) (*certificate, error) {
	c := &certificate{pair: p, log: log.With("listener", p.listener)}
	if u, err := url.Parse(issuer); err == nil && p.prefix == "" {
		c.host = u.Hostname()
	}
	parsed, sum, err := p.load()
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(p.key); err == nil && info.Mode().Perm()&0o007 != 0 {
		c.log.Warn("others can read the TLS key: take that from them with chmod o=", "file", p.key, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	c.serve(parsed, sum, "TLS certificate", now)
	return c, nil
}

// serve takes a pair into use.
func (c *certificate) serve(parsed *tls.Certificate, sum [sha256.Size]byte, what string, now time.Time) {
	c.current.Store(parsed)
	c.loaded, c.reminded = sum, time.Time{}
	leaf := parsed.Leaf
	c.log.Info(what, "not_after", stamp(leaf.NotAfter), "names", strings.Join(leaf.DNSNames, " "))
	if err := leaf.VerifyHostname(c.host); c.host != "" && err != nil {
		c.log.Warn("the TLS certificate is not for the issuer's host: clients that come here directly will refuse it", "host", c.host)
	}
	c.remind(now)
}

// remind says once a day that the certificate expires soon.
func (c *certificate) remind(now time.Time) {
	notAfter := c.current.Load().Leaf.NotAfter
	if notAfter.Sub(now) >= closeToExpiry || now.Sub(c.reminded) < remindEvery {
		return
	}
	c.reminded = now
	if now.After(notAfter) {
		c.log.Error("the TLS certificate has expired: clients refuse it; put a new one in its place", "file", c.cert, "not_after", stamp(notAfter))
		return
	}
	c.log.Warn("the TLS certificate expires soon: put a new one in its place", "file", c.cert, "not_after", stamp(notAfter), "left", notAfter.Sub(now).Round(time.Minute))
}

// look takes a pair into use that has changed. One that cannot be used leaves
// the old one in place; because two files are not replaced in one moment, that
// is an error only when the next look finds the same.
func (c *certificate) look(now time.Time) {
	defer c.remind(now)
	parsed, sum, err := c.load()
	if err == nil {
		c.failing, c.said = "", false
		if sum != c.loaded {
			c.serve(parsed, sum, "TLS certificate reloaded", now)
		}
		return
	}
	failing := fmt.Sprintf("%x %v", sum, err)
	switch {
	case failing != c.failing:
		c.failing, c.said = failing, false
	case !c.said:
		c.said = true
		c.log.Error("the TLS certificate was not reloaded: the old one is served on", "error", err)
	}
}

// watch looks until ctx ends.
func (c *certificate) watch(ctx context.Context) error {
	ticker := time.NewTicker(certificatePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.look(time.Now())
		}
	}
}

// config is that of a listener: TLS 1.2 at least, and Go's choice of the rest.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// secure makes a listener speak TLS if there is a pair for it.
func (g *instance) secure(l *listener, p pair) error {
	if p.cert == "" {
		return nil
	}
	c, err := newCertificate(p, g.cfg.Issuer, g.log, time.Now())
	if err != nil {
		return usage("%w", err)
	}
	l.certificate = c
	l.TLSConfig = c.config()
	return nil
}
