package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

const maxReply = 256 << 10

// A reply is what a request to the issuer came to.
type reply struct {
	status       int
	header       http.Header
	body         []byte
	began, ended time.Time
}

// transport is what was seen of TLS: a connection, or why there is none.
type transport struct {
	state *tls.ConnectionState
	err   *tls.CertificateVerificationError
}

// outside is a client that reaches the issuer as any program of this machine
// would, follows nothing and keeps nothing.
func outside() *http.Client {
	return &http.Client{
		Timeout:       2 * probeTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send makes a request of the issuer, a POST of an empty form or a GET.
func (x *examination) send(ctx context.Context, method, address, etag string) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hallmark-doctor")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	r := &reply{began: x.now()}
	resp, err := x.client.Do(req)
	if err != nil {
		errors.As(err, &x.secure.err)
		return nil, errors.New(unwrapURL(err))
	}
	defer resp.Body.Close()
	r.ended = x.now()
	if resp.TLS != nil {
		x.secure.state = resp.TLS
	}
	r.status, r.header = resp.StatusCode, resp.Header
	if r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply)); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return r, nil
}

const (
	reach = "let this machine reach the issuer under the very URL that clients use: look at DNS, proxies, firewalls, and whether the server runs"
	proxy = "let the proxy in front of the server pass requests and answers on as they are: no redirect, no page of its own, no other path"
)

// get fetches a document that is to be JSON. What is wrong with it is an observation.
func (x *examination) get(ctx context.Context, address string) (*reply, *observation) {
	r, err := x.send(ctx, http.MethodGet, address, "")
	if err != nil {
		f := bad(reach, "%v", err)
		if x.secure.err != nil {
			f.Do = "it was reached, but its certificate was refused: see the check tls"
		}
		return nil, &f
	}
	if strange := r.strange(); strange != "" || r.status != http.StatusOK {
		f := bad(proxy+"; see that --issuer is the server's", "%s answered %s", address, or(strange, fmt.Sprint(r.status, " ", http.StatusText(r.status))))
		return nil, &f
	}
	return r, nil
}

// strange recognises answers that are not an issuer's.
func (r *reply) strange() string {
	media, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch {
	case r.status >= 300 && r.status < 400:
		return fmt.Sprintf("%d, a redirect to %.200s", r.status, or(r.header.Get("Location"), "nowhere"))
	case strings.Contains(media, "html") || strings.HasPrefix(strings.TrimSpace(string(r.body)), "<"):
		return fmt.Sprintf("%d with a page for people, as a firewall, a proxy or a login wall does", r.status)
	case media != "application/json" && media != "application/jwk-set+json":
		return fmt.Sprintf("%d with content type %.60q, not JSON", r.status, media)
	}
	return ""
}

// issuerName looks at the name alone.
func (x *examination) issuerName(context.Context) observation {
	if x.Issuer == "" {
		return lacks("the issuer: --issuer")
	}
	if err := checkIssuer(x.Issuer); err != nil {
		return bad("name the issuer as tokens do, in the server's --issuer, in clients and in APIs", "%v", err)
	}
	if strings.HasPrefix(x.Issuer, "http:") {
		return good("%s, without TLS: on this machine only", x.Issuer)
	}
	return good("%s", x.Issuer)
}

// place returns scheme and host of the issuer, and the well-known paths. They
// are found for an issuer that tokens must not have, too: how it differs from
// the right one is of interest.
func (x *examination) place() (base string, paths discovery.Paths, ok bool) {
	u, err := url.Parse(x.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", paths, false
	}
	paths, err = discovery.WellKnown("https://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"))
	return u.Scheme + "://" + u.Host, paths, err == nil
}

func (x *examination) metadataOAuth(ctx context.Context) observation {
	return x.metadata(ctx, func(p discovery.Paths) string { return p.OAuth })
}

func (x *examination) metadataOpenID(ctx context.Context) observation {
	return x.metadata(ctx, func(p discovery.Paths) string { return p.OpenID })
}

// metadata fetches one document and compares the issuer byte for byte (RFC 8414 §3.3).
func (x *examination) metadata(ctx context.Context, which func(discovery.Paths) string) observation {
	base, paths, ok := x.place()
	if !ok {
		return lacks("the issuer: --issuer, an https URL")
	}
	address := base + which(paths)
	r, wrong := x.get(ctx, address)
	if wrong != nil {
		return *wrong
	}
	m, err := discovery.ParseMetadata(r.body)
	if err != nil {
		return bad(proxy, "%s: %v", address, err)
	}
	if x.meta == nil {
		x.meta = &m
	}
	if how := difference(x.Issuer, m.Issuer); how != "" {
		return bad("start the server with --issuer "+x.Issuer+", or have clients and APIs use "+m.Issuer+": verifiers compare byte for byte",
			"the issuer calls itself %s, not %s: %s", m.Issuer, x.Issuer, how)
	}
	return good("%s names the issuer byte for byte", address)
}
