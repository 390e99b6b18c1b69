package conformance

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// crashCases are about what a server knows after it went down at any moment.
func crashCases() []Case {
	return group("rt", Case{
		ID: "rt-crash-consistency", Section: "RFC 9700 §4.14.2", Level: BCP, Fast: true, Needs: signsIn(NeedCrash), Run: crash,
		Expected: "After a crash a refresh that lost its answer can be repeated, or is 400 invalid_grant; what was answered holds, and no session has two tokens that live.",
		Means:    "A power cut signs users out without a word, or brings spent tokens back to life.",
	})
}

// crashLines is how many sessions are refreshed, one request at a time each,
// while the server goes down.
const (
	crashLines = 4
	lineEvery  = 5 * time.Millisecond
)

// A line is a session that is refreshed until an answer is lost.
type line struct {
	spent, latest string
	lost          bool
	refused       *answer // an answer without a token that is no server error
}

func crash(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.refreshes(ctx, c)
	var lines [crashLines]line
	for i := range lines {
		lines[i].latest = p.refreshable(ctx, c).refresh
	}
	p.goDown(ctx, c, lines[:])
	p.until(ctx, func() bool {
		a, err := p.exchange(ctx, p.as(c, p.passwordForm(p.target.User)))
		_, ok := newTokens(a, nil)
		return err == nil && ok
	}, undecided("nobody can sign in after the crash"))
	lost := 0
	for _, l := range lines {
		v := p.survived(ctx, c, l)
		if v.Outcome != Pass {
			return v
		}
		if l.lost {
			lost++
		}
	}
	if lost == 0 {
		return undecided("no refresh lost its answer: the hook did not end the server, or at a quiet moment; run again")
	}
	return pass()
}

// goDown runs the hook while the lines are refreshed.
func (p *Probe) goDown(ctx context.Context, c Client, lines []line) {
	var over atomic.Bool
	var wg sync.WaitGroup
	started := make(chan bool, len(lines))
	for i := range lines {
		wg.Go(func() {
			l := &lines[i]
			for n := 0; !over.Load() && !l.lost && l.refused == nil; n++ {
				a, err := p.exchange(ctx, p.as(c, refreshForm(l.latest)))
				next, ok := newTokens(a, nil)
				switch {
				case err != nil, a.status >= 500: // a proxy in front may answer for it
					l.lost = true
				case !ok:
					l.refused = &a
				default:
					l.spent, l.latest = l.latest, or(next.refresh, l.latest)
				}
				if n == 0 {
					started <- true
				}
				sleep(ctx, lineEvery) // an ended ctx fails the next request
			}
		})
	}
	for range lines {
		<-started
	}
	err := p.target.Hooks.Crash(ctx)
	over.Store(true)
	wg.Wait()
	hooked(err)
}

// survived looks at a line after the crash.
func (p *Probe) survived(ctx context.Context, c Client, l line) Verdict {
	if l.refused != nil {
		p.got = l.refused.String()
		return fail("while the server went down a good refresh token was answered %d %s", l.refused.status, l.refused.code())
	}
	a := p.send(ctx, p.as(c, refreshForm(l.latest)))
	next, ok := newTokens(a, nil)
	switch {
	case !ok && !l.lost:
		return fail("a refresh token that was answered before the crash is not known after it")
	case !ok:
		if v := refused("invalid_grant")(a); v.Outcome != Pass {
			return fail("a refresh that lost its answer, repeated: %s", v.Why)
		}
		if l.spent == "" || l.spent == l.latest {
			return pass()
		}
		if v := refusedWith([]int{400})(p.send(ctx, p.as(c, refreshForm(l.spent)))); v.Outcome != Pass {
			return fail("the newest token is dead, and the one before it lives: the server forgot what it had answered")
		}
		return pass()
	case next.refresh == "" || next.refresh == l.latest:
		return pass()
	}
	successors := map[string]bool{next.refresh: true}
	if again, ok := newTokens(p.send(ctx, p.as(c, refreshForm(l.latest))), nil); ok && again.refresh != "" {
		successors[again.refresh] = true
	}
	if live := p.live(ctx, c, successors); live > 1 {
		return fail("%d successors of one token live on", live)
	}
	return pass()
}
