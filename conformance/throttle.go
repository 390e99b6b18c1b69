package conformance

import (
	"context"
	"net/http"
)

// throttleCases run after all others: what they use up is missing afterwards.
func throttleCases() []Case {
	return group("pw",
		Case{
			ID: "pw-throttle-format", Section: "RFC 6585 §4; RFC 6749 §5.2", Level: BCP, Abuse: true, Needs: signsIn(NeedVictim), Run: throttleFormat,
			Expected: "A throttled answer is a JSON error with no-store and Retry-After, not a server error.",
			Means:    "Clients cannot tell the user to wait, and monitoring takes an attack for an outage.",
		},
		Case{
			ID: "pw-throttle-spray", Section: "RFC 6749 §10.10; RFC 6819 §4.4.3.6", Level: BCP, Abuse: true, Needs: signsIn(), Run: throttleSpray,
			Expected: "Among wrong passwords for 50 users from one address one is answered 429.",
			Means:    "One common password tried for everybody finds those who have it, and no account's limit notices.",
		},
	)
}

func throttleFormat(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	var calls []call
	for range 20 {
		calls = append(calls, p.wrongPassword())
	}
	for i, a := range p.together(ctx, calls...) {
		p.note(calls[i], a, nil)
		_, told := a.retryAfter()
		switch {
		case a.hasToken():
			return fail("a wrong password got a token")
		case a.status >= 500 && a.status != http.StatusServiceUnavailable:
			return fail("the status is %d", a.status)
		case a.status != http.StatusTooManyRequests:
			continue
		case jsonComplaint(a) != "":
			return fail("%s", jsonComplaint(a))
		case !a.noStore():
			return fail("no no-store")
		case !told:
			return fail("no Retry-After")
		}
		return pass()
	}
	return absent("20 wrong passwords at once are not answered 429")
}

// throttleSpray uses names that nobody has: to the server they are accounts
// like others, and nobody is locked out.
func throttleSpray(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	for range 5 {
		var calls []call
		for range 10 {
			calls = append(calls, p.as(c, p.passwordForm(User{random("nobody"), random("wrong")})))
		}
		for i, a := range p.together(ctx, calls...) {
			switch {
			case a.hasToken():
				return fail("a wrong password got a token")
			case a.status == http.StatusTooManyRequests:
				p.note(calls[i], a, nil)
				return pass()
			}
		}
	}
	return fail("passwords for 50 users were tried at full speed")
}
