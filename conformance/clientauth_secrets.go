package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// clientAuthSecretCases are about what a secret is worth.
func clientAuthSecretCases() []Case {
	needs := []Input{NeedConfidential, NeedUser}
	return group("cauth",
		Case{
			ID: "cauth-secret-not-in-errors", Section: "OWASP ASVS 5.0 §16.5.1", Level: BCP, Needs: needs, Run: secretInErrors,
			Expected: "No error repeats a client secret, right or wrong.",
			Means:    "Secrets get into what clients log, and a mistyped one is nearly the right one.",
		},
		Case{
			ID: "cauth-secret-entropy", Section: "RFC 6749 §10.10; RFC 6819 §5.1.4.2.2", Level: Should, Needs: needs, Run: secretEntropy,
			Expected: "The clients' secrets that were given to the run are long enough for 128 random bits.",
			Means:    "The secret can be guessed: by trying, or from its hash in a leaked database.",
		},
		Case{
			ID: "cauth-mtls-confusion", Section: "RFC 9700 §4.13", Level: BCP, Needs: needs, Run: mtlsConfusion,
			Expected: "Headers in which a proxy reports a client certificate are not believed when a client sends them.",
			Means:    "Anybody can act as any client by writing its name into a header.",
		},
	)
}

// secretInErrors has a wrong secret refused, and the right one beside a wrong
// grant.
func secretInErrors(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.signIn(ctx, c)
	form, wrong := p.passwordForm(p.target.User), c
	wrong.Secret = random("wrong")
	for _, try := range []struct {
		who  Client
		form params
	}{{wrong, form}, {c, form.set("grant_type", random("grant"))}} {
		a := p.send(ctx, p.as(try.who, try.form))
		if a.hasToken() {
			return undecided("a request that should be refused got a token")
		}
		if a.shows(try.who.Secret) || a.shows(credentials(try.who)) {
			return fail("the refusal repeats the secret")
		}
	}
	return pass()
}

// shows reports whether a secret is in the answer, as it is or escaped.
func (a answer) shows(secret string) bool {
	texts := append([]string{string(a.body)}, a.text("error_description"))
	for _, values := range a.header {
		texts = append(texts, values...)
	}
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, form) }) {
			return true
		}
	}
	return false
}

func secretEntropy(ctx context.Context, p *Probe) Verdict {
	t := p.target
	p.signIn(ctx, t.confidential())
	for _, c := range []Client{t.Client, t.Second, t.Basic, t.Post, t.Strict} {
		if c.known() && c.Secret != "" && bits(c.Secret) < 128 {
			return fail("the secret of client %s cannot hold 128 random bits: it has at most %d", c.ID, int(bits(c.Secret)))
		}
	}
	return pass()
}

// bits is the most that a random text of this length and these kinds of
// characters can hold; what is not random holds less.
func bits(secret string) float64 {
	kinds := map[string]float64{}
	n := 0
	for _, c := range secret {
		n++
		switch {
		case c >= 'a' && c <= 'f' || c >= '0' && c <= '9':
			kinds["hexadecimal"] = 16
		case unicode.IsLower(c):
			kinds["lower"] = 20
		case unicode.IsUpper(c):
			kinds["upper"] = 26
		default:
			kinds["other"] = 33
		}
	}
	size := 0.0
	for _, more := range kinds {
		size += more
	}
	return float64(n) * math.Log2(max(size, 1))
}

// mtlsConfusion names the client in the ways of nginx, Apache, Envoy, Traefik
// and RFC 9440.
func mtlsConfusion(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.signIn(ctx, c)
	q := p.as(Client{ID: c.ID, Method: AuthNone}, p.passwordForm(p.target.User))
	if p.send(ctx, q).hasToken() {
		return undecided("the client needs no authentication, so headers would prove nothing")
	}
	der, err := ownCertificate(c.ID)
	if err != nil {
		return undecided("no certificate could be made: %v", err)
	}
	text := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	name := "CN=" + c.ID
	for header, value := range map[string]string{
		"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": name, "X-SSL-Client-DN": name, "X-SSL-Client-CN": c.ID,
		"X-SSL-Cert": text, "X-SSL-Client-Cert": text, "X-Client-Cert": text, "SSL-Client-Cert": text,
		"X-Forwarded-Client-Cert":          `Cert="` + text + `";Subject="` + name + `"`,
		"X-Forwarded-Tls-Client-Cert":      base64.StdEncoding.EncodeToString(der),
		"X-Forwarded-Tls-Client-Cert-Info": url.QueryEscape(`Subject="` + name + `"`),
		"Client-Cert":                      ":" + base64.StdEncoding.EncodeToString(der) + ":",
	} {
		q.header.Set(header, strings.Map(inHeader, value))
	}
	return refusedWith([]int{400, 401})(p.send(ctx, q))
}

// inHeader drops what a field value cannot hold (RFC 9110 §5.5).
func inHeader(c rune) rune {
	if c < ' ' || c > '~' {
		return -1
	}
	return c
}

// ownCertificate is a self-signed one with a subject of its maker's choice.
func ownCertificate(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}
