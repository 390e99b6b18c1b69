package conformance

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

func httpTLSCases() []Case {
	return group("http",
		Case{
			ID: "http-tls12", Section: "RFC 9325 §3.1.1; RFC 8996 §4, §5", Level: Must, Run: oldTLS,
			Expected: "TLS 1.0 and 1.1 are not negotiated.",
			Means:    "An attacker on the way can have a connection made that he may be able to read or change.",
		},
		Case{
			ID: "http-tls13", Section: "RFC 9325 §3.1.1", Level: Should, Run: newTLS,
			Expected: "TLS 1.3 is negotiated with a client that offers nothing else.",
			Means:    "Clients that insist on the present version of TLS cannot connect.",
		},
		Case{
			ID: "http-ciphers", Section: "RFC 9325 §4.1", Level: Must, Run: weakCiphers,
			Expected: "RC4 is not negotiated, and neither should 3DES and key transport by RSA be.",
			Means:    "Passwords and tokens can be read off recorded connections, now or once the server's key is known.",
		},
		Case{
			ID: "http-cert", Section: "RFC 6749 §10.9; RFC 9325 §4.5", Level: Must, Run: certificate,
			Expected: "The certificate is trusted and valid for a while yet, and its key, where it is RSA, has 2048 bits or more.",
			Means:    "Anybody who breaks the key can pass for the issuer, or soon no client will connect any more.",
		},
	)
}

// connect gives the case connections of its own, as change makes them.
func (p *Probe) connect(ctx context.Context, change func(*http.Transport)) {
	base := p.http.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		panic(stop{undecided("the HTTP client has a transport of its own, whose connections cannot be changed")})
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	change(transport)
	client, own := *p.http, *p.runner
	client.Transport = transport
	own.http = &client
	p.runner = &own
	context.AfterFunc(ctx, transport.CloseIdleConnections) // the case's end
}

// overHTTP1 is for what HTTP/2 does not have, or does in another way.
func overHTTP1(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
}

// secured is the positive control: a document over TLS.
func (p *Probe) secured(ctx context.Context) answer {
	a := p.get(ctx, p.target.oauthURL(), nil)
	if a.tls == nil {
		panic(stop{absent("the issuer is not https")})
	}
	return a
}

// offer reports whether a connection comes about with nothing else on offer.
func (p *Probe) offer(ctx context.Context, what string, change func(*tls.Config)) bool {
	own := &Probe{runner: p.runner}
	own.connect(ctx, func(t *http.Transport) { overHTTP1(t); change(t.TLSClientConfig) }) // RFC 9113 §9.2 has rules of its own
	_, err := own.try(ctx, http.MethodGet, p.target.oauthURL(), nil, nil)
	p.sent, p.got = own.sent+"; offering "+what+" only", own.got
	var timeout net.Error
	if err != nil {
		p.got = "refused: " + err.Error()
	}
	if errors.As(err, &timeout) && timeout.Timeout() {
		panic(stop{undecided("no answer: %v", err)})
	}
	return err == nil
}

// suites returns the suites of TLS 1.2 and below whose name has one of the parts.
func suites(parts ...string) (ids []uint16) {
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(suite.Name, part) }) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

func oldTLS(ctx context.Context, p *Probe) Verdict {
	p.secured(ctx)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		name := tls.VersionName(version)
		if p.offer(ctx, name, func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = version, version, suites("TLS_")
		}) {
			return fail("%s is negotiated", name)
		}
	}
	return pass()
}

func newTLS(ctx context.Context, p *Probe) Verdict {
	p.secured(ctx)
	if !p.offer(ctx, "TLS 1.3", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS13, 0 }) {
		return fail("TLS 1.3 is not negotiated")
	}
	return pass()
}

func weakCiphers(ctx context.Context, p *Probe) Verdict {
	p.secured(ctx)
	negotiates := func(part string) bool {
		return p.offer(ctx, "suites with "+part, func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, suites(part)
		})
	}
	if negotiates("RC4") {
		return fail("RC4 is negotiated")
	}
	for _, part := range []string{"3DES", "TLS_RSA_WITH_AES"} { // each a SHOULD NOT
		if negotiates(part) {
			return Verdict{Warn, "suites with " + part + " are negotiated"}
		}
	}
	return pass()
}

// closeToExpiry is when a certificate should have been replaced; one for less
// than three times that, in the last third of its time.
const closeToExpiry = 14 * 24 * time.Hour

func certificate(ctx context.Context, p *Probe) Verdict {
	state := p.secured(ctx).tls
	if len(state.VerifiedChains) == 0 {
		return undecided("the HTTP client does not verify certificates")
	}
	leaf := state.PeerCertificates[0]
	if why := weakKey(leaf); why != "" {
		return fail("%s", why)
	}
	left, life := time.Until(leaf.NotAfter), leaf.NotAfter.Sub(leaf.NotBefore)
	if left < min(closeToExpiry, life/3) {
		return Verdict{Warn, "the certificate expires at " + leaf.NotAfter.UTC().Format(time.RFC3339)}
	}
	return pass()
}

func weakKey(c *x509.Certificate) string {
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return "the certificate's RSA key is shorter than 2048 bits"
	}
	return ""
}
