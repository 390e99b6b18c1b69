package conformance

import (
	"context"
	"time"
)

// defaultHookWait is how long what a hook did may take to show.
const defaultHookWait = 30 * time.Second

// defaultHookTimeout is how long a hook may take.
const defaultHookTimeout = time.Minute

// watchEvery is how often it is looked whether it shows, beside the pace.
const watchEvery = 200 * time.Millisecond

// Hooks are hands on the server, for the cases that need one; nil: none.
// A hook returns when it is done, though what it did may show later.
type Hooks struct {
	Rotate      func(context.Context) error                  // lets another key sign
	RevokeKey   func(ctx context.Context, kid string) error  // takes a key that leaked out of use at once
	Restart     func(context.Context) error                  // restarts the server
	DisableUser func(ctx context.Context, name string) error // for good: it is called with Target.Victim, last of all

	Wait    time.Duration // how long what they did may take to show; 0: 30 s
	Timeout time.Duration // how long one may take: its context does not end before; 0: 1 min
}

// most is how long the hooks of a case may take, and what they did to show: no
// case calls more than two, or waits for more than two things.
func (h Hooks) most() time.Duration {
	return 2 * (or(h.Wait, defaultHookWait) + or(h.Timeout, defaultHookTimeout))
}

func (h Hooks) has(in Input) bool {
	switch in {
	case NeedRotate:
		return h.Rotate != nil
	case NeedRevokeKey:
		return h.RevokeKey != nil
	case NeedRestart:
		return h.Restart != nil
	case NeedDisableUser:
		return h.DisableUser != nil
	}
	return false
}

// until looks again and again whether done, or ends the case with late.
func (p *Probe) until(ctx context.Context, done func() bool, late Verdict) {
	for deadline := time.Now().Add(or(p.target.Hooks.Wait, defaultHookWait)); !done(); {
		if time.Now().After(deadline) {
			panic(stop{late})
		}
		p.pause(ctx, watchEvery)
	}
}

// hooked ends the case if a hook failed: nothing is known of the server then.
func hooked(err error) {
	if err != nil {
		panic(stop{undecided("the hook failed: %v", err)})
	}
}
