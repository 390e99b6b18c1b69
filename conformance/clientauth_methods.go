package conformance

import (
	"context"
	"net/url"
)

// clientAuthMethodCases are about which method a client may use.
func clientAuthMethodCases() []Case {
	return group("cauth",
		Case{
			ID: "cauth-post-wrong", Section: "RFC 6749 §5.2", Level: Must, Needs: []Input{NeedPost, NeedUser}, Run: postWrong,
			Expected: "A wrong secret in the body is 400 or 401 invalid_client.",
			Means:    "Anybody who knows the public client_id can act as the client, or the client cannot tell why it is refused.",
		},
		Case{
			ID: "cauth-two-methods-one-bad", Section: "RFC 6749 §2.3, §5.2", Level: Must, Needs: []Input{NeedBasic, NeedUser}, Run: oneBad,
			Expected: "A right secret by Basic with a wrong one in the body is refused, and the reverse.",
			Means:    "A request whose credentials contradict each other passes, and which of them counted depends on the component.",
		},
		Case{
			ID: "cauth-missing", Section: "RFC 6749 §3.2.1, §5.2", Level: Must, Needs: signsIn(), Run: noClient,
			Expected: "A request that names no client is 400 or 401, invalid_client or invalid_request.",
			Means:    "Tokens are issued to nobody in particular, so that none of a client's limits hold.",
		},
	)
}

func postWrong(ctx context.Context, p *Probe) Verdict {
	c := p.target.post()
	p.signIn(ctx, c)
	c.Secret = random("wrong")
	return refusedWith([]int{400, 401}, "invalid_client")(p.send(ctx, p.as(c, p.passwordForm(p.target.User))))
}

// oneBad has the right secret in the body come from a client that may send it
// there, if one is known.
func oneBad(ctx context.Context, p *Probe) Verdict {
	c, wrong := p.target.basic(), random("wrong")
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.body = q.body.and("client_id", c.ID).and("client_secret", wrong)
	if v := refusedWith([]int{400, 401}, "invalid_request", "invalid_client")(p.send(ctx, q)); v.Outcome != Pass {
		return v
	}
	if p.advertised(AuthPost) {
		c = or(p.target.post(), c)
	}
	p.signIn(ctx, c)
	q = p.byBasic(c, basicHeader(url.QueryEscape(c.ID), wrong))
	q.body = p.passwordForm(p.target.User).and("client_id", c.ID).and("client_secret", c.Secret)
	return refusedWith([]int{400, 401}, "invalid_request", "invalid_client")(p.send(ctx, q))
}

func noClient(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	q := p.as(Client{}, nil)
	q.body = p.passwordForm(p.target.User)
	return refusedWith([]int{400, 401}, "invalid_client", "invalid_request")(p.send(ctx, q))
}
