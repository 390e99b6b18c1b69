package storage

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Every case refreshes a lineage whose last rotation made tokens[2] just now.
func TestDecide(t *testing.T) {
	const tick = time.Microsecond
	strict := func(l *lineage) { l.client.RetryWindow = 0 }
	keeps := func(l *lineage) { l.client.Rotate = false }
	wait := func(d time.Duration) func(*lineage) { return func(l *lineage) { l.pass(d) } }
	behindBy := func(d time.Duration) func(*lineage) { return func(l *lineage) { l.at = l.at.Add(-d) } }
	at := func(i int) func([]RefreshToken) RefreshToken {
		return func(tokens []RefreshToken) RefreshToken { return tokens[i] }
	}
	forge := func(generation uint32) func([]RefreshToken) RefreshToken {
		return func(tokens []RefreshToken) RefreshToken { return forged(tokens[0], generation) }
	}
	type steps []func(*lineage)

	for name, c := range map[string]struct {
		given   steps
		present func([]RefreshToken) RefreshToken
		want    Outcome
		err     error
	}{
		"current, at once":                    {nil, at(2), Repeated, nil},
		"current, just inside the window":     {steps{wait(window - tick)}, at(2), Repeated, nil},
		"current, exactly the window ago":     {steps{wait(window)}, at(2), Rotated, nil},
		"current, long ago":                   {steps{wait(time.Hour)}, at(2), Rotated, nil},
		"current, strict":                     {steps{strict}, at(2), Rotated, nil},
		"current, reading below the row's":    {steps{behindBy(time.Second)}, at(2), Repeated, nil},
		"previous, at once":                   {nil, at(1), Retried, nil},
		"previous, just inside the window":    {steps{wait(window - tick)}, at(1), Retried, nil},
		"previous, exactly the window ago":    {steps{wait(window)}, at(1), "", ErrReused},
		"previous, strict":                    {steps{strict}, at(1), "", ErrReused},
		"previous, reading below the row's":   {steps{behindBy(time.Second)}, at(1), Retried, nil},
		"previous, strict, reading below":     {steps{strict, behindBy(time.Second)}, at(1), "", ErrReused},
		"the one before the previous":         {nil, at(0), "", ErrReused},
		"right generation, wrong secret":      {nil, forge(2), "", ErrReused},
		"previous generation, wrong secret":   {nil, forge(1), "", ErrReused},
		"next generation":                     {nil, forge(3), "", ErrBehind},
		"last generation":                     {nil, forge(math.MaxUint32), "", ErrBehind},
		"next generation, strict, later":      {steps{strict, wait(time.Hour)}, forge(3), "", ErrBehind},
		"kept, at once":                       {steps{keeps}, at(2), Repeated, nil},
		"kept, later":                         {steps{keeps, wait(window)}, at(2), Kept, nil},
		"kept, strict":                        {steps{keeps, strict}, at(2), Kept, nil},
		"rotation switched off, previous":     {steps{keeps}, at(1), Retried, nil},
		"rotation switched off, previous old": {steps{keeps, wait(window)}, at(1), "", ErrReused},
		"a wider window later":                {steps{wait(time.Hour), func(l *lineage) { l.client.RetryWindow = 2 * time.Hour }}, at(1), Retried, nil},
		"a narrower window later":             {steps{wait(time.Minute), func(l *lineage) { l.client.RetryWindow = time.Second }}, at(2), Rotated, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l, first := newLineage(Refresh.Decide, 0)
			tokens := l.rotated(t, first, 2)
			for _, step := range c.given {
				step(l)
			}
			before, r := l.row, l.request(c.present(tokens))
			out, err := l.refresh(r)
			if err != c.err || out.Outcome != c.want {
				t.Fatalf("%q, %v; want %q, %v", out.Outcome, err, c.want, c.err)
			}
			checkRefreshed(t, l, before, r, out, err)
			if (out.Outcome == Repeated || out.Outcome == Kept || out.Outcome == Retried) && !same(out.Token, tokens[2]) {
				t.Error("another token than the current one is answered")
			}
		})
	}
}

// checkRefreshed holds an answer against what every outcome promises.
func checkRefreshed(t *testing.T, l *lineage, before Session, r Refresh, out Refreshed, err error) {
	t.Helper()
	if !reflect.DeepEqual(out.Before, before) || !reflect.DeepEqual(out.User, l.user) || !reflect.DeepEqual(out.Client, l.client) {
		t.Error("the answer does not hold the rows that were read")
	}
	want := before
	switch {
	case err == ErrReused:
		want.EndedAt, want.EndReason = l.now, EndedReused
	case err == ErrBehind:
		want.EndedAt, want.EndReason = l.now, EndedBehind
	case err == nil && out.Outcome == Rotated:
		want.Ratchet = Ratchet{
			Generation: before.Generation + 1, Current: r.Token.successor(r.Nonce).digest(),
			Previous: before.Current, Nonce: r.Nonce, RotatedAt: l.at,
		}
		want.LastUsedAt, want.LastAddress = l.now, r.Address
	case err == nil && out.Outcome == Kept:
		want.Previous, want.RotatedAt = Digest{}, l.at
		want.LastUsedAt, want.LastAddress = l.now, r.Address
	}
	if !reflect.DeepEqual(out.Session, want) {
		t.Errorf("the row becomes\n%+v, want\n%+v", out.Session, want)
	}
	if out.Writes() != !reflect.DeepEqual(want, before) {
		t.Errorf("Writes is %v", out.Writes())
	}
	if (err == nil) != (out.Token.hidden != nil) {
		t.Errorf("a token is answered: %v, with error %v", out.Token.hidden != nil, err)
	}
	if err == nil && out.Token.digest() != out.Session.Current {
		t.Error("the token that is answered is not the row's current one")
	}
}

func TestDecideNeverRotated(t *testing.T) {
	l, first := newLineage(Refresh.Decide, 0)
	if _, err := l.decide(l.request(forged(first, 0)), l.row, l.user, l.client, l.at); err != ErrReused {
		t.Errorf("a wrong secret: %v", err)
	}
	before, r := l.row, l.request(first)
	out, err := l.refresh(r)
	if err != nil || out.Outcome != Rotated {
		t.Fatalf("%q, %v", out.Outcome, err)
	}
	checkRefreshed(t, l, before, r, out, err)
}

// A client's switch of Rotate in the middle of a session.
func TestDecideSwitch(t *testing.T) {
	l, first := newLineage(Refresh.Decide, 0)
	tokens := l.rotated(t, first, 1)
	want := func(outcome Outcome, answer RefreshToken) {
		t.Helper()
		out, err := l.present(answer)
		if err != nil || out.Outcome != outcome {
			t.Fatalf("%q, %v; want %q", out.Outcome, err, outcome)
		}
	}
	l.client.Rotate = false
	for range 3 {
		l.pass(window)
		want(Kept, tokens[1])
		want(Repeated, tokens[1])
	}
	kept := *l
	if _, err := kept.present(first); err != ErrReused { // its use just now does not revive the previous one
		t.Errorf("the token before the switch: %v", err)
	}
	l.client.Rotate = true
	want(Repeated, tokens[1])
	l.pass(window)
	want(Rotated, tokens[1])
	want(Retried, tokens[1])
}

// The generation never wraps: at its last one the token stays.
func TestDecideLastGeneration(t *testing.T) {
	l, token := newLineage(Refresh.Decide, math.MaxUint32-1)
	tokens := l.rotated(t, token, 1)
	if tokens[1].Generation() != math.MaxUint32 {
		t.Fatalf("generation %d", tokens[1].Generation())
	}
	if out, err := l.present(tokens[0]); err != nil || out.Outcome != Retried || !same(out.Token, tokens[1]) {
		t.Errorf("retry: %q, %v", out.Outcome, err)
	}
	for range 3 {
		l.pass(window)
		if out, err := l.present(tokens[1]); err != nil || out.Outcome != Kept || !same(out.Token, tokens[1]) {
			t.Errorf("%q, %v", out.Outcome, err)
		}
	}
	if _, err := l.present(tokens[0]); err != ErrReused {
		t.Errorf("the one before: %v", err)
	}
}

// A request with several things wrong is refused for the first of them, and
// only reuse and a store that was set back have an effect.
func TestDecideOrder(t *testing.T) {
	type fault struct {
		err   error
		apply func(l *lineage, r *Refresh)
	}
	before := []fault{
		{ErrClient, func(_ *lineage, r *Refresh) { r.Client++ }},
		{ErrEnded, func(l *lineage, _ *Refresh) { l.row = l.row.End(l.now, EndedPassword) }},
		{ErrExpired, func(l *lineage, r *Refresh) { r.Now = l.row.ExpiresAt }},
	}
	after := []fault{
		{ErrDisabled, func(l *lineage, _ *Refresh) { l.user.Disabled = true }},
		{ErrGrant, func(l *lineage, _ *Refresh) { l.client.Grants = []string{GrantPassword} }},
		{ErrScope, func(_ *lineage, r *Refresh) { r.Scope = []string{"admin"} }},
		{ErrResource, func(_ *lineage, r *Refresh) { r.Resources = []string{"https://c"} }},
	}
	for _, token := range []fault{
		{ErrReused, func(l *lineage, r *Refresh) { r.Token = forged(r.Token, l.row.Generation) }},
		{ErrBehind, func(l *lineage, r *Refresh) { r.Token = forged(r.Token, l.row.Generation+1) }},
	} {
		faults := slices.Concat(before, []fault{token}, after)
		for i, first := range faults {
			l, good := newLineage(Refresh.Decide, 0)
			r := l.request(good)
			for _, f := range faults[i:] {
				f.apply(l, &r)
			}
			row := l.row
			out, err := l.refresh(r)
			if err != first.err {
				t.Errorf("with the faults from %q on: %v", first.err, err)
			}
			if effect := err == ErrReused || err == ErrBehind; out.Writes() != effect || reflect.DeepEqual(l.row, row) == effect {
				t.Errorf("%v: has an effect: %v", err, out.Writes())
			}
		}
	}
}

// A retry within the window is refused for the same reasons as any refresh.
func TestDecideRefusesRetries(t *testing.T) {
	l, first := newLineage(Refresh.Decide, 0)
	tokens := l.rotated(t, first, 1)
	for _, token := range tokens {
		l.user.Disabled = true
		if _, err := l.present(token); err != ErrDisabled {
			t.Errorf("disabled user: %v", err)
		}
		l.user.Disabled = false
		r := l.request(token)
		r.Scope = []string{"admin"}
		if _, err := l.refresh(r); err != ErrScope {
			t.Errorf("wider scope: %v", err)
		}
	}
}

func TestDecideExpiry(t *testing.T) {
	const tick = time.Microsecond
	for name, c := range map[string]struct {
		now time.Time
		err error
	}{
		"just before it is idle": {opened.Add(idle - tick), nil},
		"idle":                   {opened.Add(idle), ErrExpired},
		"before the login":       {opened.Add(-time.Hour), nil},
	} {
		l, token := newLineage(Refresh.Decide, 0)
		l.now = c.now
		if _, err := l.present(token); err != c.err {
			t.Errorf("%s: %v", name, err)
		}
	}

	// However often it is used, the absolute lifetime ends it.
	l, token := newLineage(Refresh.Decide, 0)
	for range int(absolute/(idle/2)) - 1 {
		l.pass(idle / 2)
		out, err := l.present(token)
		if err != nil {
			t.Fatal(err)
		}
		token = out.Token
	}
	l.pass(idle/2 - tick)
	out, err := l.present(token)
	if err != nil {
		t.Fatalf("just before the end: %v", err)
	}
	l.pass(tick)
	if _, err := l.present(out.Token); err != ErrExpired {
		t.Errorf("at the end: %v", err)
	}
	if _, err := l.present(token); err != ErrExpired || !l.row.EndedAt.IsZero() {
		t.Errorf("a superseded token at the end: %v", err)
	}
}

// RFC 6749 §6 and RFC 8707 §2.2: what one access token of a refresh may hold.
func TestDecideAllows(t *testing.T) {
	type list = []string
	for name, c := range map[string]struct {
		granted, allowed, asked, want list
		err                           error // ErrScope stands for ErrResource too
	}{
		"all":                              {list{"a", "b"}, list{"a", "b", "c"}, nil, list{"a", "b"}, nil},
		"narrowed":                         {list{"a", "b"}, list{"a", "b", "c"}, list{"b"}, list{"b"}, nil},
		"in the order of the grant":        {list{"a", "b"}, list{"b", "a"}, list{"b", "a"}, list{"a", "b"}, nil},
		"widened to what the client may":   {list{"a", "b"}, list{"a", "b", "c"}, list{"a", "c"}, nil, ErrScope},
		"unknown":                          {list{"a", "b"}, list{"a", "b", "c"}, list{"x"}, nil, ErrScope},
		"taken from the client":            {list{"a", "b"}, list{"a"}, nil, list{"a"}, nil},
		"taken, asked for among others":    {list{"a", "b"}, list{"a"}, list{"a", "b"}, list{"a"}, nil},
		"taken, asked for alone":           {list{"a", "b"}, list{"a"}, list{"b"}, nil, ErrScope},
		"all taken":                        {list{"a", "b"}, list{"c"}, nil, nil, ErrScope},
		"given back to the client":         {list{"a", "b"}, list{"b", "a"}, nil, list{"a", "b"}, nil},
		"asked for twice":                  {list{"a", "b"}, list{"a", "b"}, list{"a", "a"}, list{"a"}, nil},
		"a part of a name is not the name": {list{"ab"}, list{"ab"}, list{"a"}, nil, ErrScope},
	} {
		l, token := newLineage(Refresh.Decide, 0)
		l.row.Scope, l.client.Scopes = c.granted, c.allowed
		r := l.request(token)
		r.Scope = c.asked
		if out, err := l.refresh(r); err != c.err || !slices.Equal(out.Scope, c.want) {
			t.Errorf("scope, %s: %q, %v; want %q, %v", name, out.Scope, err, c.want, c.err)
		}
		l, token = newLineage(Refresh.Decide, 0)
		l.row.Audience, l.client.Audiences = c.granted, c.allowed
		r, c.err = l.request(token), map[error]error{ErrScope: ErrResource}[c.err]
		r.Resources = c.asked
		if out, err := l.refresh(r); err != c.err || !slices.Equal(out.Audience, c.want) {
			t.Errorf("resources, %s: %q, %v; want %q, %v", name, out.Audience, err, c.want, c.err)
		}
	}
}

// A session without a scope stays usable; one without an audience does not.
func TestDecideAllowsNothing(t *testing.T) {
	l, token := newLineage(Refresh.Decide, 0)
	l.row.Scope = nil
	if out, err := l.present(token); err != nil || len(out.Scope) != 0 {
		t.Errorf("no scope: %q, %v", out.Scope, err)
	}
	r := l.request(token)
	r.Scope = []string{"read"}
	if _, err := l.refresh(r); err != ErrScope {
		t.Errorf("a scope where none was granted: %v", err)
	}
	l.row.Audience = nil
	if _, err := l.present(token); err != ErrResource {
		t.Errorf("no audience: %v", err)
	}
}

// Narrowing is for one access token: the session keeps what was granted.
func TestDecideNarrowsOnce(t *testing.T) {
	l, token := newLineage(Refresh.Decide, 0)
	r := l.request(token)
	r.Scope, r.Resources = []string{"read"}, []string{"https://b"}
	out, err := l.refresh(r)
	if err != nil || !slices.Equal(out.Scope, r.Scope) || !slices.Equal(out.Audience, r.Resources) {
		t.Fatalf("%q, %q, %v", out.Scope, out.Audience, err)
	}
	out, err = l.present(out.Token)
	if err != nil || len(out.Scope) != 2 || len(out.Audience) != 2 {
		t.Errorf("afterwards: %q, %q, %v", out.Scope, out.Audience, err)
	}
}

// What a backend wraps can still be told apart.
func TestErrorsAreDistinct(t *testing.T) {
	all := []error{
		ErrNotFound, ErrConflict, ErrDisabled, ErrExpired, ErrEnded, ErrClient, ErrGrant,
		ErrScope, ErrResource, ErrReused, ErrBehind, ErrUnavailable, ErrMalformed,
	}
	for i, a := range all {
		for j, b := range all {
			if (i == j) != errors.Is(a, b) {
				t.Errorf("%q is %q: %v", a, b, i != j)
			}
		}
	}
}
