package storage

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What holds for every history of refreshes. Each law draws a history, plays
// it on a decider and says what went wrong. Sentence by sentence:
//
//	any number of parallel refreshes of one token all succeed   parallel refreshes succeed alike
//	  with the same successor and one write                       a retry gets a token of its own, a retry forks the lineage
//	a client that re-reads its stored token and retries inside  who retries is never logged out
//	  the window is never logged out                              retries are not known, the window is wall time in an outage, who was refused is logged out
//	copies that refresh further apart than the window are       copies are told by the window
//	  treated as theft, a second tab's too                        the window never ends, reuse is reported and not recorded, …
//	a thief who stays inside the window of the victim's every   who stays inside the window goes unseen
//	  refresh goes unseen until the absolute lifetime             a retry from elsewhere is theft, the absolute lifetime slides
//	storage is O(sessions), not O(refreshes)                    a session stays one row
//	                                                              what was asked for is all there is, a row keeps the addresses
//	clock jumps change none of it                               clock jumps change nothing
//	                                                              the window is wall time, the last use follows the clock back
//	a refused refresh costs nothing                             a refusal costs nothing
//	                                                              a refused scope is refused too late, another client ends the session, …
//	a generation above the row's is a store set back            a store set back is no theft
//	RetryWindow 0 is strict                                     a strict client has one chance
//	                                                              no window is the usual window
//	rotate: false answers the presented token, always           who does not rotate keeps the token
//	                                                              everybody rotates
//
// The same, and the rows there are, of whole stores through restarts: storagetest/lives.go.
var laws = map[string]func(*rapid.T, decider) error{
	"parallel refreshes succeed alike":        parallelRefreshes,
	"who retries is never logged out":         honestClient,
	"copies are told by the window":           copies,
	"who stays inside the window goes unseen": lockStep,
	"a strict client has one chance":          strict,
	"who does not rotate keeps the token":     keptToken,
	"a session stays one row":                 oneRow,
	"a refusal costs nothing":                 refusals,
	"a store set back is no theft":            setBack,
	"clock jumps change nothing":              clockJumps,
}

func TestLaws(t *testing.T) {
	for name, law := range laws {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				if err := law(rt, Refresh.Decide); err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}

// drawLineage opens a lineage under some policy, which may have a past.
func drawLineage(rt *rapid.T, d decider) (*lineage, RefreshToken) {
	l, token := newLineage(d, 0)
	l.client.RetryWindow = rapid.SampledFrom([]time.Duration{time.Second, window, time.Hour}).Draw(rt, "window")
	l.row.IdleLifetime = 10 * 365 * 24 * time.Hour // nothing expires unless a law says so
	l.row.ExpiresAt = opened.Add(l.row.IdleLifetime)
	for range rapid.IntRange(0, 2).Draw(rt, "rotations before") {
		l.pass(l.client.RetryWindow)
		if out, err := l.present(token); err == nil {
			token = out.Token
		}
	}
	l.pass(l.client.RetryWindow)
	l.writes = 0
	return l, token
}

// drawGap draws a time to let go by, often near the window's end.
func drawGap(rt *rapid.T, w time.Duration) time.Duration {
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, time.Microsecond, w - time.Microsecond, w, w + time.Microsecond}),
		rapid.Map(rapid.Int64Range(0, 3*w.Microseconds()), func(us int64) time.Duration { return time.Duration(us) * time.Microsecond }),
	).Draw(rt, "gap")
}

// Any number of refreshes of one token, interleaved in any way within the
// window: each reads the row, decides, and compares and swaps, or reads again.
func parallelRefreshes(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	type request struct {
		Refresh
		row  Session
		at   ServiceTime
		read bool
	}
	open := make([]*request, rapid.IntRange(2, 20).Draw(rt, "requests"))
	for i := range open {
		open[i] = &request{Refresh: l.request(token)}
	}
	left := l.client.RetryWindow - time.Microsecond
	var answer RefreshToken
	for first := true; len(open) > 0; {
		gap := time.Duration(rapid.Int64Range(0, left.Microseconds()/4).Draw(rt, "µs")) * time.Microsecond
		l.pass(gap)
		left -= gap
		i := rapid.IntRange(0, len(open)-1).Draw(rt, "request")
		r := open[i]
		if !r.read {
			r.row, r.at, r.read = l.row, l.at, true
			continue
		}
		out, err := d(r.Refresh, r.row, l.user, l.client, r.at)
		if err != nil {
			return fmt.Errorf("one of the requests is refused: %v", err)
		}
		if out.Writes() {
			if out.Before.Generation != l.row.Generation || out.Before.Current != l.row.Current {
				r.read = false
				continue
			}
			l.row = out.Session
			l.writes++
		}
		if !first && !same(out.Token, answer) {
			return fmt.Errorf("two requests get different tokens")
		}
		answer, first = out.Token, false
		open = append(open[:i], open[i+1:]...)
	}
	if l.writes != 1 {
		return fmt.Errorf("%d writes", l.writes)
	}
	l.pass(l.client.RetryWindow)
	if out, err := l.present(answer); err != nil || out.Outcome != Rotated {
		return fmt.Errorf("the answer is no good afterwards: %q, %v", out.Outcome, err)
	}
	return nil
}

// A client of several tabs with one store of tokens: each reads the stored
// token before an attempt, and when all answers are lost somebody tries again
// within the window of service time, however long an outage takes in between,
// wherever the clock jumps and whatever the client asks for in vain.
func honestClient(rt *rapid.T, d decider) error {
	l, stored := drawLineage(rt, d)
	l.client.Rotate = rapid.Bool().Draw(rt, "rotate")
	var waiting bool
	var since ServiceTime // of the first attempt that nobody had an answer to
	for range rapid.IntRange(1, 25).Draw(rt, "attempts") {
		gap := drawGap(rt, l.client.RetryWindow)
		if waiting {
			gap = min(gap, since.Add(l.client.RetryWindow).Sub(l.at)-time.Microsecond)
		}
		l.pass(gap)
		jumps := []time.Duration{0, 0, 3 * l.client.RetryWindow, time.Hour, -time.Hour} // an outage, or a wrong clock
		l.now = l.now.Add(rapid.SampledFrom(jumps).Draw(rt, "jump"))
		if !waiting {
			waiting, since = true, l.at
		}
		token := stored
		if rapid.IntRange(0, 3).Draw(rt, "in vain") == 0 {
			r := l.request(token)
			r.Scope = []string{"admin"}
			if _, err := l.refresh(r); err != ErrScope {
				return fmt.Errorf("a scope that was never granted: %v", err)
			}
		}
		for range rapid.IntRange(1, 4).Draw(rt, "tabs") {
			out, err := l.present(token)
			if err != nil {
				return fmt.Errorf("logged out: %v", err)
			}
			if rapid.Bool().Draw(rt, "answered") {
				stored, waiting = out.Token, false
			}
		}
	}
	return nil
}

// Several holders of copies of one token, each with its own store of tokens.
// The history is held against the rule in words: the current token rotates once
// a window has gone by; the one before it gets the same answer within the
// window; anything older ends the session.
func copies(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	holders := make([]int, rapid.IntRange(1, 3).Draw(rt, "holders")) // which token each holds
	tokens, rotatedAt, ended := []RefreshToken{token}, ServiceTime(0), false
	if l.row.Generation > 0 {
		rotatedAt = l.row.RotatedAt
	}
	for range rapid.IntRange(1, 25).Draw(rt, "refreshes") {
		l.pass(drawGap(rt, l.client.RetryWindow))
		h := rapid.IntRange(0, len(holders)-1).Draw(rt, "holder")
		current, held := len(tokens)-1, holders[h]
		young := rotatedAt != 0 && l.at.Sub(rotatedAt) < l.client.RetryWindow
		want, wantErr := Outcome(""), error(nil)
		switch {
		case ended:
			wantErr = ErrEnded
		case held == current && young:
			want = Repeated
		case held == current:
			want, rotatedAt = Rotated, l.at
		case held == current-1 && young:
			want = Retried
		default:
			wantErr, ended = ErrReused, true
		}
		writes := l.writes
		out, err := l.present(tokens[held])
		if err != wantErr || out.Outcome != want {
			return fmt.Errorf("%d of %d, young %v: %q, %v; want %q, %v", held, current, young, out.Outcome, err, want, wantErr)
		}
		if wrote := l.writes != writes; wrote != (want == Rotated || err == ErrReused) {
			return fmt.Errorf("%q, %v: written: %v", want, err, wrote)
		}
		if ended != !l.row.EndedAt.IsZero() || ended && l.row.EndReason != EndedReused {
			return fmt.Errorf("%v: ended as %q", err, l.row.EndReason)
		}
		if err != nil {
			continue
		}
		if want == Rotated {
			tokens = append(tokens, out.Token)
		}
		holders[h] = len(tokens) - 1
		if !same(out.Token, tokens[holders[h]]) {
			return fmt.Errorf("%q: not the one successor", want)
		}
	}
	return nil
}

// Requests that are refused leave the session as it would be without them.
func refusals(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	twin := *l
	tokens := []RefreshToken{token}
	for range rapid.IntRange(1, 25).Draw(rt, "requests") {
		gap := drawGap(rt, l.client.RetryWindow)
		l.pass(gap)
		twin.pass(gap)
		r := l.request(tokens[rapid.IntRange(max(0, len(tokens)-2), len(tokens)-1).Draw(rt, "token")])
		user, client, row := l.user, l.client, l.row
		switch rapid.SampledFrom([]string{"good", "client", "scope", "resource", "disabled", "grant"}).Draw(rt, "fault") {
		case "good":
			got, err := l.refresh(r)
			want, wantErr := twin.refresh(r)
			if err != wantErr || got.Outcome != want.Outcome || !reflect.DeepEqual(l.row, twin.row) {
				return fmt.Errorf("%q, %v; without the refused ones %q, %v", got.Outcome, err, want.Outcome, wantErr)
			}
			if got.Outcome == Rotated {
				tokens = append(tokens, got.Token)
			}
			continue
		case "client":
			r.Client++
		case "scope":
			r.Scope = []string{"admin"}
		case "resource":
			r.Resources = []string{"https://c"}
		case "disabled":
			l.user.Disabled = true
		case "grant":
			l.client.Grants = nil
		}
		out, err := l.decide(r, l.row, l.user, l.client, l.at)
		l.user, l.client = user, client
		switch {
		case err == ErrReused: // superseded for long: more than a refusal
		case err == nil || out.Writes() || !reflect.DeepEqual(out.Session, row):
			return fmt.Errorf("refused with %v, and yet the row changes: %v", err, out.Writes())
		}
	}
	return nil
}

// The whole store is set back to an earlier state, service time too: whoever
// holds a token from after it is told apart from a thief.
func setBack(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	kept, tokens := []lineage{*l}, []RefreshToken{token}
	for range rapid.IntRange(1, 6).Draw(rt, "rotations") {
		l.pass(l.client.RetryWindow)
		out, err := l.present(token)
		if err != nil {
			return err
		}
		token = out.Token
		kept, tokens = append(kept, *l), append(tokens, token)
	}
	back := rapid.IntRange(0, len(kept)-2).Draw(rt, "back to")
	held := rapid.IntRange(back+1, len(kept)-1).Draw(rt, "token")
	*l = kept[back]
	l.pass(drawGap(rt, l.client.RetryWindow))
	if _, err := l.present(tokens[held]); err != ErrBehind || l.row.EndReason != EndedBehind {
		return fmt.Errorf("%v, ended as %q", err, l.row.EndReason)
	}
	if _, err := l.present(tokens[back]); err != ErrEnded {
		return fmt.Errorf("afterwards: %v", err)
	}
	return nil
}

// The wall clock goes anywhere short of a lifetime's end; what is answered is
// what a steady clock gets.
func clockJumps(rt *rapid.T, d decider) error {
	l, token := drawLineage(rt, d)
	l.now, l.row.LastUsedAt, l.row.IdleLifetime = opened, opened, idle
	twin := *l
	tokens := []RefreshToken{token}
	for range rapid.IntRange(1, 25).Draw(rt, "refreshes") {
		gap := drawGap(rt, l.client.RetryWindow)
		l.at, twin.at = l.at.Add(gap), twin.at.Add(gap)
		l.now = rapid.OneOf(
			rapid.Just(time.Unix(0, 0)), // a machine without a battery
			rapid.Map(rapid.Int64Range(-int64(10*idle), int64(idle)-1), func(d int64) time.Time { return opened.Add(time.Duration(d)) }),
		).Draw(rt, "clock")
		r := l.request(rapid.SampledFrom(tokens).Draw(rt, "token"))
		got, err := l.refresh(r)
		r.Now = twin.now
		want, wantErr := twin.refresh(r)
		if err != wantErr || got.Outcome != want.Outcome || !same(got.Token, want.Token) {
			return fmt.Errorf("%q, %v; with a steady clock %q, %v", got.Outcome, err, want.Outcome, wantErr)
		}
		if got.Outcome == Rotated {
			tokens = append(tokens, got.Token)
		}
	}
	return nil
}
