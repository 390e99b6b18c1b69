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
	Rotate      func(context.Context) error                      // lets another key sign
	RevokeKey   func(ctx context.Context, kid string) error      // takes a key that leaked out of use at once
	SwitchAlg   func(context.Context) error                      // has Target.Client's tokens signed with another algorithm, for good
	Restart     func(context.Context) error                      // restarts the server
	Crash       func(context.Context) error                      // ends the server as a power cut would, and starts it again
	DisableUser func(ctx context.Context, name string) error     // for good: it is called with Target.Victim, among the last
	RevokeGrant func(ctx context.Context, clientID string) error // takes refresh_token from the client's grants, for good: with Target.Second, last of all

	ChangePassword func(ctx context.Context, name, password string) error // called with Target.Victim and a new one, then with the old one

	Wait    time.Duration // how long what they did may take to show; 0: 30 s
	Timeout time.Duration // how long one may take: its context does not end before; 0: 1 min
}

// most is how long the hooks of a case may take, and what they did to show: no
// case calls more than a storm does, or waits for more things.
func (h Hooks) most() time.Duration {
	return stormRotations * (or(h.Wait, defaultHookWait) + or(h.Timeout, defaultHookTimeout))
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
	case NeedSwitchAlg:
		return h.SwitchAlg != nil
	case NeedCrash:
		return h.Crash != nil
	case NeedRevokeGrant:
		return h.RevokeGrant != nil
	case NeedChangePassword:
		return h.ChangePassword != nil
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

// during looks again and again while a hook runs, however long that takes: a
// hook that is cut short may leave things half done.
func (p *Probe) during(ctx context.Context, hook func(context.Context) error, look func()) {
	done, running := make(chan error, 1), true
	defer func() {
		if running {
			<-done // also when a look ends the case: what the hook does goes on
		}
	}()
	go func() { done <- hook(ctx) }()
	for {
		look()
		select {
		case err := <-done:
			running = false
			hooked(err)
			return
		case <-time.After(watchEvery):
		}
	}
}

// caught is the verdict with which steps ended the case, or nil: several cases
// judge what they did.
func caught(steps func()) (ended *Verdict) {
	defer func() {
		if s := recover(); s != nil {
			v, ok := s.(stop)
			if !ok {
				panic(s)
			}
			ended = &v.Verdict
		}
	}()
	steps()
	return nil
}

// hooked ends the case if a hook failed: nothing is known of the server then.
func hooked(err error) {
	if err != nil {
		panic(stop{undecided("the hook failed: %v", err)})
	}
}
