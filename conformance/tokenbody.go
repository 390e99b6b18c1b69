package conformance

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// tokenBodyCases are about what a body is, and how its bytes are read.
func tokenBodyCases() []Case {
	return group("token",
		Case{
			ID: "tok-ct-form", Section: "RFC 6749 §4.3.2, App. B; RFC 9110 §8.3.1", Level: Must, Needs: signsIn(), Run: formTypes,
			Expected: "application/x-www-form-urlencoded is accepted in upper and lower case, with and without charset=UTF-8.",
			Means:    "Client libraries that name the charset, as those for Node do, sign nobody in.",
		},
		Case{
			ID: "tok-ct-missing", Section: "RFC 6749 App. B", Level: Should, Needs: signsIn(),
			Expected: "A body without Content-Type is refused, 400 or 415.",
			Means:    "A proxy or filter in front that goes by the Content-Type does not see what the server reads.",
			Run:      altered(func(_ *Probe, q *call) { q.encode = labelled("") }, refusedWith([]int{400, 401, 415})),
		},
		Case{
			ID: "tok-ct-double", Section: "RFC 9110 §5.3", Level: BCP, Needs: signsIn(), Run: twoTypes,
			Expected: "Two Content-Type headers are refused, 400 or 415, in either order.",
			Means:    "A filter in front may read the body as one type while the server reads it as the other.",
		},
		Case{
			ID: "tok-body-charset-latin1", Section: "RFC 6749 App. B", Level: Must, Needs: signsIn(),
			Expected: "A user name in ISO-8859-1 bytes is 400 invalid_request or invalid_grant, not a server error and not the user without them.",
			Means:    "A client that encodes names wrongly brings the server to errors, or signs somebody else in.",
			Run: altered(func(p *Probe, q *call) { q.body = q.body.set("username", p.target.User.Name+"\xe9") },
				refused("invalid_request", "invalid_grant")),
		},
		Case{
			ID: "tok-body-invalid-utf8", Section: "RFC 6749 App. B", Level: Must, Needs: signsIn(), Run: invalidUTF8,
			Expected: "Bytes that are not UTF-8 are 400 in the user name; in the scope they are 400, or not granted.",
			Means:    "Two names that differ in bytes are one to the server: who made the second may sign in as the first.",
		},
		Case{
			ID: "tok-body-bad-percent", Section: "RFC 6749 App. B", Level: Should, Needs: signsIn(), Run: badPercent,
			Expected: "A broken percent-encoding is 400 invalid_request or taken literally, and no server error.",
			Means:    "Anybody fills the server's error log, and a password with a % that a client forgot to encode looks like an outage.",
		},
		Case{
			ID: "tok-body-nul", Section: "RFC 6749 App. A.15, A.16", Level: Should, Needs: signsIn(), Run: nulBytes,
			Expected: "NUL in username, client_id and password is refused, and in the scope refused or not granted; nothing is cut off at it.",
			Means:    "What comes after the NUL passes checks and is then not there: alice%00x is alice.",
		},
		Case{
			ID: "tok-plus-is-space", Section: "RFC 6749 App. B", Level: Must, Needs: signsIn(NeedTwoScopes), Run: plusIsSpace,
			Expected: "scope=a+b and scope=a%20b are the same.",
			Means:    "Half of the client libraries, those that encode a space as +, get other scopes or none, and passwords with spaces fail.",
		},
		Case{
			ID: "tok-semicolon-sep", Section: "RFC 6749 App. B", Level: BCP, Needs: signsIn(),
			Expected: "A semicolon does not separate parameters.",
			Means:    "A filter in front that splits at & only does not see the parameters that the server obeys.",
			Run: altered(func(_ *Probe, q *call) {
				q.encode = written(func(body string) string { return strings.ReplaceAll(body, "&", ";") })
			}, refusedWith([]int{400, 401})),
		},
	)
}

// written is form-encoding, and then what change makes of it.
func written(change func(string) string) encoding {
	return func(ps params) (string, string) { return formType, change(ps.String()) }
}

// labelled is form-encoding under another Content-Type, or none.
func labelled(contentType string) encoding {
	return func(ps params) (string, string) { return contentType, ps.String() }
}

// spaced writes the spaces of a form as %20.
func spaced(form string) string { return strings.ReplaceAll(form, "+", "%20") }

func formTypes(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	for _, contentType := range []string{
		formType + ";charset=UTF-8", formType + "; charset=utf-8", "Application/X-WWW-Form-URLEncoded",
	} {
		q := p.as(p.target.Client, p.passwordForm(p.target.User))
		q.encode = labelled(contentType)
		if v := issued(p.send(ctx, q)); v.Outcome != Pass {
			return fail("%s is refused", contentType)
		}
	}
	return pass()
}

func twoTypes(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	types := []string{formType, "application/json"}
	for range 2 {
		q := p.as(p.target.Client, p.passwordForm(p.target.User))
		q.encode = labelled("")
		q.header["Content-Type"] = slices.Clone(types)
		if v := refusedWith([]int{400, 401, 415})(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
		slices.Reverse(types)
	}
	return pass()
}

func invalidUTF8(ctx context.Context, p *Probe) Verdict {
	c, u := p.target.Client, p.target.User
	p.signIn(ctx, c)
	if v := refused()(p.send(ctx, p.as(c, p.passwordForm(u).set("username", u.Name+"\xff\xfe")))); v.Outcome != Pass {
		return v
	}
	return p.oddScope(ctx, "\xff\xfe")
}

// oddScope asks for a scope that is none beside the known ones. Where unknown
// ones are ignored it may be (RFC 6749 §3.3), but not granted. Without a scope
// to ask for, the server may have none at all.
func (p *Probe) oddScope(ctx context.Context, odd string) Verdict {
	if p.target.Scope == "" {
		return pass()
	}
	asked := p.target.Scope + " " + odd
	a := p.send(ctx, p.asking(asked))
	if a.hasToken() {
		return p.unless(a, asked)
	}
	return refusedWith([]int{400, 401})(a)
}

// badPercent has them in a parameter that is ignored: one that is taken
// literally changes nothing.
func badPercent(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	for _, end := range []string{"&foo=%zz", "&foo=%"} {
		q := p.as(c, p.passwordForm(p.target.User))
		q.encode = written(func(body string) string { return body + end })
		a := p.send(ctx, q)
		if issued(a).Outcome == Pass {
			continue
		}
		if v := refused("invalid_request")(a); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

// nulBytes tries the password with nobody's name: that what is after a NUL
// counts in passwords is pw-nul-truncation.
func nulBytes(ctx context.Context, p *Probe) Verdict {
	c, u := p.target.Client, p.target.User
	p.signIn(ctx, c)
	valid := p.passwordForm(u)
	calls := []call{
		p.as(c, valid.set("username", u.Name+"\x00x")),
		p.as(c, p.passwordForm(User{random("nobody"), "\x00" + random("wrong")})),
		p.claiming(c, c.ID+"\x00x", valid),
	}
	for _, q := range calls {
		if v := refusedWith([]int{400, 401})(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	if v := p.oddScope(ctx, "x\x00y"); v.Outcome != Pass {
		return v
	}
	return p.cutScope(ctx)
}

// cutScope asks for one scope with something behind a NUL, and, where a token
// comes, for one that nobody knows: it must make no difference.
func (p *Probe) cutScope(ctx context.Context) Verdict {
	known := strings.Fields(p.target.Scope)
	if len(known) == 0 {
		return pass()
	}
	cut, ignored := newTokens(p.send(ctx, p.asking(known[0]+"\x00x")), nil)
	if !ignored {
		return pass() // oddScope has judged how
	}
	unknown, _ := newTokens(p.send(ctx, p.asking(random("unknown"))), nil)
	if !slices.Equal(cut.scopes(), unknown.scopes()) {
		return fail("asked for %q with more behind a NUL, %q is granted, and for a scope that nobody knows %q", known[0], cut.scopes(), unknown.scopes())
	}
	return pass()
}

// claiming is c's request with another client_id in the body.
func (p *Probe) claiming(c Client, id string, body params) call {
	q := p.as(c, body)
	q.body = q.body.without("client_id").and("client_id", id)
	return q
}

func plusIsSpace(ctx context.Context, p *Probe) Verdict {
	q := p.as(p.target.Client, p.passwordForm(p.target.User))
	q.encode = written(spaced)
	one := p.control(ctx, "a request with %20 for the spaces", q)
	q.encode = func(ps params) (string, string) {
		return formType, spaced(ps.without("scope").String()) + "&scope=" + url.QueryEscape(p.target.Scope)
	}
	two, ok := newTokens(p.send(ctx, q), q.body)
	switch {
	case !ok:
		return fail("+ is not read as a space")
	case !slices.Equal(one.scopes(), two.scopes()):
		return fail("with + the scope is %q, with %%20 %q", two.scopes(), one.scopes())
	}
	return pass()
}
