package storage

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// A mutant is a way to get the ratchet wrong, and the law that it breaks.
type mutant struct {
	decide decider
	law    string
}

var mutants = map[string]mutant{
	"a retry gets a token of its own": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Retried {
			out.Token = r.Token.successor(r.Nonce)
		}
		return out, err
	}, "parallel refreshes succeed alike"},

	"a retry forks the lineage": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Retried {
			out.Outcome, out.Token = Rotated, r.Token.successor(r.Nonce)
			out.Session.Current, out.Session.Nonce = out.Token.digest(), r.Nonce
		}
		return out, err
	}, "parallel refreshes succeed alike"},

	"retries are not known": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Retried {
			out.Outcome, out.Session = "", s.End(r.Now, EndedReused)
			return out, ErrReused
		}
		return out, err
	}, "who retries is never logged out"},

	"the current token rotates at once": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Repeated {
			s.RotatedAt = 0
			return r.Decide(s, u, c, at)
		}
		return out, err
	}, "copies are told by the window"},

	"the window holds its end": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		c.RetryWindow++
		return r.Decide(s, u, c, at)
	}, "copies are told by the window"},

	"the window never ends": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		if r.Token.digest() == s.Previous {
			return r.Decide(s, u, c, s.RotatedAt)
		}
		return r.Decide(s, u, c, at)
	}, "copies are told by the window"},

	"a retry prolongs the window": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Retried {
			out.Outcome, out.Session.RotatedAt = Rotated, at
		}
		return out, err
	}, "copies are told by the window"},

	"the window is wall time": {func(r Refresh, s Session, u User, c Client, _ ServiceTime) (Refreshed, error) {
		return r.Decide(s, u, c, ServiceTime(r.Now.UnixMicro()))
	}, "clock jumps change nothing"},

	"the window is wall time, in an outage": {func(r Refresh, s Session, u User, c Client, _ ServiceTime) (Refreshed, error) {
		return r.Decide(s, u, c, ServiceTime(r.Now.UnixMicro()))
	}, "who retries is never logged out"},

	"the last use follows the clock back": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Writes() {
			out.Session.LastUsedAt = r.Now
		}
		return out, err
	}, "clock jumps change nothing"},

	"reuse is reported and not recorded": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrReused {
			out.Session = s
		}
		return out, err
	}, "copies are told by the window"},

	"reuse is refused and nothing else": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrReused {
			out.Session, err = s, ErrExpired
		}
		return out, err
	}, "copies are told by the window"},

	"a refused scope is refused too late": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrScope {
			r.Scope = nil
			out, _ = r.Decide(s, u, c, at)
		}
		return out, err
	}, "a refusal costs nothing"},

	"a refused request is a use": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrDisabled || err == ErrGrant || err == ErrResource {
			out.Session.LastUsedAt = r.Now
		}
		return out, err
	}, "a refusal costs nothing"},

	"another client ends the session": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrClient {
			out.Session = s.End(r.Now, EndedReused)
		}
		return out, err
	}, "a refusal costs nothing"},

	"a store set back is theft": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrBehind {
			out.Session, err = s.End(r.Now, EndedReused), ErrReused
		}
		return out, err
	}, "a store set back is no theft"},

	"a store set back goes on": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrBehind {
			out.Session = s
		}
		return out, err
	}, "a store set back is no theft"},
}

// The laws can fail: each finds the mistakes that are its own, and there is
// one for every law.
func TestLawsFindMutants(t *testing.T) {
	const histories = 500
	all := maps.Clone(mutants)
	maps.Copy(all, clientMutants)
	if len(all) != len(mutants)+len(clientMutants) {
		t.Fatal("two mutants of one name")
	}
	broken := map[string]bool{}
	for name, m := range all {
		broken[m.law] = true
		t.Run(name, func(t *testing.T) {
			play := rapid.Custom(func(rt *rapid.T) error { return laws[m.law](rt, m.decide) })
			for seed := range histories {
				if err := play.Example(seed); err != nil {
					t.Logf("history %d: %v", seed, err)
					return
				}
			}
			t.Errorf("%q holds in %d histories", m.law, histories)
		})
	}
	for law := range laws {
		if !broken[law] {
			t.Errorf("nothing breaks %q", law)
		}
	}
}
