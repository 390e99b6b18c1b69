package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options are how to run. The zero value is safe against anybody's server.
type Options struct {
	Only, Skip []string      // globs of case ids (path.Match); Only empty: all
	Abuse      bool          // also the cases that load or attack
	Owned      bool          // the server is the caller's own: Abuse off loopback too, and as fast as it takes
	Rate       float64       // requests per second; 0: 5, and without limit on loopback
	Timeout    time.Duration // of one request; 0: 10 s
	MaxWait    time.Duration // how long a case obeys Retry-After; 0: 60 s
	Strict     bool          // a warning fails the run
	Waivers    []Waiver
	// For progress, before and after each case; may be nil.
	Begin func(id string, n, of int) // the nth of so many
	Done  func(Result)
}

const (
	defaultTimeout = 10 * time.Second
	defaultMaxWait = time.Minute
	caseTimeout    = 2 * time.Minute // beside the waits that the caller knows of
)

// Run runs the selected cases one after another. The error says why it could
// not run at all (an InputError, issuer not reachable). When ctx ends, that is
// the error, and the Report is Partial: it has the cases that ended before.
func Run(ctx context.Context, t Target, o Options) (Report, error) {
	report := Report{Schema: 1, Issuer: t.Issuer, Started: time.Now().UTC(), Strict: o.Strict}
	cases, err := o.cases(t)
	if err != nil {
		return report, InputError{err}
	}
	r := newRunner(t, o)
	if err := r.discover(ctx); err != nil && ctx.Err() == nil {
		return report, fmt.Errorf("issuer not reachable: %s", r.secrets.clean(err.Error()))
	}
	for i, c := range cases {
		if ctx.Err() != nil {
			break
		}
		if o.Begin != nil {
			o.Begin(c.ID, i+1, len(cases))
		}
		result := r.result(ctx, c)
		if ctx.Err() != nil { // it was cut short
			break
		}
		pardon(&result, o.Waivers, report.Started)
		report.Results = append(report.Results, result)
		if o.Done != nil {
			o.Done(result)
		}
	}
	report.Waivers = uses(o.Waivers, report.Results, report.Started)
	report.Left = len(cases) - len(report.Results)
	report.Partial = report.Left > 0
	if report.Partial {
		return report, ctx.Err()
	}
	return report, nil
}

// runner is what the cases of one run share: no tokens, only what was learnt
// about the server before them.
type runner struct {
	target  Target
	abuse   bool
	owned   bool
	maxWait time.Duration
	http    *http.Client
	pace    *pace
	secrets *redactor
	docAt   string // where doc is from
	doc     answer // the metadata document in use; doc.json is nil when there is none

	turned   *turnover  // the rotation of the run, once it happened
	disabled *disabling // the user that was disabled
	endings  *endings   // sessions that were left to expire

	assertions *assertionUse // how Target.JWT gets a token, once it did
}

func newRunner(t Target, o Options) *runner {
	client := http.Client{}
	if t.HTTP != nil {
		client = *t.HTTP
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Timeout = or(o.Timeout, defaultTimeout)
	r := &runner{
		target: t, abuse: o.Abuse, owned: o.Owned, maxWait: or(o.MaxWait, defaultMaxWait), http: &client,
		pace: newPace(o.Rate, t.loopback()), secrets: &redactor{},
	}
	for _, c := range []struct {
		flag string
		Client
	}{
		{"CLIENT", t.Client}, {"CLIENT2", t.Second}, {"BASIC_CLIENT", t.Basic},
		{"POST_CLIENT", t.Post}, {"PUBLIC_CLIENT", t.Public}, {"STRICT_CLIENT", t.Strict},
		{"API_CLIENT", t.API}, {"NO_PASSWORD_CLIENT", t.NoPassword}, {"NO_REFRESH_CLIENT", t.NoRefresh}, {"BRIEF_CLIENT", t.Brief},
	} {
		r.secrets.name(c.flag+"_SECRET", "client_secret", c.Secret)
	}
	r.secrets.learn("password", t.User.Password)
	r.secrets.name("USER2_PASSWORD", "password", t.Victim.Password)
	return r
}

// result runs one case, or says why not.
func (r *runner) result(ctx context.Context, c Case) Result {
	start := time.Now()
	p := &Probe{runner: r}
	if c.Abuse && r.owned || c.Fast {
		p.runner = r.unpaced()
	}
	v, ready := p.offered(c)
	if ready {
		v, ready = r.gate(c)
	}
	if ready {
		_, wait := r.target.strict()
		ctx, cancel := context.WithTimeout(ctx, caseTimeout+wait+r.target.RetryWindow+r.maxWait+r.target.Hooks.most())
		defer cancel()
		v = verdict(ctx, c, p)
	}
	if v.Outcome == Fail && c.Level != Must {
		v.Outcome = Warn
	}
	result := Result{
		ID: c.ID, Group: c.Group, Level: c.Level, Section: c.Section, Links: links(c.Section), Expected: c.Expected,
		Outcome: v.Outcome, Why: r.secrets.clean(v.Why), Sent: r.secrets.clean(p.sent), Got: r.secrets.clean(p.got), Curl: p.curl(),
		Took: time.Since(start),
	}
	if v.Outcome == Fail || v.Outcome == Warn {
		result.Means = c.Means
	}
	return result
}

// offered reports whether the server has the method that a case is about, with
// the metadata as the evidence where it has not.
func (p *Probe) offered(c Case) (Verdict, bool) {
	if c.Method == "" || p.doc.json == nil || p.advertised(c.Method) {
		return Verdict{}, true
	}
	p.sent, p.got = "GET "+p.docAt, p.doc.String()
	return absent("token_endpoint_auth_methods_supported does not list %s", c.Method), false
}

// gate reports whether the case can run, else its verdict.
func (r *runner) gate(c Case) (Verdict, bool) {
	for _, in := range c.Needs {
		if !r.target.has(in) {
			return Verdict{Skipped, "give " + string(in)}, false
		}
	}
	switch {
	case c.Abuse && !r.abuse:
		return Verdict{Skipped, "give --abuse"}, false
	case (c.Abuse || c.Fast) && !r.owned && !r.near():
		return Verdict{Skipped, "it loads the server, and this one is not on loopback; if it is yours, give --i-own-this-server"}, false
	}
	return Verdict{}, true
}

// near reports whether whatever gets credentials is on loopback.
func (r *runner) near() bool {
	if node, err := url.Parse(r.target.SecondNode); r.target.SecondNode != "" && (err != nil || !loopback(node)) {
		return false
	}
	u, err := r.tokenEndpoint()
	return r.target.loopback() && (err != nil || loopback(u))
}

func verdict(ctx context.Context, c Case, p *Probe) (v Verdict) {
	defer func() {
		switch s := recover().(type) {
		case nil:
		case stop:
			v = s.Verdict
		default:
			panic(s) // a defect of ours
		}
	}()
	return c.Run(ctx, p)
}

// do sends any request, no faster than the pace.
func (r *runner) do(req *http.Request) (answer, error) {
	if err := r.pace.wait(req.Context()); err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "hallmark-conformance")
	start := time.Now()
	resp, err := r.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	a, err := readAnswer(resp)
	a.at = time.Now()
	a.took = a.at.Sub(start)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		r.secrets.learn(name, a.text(name))
	}
	return a, err
}

// fetch sends a request that carries no credentials. A Host in header is the
// one that is asked for, whatever the address says.
func (r *runner) fetch(ctx context.Context, method, address string, header http.Header, body string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Host = or(req.Header.Get("Host"), req.Host)
	return r.do(req)
}

// or returns v, or def when v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
