package conformance

import (
	"context"
	"fmt"
	"net/http"
)

// httpForwardedCases need a user who is throttled: they come after the case
// about the throttle itself.
func httpForwardedCases() []Case {
	return group("http",
		Case{
			ID: "http-forwarded-spoof", Section: "RFC 9700 §4.13; RFC 7239 §8.1", Level: BCP, Abuse: true, Needs: signsIn(NeedVictim), Run: forwardedSpoof,
			Expected: "A user who is throttled stays so for requests that claim other addresses in X-Forwarded-For, Forwarded and X-Real-IP.",
			Means:    "Who guesses passwords gets a fresh allowance with every address that he makes up.",
		},
	)
}

// forwardedSpoof lets a few through: an allowance may be growing meanwhile.
func forwardedSpoof(ctx context.Context, p *Probe) Verdict {
	p.victimSignsIn(ctx)
	if !p.throttled(ctx) {
		return absent("20 wrong passwords are not answered 429 (pw-throttle-user is about that)")
	}
	for i := range 5 {
		q := p.wrongPassword()
		address := fmt.Sprintf("198.51.100.%d", 1+i) // RFC 5737
		q.header.Set("X-Forwarded-For", address)
		q.header.Set("X-Real-IP", address)
		q.header.Set("Forwarded", "for="+address)
		a, err := p.exchange(ctx, q)
		p.note(q, a, err)
		switch {
		case err != nil:
			return undecided("no answer: %v", err)
		case a.status == http.StatusTooManyRequests:
			sent, got := p.sent, p.got
			p.afterThrottle(ctx, a) // the next run's user should be free again
			p.sent, p.got = sent, got
			return pass()
		}
	}
	sent, got := p.sent, p.got
	a, err := p.exchange(ctx, p.wrongPassword())
	if err != nil || a.status != http.StatusTooManyRequests {
		return undecided("the throttle was over before it could be tried")
	}
	p.sent, p.got = sent, got
	return fail("with another address in X-Forwarded-For a throttled user is not throttled")
}

// throttled tries wrong passwords until the server has enough.
func (p *Probe) throttled(ctx context.Context) bool {
	for range 4 {
		for _, a := range p.race(ctx, 5, p.wrongPassword()) {
			if a.status == http.StatusTooManyRequests {
				return true
			}
		}
	}
	return false
}
