package conformance

import (
	"context"
	"net/http"
	"time"
)

// busy reports whether the answer is only that the server has enough.
func (a answer) busy() bool {
	return a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
}

// patient sends a request, and once more where the server asks to come back.
// The case ends inconclusive when it has enough still. Cases about throttling
// do without it.
func (p *Probe) patient(ctx context.Context, send func() answer) answer {
	a := send()
	if a.busy() && p.comeBack(ctx, a) {
		a = send()
	}
	if a.busy() {
		panic(stop{undecided("the server throttles or is busy (%d): run again later, with a lower --rate or a longer --max-wait", a.status)})
	}
	return a
}

// comeBack waits as the server asks to, for --max-wait in all of a case. It
// reports whether it did.
func (p *Probe) comeBack(ctx context.Context, a answer) bool {
	wait, told := a.retryAfter()
	if !told || p.waited+wait > p.maxWait {
		return false
	}
	p.waited += wait
	p.pause(ctx, max(wait, 10*time.Millisecond))
	return true
}
