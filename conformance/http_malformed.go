package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// httpMalformedCases are about requests that two servers in a row may read in
// two ways, or that are too large. They run late: such requests may upset what
// is in front of the server.
func httpMalformedCases() []Case {
	return group("http",
		Case{
			ID: "http-smuggling", Section: "RFC 9112 §5.1, §6.1, §6.3, §11.2", Level: Must, Abuse: true, Needs: []Input{NeedClient}, Run: smuggling,
			Expected: "A request whose length is in doubt is refused, or answered once, and the connection is closed; a space before a colon is refused.",
			Means:    "Behind a proxy an attacker puts a request of his in front of the next user's, and gets its answer or its credentials.",
		},
		Case{
			ID: "http-header-limits", Section: "RFC 6585 §5; RFC 9110 §5.4, §15.5.15", Level: Should, Abuse: true, Needs: signsIn(), Run: headerLimits,
			Expected: "A field of 64 KiB, 1000 fields and a URL of 32 KiB are refused with 4xx or borne, and the next request works.",
			Means:    "A single request without credentials disturbs the server, or fills its log with faults.",
		},
	)
}

// doubtful is a request that may be longer or shorter than it looks.
type doubtful struct {
	what   string
	fields string // beside those that every request has
	body   string
	bear   bool // it may be answered, if the connection is closed then
	stay   bool // the connection may stay, if it is refused
}

func doubtfuls() []doubtful {
	const form = "grant_type=none"
	return []doubtful{
		{what: "two lengths", fields: "Content-Length: 15\r\nContent-Length: 5\r\n", body: form},
		{what: "a length and chunks", fields: "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", body: "f\r\n" + form + "\r\n0\r\n\r\n", bear: true},
		{what: "a coding that ends nowhere", fields: "Transfer-Encoding: x-none\r\nContent-Length: 15\r\n", body: form},
		{what: "a space before the colon", fields: "Content-Length : 15\r\n", body: form, stay: true}, // RFC 9112 §5.1: 400, and no more
	}
}

func smuggling(ctx context.Context, p *Probe) Verdict {
	u, err := p.tokenEndpoint()
	if err != nil {
		return undecided("%v", err)
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n", u.RequestURI(), u.Host)
	if a, _ := p.raw(ctx, u, head+"Content-Length: 15\r\n\r\ngrant_type=none"); a.status == 0 {
		return undecided("a plain request is not answered")
	}
	for _, d := range doubtfuls() {
		a, closed := p.raw(ctx, u, head+d.fields+"\r\n"+d.body)
		p.sent += " with " + d.what
		switch {
		case !d.bear && !slices.Contains([]int{0, 400, 501}, a.status):
			return fail("%s: the status is %d", d.what, a.status)
		case !closed && !d.stay:
			return fail("%s: the connection stays open", d.what)
		}
	}
	return pass()
}

func headerLimits(ctx context.Context, p *Probe) Verdict {
	u, err := url.Parse(p.doc.text("token_endpoint"))
	if err != nil {
		return undecided("%v", err)
	}
	p.signIn(ctx, p.target.Client)
	long := u.String() + "?" + params{{"x", strings.Repeat("a", 32<<10)}}.String()
	many := http.Header{}
	for i := range 1000 {
		many.Set(fmt.Sprintf("X-Field-%d", i), "a")
	}
	for _, large := range []struct {
		what, address string
		header        http.Header
	}{
		{"a field of 64 KiB", u.String(), http.Header{"X-Large": {strings.Repeat("a", 64<<10)}}},
		{"1000 fields", u.String(), many},
		{"a URL of 32 KiB", long, nil},
	} {
		a, err := p.try(ctx, http.MethodGet, large.address, large.header, nil) // an error: it was cut off
		if err == nil && a.status >= 500 {
			return fail("%s: the status is %d", large.what, a.status)
		}
		if _, ok := newTokens(p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User))), nil); !ok {
			return fail("after %s the valid request does not work", large.what)
		}
	}
	return pass()
}
