package conformance

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func metadataHTTPCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-cors", Section: "RFC 9700 §2.6", Level: BCP, Run: atEach(metaCORS),
			Expected: "Pages of any origin may read the document, without credentials, after a preflight too.",
			Means:    "Applications in a browser cannot read the document and must have the endpoints built in.",
		},
		Case{
			ID: "meta-cache", Section: "RFC 9111 §5.2.2; RFC 9110 §8.8.3", Level: BCP, Run: atEach(metaCache),
			Expected: "The document has a max-age, or an ETag that answers 304.",
			Means:    "Every start of a client and every verification may cost a fetch.",
		},
		Case{
			ID: "meta-head", Section: "RFC 9110 §9.3.2", Level: Should, Run: atEach(metaHead),
			Expected: "HEAD is answered as GET, or with 405 and Allow.",
			Means:    "Monitors and proxies that ask with HEAD take the issuer for broken.",
		},
		Case{
			ID: "meta-method-post", Section: "RFC 9110 §15.5.6", Level: Should, Run: atEach(metaPost),
			Expected: "POST to the document is refused, and a 405 has an Allow.",
			Means:    "Whatever takes a write at the address of the document may one day let it through.",
		},
		Case{
			ID: "meta-endpoints-https-only", Section: "RFC 8414 §6.1; RFC 6749 §3.2", Level: Must, Run: httpsOnly,
			Expected: "No endpoint does its work over plain http on port 80.",
			Means:    "A client with a wrong address sends passwords in the clear, and it works.",
		},
		Case{
			ID: "meta-endpoints-alive", Section: "RFC 8414 §2", Level: BCP, Run: endpointsAlive,
			Expected: "No advertised endpoint answers 404 or 5xx whatever the method.",
			Means:    "Clients run into an endpoint that is not there, often only when a user logs out.",
		},
	)
}

// atEach looks at each address where a document is served.
func atEach(look func(ctx context.Context, p *Probe, address string) Verdict) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		for address := range p.each(ctx, served) {
			if v := look(ctx, p, address); v.Outcome != Pass {
				return v
			}
		}
		return pass()
	}
}

func metaCORS(ctx context.Context, p *Probe, address string) Verdict {
	const origin = "https://spa.example"
	readable := func(a answer) bool {
		allowed := a.header.Get("Access-Control-Allow-Origin")
		return a.status/100 == 2 && (allowed == "*" || allowed == origin)
	}
	for _, ask := range []func() answer{
		func() answer { return p.get(ctx, address, http.Header{"Origin": {origin}}) },
		func() answer {
			return p.ask(ctx, http.MethodOptions, address, http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"GET"}})
		},
	} {
		a := ask()
		switch {
		case !readable(a):
			return fail("a page of %s is not allowed", origin)
		case a.header.Get("Access-Control-Allow-Credentials") != "":
			return fail("credentials are allowed from other origins")
		}
	}
	return pass()
}

func metaCache(ctx context.Context, p *Probe, address string) Verdict {
	a := p.get(ctx, address, nil)
	if seconds, err := strconv.Atoi(a.directives()["max-age"]); err == nil && seconds > 0 && !a.noStore() {
		return pass()
	}
	if tag := a.header.Get("ETag"); tag != "" && !a.noStore() {
		if p.get(ctx, address, http.Header{"If-None-Match": {tag}}).status == 304 {
			return pass()
		}
	}
	return fail("neither a max-age nor an ETag that answers 304")
}

func metaHead(ctx context.Context, p *Probe, address string) Verdict {
	a := p.ask(ctx, http.MethodHead, address, nil)
	if a.status != 200 && (a.status != 405 || a.header.Get("Allow") == "") {
		return fail("HEAD is neither 200 nor 405 with Allow")
	}
	return pass()
}

func metaPost(ctx context.Context, p *Probe, address string) Verdict {
	switch a := p.ask(ctx, http.MethodPost, address, nil); {
	case a.status/100 != 4 && a.status != 501:
		return fail("POST is not refused but answered %d", a.status)
	case a.status == 405 && a.header.Get("Allow") == "":
		return fail("the 405 has no Allow")
	}
	return pass()
}

// endpoints returns the addresses in the document that something works behind,
// by member.
func (p *Probe) endpoints() map[string]*url.URL {
	found := map[string]*url.URL{}
	for name := range p.doc.json {
		if u, err := url.Parse(p.doc.text(name)); strings.HasSuffix(name, "_endpoint") && err == nil && u.Host != "" {
			found[name] = u
		}
	}
	return found
}

// httpsOnly sends nothing that is secret.
func httpsOnly(ctx context.Context, p *Probe) Verdict {
	p.documents(ctx)
	shut, tried := map[string]bool{}, false
	endpoints := p.endpoints()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		u := *endpoints[name]
		if u.Scheme != "https" || shut[u.Hostname()] {
			continue
		}
		tried = true
		u.Scheme, u.Host = "http", strings.TrimSuffix(u.Host, ":"+u.Port())
		method, body := http.MethodGet, params(nil)
		switch name {
		case "token_endpoint":
			method, body = http.MethodPost, refreshForm(random("garbage"))
		case "revocation_endpoint", "introspection_endpoint":
			method, body = http.MethodPost, params{{"token", random("garbage")}}
		}
		a, err := p.try(ctx, method, u.String(), nil, body)
		switch {
		case ctx.Err() != nil:
			return undecided("stopped: %v", ctx.Err())
		case err != nil:
			shut[u.Hostname()] = true
		case worked(a):
			return fail("%s works over plain http", name)
		}
	}
	if !tried {
		return absent("no endpoint of %s is https, which is right on loopback only", p.target.Issuer)
	}
	return pass()
}

// worked reports whether the request was read as one to the endpoint.
// invalid_request may say that it must come by https.
func worked(a answer) bool {
	return a.status/100 == 2 || slices.Contains([]string{"invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"}, a.code())
}

func endpointsAlive(ctx context.Context, p *Probe) Verdict {
	endpoints := p.endpoints()
	if u, err := url.Parse(p.doc.text("jwks_uri")); err == nil && u.Host != "" {
		endpoints["jwks_uri"] = u
	}
	p.documents(ctx)
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		var statuses []int
		alive := slices.ContainsFunc([]string{http.MethodGet, http.MethodOptions, http.MethodPost}, func(method string) bool {
			a := p.ask(ctx, method, endpoints[name].String(), nil)
			statuses = append(statuses, a.status)
			return a.status != 404 && a.status/100 != 5
		})
		if !alive {
			return fail("%s answers %d to GET, OPTIONS and POST", name, statuses)
		}
	}
	return pass()
}
