package storage

import (
	"math"
	"slices"
	"time"
)

// A Ratchet is what a session's row holds about its refresh tokens: enough to
// recognise the current and the previous one, to compute the current one again
// for whoever presents the previous one, and nothing that yields a token.
type Ratchet struct {
	Generation uint32
	Current    Digest
	Previous   Digest // zero before the first rotation
	Nonce      Nonce  // made the current token from the previous one
	RotatedAt  ServiceTime
}

// An Outcome says what a refresh did to its session.
type Outcome string

// What a refresh can do.
const (
	Rotated  Outcome = "rotated"  // a successor was made and recorded
	Repeated Outcome = "repeated" // the current token was answered again, nothing written
	Retried  Outcome = "retried"  // the previous token was presented in time: the same successor, nothing written
	Kept     Outcome = "kept"     // the client does not rotate: the same token, its use recorded
)

// A Refresh is one request to refresh: a token, presented by an authenticated
// client, asking for a scope and resources (nil: what the session was granted).
type Refresh struct {
	Token     RefreshToken
	Client    int64 // Client.Number
	Scope     []string
	Resources []string
	Nonce     Nonce // drawn for this request, used if it rotates
	Address   string
	Now       time.Time
}

// A Refreshed is the answer to a Refresh, and what the store must write.
type Refreshed struct {
	Outcome  Outcome
	Token    RefreshToken // to answer
	Scope    []string     // of this one access token
	Audience []string     // of this one access token
	User     User
	Client   Client
	Session  Session // as it is after the refresh
	Before   Session // as it was
}

// Writes reports whether Session differs from Before and must be stored.
func (r Refreshed) Writes() bool {
	return r.Outcome == Rotated || r.Outcome == Kept || r.Session.EndedAt != r.Before.EndedAt
}

// Decide applies every rule of a refresh to the rows as they are. It is pure:
// a backend reads the rows, calls it, and, if it Writes, stores the session on
// condition that the row still holds the Before generation and hash, else
// reads again. An error means that no token is answered; ErrReused and
// ErrBehind come with a Refreshed whose Session must be stored first.
func (r Refresh) Decide(s Session, u User, c Client, at ServiceTime) (Refreshed, error) {
	out := Refreshed{User: u, Client: c, Session: s, Before: s}
	switch {
	case s.Client != r.Client: // RFC 6749 §6, §10.4: bound to the client it was issued to
		return out, ErrClient
	case !s.EndedAt.IsZero():
		return out, ErrEnded
	case s.ExpiredAt(r.Now):
		return out, ErrExpired
	}
	outcome, err := s.classify(r.Token, c.ClientPolicy, at)
	switch err {
	case ErrReused: // RFC 9700 §4.14.2: nobody can say who of the two is the client, so its successor ends too
		out.Session = s.End(r.Now, EndedReused)
		return out, err
	case ErrBehind:
		out.Session = s.End(r.Now, EndedBehind)
		return out, err
	}
	if out.Scope, out.Audience, err = r.allow(s, u, c); err != nil {
		return out, err
	}
	out.Outcome = outcome
	switch outcome {
	case Retried:
		out.Token = r.Token.successor(s.Nonce)
	case Rotated:
		out.Token = r.Token.successor(r.Nonce)
		out.Session.Ratchet = Ratchet{
			Generation: out.Token.generation, Current: out.Token.digest(),
			Previous: s.Current, Nonce: r.Nonce, RotatedAt: at,
		}
	case Kept:
		out.Token, out.Session.Previous = r.Token, Digest{}
	case Repeated:
		out.Token = r.Token
	}
	if out.Writes() {
		out.Session.RotatedAt, out.Session.LastAddress = at, r.Address
		// Never set back: a clock that was wrong for a while must not make the session look idle.
		if now := whole(r.Now); now.After(s.LastUsedAt) {
			out.Session.LastUsedAt = now
		}
	}
	return out, nil
}

// classify tells what the presented token is to the row. A reading below the
// row's was taken just before the rotation: no time has passed since.
func (m Ratchet) classify(t RefreshToken, p ClientPolicy, at ServiceTime) (Outcome, error) {
	young := m.RotatedAt != 0 && max(at.Sub(m.RotatedAt), 0) < p.RetryWindow
	switch {
	case t.generation > m.Generation:
		return "", ErrBehind
	case m.Current.Equal(t.digest()) && young:
		return Repeated, nil
	case m.Current.Equal(t.digest()) && (!p.Rotate || m.Generation == math.MaxUint32):
		return Kept, nil
	case m.Current.Equal(t.digest()):
		return Rotated, nil // RFC 9700 §2.2.2, §4.14.2
	case m.Previous.Equal(t.digest()) && m.Previous != Digest{} && young:
		return Retried, nil
	}
	return "", ErrReused
}

// allow decides all that can refuse a token that is good in itself, and what
// this one access token may hold. RFC 6749 §6: never more than was granted;
// RFC 8707 §2.2: resources likewise.
func (r Refresh) allow(s Session, u User, c Client) (scope, audience []string, err error) {
	switch {
	case u.Disabled:
		return nil, nil, ErrDisabled
	case !slices.Contains(c.Grants, GrantRefreshToken):
		return nil, nil, ErrGrant
	case !subset(r.Scope, s.Scope):
		return nil, nil, ErrScope
	case !subset(r.Resources, s.Audience):
		return nil, nil, ErrResource
	}
	// What was taken from the client's record since the login is not granted again.
	scope, audience = intersect(s.Scope, c.Scopes), intersect(s.Audience, c.Audiences)
	if r.Scope != nil {
		scope = intersect(scope, r.Scope)
	}
	if r.Resources != nil {
		audience = intersect(audience, r.Resources)
	}
	switch {
	case len(scope) == 0 && len(s.Scope) > 0:
		return nil, nil, ErrScope
	case len(audience) == 0:
		return nil, nil, ErrResource
	}
	return scope, audience, nil
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(v string) bool { return !slices.Contains(whole, v) })
}

// intersect keeps the members of a that are in b, in a's order.
func intersect(a, b []string) []string {
	var out []string
	for _, v := range a {
		if slices.Contains(b, v) {
			out = append(out, v)
		}
	}
	return out
}
