package conformance

import (
	"context"
	"iter"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

func metadataCases() []Case {
	return group("metadata",
		Case{
			ID: "meta-8414-path", Section: "RFC 8414 §3, §3.1", Level: Must, Run: oauthPath,
			Expected: "The document is at the well-known segment between host and path of the issuer.",
			Means:    "Clients that follow RFC 8414 do not find the issuer.",
		},
		Case{
			ID: "meta-oidc-path", Section: "OIDC Discovery §4, RFC 8414 §5", Level: Should, Run: oidcPath,
			Expected: "The document is also under {issuer}/.well-known/openid-configuration, the only place some verifiers know.",
			Means:    "Verifiers such as go-oidc and Kubernetes do not find the issuer.",
		},
		Case{
			ID: "meta-status-ct", Section: "RFC 8414 §3.2", Level: Must, Run: metaStatusType,
			Expected: "The document is answered with 200 and application/json, without a redirect.",
			Means:    "Libraries that look at status and type before they read do not set themselves up.",
		},
		Case{
			ID: "meta-json-strict", Section: "RFC 8259 §4, §8.1; RFC 8414 §3.2", Level: Must, Run: metaStrict,
			Expected: "The document is one JSON object in UTF-8, with no byte order mark, nothing after it and no member twice.",
			Means:    "Parsers read the same document differently, and clients go to different endpoints.",
		},
		Case{
			ID: "meta-issuer-identical", Section: "RFC 8414 §3.3, §4; OIDC Discovery §4.3", Level: Must, Run: issuerIdentical,
			Expected: "issuer is the given issuer, character by character.",
			Means:    "Clients refuse the document, as they must: it could be an attacker's.",
		},
		Case{
			ID: "meta-issuer-form", Section: "RFC 8414 §2", Level: Must, Run: inEach(issuerForm),
			Expected: "issuer is an https URL without query, fragment and user.",
			Means:    "Whoever is on the way between client and issuer can put other endpoints and keys in its place.",
		},
		Case{
			ID: "meta-issuer-host-header", Section: "RFC 8414 §6.2; RFC 9700 §4.13", Level: BCP, Run: hostHeader,
			Expected: "Whatever Host and X-Forwarded-Host say, issuer and endpoints stay as they are.",
			Means:    "With one request, an attacker can make a cache hand everybody a document with the attacker's endpoints.",
		},
		Case{
			ID: "meta-issuer-path-tenant", Section: "RFC 8414 §3.3, §6.2", Level: BCP, Run: pathTenant,
			Expected: "There is no document for issuers that are this one with something appended.",
			Means:    "A client that is set up with a wrong issuer works, until somebody claims that name for real.",
		},
		Case{
			ID: "meta-both-agree", Section: "RFC 8414 §5", Level: Should, Run: bothAgree,
			Expected: "A member that stands in both documents has the same value in both.",
			Means:    "What a client does depends on which of the two documents its library reads.",
		},
	)
}

func oauthPath(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.target.oauthURL(), nil)
	if a.status != 200 || a.json == nil {
		return fail("no document there")
	}
	return pass()
}

func oidcPath(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.target.oidcURL(), nil)
	switch {
	case a.status == 404:
		return absent("404: no claim to OpenID Connect; go-oidc, Kubernetes and others will not find this issuer")
	case a.status != 200 || a.json == nil:
		return fail("neither a document nor 404")
	}
	return pass()
}

func served(a answer) bool { return a.status == 200 && a.json != nil }

// each fetches what is at the two addresses, one when it is asked for, so that
// the last one looked at is the evidence. When ok likes neither, the case ends.
func (p *Probe) each(ctx context.Context, ok func(answer) bool) iter.Seq2[string, answer] {
	return func(yield func(string, answer) bool) {
		some := false
		for _, address := range []string{p.target.oauthURL(), p.target.oidcURL()} {
			a := p.get(ctx, address, nil)
			if !ok(a) {
				continue
			}
			if some = true; !yield(address, a) {
				return
			}
		}
		if !some {
			panic(stop{undecided("no metadata document is served")})
		}
	}
}

// documents fetches those of the two documents that are served.
func (p *Probe) documents(ctx context.Context) []answer {
	var docs []answer
	for _, doc := range p.each(ctx, served) {
		docs = append(docs, doc)
	}
	return docs
}

// inEach looks at each document; the worst verdict counts, with its evidence.
func inEach(look judge) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		rank := func(v Verdict) int { return slices.Index([]Outcome{NA, Pass, Warn, Inconclusive, Fail}, v.Outcome) }
		var worst Verdict
		var sent, got string
		for _, doc := range p.each(ctx, served) {
			if v := look(doc); worst.Outcome == "" || rank(v) > rank(worst) {
				worst, sent, got = v, p.sent, p.got
			}
		}
		p.sent, p.got = sent, got
		return worst
	}
}

// metaStatusType looks at the documents that are there. Where one is, what the
// other address answers is the business of meta-8414-path and meta-oidc-path:
// many sites send a browser somewhere from every address that they do not know.
func metaStatusType(ctx context.Context, p *Probe) Verdict {
	document := func(a answer) bool { return a.json != nil }
	if !slices.ContainsFunc([]string{p.target.oauthURL(), p.target.oidcURL()}, func(address string) bool { return document(p.get(ctx, address, nil)) }) {
		document = func(a answer) bool { return a.status != 404 }
	}
	for _, a := range p.each(ctx, document) {
		switch {
		case a.status/100 == 3:
			return fail("a redirect, which clients need not follow")
		case a.status != 200:
			return fail("the status is %d", a.status)
		case !a.isJSON():
			return fail("Content-Type is %q", a.header.Get("Content-Type"))
		}
	}
	return pass()
}

func metaStrict(ctx context.Context, p *Probe) Verdict {
	for _, a := range p.each(ctx, func(a answer) bool { return a.status == 200 }) {
		if err := strictJSON(a.body); err != nil {
			return fail("%v", err)
		}
	}
	return pass()
}

func issuerIdentical(ctx context.Context, p *Probe) Verdict {
	for _, doc := range p.each(ctx, served) {
		if got := doc.text("issuer"); got != p.target.Issuer {
			return fail("issuer is %q, asked for %q", got, p.target.Issuer)
		}
	}
	return pass()
}

func issuerForm(doc answer) Verdict {
	issuer := doc.text("issuer")
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "":
		return fail("issuer %q is not an absolute URL", issuer)
	case strings.ContainsAny(issuer, "?#"):
		return fail("issuer %q has a query or fragment", issuer)
	case u.User != nil:
		return fail("issuer has a user in it")
	case u.Scheme == "http" && loopback(u):
		return Verdict{Warn, "issuer is http, which only a loopback address may be"}
	case u.Scheme != "https":
		return fail("issuer %q is not https", issuer)
	}
	return pass()
}

// hostHeader sends a foreign name as the host that is asked for, and as the
// one that a proxy says was.
func hostHeader(ctx context.Context, p *Probe) Verdict {
	const evil = "evil.example"
	for address, doc := range p.each(ctx, served) {
		for _, header := range []map[string][]string{
			{"X-Forwarded-Host": {evil}, "Forwarded": {"host=" + evil}},
			{"Host": {evil}, "X-Forwarded-Host": {evil}},
		} {
			a := p.ask(ctx, "GET", address, header)
			switch {
			case strings.Contains(string(a.body)+a.header.Get("Location"), evil):
				return fail("%s is in the answer", evil)
			case a.status/100 == 4:
			case !reflect.DeepEqual(a.json, doc.json):
				return fail("the document is another one")
			}
		}
	}
	return pass()
}

func pathTenant(ctx context.Context, p *Probe) Verdict {
	p.documents(ctx) // the control: they are there without the appendix
	for _, more := range []string{"/x", "//"} {
		other := Target{Issuer: strings.TrimSuffix(p.target.Issuer, "/") + more}
		for _, address := range []string{other.oauthURL(), other.oidcURL()} {
			if a := p.get(ctx, address, nil); a.status/100 != 4 {
				return fail("asked for issuer %q, it answers %d, not 404", other.Issuer, a.status)
			}
		}
	}
	return pass()
}

func bothAgree(ctx context.Context, p *Probe) Verdict {
	docs := p.documents(ctx)
	if len(docs) < 2 {
		return absent("only one of the two documents is served")
	}
	var differ []string
	for _, name := range sortedNames(docs[0].json) {
		if other, ok := docs[1].json[name]; ok && !reflect.DeepEqual(docs[0].json[name], other) {
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 {
		return fail("the documents differ in %s", strings.Join(differ, ", "))
	}
	return pass()
}
