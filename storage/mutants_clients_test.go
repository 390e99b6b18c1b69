package storage

// Ways to get wrong what is promised to, and of, single clients.
var clientMutants = map[string]mutant{
	"a retry from elsewhere is theft": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Retried && r.Address != s.LastAddress {
			out.Outcome, out.Session = "", s.End(r.Now, EndedReused)
			return out, ErrReused
		}
		return out, err
	}, "who stays inside the window goes unseen"},

	"the absolute lifetime slides": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Outcome == Rotated {
			out.Session.ExpiresAt = r.Now.Add(10 * s.IdleLifetime)
		}
		return out, err
	}, "who stays inside the window goes unseen"},

	"no window is the usual window": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		if c.RetryWindow == 0 {
			c.RetryWindow = DefaultRetryWindow
		}
		return r.Decide(s, u, c, at)
	}, "a strict client has one chance"},

	"without a window any token is good": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrReused && c.RetryWindow == 0 {
			out.Session, out.Token, out.Outcome = s, r.Token, Repeated
			return out, nil
		}
		return out, err
	}, "a strict client has one chance"},

	"everybody rotates": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		c.Rotate = true
		return r.Decide(s, u, c, at)
	}, "who does not rotate keeps the token"},

	"each use of a kept token is written": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		if !c.Rotate {
			s.RotatedAt = 0
		}
		return r.Decide(s, u, c, at)
	}, "who does not rotate keeps the token"},

	"what was asked for is all there is": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Writes() && err == nil {
			out.Session.Scope, out.Session.Audience = out.Scope, out.Audience
		}
		return out, err
	}, "a session stays one row"},

	"a row keeps the addresses": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if out.Writes() {
			out.Session.Device += " " + r.Address
		}
		return out, err
	}, "a session stays one row"},

	"a reading ahead of the clock is refused": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		if r.Now.Before(s.LastUsedAt) {
			return Refreshed{Session: s, Before: s, User: u, Client: c}, ErrExpired
		}
		return r.Decide(s, u, c, at)
	}, "clock jumps change nothing"},

	"who was refused is logged out": {func(r Refresh, s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
		out, err := r.Decide(s, u, c, at)
		if err == ErrScope || err == ErrResource || err == ErrClient {
			out.Session.EndedAt, out.Session.EndReason = r.Now, EndedRevoked
		}
		return out, err
	}, "who retries is never logged out"},
}
