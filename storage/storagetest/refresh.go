package storagetest

import (
	"encoding/json"
	"math"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func refreshCases() map[string]func(*store) {
	return map[string]func(*store){
		"an unknown token is not found":         refreshUnknown,
		"a refresh writes what was decided":     refreshWrites,
		"the window is service time":            refreshWindow,
		"a strict client has no window":         refreshStrict,
		"a client that does not rotate":         refreshKeeps,
		"a refusal costs nothing":               refreshRefused,
		"a narrower scope is for one token":     refreshNarrow,
		"reuse ends the session and no other":   refreshReused,
		"a store set back ends the session":     refreshBehind,
		"sessions expire":                       refreshExpires,
		"many refreshes leave one row":          refreshOneRow,
		"a session goes on after a restart":     refreshReopened,
		"a refresh reads the user and client":   refreshReads,
		"only the token's own session is found": refreshStranger,
	}
}

func refreshUnknown(s *store) {
	d := s.login(s.addUser("ada"), s.addClient("web"))
	unknown := device{d.client, storage.NewRefreshToken()}
	out, err := s.refresh(unknown)
	s.wants(storage.ErrNotFound, err)
	s.equal(out, storage.Refreshed{})
	s.live(d.token)
}

// decided refreshes and holds the answer and the row against the ratchet.
func (s *store) decided(r storage.Refresh, u storage.User, c storage.Client) (storage.Refreshed, error) {
	s.Helper()
	before := s.row(r.Token)
	at, err := s.ServiceTime(s.Context())
	s.must(err)
	got, err := s.RotateSession(s.Context(), r)
	if got.Writes() && err == nil {
		if moved := got.Session.RotatedAt.Sub(at); moved < 0 || moved > 30*time.Second {
			s.Fatalf("rotated %v after the service time before", moved)
		}
		at = got.Session.RotatedAt
	}
	want, wantErr := r.Decide(before, u, c, at)
	if verdict(err) != wantErr {
		s.Fatalf("got %v, want %v", err, wantErr)
	}
	s.equal(got, want)
	if want.Writes() {
		s.equal(s.row(r.Token), want.Session)
	} else {
		s.equal(s.row(r.Token), before)
	}
	return got, err
}

func refreshWrites(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	first := d
	for i := range 4 {
		s.now = s.now.Add(time.Minute + 999)
		out, err := s.decided(s.request(d, func(r *storage.Refresh) { r.Address = "2001:db8::" + string(rune('1'+i)) }), ada, web)
		s.must(err)
		for _, again := range []device{d, {d.client, out.Token}} {
			same, err := s.decided(s.request(again), ada, web)
			s.must(err)
			if same.Token.Reveal() != out.Token.Reveal() {
				s.Fatal("another token is answered the second time")
			}
		}
		d.token = out.Token
		s.AddService(window + time.Minute)
	}
	_, err := s.decided(s.request(first), ada, web)
	s.wants(storage.ErrReused, err)
	_, err = s.decided(s.request(d), ada, web)
	s.wants(storage.ErrEnded, err)
}

// Wall time means nothing to the retry window, in either direction.
func refreshWindow(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	first := s.login(ada, web)
	next := s.refreshed(first, storage.Rotated)
	for _, jump := range []time.Duration{10 * time.Hour, -20 * time.Hour, 10 * time.Hour} {
		s.now = s.now.Add(jump)
		s.refreshed(first, storage.Retried)
		s.refreshed(next, storage.Repeated)
	}
	s.AddService(window - 30*time.Second)
	s.refreshed(first, storage.Retried)
	s.refreshed(next, storage.Repeated)
	s.AddService(30 * time.Second)
	s.refreshed(next, storage.Rotated)
	s.refreshed(next, storage.Retried)
}

func refreshStrict(s *store) {
	strict := s.addClient("strict", func(c *storage.Client) { c.RetryWindow = 0 })
	d := s.login(s.addUser("ada"), strict)
	next := s.refreshed(s.refreshed(s.refreshed(d, storage.Rotated), storage.Rotated), storage.Rotated)
	_, err := s.refresh(d)
	s.wants(storage.ErrReused, err)
	_, err = s.refresh(next)
	s.wants(storage.ErrEnded, err)
}

func refreshKeeps(s *store) {
	ada := s.addUser("ada")
	web := s.addClient("web", func(c *storage.Client) { c.Rotate = false })
	d := s.login(ada, web)
	for range 3 {
		s.now = s.now.Add(time.Hour)
		for _, want := range []storage.Outcome{storage.Kept, storage.Repeated} {
			out, err := s.decided(s.request(d), ada, web)
			s.must(err)
			if out.Outcome != want || out.Token.Reveal() != d.token.Reveal() {
				s.Fatalf("%q, want %q", out.Outcome, want)
			}
		}
		if got := s.row(d.token).LastUsedAt; !got.Equal(s.now) {
			s.Errorf("last used at %v, want %v", got, s.now)
		}
		s.AddService(window + time.Minute)
	}
}

func refreshRefused(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	other := s.addClient("other", func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	fresh, rotated, granted := s.login(ada, web), s.login(ada, web), s.login(ada, other)
	next := s.refreshed(rotated, storage.Rotated)
	for name, c := range map[string]struct {
		change func(*storage.Refresh)
		want   error
	}{
		"another client":   {func(r *storage.Refresh) { r.Client = other.Number }, storage.ErrClient},
		"no client":        {func(r *storage.Refresh) { r.Client = 0 }, storage.ErrClient},
		"wider scope":      {func(r *storage.Refresh) { r.Scope = []string{"read", "admin"} }, storage.ErrScope},
		"unknown scope":    {func(r *storage.Refresh) { r.Scope = []string{"x"} }, storage.ErrScope},
		"wider resource":   {func(r *storage.Refresh) { r.Resources = []string{"https://c.example"} }, storage.ErrResource},
		"idle by then":     {func(r *storage.Refresh) { r.Now = r.Now.Add(idle) }, storage.ErrExpired},
		"expired by then":  {func(r *storage.Refresh) { r.Now = r.Now.Add(absolute) }, storage.ErrExpired},
		"client and scope": {func(r *storage.Refresh) { r.Client, r.Scope = other.Number, []string{"x"} }, storage.ErrClient},
	} {
		for _, d := range []device{fresh, rotated, next} { // unused, previous and current
			if _, err := s.decided(s.request(d, c.change), ada, web); verdict(err) != c.want {
				s.Fatalf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
	_, err := s.decided(s.request(granted), ada, other)
	s.wants(storage.ErrGrant, err)
	s.reopen()
	s.live(granted.token)
	s.refreshed(rotated, storage.Retried)
	s.refreshed(fresh, storage.Rotated)
}

func refreshNarrow(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.RetryWindow = 0 })
	d := s.login(ada, web)
	out, err := s.decided(s.request(d, func(r *storage.Refresh) {
		r.Scope, r.Resources = []string{"write"}, []string{"https://b.example"}
	}), ada, web)
	s.must(err)
	s.equal(out.Scope, []string{"write"})
	s.equal(out.Audience, []string{"https://b.example"})
	d.token = out.Token
	out, err = s.decided(s.request(d), ada, web)
	s.must(err)
	s.equal(out.Scope, []string{"read", "write"})
	s.equal(out.Audience, []string{"https://a.example", "https://b.example"})
}

// The end is committed before it is reported, and concerns one session.
func refreshReused(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	stolen, laptop := s.login(ada, web), s.login(ada, web)
	next := s.refreshed(stolen, storage.Rotated)
	s.AddService(window + time.Minute)
	s.now = s.now.Add(time.Hour)
	out, err := s.decided(s.request(stolen), ada, web)
	s.wants(storage.ErrReused, err)
	s.endedBy(out, storage.EndedReused, stolen, next, laptop)
}

func refreshBehind(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	lost, laptop := s.login(ada, web), s.login(ada, web)
	s.now = s.now.Add(time.Hour)
	ahead := device{lost.client, forged(lost.token, 3)}
	out, err := s.decided(s.request(ahead), ada, web)
	s.wants(storage.ErrBehind, err)
	s.endedBy(out, storage.EndedBehind, lost, ahead, laptop)

	far := s.login(ada, web)
	_, err = s.decided(s.request(device{far.client, forged(far.token, math.MaxUint32)}), ada, web)
	s.wants(storage.ErrBehind, err)
}

// endedBy looks at a session that a refresh has ended, and at another one.
func (s *store) endedBy(out storage.Refreshed, why storage.EndReason, one, two, other device) {
	s.Helper()
	if out.Session.EndReason != why || !out.Session.EndedAt.Equal(s.now) || !out.Before.EndedAt.IsZero() {
		s.Errorf("answered: ended at %v as %q", out.Session.EndedAt, out.Session.EndReason)
	}
	for range 2 {
		for _, d := range []device{one, two} {
			s.ended(d.token, why)
			_, err := s.refresh(d)
			s.wants(storage.ErrEnded, err)
		}
		s.live(other.token)
		s.reopen()
	}
	s.refreshed(other, storage.Rotated)
}

func refreshExpires(s *store) {
	const tick = time.Microsecond
	ada, web := s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.RetryWindow = 0 })
	d, began := s.login(ada, web), s.now
	s.now = began.Add(idle)
	_, err := s.refresh(d)
	s.wants(storage.ErrExpired, err)
	for end := began.Add(absolute); ; {
		s.now = s.now.Add(-tick) // just before it is idle
		if !s.now.Before(end) {
			s.now = end.Add(-tick)
			d = s.refreshed(d, storage.Rotated)
			break
		}
		d = s.refreshed(d, storage.Rotated)
		s.now = s.now.Add(idle)
	}
	s.now = s.now.Add(tick)
	_, err = s.refresh(d)
	s.wants(storage.ErrExpired, err)
	s.live(d.token) // expired, and not ended by anybody
}

func refreshOneRow(s *store) {
	d := s.login(s.addUser("ada"), s.addClient("web", func(c *storage.Client) { c.RetryWindow = 0 }))
	for range 100 {
		d = s.refreshed(d, storage.Rotated)
	}
	if row := s.row(d.token); row.Generation != 100 {
		s.Errorf("generation %d", row.Generation)
	}
	_, removed, err := s.SweepSessions(s.Context(), storage.SessionID{}, 1000, s.now.Add(10*absolute))
	s.must(err)
	if removed != 1 {
		s.Errorf("%d rows", removed)
	}
}

func refreshReopened(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	d := s.login(ada, web)
	for range 3 {
		s.reopen()
		next := s.refreshed(d, storage.Rotated)
		row := s.row(d.token)
		s.reopen() // with the answer lost
		s.equal(s.row(d.token), row)
		if again := s.refreshed(d, storage.Retried); again.token.Reveal() != next.token.Reveal() {
			s.Fatal("another successor after the restart")
		}
		s.AddService(window + time.Minute)
		d = next
	}
	if _, err := s.decided(s.request(d), ada, web); err != nil {
		s.Error(err)
	}
}

func refreshReads(s *store) {
	u := s.aUser("ada")
	u.Claims = storage.UserClaims{Roles: []string{"staff"}, Extra: map[string]any{"level": json.Number("9007199254740993")}}
	s.must(s.CreateUser(s.Context(), u))
	s.addUser("bob")
	s.addClient("app")
	web := s.addClient("web", func(c *storage.Client) { c.Secrets, c.Claims = []storage.Digest{{1}, {2}}, []string{"level"} })
	d := s.login(u, web)
	s.must(s.Rehash(s.Context(), u.ID, u.PasswordHash, "stronger"))
	u.PasswordHash = "stronger"
	for range 2 { // rotated, then retried
		out, err := s.refresh(d)
		s.must(err)
		s.equal(out.User, u)
		s.equal(out.Client, web)
	}
}

func refreshStranger(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	mine, hers := s.login(ada, web), s.login(ada, web)
	// A token of one session with the secret of another, as nobody can have it.
	mixed := hers.token.Reveal()
	cut := len(mixed) - 40 // within the secret
	token, err := storage.ParseRefreshToken(mine.token.Reveal()[:cut] + mixed[cut:])
	s.must(err)
	_, err = s.refresh(device{web.Number, token})
	s.wants(storage.ErrReused, err)
	s.ended(mine.token, storage.EndedReused)
	s.live(hers.token)
}
