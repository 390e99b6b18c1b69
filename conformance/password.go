package conformance

import "context"

func passwordCases() []Case {
	return group("pw",
		Case{
			ID: "pw-ok", Section: "RFC 6749 §4.3.2, §4.3.3", Level: Must, Needs: signsIn(), Run: passwordOK,
			Expected: "The user's name and password get a token.",
		},
		Case{
			ID: "pw-bad-password", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(NeedVictim), Run: badPassword,
			Expected: "A wrong password is 400 invalid_grant.",
		},
		Case{
			ID: "pw-unknown-user", Section: "RFC 6749 §10.10; RFC 6819 §4.4.3.6", Level: BCP, Needs: signsIn(NeedVictim), Run: unknownUser,
			Expected: "An unknown user and a wrong password get the same answer.",
		},
		Case{
			ID: "pw-missing-username", Section: "RFC 6749 §4.3.2, §5.2", Level: Must, Needs: signsIn(),
			Expected: "A password request without username is 400 invalid_request.",
			Run:      altered(func(_ *Probe, q *call) { q.body = q.body.without("username") }, refused("invalid_request")),
		},
	)
}

func passwordOK(ctx context.Context, p *Probe) Verdict {
	return issued(p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User))))
}

// victimSignsIn proves that the victim's right password works.
func (p *Probe) victimSignsIn(ctx context.Context) {
	p.control(ctx, "the right password of the user for wrong ones", p.as(p.target.Client, p.passwordForm(p.target.Victim)))
}

// wrongPassword is a request with a wrong password of the victim.
func (p *Probe) wrongPassword() call {
	return p.as(p.target.Client, p.passwordForm(User{p.target.Victim.Name, random("wrong")}))
}

func badPassword(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	return refused("invalid_grant")(p.send(ctx, p.wrongPassword()))
}

func unknownUser(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	wrong := p.send(ctx, p.wrongPassword())
	unknown := p.send(ctx, p.as(p.target.Client, p.passwordForm(User{random("nobody"), random("wrong")})))
	return same(wrong, unknown)
}
