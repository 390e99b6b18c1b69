package storage

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// A thief who refreshes inside the window of the victim's every refresh, before
// the victim or after, from any generation on: nobody sees it, both have the same
// tokens, and the absolute lifetime ends it.
func lockStep(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	end := l.row.ExpiresAt
	for range rapid.IntRange(1, 15).Draw(rt, "refreshes") {
		l.pass(drawGap(rt, l.client.RetryWindow))
		var answers []RefreshToken
		for _, address := range rapid.Permutation([]string{"192.0.2.2", "198.51.100.66"}).Draw(rt, "order") {
			r := l.request(token)
			r.Address = address
			out, err := l.refresh(r)
			if err != nil {
				return fmt.Errorf("%s is refused: %v", address, err)
			}
			if answers = append(answers, out.Token); out.Outcome != Repeated { // at once, or later within the window
				l.pass(time.Duration(rapid.Int64Range(0, l.client.RetryWindow.Microseconds()-1).Draw(rt, "µs")) * time.Microsecond)
			}
		}
		if !same(answers[0], answers[1]) || !l.row.EndedAt.IsZero() {
			return fmt.Errorf("the two are told apart, ended as %q", l.row.EndReason)
		}
		token = answers[0]
	}
	l.now = end
	if _, err := l.present(token); err != ErrExpired || !l.row.EndedAt.IsZero() {
		return fmt.Errorf("after the absolute lifetime: %v, ended as %q", err, l.row.EndReason)
	}
	return nil
}

// Without a window every current token rotates at once, and presenting any
// other ends the session, however soon.
func strict(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	l.client.RetryWindow = 0
	tokens := []RefreshToken{token}
	for range rapid.IntRange(1, 10).Draw(rt, "refreshes") {
		l.pass(drawGap(rt, window))
		out, err := l.present(tokens[len(tokens)-1])
		if err != nil || out.Outcome != Rotated {
			return fmt.Errorf("the current token: %q, %v", out.Outcome, err)
		}
		tokens = append(tokens, out.Token)
	}
	l.pass(drawGap(rt, window))
	old := rapid.SampledFrom(tokens[:len(tokens)-1]).Draw(rt, "old")
	if out, err := l.present(old); err != ErrReused || l.row.EndReason != EndedReused {
		return fmt.Errorf("an old token: %q, %v, ended as %q", out.Outcome, err, l.row.EndReason)
	}
	if _, err := l.present(tokens[len(tokens)-1]); err != ErrEnded {
		return fmt.Errorf("the current token afterwards: %v", err)
	}
	return nil
}

// A client that does not rotate has one token for life, whoever else has it;
// its use is written once in a window.
func keptToken(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	l.client.Rotate = false
	var written ServiceTime
	for range rapid.IntRange(1, 25).Draw(rt, "refreshes") {
		l.pass(drawGap(rt, l.client.RetryWindow))
		writes := l.writes
		out, err := l.present(token)
		if err != nil || !same(out.Token, token) {
			return fmt.Errorf("%q, %v: another token: %v", out.Outcome, err, err == nil)
		}
		if l.writes == writes {
			continue
		}
		if written != 0 && l.at.Sub(written) < l.client.RetryWindow {
			return fmt.Errorf("written %v after the last time", l.at.Sub(written))
		}
		written = l.at
	}
	return nil
}

// However often a session is refreshed, narrowed or refused, all that changes is
// what has a size of its own: the rest is as it was at the login.
func oneRow(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	fixed := func(s Session) Session {
		s.Ratchet, s.LastUsedAt, s.LastAddress, s.EndedAt, s.EndReason = Ratchet{}, time.Time{}, "", time.Time{}, ""
		s.Scope, s.Audience = slices.Clone(s.Scope), slices.Clone(s.Audience)
		return s
	}
	first := fixed(l.row)
	for range rapid.IntRange(1, 25).Draw(rt, "refreshes") {
		l.pass(drawGap(rt, l.client.RetryWindow))
		r := l.request(token)
		r.Scope = rapid.SampledFrom([][]string{nil, {"read"}, {"admin"}}).Draw(rt, "scope")
		r.Resources = rapid.SampledFrom([][]string{nil, {"https://a"}, {"https://c"}}).Draw(rt, "resources")
		if out, err := l.refresh(r); err == nil {
			token = out.Token
		}
		if now := fixed(l.row); !reflect.DeepEqual(now, first) {
			return fmt.Errorf("the session becomes\n%+v, was\n%+v", now, first)
		}
	}
	return nil
}
