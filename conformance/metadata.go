package conformance

import (
	"context"
	"errors"
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
			Expected: "The document is at the well-known segment between host and path of the issuer; where only OpenID Connect's is there, that is a warning.",
			Means:    "Clients that follow RFC 8414 do not find the issuer.",
		},
		Case{
			ID: "meta-oidc-path", Section: "OIDC Discovery §4, RFC 8414 §5", Level: Should, Run: oidcPath,
			Expected: "The document is also under {issuer}/.well-known/openid-configuration, the only place some verifiers know.",
			Means:    "Verifiers such as go-oidc and Kubernetes do not find the issuer.",
		},
		Case{
			ID: "meta-status-ct", Section: "RFC 8414 §3.2", Level: Must, Run: metaStatusType,
			Expected: "A document is answered with 200 and application/json, without a redirect.",
			Means:    "Libraries that look at status and type before they read do not set themselves up.",
		},
		Case{
			ID: "meta-json-strict", Section: "RFC 8259 §4, §8.1; RFC 8414 §3.2", Level: Must, Run: metaStrict,
			Expected: "The document is one JSON object in UTF-8, with no byte order mark, nothing after it and no member twice (a warning).",
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
			ID: "meta-both-agree", Section: "RFC 9068 §4; RFC 8414 §5", Level: Should, Run: bothAgree,
			Expected: "A member that stands in both documents has the same value in both.",
			Means:    "What a client does depends on which of the two documents its library reads.",
		},
	)
}

func oauthPath(ctx context.Context, p *Probe) Verdict {
	a := p.get(ctx, p.target.oauthURL(), nil)
	sent, got := p.sent, p.got
	switch {
	case served(a):
		return pass()
	case a.status == 404 && served(p.get(ctx, p.target.oidcURL(), nil)): // RFC 8414 §3: who supports it must
		p.sent, p.got = sent, got
		return Verdict{Warn, "404: there is OpenID Connect's document only, which clients of RFC 8414 do not look for"}
	}
	p.sent, p.got = sent, got
	return fail("no document there")
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

// metaStatusType looks at pages and redirects only where there is no document
// at all: one of the two addresses may be anything else to the server.
func metaStatusType(ctx context.Context, p *Probe) Verdict {
	there := func(a answer) bool { return a.json != nil }
	if !slices.ContainsFunc([]string{p.target.oauthURL(), p.target.oidcURL()}, func(address string) bool {
		return there(p.get(ctx, address, nil))
	}) {
		there = func(a answer) bool { return a.status != 404 }
	}
	for _, a := range p.each(ctx, there) {
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
	for _, a := range p.each(ctx, func(a answer) bool { return served(a) || a.status == 200 && a.isJSON() }) {
		switch err := strictJSON(a.body); {
		case errors.Is(err, errTwice): // RFC 8259 §4: a SHOULD
			return Verdict{Warn, err.Error()}
		case err != nil:
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
	case u.Scheme != "https" && !loopback(u):
		return fail("issuer %q is not https", issuer)
	case u.Scheme != "https":
		return Verdict{Warn, "issuer is http, which only a loopback address may be"}
	case u.User != nil: // RFC 9110 §4.2.4 deprecates it
		return Verdict{Warn, "issuer has a user in it, which clients may refuse to send"}
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
			case a.status/100 == 4, a.json == nil: // whoever is asked by that name
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
			if a := p.get(ctx, address, nil); a.status/100 != 4 && a.json != nil {
				return fail("asked for issuer %q, it answers %d with a document, not 404", other.Issuer, a.status)
			}
		}
	}
	return pass()
}

// sameList reports whether a member of both is a list of the same texts.
func sameList(one, two answer, member string) bool {
	a, isList := one.list(member)
	b, also := two.list(member)
	return isList && also && slices.Equal(sorted(a), sorted(b))
}

func bothAgree(ctx context.Context, p *Probe) Verdict {
	docs := p.documents(ctx)
	if len(docs) < 2 {
		return absent("only one of the two documents is served")
	}
	var differ []string
	for _, name := range sortedNames(docs[0].json) {
		if other, ok := docs[1].json[name]; ok && !reflect.DeepEqual(docs[0].json[name], other) && !sameList(docs[0], docs[1], name) {
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 {
		return fail("the documents differ in %s", strings.Join(differ, ", "))
	}
	return pass()
}
