package conformance

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Verdict is how a case ended and why. A case returns it; a step of a case
// that cannot go on ends the case with one.
type Verdict struct {
	Outcome Outcome
	Why     string
}

func pass() Verdict { return Verdict{Outcome: Pass} }

func fail(format string, args ...any) Verdict { return Verdict{Fail, fmt.Sprintf(format, args...)} }

func absent(format string, args ...any) Verdict { return Verdict{NA, fmt.Sprintf(format, args...)} }

func undecided(format string, args ...any) Verdict {
	return Verdict{Inconclusive, fmt.Sprintf(format, args...)}
}

// stop is what a step panics with to end its case; only Run recovers it. So
// cases read as the requests that they send.
type stop struct{ Verdict }

// A Probe sends one case's requests and keeps the last one as evidence.
type Probe struct {
	*runner
	sent, got string
	wires     map[string]wire // by what stands in sent
	waited    time.Duration   // for a server that had enough
}

// call is a request with credentials before it is sent.
type call struct {
	to     string // the member of the metadata that names the endpoint; empty: token_endpoint
	method string
	query  params
	header http.Header
	body   params
	encode encoding

	chunked bool // without a Content-Length
}

// as returns a call that carries body and is authenticated as c.
func (p *Probe) as(c Client, body params) call {
	q := call{method: http.MethodPost, header: http.Header{}, body: body, encode: formEncoded}
	switch c.method() {
	case AuthBasic:
		q.header.Set("Authorization", basicHeader(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))) // RFC 6749 §2.3.1
	case AuthPost:
		q.body = body.and("client_id", c.ID).and("client_secret", c.Secret)
	default:
		q.body = body.and("client_id", c.ID)
	}
	return q
}

func basicHeader(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// send sends q to its endpoint, once more if it is told to come back. The case
// ends inconclusive when there is no answer, or only that the server has enough.
func (p *Probe) send(ctx context.Context, q call) answer {
	return p.patient(ctx, func() answer {
		a, err := p.exchange(ctx, q)
		p.note(q, a, err)
		if err != nil {
			panic(stop{undecided("no answer: %v", err)})
		}
		return a
	})
}

// exchange sends q and may be called from several goroutines.
func (r *runner) exchange(ctx context.Context, q call) (answer, error) {
	endpoint, err := r.endpoint(or(q.to, "token_endpoint"))
	if err != nil {
		return answer{}, err
	}
	u := *endpoint
	u.RawQuery = strings.Trim(u.RawQuery+"&"+q.query.String(), "&")
	contentType, body := q.encode(q.body)
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if q.chunked {
		req.ContentLength = -1 // not known
	}
	req.Header = q.header.Clone()
	if body != "" && contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	r.learn(q)
	return r.do(req)
}

// get fetches a document.
func (p *Probe) get(ctx context.Context, address string, header http.Header) answer {
	return p.ask(ctx, http.MethodGet, address, header)
}

// ask sends any request without credentials and body; the case ends
// inconclusive when there is no answer.
func (p *Probe) ask(ctx context.Context, method, address string, header http.Header) answer {
	return p.patient(ctx, func() answer {
		a, err := p.try(ctx, method, address, header, nil)
		if err != nil {
			panic(stop{undecided("no answer: %v", err)})
		}
		return a
	})
}

// try sends any request without credentials, and makes it the evidence.
func (p *Probe) try(ctx context.Context, method, address string, header http.Header, body params) (answer, error) {
	p.sent, p.got = strings.TrimSpace(method+" "+address+" "+body.String()), "no answer"
	for _, name := range slices.Sorted(maps.Keys(header)) {
		p.sent += "; " + strings.ToLower(name) + ": " + header.Get(name)
	}
	if body != nil {
		header = http.Header{"Content-Type": {formType}}
	}
	p.learn(call{body: body})
	p.keep(wire{method: method, address: address, header: header, body: body.String(), fields: body})
	a, err := p.fetch(ctx, method, address, header, body.String())
	if err == nil {
		p.got = a.String()
	}
	return a, err
}

// note makes an exchange with credentials the evidence.
func (p *Probe) note(q call, a answer, err error) {
	address := p.doc.text(or(q.to, "token_endpoint"))
	if len(q.query) > 0 {
		address += "?" + q.query.String()
	}
	contentType, body := q.encode(q.body)
	contentType = or(contentType, strings.Join(q.header.Values("Content-Type"), ", "))
	if media, boundary, ok := strings.Cut(contentType, "; boundary"); ok || strings.Contains(media, "json") {
		contentType, body = strings.TrimSuffix(contentType, "; boundary"+boundary), q.body.String() // as short as a form
	}
	parts := slices.DeleteFunc([]string{q.method, address, contentType, body}, func(s string) bool { return s == "" })
	for _, header := range q.header.Values("Authorization") {
		scheme, _, _ := strings.Cut(header, " ")
		parts = append(parts, "with "+scheme+" credentials")
	}
	if q.header.Get("DPoP") != "" {
		parts = append(parts, "with a DPoP proof")
	}
	p.sent, p.got = strings.Join(parts, " "), "no answer"
	header := q.header.Clone()
	if body != "" {
		header.Set("Content-Type", contentType)
	}
	p.keep(wire{method: q.method, address: address, header: header, body: body, fields: q.body})
	if err == nil {
		p.got = a.String()
	}
}

// learn makes every credential that q carries a secret, wrong ones too: they
// may be a right one with a character changed.
func (r *runner) learn(q call) {
	for _, ps := range []params{q.query, q.body} {
		for _, v := range ps {
			switch v.name {
			case "password", "client_secret", "refresh_token", "token", "client_assertion":
				r.secrets.name("OTHER_"+strings.ToUpper(v.name), v.name, v.value)
			}
		}
	}
	for _, header := range q.header.Values("Authorization") {
		_, credentials, _ := strings.Cut(header, " ")
		r.secrets.name("OTHER_CREDENTIALS", "credentials", strings.TrimSpace(credentials))
	}
}

// pause waits for d or ends the case.
func (p *Probe) pause(ctx context.Context, d time.Duration) {
	if err := sleep(ctx, d); err != nil {
		panic(stop{undecided("stopped while waiting: %v", err)})
	}
}

// random returns a text that no server has seen, for wrong credentials and
// unknown names.
func random(prefix string) string { return prefix + "-" + rand.Text() }
