// Package rotation rehearses the turning over of signing keys with somebody's
// API, to find out whether it would notice the real one. It is an issuer of its
// own, with keys that live in memory only, which the API is made to trust; then
// it does in a minute what a real issuer does in months, and worse:
//
//	K1  signs ───────────────────────────────────────────┐ revoked
//	K2         announced ──(2 × period)──► signs ─────────────────────►
//	K3                                      └► unannounced, signs once
//	           tokens that must be refused · unknown kids · issuer away
//
// Run asks one question after the other, each with a bounded number of requests
// and a bounded wait that is announced, and answers with a Report. It speaks
// HTTP only, in both directions: the API calls Handler, and Run calls the API.
//
// It cannot see into the API: one that fetches the key set less often than Run
// is patient looks like one that never does.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Target is the API and the tokens that it takes.
type Target struct {
	URL       string   // of something that a valid token gets: answered 2xx
	Method    string   // GET if empty
	Audience  string   // of its tokens; that of DefaultAudience if empty
	Scope     []string // that its tokens need
	Algorithm string   // ES256 if empty, or RS256
}

// Config says how to rehearse. Issuer is required.
type Config struct {
	// Issuer is the URL under which the API reaches Handler, without query,
	// fragment or final slash: the "iss" of the tokens.
	Issuer string
	// Period is the key set's max-age, in whole seconds: 2 s if zero. An
	// announced key is published for twice as long before it signs.
	Period time.Duration
	// Patience is how long the API may take to come round, each time: 90 s if zero.
	Patience time.Duration
	// Flood is how many tokens with unknown kids are sent; 200 if zero.
	Flood int
	// Client calls the API; its redirects are not followed. A new one if nil.
	Client *http.Client
	// Say is told before each wait what is waited for. Nobody if nil.
	Say func(string)
}

// Verdicts on one question.
const (
	OK      = "ok"
	Warn    = "warn" // not of consequence in a planned rotation
	Fail    = "fail"
	Skipped = "skipped"
)

// A Finding answers one question.
type Finding struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Verdict  string `json:"verdict"` // ok, warn, fail, skipped
	Seen     string `json:"seen"`
	Advice   string `json:"advice,omitempty"`
}

// A Report is the outcome of a rehearsal.
type Report struct {
	Issuer   string    `json:"issuer"`
	Audience string    `json:"audience"`
	Survives bool      `json:"survives"`
	Summary  string    `json:"summary"`
	Findings []Finding `json:"findings"`
}

// A Rehearsal is one, made by New and good for one Run.
type Rehearsal struct {
	target Target
	cfg    Config
	issuer *issuer
	report Report

	k1, k2, k3, stranger key
	signer               key // whose tokens the API has accepted
}

const (
	defaultPeriod   = 2 * time.Second
	defaultPatience = 90 * time.Second
	defaultFlood    = 200
	requestTime     = 10 * time.Second
)

// DefaultAudience is the audience for an API whose own is not given: scheme
// and host of its URL.
func DefaultAudience(api string) string {
	u, err := url.Parse(api)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// New prepares a rehearsal and makes its keys. It reports what in the target
// or the configuration cannot be.
func New(t Target, c Config) (*Rehearsal, error) {
	if err := checkURL(t.URL); err != nil {
		return nil, fmt.Errorf("the API's URL: %w", err)
	}
	if err := checkURL(c.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if strings.HasSuffix(c.Issuer, "/") || strings.ContainsAny(c.Issuer, "?#") {
		return nil, errors.New("issuer: drop its final slash, query or fragment")
	}
	fill(&t.Method, http.MethodGet)
	fill(&t.Audience, DefaultAudience(t.URL))
	fill(&t.Algorithm, "ES256")
	fill(&c.Period, defaultPeriod)
	fill(&c.Patience, defaultPatience)
	fill(&c.Flood, defaultFlood)
	if c.Period < time.Second || c.Period%time.Second != 0 {
		return nil, fmt.Errorf("period %s: give whole seconds, one at least", c.Period)
	}
	if c.Patience < time.Second || c.Flood < 1 || c.Flood > 10_000 {
		return nil, errors.New("patience is at least a second, and a flood 1 to 10000 requests")
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	client := http.Client{Timeout: requestTime}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	r := &Rehearsal{target: t, cfg: c, report: Report{Issuer: c.Issuer, Audience: t.Audience}}
	for _, k := range []*key{&r.k1, &r.k2, &r.k3, &r.stranger} {
		var err error
		if *k, err = newKey(t.Algorithm); err != nil {
			return nil, err
		}
	}
	r.signer = r.k1
	r.issuer = newIssuer(c.Issuer, t.Algorithm, c.Period)
	return r, r.issuer.publish(r.k1)
}

func fill[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

// checkURL wants what a request can be sent to. Plain http is for the user to
// judge: the tokens are good for nothing else.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return errors.New("give an absolute http or https URL, without credentials")
	}
	return nil
}

// Handler serves the metadata and the key set, wherever a proxy in front of it
// has moved them.
func (r *Rehearsal) Handler() http.Handler { return r.issuer }

// Audience is that of the tokens.
func (r *Rehearsal) Audience() string { return r.target.Audience }

// Fetched is closed when the key set was fetched for the first time.
func (r *Rehearsal) Fetched() <-chan struct{} { return r.issuer.fetched }

// Knock sends a valid token and tells whether it was accepted, so that an API
// which fetches keys when it needs them does so. An error means that nobody
// answered.
func (r *Rehearsal) Knock(ctx context.Context) (accepted bool, err error) {
	a, err := r.ask(ctx, r.token(r.k1))
	if err != nil {
		return false, err
	}
	return a.accepted(), a.broken
}

// Run asks all questions. An error means that it was not finished: the context
// ended, or the API's requests cannot be made.
func (r *Rehearsal) Run(ctx context.Context) (Report, error) {
	for _, part := range []func(context.Context) (goOn bool, err error){r.control, r.refusals, r.turnover} {
		goOn, err := part(ctx)
		if err != nil {
			return r.report, err
		}
		if !goOn {
			break
		}
	}
	r.conclude()
	return r.report, nil
}

// found adds a finding.
func (r *Rehearsal) found(id, question, verdict, seen, advice string) {
	if verdict == OK {
		advice = ""
	}
	r.report.Findings = append(r.report.Findings, Finding{id, question, verdict, seen, advice})
}

// conclude sums up.
func (r *Rehearsal) conclude() {
	var reasons, warnings []string
	for _, f := range r.report.Findings {
		switch f.Verdict {
		case Fail:
			reasons = append(reasons, f.Seen)
		case Warn:
			warnings = append(warnings, f.ID)
		}
	}
	r.report.Survives = len(reasons) == 0
	verdict := "would survive a rotation: yes, because it takes an announced key when that signs, and the old one as long as it is published"
	if !r.report.Survives {
		verdict = "would survive a rotation: no, because " + strings.Join(reasons, "; and because ")
	}
	if len(warnings) > 0 {
		verdict += "; see also: " + strings.Join(warnings, ", ")
	}
	r.report.Summary = verdict
}
