package conformance

import (
	"context"
	"maps"
	"net/http"
	"slices"
)

// httpCORSCases are about pages of other origins (WHATWG Fetch).
func httpCORSCases() []Case {
	return group("http",
		Case{
			ID: "http-cors-token", Section: "RFC 9700 §2.6; WHATWG Fetch", Level: BCP, Needs: signsIn(), Run: corsToken,
			Expected: "A page of an origin that nobody registered may not read tokens, unless every page may (*).",
			Means:    "Any page that a user opens can have their browser guess passwords, from their address.",
		},
		Case{
			ID: "http-cors-credentials", Section: "WHATWG Fetch; RFC 9700 §2.6", Level: BCP, Needs: signsIn(),
			Expected: "No answer allows credentials to an origin that nobody registered.",
			Means:    "Any page that a user opens acts with the cookies and certificates that their browser has for the issuer.",
			Run:      noCredentials("https://unregistered.example"),
		},
		Case{
			ID: "http-cors-null", Section: "WHATWG Fetch", Level: BCP, Needs: signsIn(),
			Expected: "No answer allows credentials to the origin null, which every sandboxed page has.",
			Means:    "Any page acts with the cookies that a browser has for the issuer, by putting itself into a sandbox.",
			Run:      noCredentials("null"),
		},
	)
}

// corsToken looks at the answer itself: a preflight does not say which client
// is meant.
func corsToken(ctx context.Context, p *Probe) Verdict {
	const origin = "https://unregistered.example"
	c := p.target.Client
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.header.Set("Origin", origin)
	if p.send(ctx, q).header.Get("Access-Control-Allow-Origin") == origin {
		return fail("a page of %s may read the answer", origin)
	}
	return pass()
}

// noCredentials asks every endpoint, before a request and with one, and reads
// the documents.
func noCredentials(origin string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		q := p.as(p.target.Client, p.passwordForm(p.target.User))
		q.header.Set("Origin", origin)
		p.signIn(ctx, p.target.Client)
		asks := []func() answer{func() answer { return p.send(ctx, q) }}
		ask := func(method, address string, header http.Header) {
			header.Set("Origin", origin)
			asks = append(asks, func() answer { return p.ask(ctx, method, address, header) })
		}
		for _, address := range p.addresses() {
			ask(http.MethodOptions, address, http.Header{"Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"}})
		}
		for _, address := range p.readable() {
			ask(http.MethodGet, address, http.Header{})
		}
		for _, next := range asks {
			h := next().header
			if h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Credentials") == "true" {
				return fail("credentials are allowed to %s", origin)
			}
		}
		return pass()
	}
}

// addresses returns the endpoints that the suite has business with.
func (p *Probe) addresses() (out []string) {
	endpoints := p.endpoints()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		switch name {
		case "token_endpoint", "revocation_endpoint", "introspection_endpoint":
			out = append(out, endpoints[name].String())
		}
	}
	return out
}

// readable returns where the metadata, one of the two, and the keys are.
func (p *Probe) readable() []string {
	out := []string{p.target.oauthURL(), p.target.oidcURL()}
	if p.doc.text("jwks_uri") != "" {
		out = append(out, p.jwksURI())
	}
	return out
}
