package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"time"
)

func refreshCases() []Case {
	return group("rt",
		Case{
			ID: "rt-ok", Section: "RFC 6749 §6, §5.1; RFC 7519 §4.1.7", Level: Must, Needs: signsIn(), Run: refreshOK,
			Expected: "A refresh answers 200 with an access token, which should be another one and then has another jti.",
			Means:    "Users are signed out when their access token expires, or old tokens cannot be told from new ones in logs.",
		},
		Case{
			ID: "rt-unknown", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(), Run: refreshUnknown,
			Expected: "A refresh token that was never issued is 400 invalid_grant.",
			Means:    "A client cannot tell that it must sign its user in again: it gives up, or tries for ever.",
		},
		Case{
			ID: "rt-tampered", Section: "RFC 6749 §10.4; RFC 9700 §4.14.2", Level: Must, Needs: signsIn(), Run: refreshTampered,
			Expected: "A refresh token with one character changed is 400 invalid_grant, wherever the character is.",
			Means:    "Part of the token does not count: it is easier to guess than its length says.",
		},
		Case{
			ID: "rt-client-bound", Section: "RFC 6749 §6, §10.4", Level: Must, Needs: signsIn(NeedSecond), Run: refreshBound,
			Expected: "A refresh token of one client is 400 invalid_grant for another.",
			Means:    "A token that one app loses works in any other, past the secret that should protect it.",
		},
		Case{
			ID: "rt-rotated-public", Section: "RFC 9700 §2.2.2, §4.14.2", Level: Must, Needs: []Input{NeedPublic, NeedUser}, Run: rotatedPublic,
			Expected: "A public client gets a new refresh token with each refresh.",
			Means:    "A copy of a token is good for as long as the session lasts, and nobody can notice it.",
		},
		Case{
			ID: "rt-reuse-revokes-family", Section: "RFC 9700 §4.14.2", Level: Must, Needs: signsIn(), Run: bindsPublic(reuseRevokes),
			Expected: "A spent refresh token is refused, and then its successor is refused too; where only clients with a secret are given it warns.",
			Means:    "A thief who refreshes first keeps the session, and the owner is only signed out.",
		},
		Case{
			ID: "rt-old-refused", Section: "RFC 9700 §4.14.2; RFC 6749 §6", Level: Must, Needs: signsIn(), Run: bindsPublic(oldRefused),
			Expected: "A spent refresh token is 400 invalid_grant (after --rt-grace, where retries are allowed); where only clients with a secret are given it warns.",
			Means:    "Rotation protects nobody: each token that was ever issued goes on working.",
		},
		Case{
			ID: "rt-confidential-needs-auth", Section: "RFC 6749 §6, §3.2.1", Level: Must, Needs: []Input{NeedConfidential, NeedUser}, Run: refreshNeedsAuth,
			Expected: "A refresh token of a client with a secret is of no use with its client_id alone.",
			Means:    "Whoever finds a token refreshes it: the client's secret protects nothing.",
		},
		Case{
			ID: "rt-public-bound", Section: "RFC 6749 §6; RFC 9700 §4.14.2", Level: Must, Needs: []Input{NeedPublic, NeedUser}, Run: publicBound,
			Expected: "A refresh token is 400 invalid_grant for a public client that it was not issued to.",
			Means:    "Any token that leaks works under any app's client_id, which is no secret.",
		},
	)
}

func refreshOK(ctx context.Context, p *Probe) Verdict {
	t := p.refreshable(ctx, p.target.Client)
	a := p.send(ctx, p.as(p.target.Client, refreshForm(t.refresh)))
	next, ok := newTokens(a, nil)
	one, isJWT := parseJWT(t.access)
	two, _ := parseJWT(next.access)
	switch {
	case !ok || a.status != 200:
		return fail("no token with status 200")
	case next.access == t.access: // RFC 6749 §6: "an access token"
		return Verdict{Warn, "the access token is the old one"}
	case isJWT && one.text("jti") != "" && one.text("jti") == two.text("jti"):
		return fail("the jti is the old one")
	}
	return pass()
}

func refreshUnknown(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	return refused("invalid_grant")(p.send(ctx, p.as(p.target.Client, refreshForm(random("garbage")))))
}

// refreshTampered takes a fresh grant for each change: the first one may have
// ended the session, and then anything is refused.
func refreshTampered(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	for _, part := range []float64{0, 0.25, 0.5, 0.75, 1} {
		t := p.refreshable(ctx, p.target.Client)
		at := int(part * float64(len(t.refresh)-1))
		changed := t.refresh[:at] + string(neighbour(t.refresh[at])) + t.refresh[at+1:]
		if v := refused("invalid_grant")(p.send(ctx, p.as(p.target.Client, refreshForm(changed)))); v.Outcome != Pass {
			v = fail("character %d of %d changed: %s", at+1, len(t.refresh), v.Why)
			if sameOctets(t.refresh, changed) {
				v.Outcome = Warn
			}
			return v
		}
	}
	return pass()
}

// sameOctets reports whether the last parts of two tokens are base64url of the
// same octets, but for bits that encode nothing: a lenient decoder makes a
// token no easier to guess.
func sameOctets(one, two string) bool {
	part := func(token string) []byte {
		octets, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
		if err != nil {
			return nil
		}
		return octets
	}
	return part(one) != nil && bytes.Equal(part(one), part(two))
}

// neighbour differs from c in the lowest bit of its base64url value: at the
// end of a token that bit may be one that a lenient decoder drops.
func neighbour(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if i := strings.IndexByte(alphabet, c); i >= 0 {
		return alphabet[i^1]
	}
	return 'A'
}

func refreshBound(ctx context.Context, p *Probe) Verdict {
	p.refreshes(ctx, p.target.Client)
	p.refreshes(ctx, p.target.Second) // or it would be refused for what it is
	t := p.refreshable(ctx, p.target.Client)
	return refused("invalid_grant")(p.send(ctx, p.as(p.target.Second, refreshForm(t.refresh))))
}

func rotatedPublic(ctx context.Context, p *Probe) Verdict {
	t := p.refreshable(ctx, p.target.public())
	next := p.control(ctx, "the valid refresh", p.as(p.target.public(), refreshForm(t.refresh)))
	if next.refresh == "" || next.refresh == t.refresh {
		return fail("the refresh token stays the same: whoever copies it has it for good")
	}
	return pass()
}

// spent gets a token, refreshes it, and waits until the client may no longer
// repeat that. The client is the one with which that takes the shortest.
func (p *Probe) spent(ctx context.Context) (c Client, old, next tokens) {
	c, window := p.target.strict()
	old, next = p.rotated(ctx, c, window)
	return c, old, next
}

// rotated does that for one client.
func (p *Probe) rotated(ctx context.Context, c Client, window time.Duration) (old, next tokens) {
	old, next = p.rotates(ctx, c)
	if window > 0 {
		p.pause(ctx, window+time.Second)
	}
	return old, next
}

// replayed is v for a public client. Of one with a secret RFC 9700 §4.14.2 does
// not ask to notice replay, and RFC 6749 §6 lets it keep the old token.
func replayed(c Client, v Verdict) Verdict {
	if c.Secret != "" && v.Outcome == Fail {
		v.Outcome = Warn
		v.Why += "; client " + c.ID + " has a secret, so it need not: give --public-client-id"
	}
	return v
}

// reuses presents a spent token again.
func (p *Probe) reuses(ctx context.Context, c Client, old tokens) Verdict {
	if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(old.refresh)))); v.Outcome != Pass {
		return fail("the spent token: %s (a server that allows retries: give --rt-grace)", v.Why)
	}
	return pass()
}

// bindsPublic looks at a rotation. RFC 9700 §2.2.2 and §4.14.2 bind servers for
// public clients: where it is wrong for a client with a secret, a public one
// decides, and without one it is a warning.
func bindsPublic(look func(ctx context.Context, p *Probe, c Client, old, next tokens) Verdict) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		c, old, next := p.spent(ctx)
		v, sent, got := look(ctx, p, c, old, next), p.sent, p.got
		public := p.target.public()
		switch {
		case v.Outcome != Fail || c.Secret == "":
			return v
		case !public.known():
			return Verdict{Warn, v.Why + " (a MUST for public clients; give " + string(NeedPublic) + ")"}
		}
		old, next = p.rotated(ctx, public, p.target.RetryWindow)
		if v := look(ctx, p, public, old, next); v.Outcome == Fail {
			return v
		}
		p.sent, p.got = sent, got
		return Verdict{Warn, v.Why + " (for client " + c.ID + ", which has a secret)"}
	}
}

func oldRefused(ctx context.Context, p *Probe, c Client, old, _ tokens) Verdict {
	return p.reuses(ctx, c, old)
}

func reuseRevokes(ctx context.Context, p *Probe, c Client, old, next tokens) Verdict {
	if v := p.reuses(ctx, c, old); v.Outcome != Pass {
		return v
	}
	if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(next.refresh)))); v.Outcome != Pass {
		return fail("its successor after the reuse: %s", v.Why)
	}
	return pass()
}

func refreshNeedsAuth(ctx context.Context, p *Probe) Verdict {
	c := p.target.confidential()
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	q := p.as(Client{ID: c.ID, Method: AuthNone}, refreshForm(t.refresh))
	return refusedWith([]int{400, 401}, "invalid_client")(p.send(ctx, q))
}

// publicBound takes a token of another public client, or of any other when
// there is just one.
func publicBound(ctx context.Context, p *Probe) Verdict {
	t, c := p.target, p.target.public()
	others := []Client{t.Client, t.Second, t.Basic, t.Post, t.Public, t.Strict}
	other := first(func(o Client) bool { return o.ID != c.ID && o.method() == AuthNone }, others...)
	if other = or(other, first(func(o Client) bool { return o.ID != c.ID }, others...)); !other.known() {
		return Verdict{Skipped, "give " + string(NeedSecond)}
	}
	p.refreshes(ctx, c)
	p.refreshes(ctx, other)
	theirs := p.refreshable(ctx, other)
	return refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(theirs.refresh))))
}
