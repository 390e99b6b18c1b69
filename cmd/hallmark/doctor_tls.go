package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	soon       = 14 * 24 * time.Hour
	renew      = "renew the certificate, and see why that does not happen by itself"
	wholeChain = "serve the certificate followed by its intermediates; for an authority of your own, set SSL_CERT_FILE where verifiers run"
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
	return checkPair(x.PublicTLS.pair(), x.Issuer, x.now())
}

// opsTLSFiles looks at what the operators' listener would show.
func (x *examination) opsTLSFiles(context.Context) observation {
	return checkPair(x.OpsListener.pair(), x.Ops.Ops, x.now())
}

// checkPair looks at what a listener would serve: the pair, the key's mode, the
// chain in its order, the days until it expires, and the host of the URL if
// there is one.
func checkPair(p pair, address string, now time.Time) observation {
	switch {
	case p.cert == "" && p.key == "":
		return lacks(fmt.Sprintf("--%s and --%s, where that listener speaks TLS itself", p.certSetting(), p.keySetting()))
	case p.cert == "" || p.key == "":
		return bad("give both, or neither", "--%s and --%s: one of them is missing", p.certSetting(), p.keySetting())
	}
	info, err := os.Stat(p.key)
	if err != nil {
		return bad("name the private key's file", "%v", err)
	}
	if f := judgeMode(p.key, info, 0o640); f.Verdict != isOK { // a group may read it, as configuration.md says
		return f
	}
	parsed, _, err := p.load()
	if err != nil {
		return bad("give a certificate and its own private key, both as PEM", "%s", strings.Join(errorLines(err), "; "))
	}
	var chain []*x509.Certificate
	for _, der := range parsed.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return bad("give certificates as PEM", "%s: %v", p.cert, err)
		}
		chain = append(chain, c)
	}
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			return bad("put the server's certificate first, then each one's issuer", "%s: certificate %d is not signed by the one after it", p.cert, i+1)
		}
	}
	host := ""
	if u, err := url.Parse(address); err == nil {
		host = u.Hostname()
	}
	f := judgeChain(chain, host, now)
	f.Seen = p.cert + ": " + f.Seen
	return f
}
