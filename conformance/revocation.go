package conformance

import (
	"context"
	"net/http"
	"slices"
	"time"
)

func revocationCases() []Case {
	needs := signsIn()
	return group("rev",
		Case{
			ID: "rev-refresh", Section: "RFC 7009 §2, §2.1, §2.2", Level: Must, Needs: needs, Run: revRefresh,
			Expected: "A client that revokes its refresh token is answered 200, and the token is 400 invalid_grant, if not at once then soon.",
			Means:    "Whoever logs out stays signed in: a copy of the token goes on working.",
		},
		Case{
			ID: "rev-unknown-200", Section: "RFC 7009 §2.2", Level: Must, Needs: needs, Run: revUnknown,
			Expected: "A token that was never issued is answered 200: what the client wants is so already.",
			Means:    "An app whose token is gone shows its user an error at logging out, and asks again for nothing.",
		},
		Case{
			ID: "rev-twice-200", Section: "RFC 7009 §2.2", Level: Must, Needs: needs, Run: revTwice,
			Expected: "A token that is revoked once more is answered 200 again.",
			Means:    "An app that repeats a logout whose answer was lost is told that it failed.",
		},
		Case{
			ID: "rev-client-auth", Section: "RFC 7009 §2.1; RFC 6749 §5.2", Level: Must, Needs: []Input{NeedConfidential, NeedUser}, Run: revClientAuth,
			Expected: "A request for a client with a secret that lacks it, or has a wrong one, is invalid_client and revokes nothing.",
			Means:    "Anybody who gets to see a token can log its user out.",
		},
		Case{
			ID: "rev-other-client", Section: "RFC 7009 §2.1", Level: Must, Needs: needs, Run: revOther,
			Expected: "One client cannot revoke the token of another.",
			Means:    "Any app can log the users of another out with a token that it has seen.",
		},
		Case{
			ID: "rev-hint-wrong", Section: "RFC 7009 §2.1, §2.2", Level: Must, Needs: needs, Run: revHint,
			Expected: "A token is found and revoked whatever token_type_hint says.",
			Means:    "An app that guesses the type wrong believes to have logged its user out, and has not.",
		},
		Case{
			ID: "rev-missing-token", Section: "RFC 7009 §2.1, §2.2.1; RFC 6749 §5.2", Level: Must, Needs: needs, Run: revMissing,
			Expected: "A request without a token, or with an empty one, is 400 invalid_request.",
			Means:    "An app that forgets to send the token is told that its user is logged out.",
		},
		Case{
			ID: "rev-get", Section: "RFC 7009 §2.1", Level: Must, Needs: needs, Run: revGet,
			Expected: "GET does not revoke, and is not answered as if it had.",
			Means:    "Tokens are sent in URLs, which are written to logs and histories, and a link or an image can log users out.",
		},
		Case{
			ID: "rev-immediate", Section: "RFC 7009 §2.1", Level: Should, Needs: needs, Run: revImmediate,
			Expected: "Of several tokens each is dead in the request after its revocation.",
			Means:    "A thief has the time until some node or cache has heard of the logout.",
		},
		Case{
			ID: "rev-public-client", Section: "RFC 7009 §2.1, §5", Level: Must, Needs: []Input{NeedPublic, NeedUser}, Run: revPublic,
			Expected: "A public client revokes its own tokens with its client_id, and no others.",
			Means:    "Apps in browsers and on phones cannot log out, or can log out the users of others.",
		},
	)
}

func revRefresh(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	if a := p.send(ctx, p.revocation(c, t.refresh)); a.status != http.StatusOK {
		return fail("the revocation is answered %d", a.status)
	}
	a := p.send(ctx, p.as(c, refreshForm(t.refresh)))
	next, works := newTokens(a, nil)
	if !works {
		return refused("invalid_grant")(a)
	}
	p.pause(ctx, propagation)
	if v := p.dead(ctx, c, or(next.refresh, t.refresh)); v.Outcome != Pass {
		return v
	}
	return Verdict{Warn, "the token works once more after its revocation, before it is dead"}
}

// propagation is how long servers may take to tell each other (RFC 7009 §2.1):
// that none does is rev-immediate.
const propagation = time.Second

func revUnknown(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	return revoked(p.send(ctx, p.revocation(c, random("garbage"))))
}

func revTwice(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	t := p.refreshable(ctx, c)
	if a := p.send(ctx, p.revocation(c, t.refresh)); a.status != http.StatusOK {
		return undecided("the first revocation is answered %d", a.status)
	}
	if a := p.send(ctx, p.revocation(c, t.refresh)); a.status != http.StatusOK {
		return fail("the second revocation is answered %d", a.status)
	}
	return pass()
}

func revClientAuth(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	if !slices.Contains(p.revocationMethods(ctx), c.method()) {
		return absent("clients do not revoke by %s", c.method())
	}
	p.revokes(ctx, c)
	t := p.refreshable(ctx, c)
	wrong, nobody := c, p.revocation(Client{}, t.refresh)
	wrong.Secret = random("wrong")
	nobody.body = nobody.body.without("client_id")
	for _, q := range []call{nobody, p.revocation(Client{ID: c.ID, Method: AuthNone}, t.refresh), p.revocation(wrong, t.refresh)} {
		// Where no client is named at all, that may be what is told.
		if v := refusedWith([]int{401, 400}, "invalid_client", "invalid_request")(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	return p.alive(ctx, c, t.refresh, "a refused revocation")
}

// revOther does not ask that the other client be told (RFC 7009 §2.1): some
// servers do not tell whether a token exists.
func revOther(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	other := p.otherThan(ctx, c)
	p.refreshes(ctx, c)
	p.revokes(ctx, other)
	t := p.refreshable(ctx, c)
	a := p.send(ctx, p.revocation(other, t.refresh))
	if a.status >= 500 {
		return fail("it is answered %d", a.status)
	}
	v := p.alive(ctx, c, t.refresh, "a revocation by client "+other.ID)
	if v.Outcome == Pass && a.status == http.StatusOK {
		v.Why = "client " + other.ID + " is answered 200 like for an unknown token, not told that it was refused"
	}
	return v
}

func revHint(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	for _, hint := range []string{"access_token", random("type")} {
		t := p.refreshable(ctx, c)
		q := p.revocation(c, t.refresh)
		q.body = q.body.and("token_type_hint", hint)
		if v := p.revoked(ctx, c, q, t.refresh); v.Outcome != Pass {
			return fail("with a wrong hint: %s", v.Why)
		}
	}
	return pass()
}

func revMissing(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	q := p.revocation(c, "")
	for _, body := range []params{q.body.without("token"), q.body} { // RFC 6749 §3.2: empty is missing
		q.body = body.and("token_type_hint", "refresh_token") // or there may be no body, and its type is missing too
		if v := refused("invalid_request")(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func revGet(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	t := p.refreshable(ctx, c)
	a := p.send(ctx, inURL(p.revocation(c, t.refresh)))
	if !slices.Contains([]int{405, 400, 401, 404, 501}, a.status) {
		return fail("GET is answered %d", a.status)
	}
	return p.alive(ctx, c, t.refresh, "a GET")
}

// inURL makes q a GET request. A secret is not put into a URL.
func inURL(q call) call {
	q.method, q.query, q.body = http.MethodGet, q.body.without("client_secret"), nil
	return q
}

func revImmediate(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.refreshes(ctx, c)
	for round := range 5 {
		t := p.refreshable(ctx, c)
		if v := p.revoked(ctx, c, p.revocation(c, t.refresh), t.refresh); v.Outcome != Pass {
			return fail("round %d: %s", round+1, v.Why)
		}
	}
	return pass()
}

func revPublic(ctx context.Context, p *Probe) Verdict {
	c := p.target.public()
	listed := slices.Contains(p.revocationMethods(ctx), AuthNone)
	p.refreshes(ctx, c)
	if spare := p.refreshable(ctx, c); !listed && p.send(ctx, p.revocation(c, spare.refresh)).status != http.StatusOK {
		return absent("revocation_endpoint_auth_methods_supported does not list none, and client %s is refused", c.ID)
	}
	own := p.refreshable(ctx, c)
	if v := p.revoked(ctx, c, p.revocation(c, own.refresh), own.refresh); v.Outcome != Pass {
		return v
	}
	t := p.target
	other := first(func(o Client) bool { return o.ID != c.ID }, t.Client, t.Second, t.Basic, t.Post, t.Strict)
	if !other.known() {
		return Verdict{Pass, "not tried: the token of another client"}
	}
	theirs := p.refreshable(ctx, other)
	p.send(ctx, p.revocation(c, theirs.refresh))
	return p.alive(ctx, other, theirs.refresh, "a revocation by client "+c.ID)
}
