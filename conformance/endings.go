package conformance

import (
	"context"
	"time"
)

// expiryMargin is how late a session may end: many servers count whole seconds.
const expiryMargin = time.Second

// expiryCases wait for sessions to end by themselves.
func expiryCases() []Case {
	return group("rt",
		Case{
			ID: "rt-expired", Section: "RFC 6749 §5.2, §6", Level: Must, Needs: []Input{NeedClient, NeedUser, NeedLifetime}, Run: expired,
			Expected: "A refresh token is 400 invalid_grant when the lifetime of its session is over.",
			Means:    "A token that was stolen long ago, from a backup or an old phone, still works.",
		},
		Case{
			ID: "rt-idle-expiry", Section: "RFC 9700 §4.14.2", Level: Should, Needs: []Input{NeedClient, NeedUser, NeedIdle}, Run: expiredIdle,
			Expected: "A refresh token that was not used for as long as --rt-idle says is 400 invalid_grant; one that is used goes on.",
			Means:    "Sessions that nobody uses any more wait for a thief until their lifetime is over, if they have one.",
		},
		Case{
			ID: "rt-lifetime-not-extended", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: []Input{NeedClient, NeedUser, NeedLifetime}, Run: notExtended,
			Expected: "Refreshing does not prolong a session beyond its lifetime: then its newest token is 400 invalid_grant.",
			Means:    "A session that is refreshed in time never ends: whoever got hold of it once has it for good.",
		},
	)
}

// An ending is how a session was answered when it should have been over.
type ending struct {
	verdict  *Verdict
	evidence Probe
}

// endings are those of three sessions that began together, as one wait is
// long enough for all of them.
type endings struct {
	idle   ending // of one that was not used for as long as a session lives without
	unused ending // of one that was not used for its lifetime
	kept   ending // of one that was refreshed all the time
	ended  *Verdict
}

// expire returns the endings of this run, and waits for them if it has not.
func (p *Probe) expire(ctx context.Context) *endings {
	if p.endings == nil {
		longest := max(p.target.RefreshIdle, p.target.RefreshLifetime) + expiryMargin
		if longest > p.maxWait {
			panic(stop{Verdict{Skipped, "it takes " + longest.String() + ": give --max-wait as long, or --brief-client-id with a client whose sessions are short"}})
		}
		p.endings = &endings{}
		p.endings.ended = caught(func() { p.outlive(ctx, p.endings) })
	}
	if p.endings.ended != nil {
		panic(stop{*p.endings.ended})
	}
	return p.endings
}

// outlive lets two sessions lie, refreshes the third, and presents each when
// it should be over.
func (p *Probe) outlive(ctx context.Context, e *endings) {
	c, idle, life := p.target.brief(), p.target.RefreshIdle, p.target.RefreshLifetime
	began := time.Now()
	p.refreshes(ctx, c)
	kept, lazy, unused := p.refreshable(ctx, c).refresh, p.refreshable(ctx, c).refresh, p.refreshable(ctx, c).refresh
	begun := time.Now() // the last of them
	step := min(or(idle, life), or(life, idle)) / 4
	end := or(life, idle+step) + expiryMargin
	for time.Since(begun) <= end {
		p.pause(ctx, min(step, end-time.Since(begun)+time.Millisecond))
		if idle > 0 && e.idle.verdict == nil && time.Since(begun) > idle+expiryMargin && (life == 0 || time.Since(began) < life) {
			p.present(ctx, c, lazy, &e.idle)
		}
		next, ok := newTokens(p.send(ctx, p.as(c, refreshForm(kept))), nil)
		switch {
		case ok:
			kept = or(next.refresh, kept)
		case life == 0 || time.Since(begun) < life-expiryMargin:
			panic(stop{undecided("a session that is refreshed ends before it should: check --rt-idle and --rt-lifetime")})
		}
	}
	if life > 0 {
		p.present(ctx, c, unused, &e.unused)
		p.present(ctx, c, kept, &e.kept)
	}
}

// present shows a token that should be of no more use.
func (p *Probe) present(ctx context.Context, c Client, token string, e *ending) {
	v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(token))))
	e.verdict, e.evidence = &v, *p
}

// judged is the verdict on an ending, with its evidence.
func (p *Probe) judged(e ending) Verdict {
	if e.verdict == nil {
		return undecided("--rt-idle is not shorter than --rt-lifetime by %v and more", 2*expiryMargin)
	}
	p.sent, p.got, p.wires = e.evidence.sent, e.evidence.got, e.evidence.wires
	return *e.verdict
}

func expired(ctx context.Context, p *Probe) Verdict     { return p.judged(p.expire(ctx).unused) }
func expiredIdle(ctx context.Context, p *Probe) Verdict { return p.judged(p.expire(ctx).idle) }
func notExtended(ctx context.Context, p *Probe) Verdict { return p.judged(p.expire(ctx).kept) }
