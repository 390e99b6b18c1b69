package conformance

import (
	"context"
	"net"
	"net/http"
	"net/url"
)

// toNode returns a client that speaks to one node of an issuer. Requests keep
// the issuer's name, in the URL, in Host and in the certificate that they want:
// to the node it is as if they came by the issuer's address.
func toNode(c *http.Client, node string) (*http.Client, error) {
	u, err := url.Parse(node)
	if err != nil {
		return nil, err
	}
	base, ok := c.Transport.(*http.Transport)
	if !ok {
		base = http.DefaultTransport.(*http.Transport)
	}
	t := base.Clone()
	t.Proxy, t.DialTLSContext = nil, nil
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, hostPort(u))
	}
	other := *c
	other.Transport = nodeTransport{t, u.Scheme}
	return &other, nil
}

func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// nodeTransport may speak plain HTTP to a node whose issuer has TLS in front.
type nodeTransport struct {
	*http.Transport
	scheme string
}

func (t nodeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme = t.scheme
	return t.Transport.RoundTrip(req)
}

// unpaced is r without the pace, for what a pace would make meaningless: a race
// at five requests a second is none.
func (r *runner) unpaced() *runner {
	fast := *r
	fast.pace = &pace{}
	return &fast
}

// nodes are those that there are, the issuer's own address first.
func (r *runner) nodes() []*runner {
	if r.target.SecondNode == "" {
		return []*runner{r}
	}
	second := *r
	hc, err := toNode(r.http, r.target.SecondNode)
	if err != nil {
		panic(stop{undecided("the second node: %v", err)})
	}
	second.http = hc
	return []*runner{r, &second}
}

// at does steps at a node.
func (p *Probe) at(node *runner, steps func()) {
	here := p.runner
	p.runner = node
	defer func() { p.runner = here }()
	steps()
}
