package conformance

import (
	"context"
	"net/http"
	"strings"
)

// bearerPlaceCases are about tokens in other places than the header, and about
// what comes back with them.
func bearerPlaceCases() []Case {
	needs := signsIn(NeedResourceURL)
	return group("bear",
		Case{
			ID: "bear-two-methods", Section: "RFC 6750 §2, §3.1", Level: Should, Needs: needs, Run: bearTwoMethods,
			Expected: "A token in the header and another in a place that is looked at too is 400 invalid_request.",
			Means:    "A proxy looks at one of the two tokens, and the resource at the other.",
		},
		Case{
			ID: "bear-query", Section: "RFC 6750 §2.3, §5.3", Level: Should, Needs: needs, Run: bearQuery,
			Expected: "A token in the URL is not accepted.",
			Means:    "Tokens stand in browser histories, access logs and the Referer of other pages.",
		},
		Case{
			ID: "bear-body-get", Section: "RFC 6750 §2.2", Level: BCP, Needs: needs,
			Run:      bearElsewhere("a token in the body of a GET", bodyOf(http.MethodGet, formEncoded)),
			Expected: "A token in the body of a GET request is not accepted.",
			Means:    "Servers and proxies on the way read such a body or not, so that it can carry another request past them.",
		},
		Case{
			ID: "bear-body-ct", Section: "RFC 6750 §2.2", Level: BCP, Needs: needs,
			Run:      bearElsewhere("a token in a JSON body", bodyOf(http.MethodPost, jsonEncoded)),
			Expected: "A token in a body that is not form-encoded is not accepted.",
			Means:    "Any page that can make a browser send JSON can try tokens on the resource.",
		},
		Case{
			ID: "bear-cookie", Section: "RFC 6750 §5.3", Level: BCP, Needs: needs,
			Run:      bearElsewhere("a token in a cookie", inCookie),
			Expected: "A token in a cookie is not accepted.",
			Means:    "Other sites can make the user's browser send requests with the user's rights.",
		},
		Case{
			ID: "bear-token-not-echoed", Section: "RFC 6750 §5.2", Level: BCP, Needs: needs, Run: bearEcho,
			Expected: "A token that was sent does not come back, in a header or a body.",
			Means:    "Tokens get into logs and pages of whatever shows the answer.",
		},
		Case{
			ID: "bear-cache", Section: "RFC 9111 §3.5", Level: BCP, Needs: needs, Run: bearCache,
			Expected: "Shared caches may not keep an answer that a token got.",
			Means:    "A proxy shows one user's data to the next.",
		},
	)
}

// A place says where else than in the Authorization header a token can be.
type place func(ctx context.Context, p *Probe, token string, header http.Header) answer

func bodyOf(method string, encode encoding) place {
	return func(ctx context.Context, p *Probe, token string, header http.Header) answer {
		return p.visit(ctx, method, nil, header, encode, params{{"access_token", token}})
	}
}

func inQuery(ctx context.Context, p *Probe, token string, header http.Header) answer {
	return p.visit(ctx, http.MethodGet, params{{"access_token", token}}, header, nil, nil)
}

func inCookie(ctx context.Context, p *Probe, token string, _ http.Header) answer {
	return p.visit(ctx, http.MethodGet, nil, http.Header{"Cookie": {"access_token=" + token + "; token=" + token}}, nil, nil)
}

// bearElsewhere wants a valid token to be refused in a place.
func bearElsewhere(what string, put place) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		t := p.admitted(ctx)
		if a := put(ctx, p, t.access, nil); a.status/100 == 2 {
			return fail("%s is accepted", what)
		}
		return pass()
	}
}

func bearQuery(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	a := inQuery(ctx, p, t.access, nil)
	if a.status/100 != 2 {
		return pass()
	}
	if _, private := a.directives()["private"]; !private { // RFC 6750 §2.3
		return fail("it is accepted, and caches may keep the answer")
	}
	return fail("it is accepted")
}

// bearTwoMethods asks only of places where the resource looks: it need not
// know that another one holds a token.
func bearTwoMethods(ctx context.Context, p *Probe) Verdict {
	noticed := false
	for what, put := range map[string]place{"the URL": inQuery, "the body": bodyOf(http.MethodPost, formEncoded)} {
		t := p.admitted(ctx)
		both := put(ctx, p, t.access, http.Header{"Authorization": {"Bearer " + t.access}})
		sent, got := p.sent, p.got
		switch {
		case both.status == http.StatusBadRequest:
			noticed = true
		case both.status/100 == 2 && put(ctx, p, t.access, nil).status/100 == 2:
			p.sent, p.got = sent, got
			return fail("one token in the header and one in %s are accepted, and so is the latter alone", what)
		}
	}
	if !noticed {
		return absent("it looks at the header only")
	}
	return pass()
}

func bearEcho(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	marker := random("marker")
	for _, token := range []string{marker, t.access} {
		a := p.bear(ctx, "Bearer "+token)
		for _, values := range a.header {
			if strings.Contains(strings.Join(values, "\n"), token) {
				return fail("it comes back in a header")
			}
		}
		if strings.Contains(string(a.body), token) {
			return fail("it comes back in the body")
		}
	}
	return pass()
}

// bearCache fails only what says that everybody may have the answer: without
// a word, no shared cache keeps what came by an Authorization header.
func bearCache(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	d := p.bear(ctx, "Bearer "+t.access).directives()
	_, private := d["private"]
	_, noStore := d["no-store"]
	for _, name := range []string{"public", "s-maxage", "must-revalidate"} { // RFC 9111 §3.5
		if _, said := d[name]; said && !private && !noStore {
			return fail("Cache-Control has %s, and neither private nor no-store", name)
		}
	}
	return pass()
}
