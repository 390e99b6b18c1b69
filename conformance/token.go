package conformance

import (
	"context"
	"net/http"
)

func tokenCases() []Case {
	return group("token",
		Case{
			ID: "tok-post-only", Section: "RFC 6749 §3.2; RFC 9110 §15.5.6", Level: Must, Needs: signsIn(), Run: postOnly,
			Expected: "Other methods than POST answer 405 with Allow (or 400, 404), and no token.",
			Means:    "A link is enough to use a credential, and every log on the way has it.",
		},
		Case{
			ID: "tok-query-params-ignored", Section: "RFC 6749 §4.3.2, §5.2, §6", Level: Must, Needs: signsIn(), Run: queryParams,
			Expected: "Parameters in the URL do not make a request: 400 invalid_request or unsupported_grant_type, or 415.",
			Means:    "Clients come to put passwords and refresh tokens into URLs, and every log on the way has them.",
		},
		Case{
			ID: "tok-ct-json", Section: "RFC 6749 §4.3.2", Level: BCP, Needs: signsIn(),
			Expected: "A JSON body is refused.",
			Means:    "A page of another site can send the request with a type that needs no preflight, and filters in front do not see its parameters.",
			Run:      altered(func(_ *Probe, q *call) { q.encode = jsonEncoded }, refusedWith([]int{400, 401, 415})),
		},
		Case{
			ID: "tok-ct-multipart", Section: "RFC 6749 §4.3.2", Level: BCP, Needs: signsIn(),
			Expected: "A multipart body is refused.",
			Means:    "Filters in front that read forms do not see the parameters, and an upload is parsed for whoever sends one.",
			Run:      altered(func(_ *Probe, q *call) { q.encode = multipartEncoded }, refusedWith([]int{400, 401, 415})),
		},
		Case{
			ID: "tok-dup-grant-type", Section: "RFC 6749 §3.2, §5.2", Level: Must, Needs: signsIn(),
			Expected: "grant_type twice, even with one value, is 400 invalid_request.",
			Means:    "A filter in front checks one of the values, and the server takes the other.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.and("grant_type", "password") }, refused("invalid_request")),
		},
		Case{
			ID: "tok-dup-scope", Section: "RFC 6749 §3.2, §5.2", Level: Must, Needs: signsIn(NeedScope),
			Expected: "scope twice, even with one value, is 400 invalid_request.",
			Means:    "A filter in front allows one of the scopes, and the server grants the other.",
			Run:      altered(func(p *Probe, q *call) { q.body = q.body.and("scope", p.target.Scope) }, refused("invalid_request")),
		},
		Case{
			ID: "tok-dup-username", Section: "RFC 6749 §3.2, §5.2", Level: Must, Needs: signsIn(), Run: dupUsername,
			Expected: "username twice with different values is 400 invalid_request, in either order.",
			Means:    "Guesses are counted for one user and tried on another.",
		},
		Case{
			ID: "tok-unknown-param", Section: "RFC 6749 §3.2", Level: Must, Needs: signsIn(),
			Expected: "An unknown parameter is ignored.",
			Means:    "A client that sends an extension, for another server or a newer one, signs nobody in.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.and("foo", "bar") }, issued),
		},
		Case{
			ID: "tok-empty-param", Section: "RFC 6749 §3.2", Level: Must, Needs: signsIn(), Run: emptyParam,
			Expected: "A parameter without a value is treated as if it were left out.",
			Means:    "Client libraries that send empty parameters for what is not set sign nobody in.",
		},
		Case{
			ID: "tok-empty-required", Section: "RFC 6749 §3.2, §5.2", Level: Must, Needs: signsIn(), Run: emptyRequired,
			Expected: "A required parameter without a value is 400 invalid_request.",
			Means:    "A mistake of the client is reported as one of the user, or counts as a guess.",
		},
		Case{
			ID: "tok-grant-missing", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(),
			Expected: "A request without grant_type is 400 invalid_request.",
			Means:    "A mistake of the client is reported as something the server does not support.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.without("grant_type") }, refused("invalid_request")),
		},
		Case{
			ID: "tok-grant-unknown", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(), Run: grantUnknown,
			Expected: "An unknown grant_type, a word or a URN, is 400 unsupported_grant_type.",
			Means:    "A client cannot find out whether to fall back to another grant.",
		},
	)
}

// postOnly refreshes: a refresh token in a URL is spent, a password would stay
// in the server's access log.
func postOnly(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		t := p.refreshable(ctx, p.target.Client)
		q := p.as(p.target.Client, refreshForm(t.refresh))
		q.method = method
		if method == http.MethodGet || method == http.MethodHead {
			q.query, q.body = q.body.without("client_secret"), nil
		}
		a := p.send(ctx, q)
		v := refusedWith([]int{400, 401, 404, 405, 501})(a)
		switch {
		case v.Outcome != Pass:
			return fail("%s: %s", method, v.Why)
		case a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "": // RFC 9110 §15.5.6
			return fail("%s: 405 without Allow", method)
		}
	}
	return pass()
}

func queryParams(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	t := p.refreshable(ctx, p.target.Client)
	q := p.as(p.target.Client, nil)
	q.query = refreshForm(t.refresh)
	a := p.send(ctx, q)
	if a.status == http.StatusUnsupportedMediaType { // there may be no body, and no type of it
		return refusedWith([]int{a.status})(a)
	}
	return refused("invalid_request", "unsupported_grant_type")(a)
}

// dupUsername tries both orders: a server may take the first or the last.
func dupUsername(ctx context.Context, p *Probe) Verdict {
	c, u := p.target.Client, p.target.User
	p.signIn(ctx, c)
	valid := p.passwordForm(u)
	nobody := random("nobody")
	for _, body := range []params{
		valid.and("username", nobody),
		valid.set("username", nobody).and("username", u.Name),
	} {
		if v := refused("invalid_request")(p.send(ctx, p.as(c, body))); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func emptyParam(ctx context.Context, p *Probe) Verdict {
	c, form := p.target.Client, p.passwordForm(p.target.User).without("scope")
	for _, name := range []string{"scope", "foo"} {
		without, empty := p.as(c, form), p.as(c, form.and(name, ""))
		a := p.send(ctx, without)
		if a.code() == "invalid_scope" { // RFC 6749 §3.3: a server may insist on one
			if v := refused("invalid_scope")(p.send(ctx, empty)); v.Outcome != Pass {
				return fail("%s= is not treated like no %s", name, name)
			}
			form = p.passwordForm(p.target.User)
			continue
		}
		if _, ok := newTokens(a, nil); !ok {
			return undecided("the valid password request without %s does not work, so its refusal would prove nothing", name)
		}
		if v := issued(p.send(ctx, empty)); v.Outcome != Pass {
			return fail("%s= is not treated like no %s", name, name)
		}
	}
	return pass()
}

// emptyRequired signs nobody in: the names are unknown ones.
func emptyRequired(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	login := p.passwordForm(User{random("nobody"), random("wrong")})
	for _, body := range []params{
		login.set("grant_type", ""), login.set("username", ""), login.set("password", ""), refreshForm(""),
	} {
		if v := refused("invalid_request")(p.send(ctx, p.as(c, body))); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func grantUnknown(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	for _, grant := range []string{"foo", "urn:example:unknown-grant"} {
		q := p.as(p.target.Client, p.passwordForm(p.target.User).set("grant_type", grant))
		if v := refused("unsupported_grant_type")(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}
