package conformance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// tokenParamCases are about where parameters stand and how often, and about
// grant_type.
func tokenParamCases() []Case {
	return group("token",
		Case{
			ID: "tok-get-query-password", Section: "RFC 6749 §3.2", Level: Must, Needs: signsIn(NeedVictim), Run: getPassword,
			Expected: "GET with a user's name and password in the URL is refused, and the password should not be in the answer.",
			Means:    "Clients come to use it, and every proxy and server on the way has users' passwords in its log.",
		},
		Case{
			ID: "tok-query-mixed", Section: "RFC 6749 §4.3.2, §5.2", Level: Must, Needs: signsIn(), Run: queryMixed,
			Expected: "grant_type in the URL and the rest in the body is 400 invalid_request.",
			Means:    "A link or a form elsewhere decides what the body's credentials are used for.",
		},
		Case{
			ID: "tok-dup-each", Section: "RFC 6749 §3.2, §5.2", Level: Must, Needs: signsIn(), Run: dupEach,
			Expected: "password, refresh_token, client_id and client_secret twice, even with one value, are 400 invalid_request.",
			Means:    "A filter in front checks one of the values, and the server takes the other.",
		},
		Case{
			ID: "tok-dup-body-and-query", Section: "RFC 6749 §3.2", Level: Must, Needs: signsIn(), Run: dupQuery,
			Expected: "A parameter in the body and in the URL is 400 invalid_request, or that in the URL is ignored.",
			Means:    "Whoever can add to a URL decides about a request whose body he cannot see.",
		},
		Case{
			ID: "tok-dup-unknown", Section: "RFC 6749 §3.2", Level: BCP, Needs: signsIn(),
			Expected: "An unknown parameter twice is ignored or refused, and no server error.",
			Means:    "A harmless extension of a client looks like an outage of the server.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.and("foo", "1").and("foo", "2") }, ignoredOrRefused),
		},
		Case{
			ID: "tok-grant-case", Section: "RFC 6749 §1.9, §5.2", Level: Must, Needs: signsIn(),
			Expected: "grant_type=Password is 400 unsupported_grant_type: values are case sensitive.",
			Means:    "Rules about a grant_type, in a proxy or in the server itself, are passed by writing it otherwise.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.set("grant_type", "Password") }, refused("unsupported_grant_type")),
		},
		Case{
			ID: "tok-grant-not-allowed", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(NeedNoPassword), Run: grantNotAllowed,
			Expected: "A client that is not registered for the password grant gets 400 unauthorized_client, with the right password too.",
			Means:    "Any client, a page in a browser too, may ask users for their passwords, whatever its registration says.",
		},
		Case{
			ID: "tok-trailing-slash", Section: "RFC 9110 §15.4", Level: BCP, Needs: signsIn(), Run: trailingSlash,
			Expected: "The token endpoint with a slash more is refused or the same; no redirect turns the request into a GET.",
			Means:    "A client with a slash too many is told of a wrong method, and its author looks in the wrong place.",
		},
	)
}

// getPassword has the right password: a wrong one would be refused anywhere.
// It is of the user that is nobody's account, for it stays in the log.
func getPassword(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	q := p.as(p.target.Client, p.passwordForm(p.target.Victim))
	q.method, q.query, q.body = http.MethodGet, q.body.without("client_secret"), nil
	a := p.send(ctx, q)
	v := refusedWith([]int{400, 401, 404, 405, 501})(a)
	if v.Outcome == Pass && a.says(p.target.Victim.Password) {
		return Verdict{Warn, "the answer has the password"}
	}
	return v
}

// says reports whether a text is anywhere in the answer, in a usual encoding.
func (a answer) says(text string) bool {
	var said strings.Builder
	said.Write(a.body)
	for name, values := range a.header {
		said.WriteString("\n" + name + ": " + strings.Join(values, ", "))
	}
	for _, value := range a.json {
		if s, ok := value.(string); ok {
			said.WriteString("\n" + s)
		}
	}
	for _, form := range []string{text, url.QueryEscape(text), spaced(url.QueryEscape(text))} {
		if strings.Contains(said.String(), form) {
			return true
		}
	}
	return false
}

func queryMixed(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	q := p.as(p.target.Client, p.passwordForm(p.target.User).without("grant_type"))
	q.query = params{{"grant_type", "password"}}
	return refused("invalid_request", "unsupported_grant_type")(p.send(ctx, q))
}

// dupEach leaves out what the server may not know: the parameters of other
// grants, and client_secret where it is not sent in the body.
func dupEach(ctx context.Context, p *Probe) Verdict {
	c, u := p.target.Client, p.target.User
	t := p.signIn(ctx, c)
	valid := p.passwordForm(u)
	again := p.as(c, valid)
	again.body = again.body.without("client_id").and("client_id", c.ID).and("client_id", c.ID)
	type repeated struct {
		name string
		call
	}
	calls := []repeated{{"password", p.as(c, valid.and("password", u.Password))}, {"client_id", again}}
	if t.refresh != "" {
		calls = append(calls, repeated{"refresh_token", p.as(c, refreshForm(t.refresh).and("refresh_token", t.refresh))})
	}
	if post := p.target.post(); post.known() && p.advertised(AuthPost) {
		p.signIn(ctx, post)
		twice := p.as(post, valid)
		twice.body = twice.body.and("client_secret", post.Secret)
		calls = append(calls, repeated{"client_secret", twice})
	}
	for _, q := range calls {
		judge := refused("invalid_request")
		if strings.HasPrefix(q.name, "client_") { // of which neither is the client's
			judge = refusedWith([]int{400, 401}, "invalid_request", "invalid_client")
		}
		if v := judge(p.send(ctx, q.call)); v.Outcome != Pass {
			return fail("%s twice: %s", q.name, v.Why)
		}
	}
	return pass()
}

func dupQuery(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	for _, in := range []param{{"username", random("nobody")}, {"grant_type", "foo"}} {
		q := p.as(c, p.passwordForm(p.target.User))
		q.query = params{in}
		a := p.send(ctx, q)
		if issued(a).Outcome == Pass {
			continue
		}
		if v := refused("invalid_request")(a); v.Outcome != Pass {
			return fail("%s in the URL counts: %s", in.name, v.Why)
		}
	}
	return pass()
}

func ignoredOrRefused(a answer) Verdict {
	if issued(a).Outcome == Pass {
		return pass()
	}
	return refused()(a)
}

func grantNotAllowed(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	c := p.target.NoPassword
	a := p.send(ctx, p.as(c, p.passwordForm(p.target.User)))
	if a.code() == "invalid_client" {
		return undecided("client %s is refused for its credentials, not for the grant", c.ID)
	}
	return refused("unauthorized_client")(a)
}

// trailingSlash sends no credentials: who follows the redirect is not known.
func trailingSlash(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	address := p.doc.text("token_endpoint")
	at := strings.LastIndex(address, "/")
	body := refreshForm(random("garbage")).and("client_id", p.target.Client.ID)
	for _, slash := range []string{address + "/", address[:at] + "/" + address[at:]} {
		a, err := p.try(ctx, http.MethodPost, slash, nil, body)
		switch {
		case err != nil:
			return undecided("no answer: %v", err)
		case a.status >= 500:
			return fail("the status is %d", a.status)
		case a.status/100 == 3 && a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect:
			return fail("it is redirected (%d), and clients drop the body", a.status)
		}
	}
	return pass()
}
