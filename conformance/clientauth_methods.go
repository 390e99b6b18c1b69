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
		Case{
			ID: "cauth-post-not-registered", Section: "RFC 7591 §2; OIDC Core §9", Level: BCP, Needs: []Input{NeedBasic, NeedUser}, Run: otherMethod,
			Expected: "A client that is registered for Basic cannot send its secret in the body.",
			Means:    "What an operator registers does not bind the client: secrets travel in bodies, which are logged more often than headers.",
		},
		Case{
			ID: "cauth-basic-plus-same-id", Section: "RFC 6749 §3.2.1", Level: Should, Needs: []Input{NeedBasic, NeedUser}, Run: sameID,
			Expected: "Basic with the same client_id in the body works.",
			Means:    "Client libraries that name the client in every body, as several do, cannot sign anybody in.",
		},
		Case{
			ID: "cauth-public-with-secret", Section: "RFC 6749 §2.3; RFC 7662 §2.1", Level: BCP, Needs: []Input{NeedPublic, NeedUser}, Run: publicSecret,
			Expected: "A secret that a public client makes up is refused or ignored, and opens nothing that is for confidential clients.",
			Means:    "Anybody can pass for a client that has proven who it is.",
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

func otherMethod(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	c.Method = AuthPost
	return refusedWith([]int{400, 401})(p.send(ctx, p.as(c, p.passwordForm(p.target.User))))
}

func sameID(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	return issued(p.send(ctx, p.as(c, p.passwordForm(p.target.User).and("client_id", c.ID))))
}

// publicSecret also asks about a token, which is for who can authenticate.
func publicSecret(ctx context.Context, p *Probe) Verdict {
	c := p.target.public()
	t := p.signIn(ctx, c)
	pretended := Client{ID: c.ID, Secret: random("secret"), Method: AuthPost}
	a := p.send(ctx, p.as(pretended, p.passwordForm(p.target.User)))
	if _, ok := newTokens(a, nil); !ok {
		if v := refusedWith([]int{400, 401})(a); v.Outcome != Pass {
			return v
		}
	}
	if p.doc.text("introspection_endpoint") == "" {
		return pass()
	}
	if p.send(ctx, p.question(c, t.access)).json["active"] == true {
		return Verdict{Pass, "the introspection endpoint answers public clients anyway, so it cannot show more"}
	}
	for _, method := range []string{AuthPost, AuthBasic} {
		pretended.Method = method
		if p.send(ctx, p.question(pretended, t.access)).json["active"] == true {
			return fail("with a secret that it made up the client is told about tokens")
		}
	}
	return pass()
}
