package conformance

import (
	"context"
	"slices"
	"strings"
)

// tokens is a token answer that worked.
type tokens struct {
	answer
	access, refresh string
	scope           []string // granted; what was asked for when the answer does not say (RFC 6749 §5.1)
}

// passwordForm is a valid request of the password grant (RFC 6749 §4.3.2).
func (p *Probe) passwordForm(u User) params {
	form := params{{"grant_type", "password"}, {"username", u.Name}, {"password", u.Password}}
	if p.target.Scope != "" {
		form = form.and("scope", p.target.Scope)
	}
	return form
}

// refreshForm is a valid request of the refresh_token grant (RFC 6749 §6).
func refreshForm(token string) params {
	return params{{"grant_type", "refresh_token"}, {"refresh_token", token}}
}

// newTokens reads an answer to body; ok is false when it holds no access token.
func newTokens(a answer, body params) (t tokens, ok bool) {
	t = tokens{answer: a, access: a.text("access_token"), refresh: a.text("refresh_token")}
	t.scope = strings.Fields(a.text("scope"))
	if a.text("scope") == "" {
		for _, v := range body {
			if v.name == "scope" {
				t.scope = strings.Fields(v.value)
			}
		}
	}
	return t, a.status/100 == 2 && t.access != ""
}

// control sends a request that must work before the case can mean anything.
func (p *Probe) control(ctx context.Context, what string, q call) tokens {
	a := p.send(ctx, q)
	t, ok := newTokens(a, q.body)
	if !ok {
		panic(stop{undecided("%s does not work, so its refusal would prove nothing", what)})
	}
	return t
}

// signIn gets a fresh grant of the target's user: the positive control.
func (p *Probe) signIn(ctx context.Context, c Client) tokens {
	return p.control(ctx, "the valid password request of client "+c.ID, p.as(c, p.passwordForm(p.target.User)))
}

// refreshable gets a fresh grant that came with a refresh token.
func (p *Probe) refreshable(ctx context.Context, c Client) tokens {
	t := p.signIn(ctx, c)
	if t.refresh == "" {
		panic(stop{absent("client %s gets no refresh token", c.ID)})
	}
	return t
}

// refreshes proves with a grant of its own that c can refresh.
func (p *Probe) refreshes(ctx context.Context, c Client) tokens {
	t := p.refreshable(ctx, c)
	next := p.control(ctx, "the valid refresh of client "+c.ID, p.as(c, refreshForm(t.refresh)))
	if next.refresh == "" {
		next.refresh = t.refresh // RFC 6749 §6: no new one, the old one goes on
	}
	return next
}

// A judge turns the answer that a case is about into its verdict.
type judge func(answer) Verdict

// altered is the plainest case: a valid password request as the control, then
// the same one as change makes it.
func altered(change func(*Probe, *call), judge judge) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.signIn(ctx, p.target.Client)
		q := p.as(p.target.Client, p.passwordForm(p.target.User))
		change(p, &q)
		return judge(p.send(ctx, q))
	}
}

// refused wants 400 and one of the codes (RFC 6749 §5.2), and no token.
func refused(codes ...string) judge { return refusedWith([]int{400}, codes...) }

// refusedWith wants one of the statuses; and one of the codes, if any is given.
func refusedWith(statuses []int, codes ...string) judge {
	return func(a answer) Verdict {
		switch {
		case a.hasToken():
			return fail("a token was issued")
		case !slices.Contains(statuses, a.status):
			return fail("the status is %d, not one of %v", a.status, statuses)
		case len(codes) > 0 && !slices.Contains(codes, a.code()):
			return fail("the error is %q, not %s", a.code(), strings.Join(codes, " or "))
		}
		return pass()
	}
}

// issued wants a token. A refusal of the user's credentials blames the inputs.
func issued(a answer) Verdict {
	if _, ok := newTokens(a, nil); ok {
		return pass()
	}
	if a.code() == "invalid_grant" {
		return undecided("the user's name and password are refused: check --username and --password-file")
	}
	return fail("no token was issued")
}

// signsIn is what nearly every case needs, and more.
func signsIn(more ...Input) []Input { return append([]Input{NeedClient, NeedUser}, more...) }

// group names the group of its cases.
func group(name string, cases ...Case) []Case {
	for i := range cases {
		cases[i].Group = name
	}
	return cases
}
