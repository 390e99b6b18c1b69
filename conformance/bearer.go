package conformance

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// bearerCases are about a protected resource that takes the issuer's access
// tokens (RFC 6750). It gets GET and POST requests that ask for nothing.
func bearerCases() []Case {
	needs := signsIn(NeedResourceURL)
	return group("bear",
		Case{
			ID: "bear-header-ok", Section: "RFC 6750 §2.1", Level: Must, Needs: needs, Run: bearHeader,
			Expected: "A token in the Authorization header is accepted.",
			Means:    "No client that does what the standard says can use the resource.",
		},
		Case{
			ID: "bear-scheme-case", Section: "RFC 9110 §11.1", Level: Must, Needs: needs, Run: bearSchemeCase,
			Expected: "The word Bearer may be written in lower and in upper case.",
			Means:    "Clients and proxies that write the header another way, as they may, are locked out.",
		},
		Case{
			ID: "bear-missing", Section: "RFC 6750 §3, §3.1", Level: Must, Needs: needs, Run: bearMissing,
			Expected: "Without a token the answer is 401 with a Bearer challenge that has no error code.",
			Means:    "The data is open to everybody; or clients do not learn that they need a token, and do not ask the user to log in.",
		},
		Case{
			ID: "bear-invalid", Section: "RFC 6750 §3, §3.1; RFC 9068 §4", Level: Must, Needs: needs, Run: bearInvalid,
			Expected: "A token that nobody issued, or that was changed, is 401 with the error invalid_token.",
			Means:    "Anybody reads any user's data; or clients do not learn that they should refresh.",
		},
		Case{
			ID: "bear-scope", Section: "RFC 6750 §3.1", Level: Should, Needs: append(needs, NeedTwoScopes), Run: bearScope,
			Expected: "A valid token without the scope that is needed is 403 with the error insufficient_scope.",
			Means:    "Clients refresh for ever, though only the user can give them more rights.",
		},
		Case{
			ID: "bear-malformed", Section: "RFC 6750 §3.1", Level: Should, Needs: needs, Run: bearMalformed,
			Expected: "A header without a token, or with two, is 400 or 401.",
			Means:    "A proxy looks at one of the two tokens, and the resource at the other.",
		},
		Case{
			ID: "bear-www-auth-syntax", Section: "RFC 6750 §3", Level: Must, Needs: needs, Run: bearSyntax,
			Expected: "Challenges have a parameter at least, none of them twice, in the characters that are allowed.",
			Means:    "Clients cannot read what is wrong, and log the user out where they should refresh.",
		},
	)
}

// visit sends a request to the protected resource; encode writes a body if
// there is one. The case ends inconclusive when there is no answer, or only
// that the resource has enough.
func (p *Probe) visit(ctx context.Context, method string, query params, header http.Header, encode encoding, body params) (a answer) {
	address := p.target.ResourceURL
	if len(query) > 0 {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + query.String()
	}
	if body == nil {
		return p.ask(ctx, method, address, header)
	}
	contentType, text := encode(body)
	return p.patient(ctx, func() answer { return p.carry(ctx, method, address, contentType, header, text) })
}

// carry sends a request with a body.
func (p *Probe) carry(ctx context.Context, method, address, contentType string, header http.Header, body string) answer {
	p.sent, p.got = strings.Join([]string{method, address, contentType, body}, " "), "no answer"
	all := http.Header{"Content-Type": {contentType}}
	for name, values := range header {
		all[name] = values
		p.sent += "; " + strings.ToLower(name) + ": " + header.Get(name)
	}
	p.keep(wire{method: method, address: address, header: all, body: body})
	a, err := p.fetch(ctx, method, address, all, body)
	if err != nil {
		panic(stop{undecided("no answer: %v", err)})
	}
	p.got = a.String()
	return a
}

// bear asks the protected resource with an Authorization header.
func (p *Probe) bear(ctx context.Context, credentials string) answer {
	return p.visit(ctx, http.MethodGet, nil, http.Header{"Authorization": {credentials}}, nil, nil)
}

// admitted gets a fresh token and shows that the resource takes it: the
// positive control.
func (p *Probe) admitted(ctx context.Context) tokens {
	t := p.signIn(ctx, p.target.Client)
	if a := p.bear(ctx, "Bearer "+t.access); a.status/100 != 2 {
		panic(stop{undecided("the resource answers %d to a valid token, so a refusal would prove nothing", a.status)})
	}
	return t
}

func bearHeader(ctx context.Context, p *Probe) Verdict {
	t := p.signIn(ctx, p.target.Client)
	switch a := p.bear(ctx, "Bearer "+t.access); {
	case a.status/100 == 2:
		return pass()
	case a.status == http.StatusForbidden, a.status == http.StatusNotFound:
		return undecided("it answers %d: see that --scope has what the resource needs, and that the resource is there", a.status)
	default:
		return fail("it answers %d to a fresh token", a.status)
	}
}

func bearSchemeCase(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	for _, scheme := range []string{"bearer", "BEARER"} {
		if a := p.bear(ctx, scheme+" "+t.access); a.status/100 != 2 {
			return fail("with the scheme %s it answers %d", scheme, a.status)
		}
	}
	return pass()
}

func bearMissing(ctx context.Context, p *Probe) Verdict {
	p.admitted(ctx)
	a := p.visit(ctx, http.MethodGet, nil, nil, nil, nil)
	challenge, ok := bearerChallenge(a)
	switch {
	case a.status/100 == 2:
		return fail("it answers %d", a.status)
	case !ok:
		return fail("there is no Bearer challenge")
	case a.status != http.StatusUnauthorized:
		return Verdict{Warn, "the status is not 401, by which clients know that they need a token"}
	case len(challenge["error"]) > 0: // RFC 6750 §3.1: a SHOULD NOT
		return Verdict{Warn, "the challenge has an error, though there was no token"}
	}
	return pass()
}

// bearInvalid also changes a character of a valid token's signature, or of an
// opaque token: not the last one, which may have bits that do not count. Only
// of the profile's tokens the error must be said (RFC 9068 §4).
func bearInvalid(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	middle := max(strings.LastIndex(t.access, ".")+1, len(t.access)/2)
	other := "A"
	if t.access[middle] == 'A' {
		other = "B"
	}
	changed := t.access[:middle] + other + t.access[middle+1:]
	p.secrets.name("OTHER_ACCESS_TOKEN", "changed access_token", changed)
	parsed, _ := parseJWT(t.access)
	typ, _ := parsed.header["typ"].(string)
	profiled := strings.TrimPrefix(strings.ToLower(typ), "application/") == "at+jwt"
	for _, token := range []string{changed, random("garbage")} {
		a := p.bear(ctx, "Bearer "+token)
		challenge, ok := bearerChallenge(a)
		said := slices.Equal(challenge["error"], []string{"invalid_token"})
		switch {
		case a.status/100 == 2:
			return fail("it is accepted")
		case a.status/100 == 5:
			return fail("it answers %d", a.status)
		case !ok: // RFC 6750 §3
			return fail("there is no Bearer challenge")
		case !said && token == changed && profiled:
			return fail("the error is %q, not invalid_token", challenge["error"])
		case a.status != http.StatusUnauthorized || !said: // RFC 6750 §3.1: both a SHOULD
			return Verdict{Warn, "it is not 401 with invalid_token"}
		}
	}
	return pass()
}

// bearScope looks for a scope that the resource does not ask for.
func bearScope(ctx context.Context, p *Probe) Verdict {
	p.admitted(ctx)
	for _, scope := range strings.Fields(p.target.Scope) {
		q := p.as(p.target.Client, p.passwordForm(p.target.User).set("scope", scope))
		t := p.control(ctx, "a token for the scope "+scope, q)
		if !slices.Equal(t.scope, []string{scope}) {
			continue
		}
		a := p.bear(ctx, "Bearer "+t.access)
		if a.status/100 == 2 {
			continue
		}
		challenge, _ := bearerChallenge(a)
		if a.status != http.StatusForbidden || !slices.Equal(challenge["error"], []string{"insufficient_scope"}) {
			return fail("with the scope %s alone it answers %d and the error %q", scope, a.status, challenge["error"])
		}
		return pass()
	}
	return absent("each scope of --scope is enough by itself")
}

func bearMalformed(ctx context.Context, p *Probe) Verdict {
	t := p.admitted(ctx)
	for what, credentials := range map[string]string{
		"without a token": "Bearer", "with two tokens": "Bearer " + t.access + " " + t.access, "with a comma": "Bearer " + t.access + ", " + t.access,
	} {
		if a := p.bear(ctx, credentials); a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
			return fail("%s it answers %d", what, a.status)
		}
	}
	return pass()
}

func bearSyntax(ctx context.Context, p *Probe) Verdict {
	p.admitted(ctx)
	for _, header := range []http.Header{nil, {"Authorization": {"Bearer " + random("garbage")}}, {"Authorization": {"Bearer"}}} {
		a := p.visit(ctx, http.MethodGet, nil, header, nil, nil)
		if a.status != http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
			continue // RFC 9110 §11.6.1: 401 needs one, others may have one
		}
		challenge, ok := bearerChallenge(a)
		if !ok {
			return fail("there is no Bearer challenge, or not one that can be read")
		}
		if why := wrongChallenge(challenge); why != "" {
			return fail("%s", why)
		}
	}
	return pass()
}
