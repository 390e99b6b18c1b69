package conformance

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// httpConnectionCases are about how requests follow each other on a connection
// of HTTP/1.1.
func httpConnectionCases() []Case {
	return group("http",
		Case{
			ID: "http-chunked", Section: "RFC 9112 §7.1, §6.3", Level: Must, Needs: signsIn(), Run: chunked,
			Expected: "A body in chunks, without a Content-Length, is read (or refused with 411).",
			Means:    "Clients behind a proxy that streams bodies cannot sign anybody in.",
		},
		Case{
			ID: "http-keepalive-isolation", Section: "RFC 9110 §3.3; RFC 9112 §9.3", Level: Must, Needs: []Input{NeedConfidential, NeedUser}, Run: isolated,
			Expected: "On one connection each request stands for itself: a client that authenticated lends that to no later request.",
			Means:    "Behind a proxy, which puts many clients' requests on one connection, one client is taken for another.",
		},
		Case{
			ID: "http-expect-continue", Section: "RFC 9110 §10.1.1", Level: Must, Needs: []Input{NeedClient}, Run: expectContinue,
			Expected: "A client that waits with its body is told to go on, or gets its answer, at once.",
			Means:    "Clients that ask before they send a body, as curl may, wait for nothing on every request.",
		},
	)
}

func chunked(ctx context.Context, p *Probe) Verdict {
	p.connect(ctx, overHTTP1)
	c := p.target.Client
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.chunked = true
	a := p.send(ctx, q)
	if a.status == http.StatusLengthRequired { // RFC 9112 §6.3: a server may insist
		return pass()
	}
	return issued(a)
}

func isolated(ctx context.Context, p *Probe) Verdict {
	p.connect(ctx, func(t *http.Transport) { overHTTP1(t); t.MaxConnsPerHost = 1 })
	var reused atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused.Store(info.Reused) },
	})
	c, t := p.target.confidential(), p.target
	other := first(func(o Client) bool { return o.ID != c.ID }, t.Second, t.Client, t.Public, t.Post, t.Basic)
	mine, isJWT := parseJWT(p.signIn(ctx, c).access)
	q := p.as(Client{ID: c.ID, Method: AuthNone}, p.passwordForm(t.User))
	a := p.send(ctx, q)
	if !reused.Load() {
		return absent("the server ends the connection with each answer")
	}
	if v := refusedWith([]int{400, 401}, "invalid_client")(a); v.Outcome != Pass {
		return v
	}
	if !other.known() || !isJWT || mine.claims["client_id"] != c.ID {
		return pass()
	}
	for _, who := range []Client{other, c, other} {
		if theirs, ok := parseJWT(p.signIn(ctx, who).access); ok && theirs.claims["client_id"] != who.ID {
			return fail("a token for client %s names another client", who.ID)
		}
	}
	return pass()
}

// continueWait is how long a client waits to be told to go on. RFC 9110 has
// "immediate".
const continueWait = 2 * time.Second

// expectContinue refreshes with garbage: nothing is hashed, nobody is signed in.
func expectContinue(ctx context.Context, p *Probe) Verdict {
	p.connect(ctx, func(t *http.Transport) { overHTTP1(t); t.ExpectContinueTimeout = continueWait })
	var told atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { told.Store(true) }})
	q := p.as(p.target.Client, refreshForm(random("garbage")))
	if a := p.send(ctx, q); a.took >= continueWait {
		return undecided("the server takes %v for such a request anyway", a.took.Round(time.Second))
	}
	q.header.Set("Expect", "100-continue")
	if a := p.send(ctx, q); a.took >= continueWait && !told.Load() {
		return fail("the server waits for the body without asking for it")
	}
	return pass()
}
