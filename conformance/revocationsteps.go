package conformance

import (
	"context"
	"net/http"
	"slices"
)

// revocation is a request to revoke a token as c.
func (p *Probe) revocation(c Client, token string) call {
	q := p.as(c, params{{"token", token}})
	q.to = "revocation_endpoint"
	return q
}

// revocationMethods are those by which clients authenticate there; where there
// is no endpoint the case does not apply.
func (p *Probe) revocationMethods(ctx context.Context) []string {
	if p.doc.text("revocation_endpoint") == "" {
		p.documents(ctx) // the evidence
		panic(stop{absent("there is no revocation_endpoint")})
	}
	return p.list("revocation_endpoint_auth_methods_supported", AuthBasic) // RFC 8414 §2
}

// revoker returns the first of the clients that may revoke as the metadata
// says, and passes ok.
func (p *Probe) revoker(ctx context.Context, ok func(Client) bool, clients ...Client) Client {
	methods := p.revocationMethods(ctx)
	return first(func(c Client) bool { return ok(c) && slices.Contains(methods, c.method()) }, clients...)
}

// mainRevoker returns the client of most of these cases.
func (p *Probe) mainRevoker(ctx context.Context) Client {
	t := p.target
	c := p.revoker(ctx, Client.known, t.Client, t.Basic, t.Post, t.Public, t.Second)
	if !c.known() {
		panic(stop{Verdict{Skipped, "give a client that may revoke as the metadata says, with --basic-client-id or --client-id"}})
	}
	return c
}

// otherThan returns another client than c that may revoke.
func (p *Probe) otherThan(ctx context.Context, c Client) Client {
	t := p.target
	other := p.revoker(ctx, func(o Client) bool { return o.ID != c.ID }, t.Second, t.Client, t.Basic, t.Post, t.Public, t.Strict)
	if !other.known() {
		panic(stop{Verdict{Skipped, "give " + string(NeedSecond)}})
	}
	return other
}

// revokes is the positive control: c revokes a token of its own, and it dies.
func (p *Probe) revokes(ctx context.Context, c Client) {
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	if v := p.revoked(ctx, c, p.revocation(c, t.refresh), t.refresh); v.Outcome != Pass {
		panic(stop{undecided("client %s cannot revoke its own refresh token (%s), so nothing else would prove anything", c.ID, v.Why)})
	}
}

// revoked sends q and wants the refresh token to be dead.
func (p *Probe) revoked(ctx context.Context, c Client, q call, token string) Verdict {
	if a := p.send(ctx, q); a.status != http.StatusOK {
		return fail("the revocation is answered %d", a.status)
	}
	return p.dead(ctx, c, token)
}

func (p *Probe) dead(ctx context.Context, c Client, token string) Verdict {
	if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(token)))); v.Outcome != Pass {
		return fail("the revoked token: %s", v.Why)
	}
	return pass()
}

// alive wants a token to refresh after what should not have touched it.
func (p *Probe) alive(ctx context.Context, c Client, token, after string) Verdict {
	if _, ok := newTokens(p.send(ctx, p.as(c, refreshForm(token))), nil); !ok {
		return fail("the refresh token is dead after %s", after)
	}
	return pass()
}
