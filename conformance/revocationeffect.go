package conformance

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
)

// revocationEffectCases are about what a revocation brings about beside the
// end of its token, and what its answer says.
func revocationEffectCases() []Case {
	needs, confidential := signsIn(), []Input{NeedConfidential, NeedUser}
	return group("rev",
		Case{
			ID: "rev-access", Section: "RFC 7009 §2, §2.1, §2.2.1", Level: Should, Needs: needs, Run: revAccess,
			Expected: "A revoked access token is answered 200 and is inactive, or refused as unsupported_token_type.",
			Means:    "An app believes that a token is dead which every API goes on accepting.",
		},
		Case{
			ID: "rev-cascade-refresh", Section: "RFC 7009 §2.1", Level: Should, Needs: confidential, Run: revCascadeRefresh,
			Expected: "With a refresh token the access tokens of its grant become inactive, where such can be revoked.",
			Means:    "After a logout the tokens in the hands of others work until they expire, also at APIs that ask.",
		},
		Case{
			ID: "rev-cascade-access", Section: "RFC 7009 §2.1, §2.2.1", Level: BCP, Needs: needs, Run: revCascadeAccess,
			Expected: "Revoking an access token leaves its refresh token alive or ends it; where it is refused, nothing is ended.",
			Means:    "An app that gives up one token loses its session after it was told that nothing happened.",
		},
		Case{
			ID: "rev-rotated-family", Section: "RFC 7009 §2.1; RFC 9700 §4.14.2", Level: BCP, Needs: needs, Run: revRotated,
			Expected: "Revoking a refresh token that was refreshed since ends what came of it.",
			Means:    "A thief who refreshed a stolen token keeps the session when its owner logs out.",
		},
		Case{
			ID: "rev-empty-body", Section: "RFC 7009 §2.2", Level: BCP, Needs: needs, Run: revBody,
			Expected: "The answer to a revocation holds no token.",
			Means:    "Tokens get into the logs and caches that answers get into.",
		},
		Case{
			ID: "rev-no-jsonp", Section: "RFC 7009 §2.3", Level: BCP, Needs: needs, Run: revJSONP,
			Expected: "A callback parameter does not turn the answer into a script.",
			Means:    "Pages of anybody can run requests with a user's tokens, and the issuer runs scripts in the pages of others.",
		},
	)
}

// isTold reports whether c is told that a token of its own is active: only
// then can it see a token die.
func (p *Probe) isTold(ctx context.Context, c Client, token string) bool {
	if c.Secret == "" || p.doc.text("introspection_endpoint") == "" {
		return false
	}
	return p.send(ctx, p.question(c, token)).json["active"] == true
}

func revAccess(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	t := p.signIn(ctx, c)
	told := p.isTold(ctx, c, t.access)
	a := p.send(ctx, p.revocation(c, t.access))
	switch {
	case a.status == http.StatusBadRequest && a.code() == "unsupported_token_type":
		return pass()
	case a.status != http.StatusOK:
		return fail("it is answered %d", a.status)
	case !told:
		return Verdict{Pass, "client " + c.ID + " cannot ask whether the token is dead"}
	}
	return isInactive(p.send(ctx, p.question(c, t.access)))
}

func revCascadeRefresh(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	t := p.signIn(ctx, c)
	switch {
	case !p.isTold(ctx, c, t.access):
		return absent("client %s is not told that its own access token is active", c.ID)
	case !slices.Contains(p.revocationMethods(ctx), c.method()):
		return absent("clients do not revoke by %s", c.method())
	case t.refresh == "":
		return absent("client %s gets no refresh token", c.ID)
	}
	p.revokes(ctx, c)
	if a := p.send(ctx, p.revocation(c, t.refresh)); a.status != http.StatusOK {
		return undecided("the revocation is answered %d", a.status)
	}
	v := isInactive(p.send(ctx, p.question(c, t.access)))
	if v.Outcome == Pass {
		return v
	}
	sent, got := p.sent, p.got
	other := p.signIn(ctx, c)
	if a := p.send(ctx, p.revocation(c, other.access)); a.code() == "unsupported_token_type" {
		return absent("access tokens cannot be revoked")
	}
	p.sent, p.got = sent, got // the evidence
	return v
}

func revCascadeAccess(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	t := p.refreshable(ctx, c)
	if a := p.send(ctx, p.revocation(c, t.access)); a.status != http.StatusOK {
		return p.alive(ctx, c, t.refresh, "a revocation of its access token that was refused")
	}
	return p.survives(ctx, c, t.refresh, "the end of an access token")
}

func revRotated(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	old, next := p.rotates(ctx, c)
	return p.revoked(ctx, c, p.revocation(c, old.refresh), next.refresh)
}

func revBody(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	t := p.refreshable(ctx, c)
	a := p.send(ctx, p.revocation(c, t.refresh))
	switch {
	case a.status != http.StatusOK:
		return undecided("the revocation is answered %d", a.status)
	case bytes.Contains(a.body, []byte(t.refresh)), bytes.Contains(a.body, []byte(t.access)), a.hasToken():
		return fail("there is a token in the answer")
	}
	return pass()
}

func revJSONP(ctx context.Context, p *Probe) Verdict {
	c := p.mainRevoker(ctx)
	p.revokes(ctx, c)
	for _, change := range []func(call) call{inURL, func(q call) call { return q }} {
		q := change(p.revocation(c, p.refreshable(ctx, c).refresh))
		q.query = q.query.and("callback", "alert")
		a := p.send(ctx, q)
		script := strings.Contains(strings.ToLower(a.header.Get("Content-Type")), "script")
		if script || bytes.Contains(a.body, []byte("alert(")) {
			return fail("the answer is a script that calls what the request names")
		}
	}
	return pass()
}
