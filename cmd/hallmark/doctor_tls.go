package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	soon              = 14 * 24 * time.Hour
	maxCertificatePEM = 1 << 20
	renew             = "renew the certificate, and see why that does not happen by itself"
	wholeChain        = "serve the certificate followed by its intermediates; for an authority of your own, set SSL_CERT_FILE where verifiers run"
)

// tls judges the connection on which the metadata came, with the roots that
// this machine trusts.
func (x *examination) tls(context.Context) observation {
	u, err := url.Parse(x.Issuer)
	switch {
	case x.Issuer == "" || err != nil:
		return lacks("the issuer: --issuer")
	case u.Scheme != "https":
		return observation{Verdict: skipped, Seen: "not checked: the issuer is not https"}
	case x.secure.err != nil:
		return untrusted(x.secure.err, u.Hostname(), x.now())
	case x.secure.state == nil:
		return lacks("an answer of the issuer")
	}
	state := x.secure.state
	f := judgeChain(state.PeerCertificates, u.Hostname(), x.now())
	f.Seen += ", " + tls.VersionName(state.Version)
	return f
}

// untrusted says why a chain was refused.
func untrusted(err *tls.CertificateVerificationError, host string, now time.Time) observation {
	if f := judgeChain(err.UnverifiedCertificates, host, now); f.Verdict == isFail {
		return f
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err.Err, &unknown) {
		return bad(wholeChain, "signed by an authority that this machine does not know, or an intermediate is missing")
	}
	return bad(wholeChain, "%v", err.Err)
}

// judgeChain looks at the server's certificate, the first, for a host if there is one.
func judgeChain(chain []*x509.Certificate, host string, now time.Time) observation {
	if len(chain) == 0 {
		return bad(wholeChain, "there is no certificate")
	}
	leaf := chain[0]
	end := leaf.NotAfter
	for _, c := range chain {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	left := end.Sub(now)
	days := int(left.Hours() / 24)
	switch err := leaf.VerifyHostname(host); {
	case err != nil && host != "": // a file may be looked at for no host
		return bad("get a certificate for "+host, "the certificate is for %s, not for %s", or(strings.Join(hosts(leaf), ", "), "no host"), host)
	case left <= 0:
		return bad(renew, "the certificate expired %s", stamp(end))
	case now.Before(leaf.NotBefore):
		return bad("set the clock, or wait", "the certificate is not valid before %s", stamp(leaf.NotBefore))
	case left < soon:
		return warn(renew, "the certificate expires in %d days, %s", days, stamp(end))
	}
	return good("certificate for %s until %s, %d days", or(host, strings.Join(hosts(leaf), ", ")), stamp(end), days)
}

func hosts(c *x509.Certificate) []string {
	out := c.DNSNames
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out[:min(len(out), 8)]
}

// tlsFiles looks at what the public listener would show after its next start.
func (x *examination) tlsFiles(context.Context) observation {
	if x.TLSCert == "" && x.TLSKey == "" {
		return lacks("--tls-cert and --tls-key, where the public listener speaks TLS itself")
	}
	u, err := url.Parse(x.Issuer)
	if err != nil {
		u = &url.URL{}
	}
	return checkCertificateFiles(x.TLSCert, x.TLSKey, u.Hostname(), x.now())
}

// opsTLSFiles looks at what the operators' listener would show.
func (x *examination) opsTLSFiles(context.Context) observation {
	if x.OpsTLSCert == "" && x.OpsTLSKey == "" {
		return lacks("--ops-tls-cert and --ops-tls-key, where the operators' listener speaks TLS")
	}
	u, err := url.Parse(x.Ops.Ops)
	if err != nil {
		u = &url.URL{}
	}
	return checkCertificateFiles(x.OpsTLSCert, x.OpsTLSKey, u.Hostname(), x.now())
}

// checkCertificateFiles looks at what a listener would serve: the pair, the
// key's mode, the chain in its order, the host and the days until it expires.
func checkCertificateFiles(certFile, keyFile, host string, now time.Time) observation {
	info, err := os.Stat(keyFile)
	if err != nil {
		return bad("name the private key's file", "%v", err)
	}
	if f := judgeMode(keyFile, info, 0o600); f.Verdict != isOK {
		return f
	}
	certPEM, err := readPEM(certFile)
	if err != nil {
		return bad("name the certificate's file", "%v", err)
	}
	keyPEM, err := readPEM(keyFile)
	if err != nil {
		return bad("name the private key's file", "%v", err)
	}
	defer clear(keyPEM)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return bad("give a certificate and its own private key, both as PEM", "%s and %s: %v", certFile, keyFile, err)
	}
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return bad("give certificates as PEM", "%s: %v", certFile, err)
		}
		chain = append(chain, c)
	}
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			return bad("put the server's certificate first, then each one's issuer", "%s: certificate %d is not signed by the one after it", certFile, i+1)
		}
	}
	f := judgeChain(chain, host, now)
	f.Seen = certFile + ": " + f.Seen
	return f
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificatePEM+1))
	if err == nil && len(b) > maxCertificatePEM {
		err = fmt.Errorf("%s is too long for PEM", path)
	}
	return b, err
}
