package conformance

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// httpMethodCases are about requests that are not for what is there.
func httpMethodCases() []Case {
	return group("http",
		Case{
			ID: "http-405-allow", Section: "RFC 9110 §9.1, §15.5.6", Level: Should, Needs: []Input{NeedClient}, Run: eachPlace(http.MethodPatch, notAllowed),
			Expected: "A method that an endpoint or document does not have is 405 with Allow (or 404, 501, or 401, 403 and a redirect before it is looked at).",
			Means:    "Who sends the wrong method is not told so, and looks for the mistake elsewhere.",
		},
		Case{
			ID: "http-head-options", Section: "RFC 9110 §9.3.2, §9.3.7", Level: Should, Needs: []Input{NeedClient}, Run: headOptions,
			Expected: "HEAD and OPTIONS are answered at every endpoint and document, and are no fault of the server.",
			Means:    "Monitors and browsers, which send them by themselves, see a server that is broken.",
		},
		Case{
			ID: "http-trace", Section: "RFC 9110 §9.3.8", Level: BCP, Needs: []Input{NeedClient}, Run: eachPlace(http.MethodTrace, untraced),
			Expected: "TRACE is refused.",
			Means:    "A page reads its own requests back, with the credentials that a browser or proxy added.",
		},
		Case{
			ID: "http-error-pages", Section: "OWASP ASVS 4.0 §14.3", Level: BCP, Needs: []Input{NeedClient}, Run: errorPages,
			Expected: "Refusals of what is not allowed or malformed are JSON or plain text, not a framework's page, and none has a stack trace or says that debugging is on.",
			Means:    "Clients cannot read what is wrong, and attackers read which software, paths and versions are in use.",
		},
		Case{
			ID: "http-debug-endpoints", Section: "OWASP ASVS 4.0 §14.3", Level: BCP, Run: debugEndpoints,
			Expected: "Profiles, metrics, consoles and repositories are not served beside the issuer.",
			Means:    "Anybody reads the server's memory, configuration or traffic, secrets among them.",
		},
	)
}

// places are the endpoints and documents that the suite knows of.
func (p *Probe) places() []string { return slices.Concat(p.addresses(), p.readable()) }

// eachPlace sends a method without anything else to each place.
func eachPlace(method string, judge judge) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.documents(ctx)
		for _, address := range p.places() {
			if v := judge(p.ask(ctx, method, address, nil)); v.Outcome != Pass {
				return v
			}
		}
		return pass()
	}
}

// notAllowed lets a server ask who it is, or send the client elsewhere, before it
// looks at the method.
func notAllowed(a answer) Verdict {
	switch {
	case a.status/100 == 3:
		return pass()
	case !slices.Contains([]int{401, 403, 404, 405, 501}, a.status):
		return fail("the status is %d", a.status)
	case a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "":
		return fail("the 405 has no Allow")
	}
	return pass()
}

func headOptions(ctx context.Context, p *Probe) Verdict {
	sane := func(a answer) Verdict {
		if a.status >= 500 && a.status != http.StatusNotImplemented {
			return fail("the status is %d", a.status)
		}
		return pass()
	}
	if v := eachPlace(http.MethodHead, sane)(ctx, p); v.Outcome != Pass {
		return v
	}
	return eachPlace(http.MethodOptions, sane)(ctx, p)
}

func untraced(a answer) Verdict {
	if a.status/100 == 2 {
		return fail("TRACE is answered %d", a.status)
	}
	return pass()
}

func errorPages(ctx context.Context, p *Probe) Verdict {
	malformed := p.as(p.target.Client, nil)
	malformed.encode = func(params) (string, string) { return "application/x-www-form-urlencoded", "grant_type=%zz" }
	if why := p.get(ctx, p.nowhere(), nil).trace(); why != "" { // it may be a page: people come there
		return fail("%s", why)
	}
	for _, next := range []func() answer{
		func() answer { return p.ask(ctx, http.MethodPatch, p.doc.text("token_endpoint"), nil) },
		func() answer { return p.send(ctx, malformed) },
	} {
		if why := next().page(); why != "" {
			return fail("%s", why)
		}
	}
	return pass()
}

// nowhere is an address of the issuer where nothing can be.
func (p *Probe) nowhere() string {
	return strings.TrimSuffix(p.target.Issuer, "/") + "/" + random("nothing")
}

// page says why an answer is not one for programs, or "".
func (a answer) page() string {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if len(a.body) > 0 && (media == "text/html" || media == "application/xhtml+xml") {
		return "the refusal is a page"
	}
	return a.trace()
}

// trace says that an answer has more for developers than for others, or "".
func (a answer) trace() string {
	for _, trace := range []string{
		"Traceback (most recent", "\tat ", "\n    at ", "goroutine ", "Stack trace:", "DEBUG = True", "Werkzeug", "Whitelabel Error Page",
	} {
		if bytes.Contains(a.body, []byte(trace)) {
			return "the refusal has a stack trace, or more that is for developers"
		}
	}
	return ""
}

// debugEndpoints looks where frameworks put what is for their developers. A
// server that answers every path with one page says nothing by it.
func debugEndpoints(ctx context.Context, p *Probe) Verdict {
	if a := p.get(ctx, p.nowhere(), nil); a.status/100 == 2 {
		return absent("every path is answered %d", a.status)
	}
	root, err := url.Parse(p.target.Issuer)
	if err != nil {
		return undecided("%v", err)
	}
	for _, path := range []string{
		"/debug/pprof/", "/debug/vars", "/metrics", "/actuator/env", "/admin", "/.git/HEAD", "/.env", "/swagger", "/swagger-ui/index.html", "/server-status",
	} {
		for _, base := range slices.Compact([]string{root.Scheme + "://" + root.Host, strings.TrimSuffix(p.target.Issuer, "/")}) {
			if a := p.get(ctx, base+path, nil); a.status/100 == 2 {
				return fail("%s is answered %d", path, a.status)
			}
		}
	}
	return pass()
}
