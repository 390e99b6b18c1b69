package conformance

import (
	"bytes"
	"context"
	"net/http"
)

// disabledCases are about a user that a hook disables; they run last of all,
// since that user is of no more use.
func disabledCases() []Case {
	needs := []Input{NeedClient, NeedVictim, NeedDisableUser}
	return append(group("rt", Case{
		ID: "rt-revoked-user", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: needs, Run: refreshDisabled,
		Expected: "A refresh of a user who was disabled is 400 invalid_grant, at the latest after the time that a hook's work may take to show.",
		Means:    "Who was dismissed goes on working until the session ends.",
	}), group("pw", Case{
		ID: "pw-disabled-user", Section: "RFC 6749 §5.2; OWASP ASVS 5.0 §6.3.8", Level: BCP, Needs: needs, Run: signInDisabled,
		Expected: "A user who was disabled is answered to the right password as to a wrong one.",
		Means:    "Who tries passwords learns which one was right, and may use it elsewhere.",
	})...)
}

// A disabling is what is left of the user.
type disabling struct {
	grant tokens
	ended *Verdict
}

// disable disables the victim once in a run, after a grant of that user worked.
func (p *Probe) disable(ctx context.Context) tokens {
	if p.disabled == nil {
		p.disabled = &disabling{}
		p.disabled.ended = caught(func() {
			t := p.victimGrant(ctx)
			hooked(p.target.Hooks.DisableUser(ctx, p.target.Victim.Name))
			p.disabled.grant = t
		})
	}
	if p.disabled.ended != nil {
		panic(stop{*p.disabled.ended})
	}
	return p.disabled.grant
}

// victimGrant is a grant of the second user that was refreshed, if it can be.
func (p *Probe) victimGrant(ctx context.Context) tokens {
	c := p.target.Client
	q := p.as(c, p.passwordForm(p.target.Victim))
	if a, err := p.exchange(ctx, q); err == nil && a.status == http.StatusTooManyRequests { // of wrong passwords before
		wait, _ := a.retryAfter()
		p.pause(ctx, min(wait, p.maxWait))
	}
	t := p.control(ctx, "the second user's sign-in", q)
	if t.refresh != "" {
		next := p.control(ctx, "the second user's refresh", p.as(c, refreshForm(t.refresh)))
		t.refresh = or(next.refresh, t.refresh)
	}
	return t
}

func refreshDisabled(ctx context.Context, p *Probe) Verdict {
	t := p.disable(ctx)
	if t.refresh == "" {
		return absent("client %s gets no refresh token", p.target.Client.ID)
	}
	token := t.refresh
	return refused("invalid_grant")(p.untilRefused(ctx, func() call {
		return p.as(p.target.Client, refreshForm(token))
	}, func(next tokens) { token = or(next.refresh, token) }))
}

// untilRefused sends the request again and again while it gets tokens, which
// go to took, and returns the first answer that has none.
func (p *Probe) untilRefused(ctx context.Context, q func() call, took func(tokens)) (a answer) {
	p.until(ctx, func() bool {
		a = p.send(ctx, q())
		t, ok := newTokens(a, nil)
		if ok {
			took(t)
		}
		return !ok
	}, fail("a token was issued, %v after the hook still", or(p.target.Hooks.Wait, defaultHookWait)))
	return a
}

func signInDisabled(ctx context.Context, p *Probe) Verdict {
	p.disable(ctx)
	signIn := func() call { return p.as(p.target.Client, p.passwordForm(p.target.Victim)) }
	p.untilRefused(ctx, signIn, func(tokens) {})
	wrong := p.send(ctx, p.wrongPassword())
	right := p.send(ctx, signIn())
	if v := refused("invalid_grant")(right); v.Outcome != Pass {
		return v
	}
	if right.status != wrong.status || !bytes.Equal(right.stable(), wrong.stable()) {
		return fail("the right password is answered %q, a wrong one %q", right.text("error_description"), wrong.text("error_description"))
	}
	return pass()
}
