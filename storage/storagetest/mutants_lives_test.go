package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// At least one backend for each law of lives.go.
var livesMutants = map[string]mutant{
	"a retry's own token, in lives":  {retries(ownToken), "lives: law: " + lawAlike},
	"retry writes, in lives":         {func(m *Model) Backend { return retryWrites{m} }, "lives: law: " + lawAlike},
	"a browser's retry is theft":     {retries(isTheft(browserAddress, browserAddress)), "lives: law: " + lawHonest},
	"a retry from elsewhere is":      {retries(isTheft(thiefAddress, browserAddress)), "lives: law: " + lawUnseen},
	"reuse rolled back, in lives":    {func(m *Model) Backend { return forgiving{m} }, "lives: law: " + lawCopies},
	"no window is the usual one":     {clientsAs(func(c *storage.Client) { c.RetryWindow = max(c.RetryWindow, historyWindow) }), "lives: law: " + lawStrict},
	"everybody rotates":              {clientsAs(func(c *storage.Client) { c.Rotate = true }), "lives: law: " + lawKept},
	"refusal writes, in lives":       {func(m *Model) Backend { return refusalWrites{m} }, "lives: law: " + lawRefusals},
	"a row for each rotation":        {func(m *Model) Backend { return rowEach{m} }, "lives: law: " + lawOneRow},
	"service time runs in an outage": {atOpening(func(s *state) { s.at = s.at.Add(time.Hour) }), "lives: law: "},
	"service time begins anew":       {atOpening(func(s *state) { s.at = 1 }), "lives: law: "},
	"window in wall time, in lives":  {func(m *Model) Backend { return wallWindow{m} }, "lives: law: "},
}

func TestEveryLawOfLivesIsBroken(t *testing.T) {
	var broken []string
	for _, m := range livesMutants {
		broken = append(broken, m.find)
	}
	for _, law := range []string{lawAlike, lawHonest, lawCopies, lawUnseen, lawStrict, lawKept, lawRefusals, lawOneRow} {
		if !slices.Contains(broken, "lives: law: "+law) {
			t.Errorf("nothing breaks %q", law)
		}
	}
}

// A retrier does something else with a retry.
type retrier struct {
	*Model
	do func(*Model, storage.Refresh, storage.Refreshed) (storage.Refreshed, error)
}

func retries(do func(*Model, storage.Refresh, storage.Refreshed) (storage.Refreshed, error)) func(*Model) Backend {
	return func(m *Model) Backend { return retrier{m, do} }
}

func (b retrier) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if err == nil && out.Outcome == storage.Retried {
		return b.do(b.Model, r, out)
	}
	return out, err
}

func ownToken(_ *Model, r storage.Refresh, out storage.Refreshed) (storage.Refreshed, error) {
	out.Token = forged(r.Token, out.Token.Generation())
	return out, nil
}

// isTheft ends the session with a retry from one address after a rotation from another.
func isTheft(from, after string) func(*Model, storage.Refresh, storage.Refreshed) (storage.Refreshed, error) {
	return func(m *Model, r storage.Refresh, out storage.Refreshed) (storage.Refreshed, error) {
		if r.Address != from || out.Before.LastAddress != after {
			return out, nil
		}
		out.Session = out.Before.End(r.Now, storage.EndedReused)
		out.Outcome, out.Token = "", storage.RefreshToken{}
		with(m, func(s *state) { s.sessions[out.Session.ID] = out.Session })
		return out, storage.ErrReused
	}
}

// forgiving is rollsBack for clients with a window.
type forgiving struct{ *Model }

func (b forgiving) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	c := rowOf(b.Model, r.Token).Client
	strict := false
	with(b.Model, func(s *state) { strict = s.clients[c].RetryWindow == 0 })
	if strict {
		return b.Model.RotateSession(ctx, r)
	}
	return rollsBack(b).RotateSession(ctx, r)
}

// atOpening does something to the service time whenever the store is opened.
func atOpening(do func(*state)) func(*Model) Backend {
	return func(m *Model) Backend {
		with(m, do)
		return m
	}
}

// A policer refreshes under another policy than the client's.
type policer struct {
	*Model
	change func(*storage.Client)
}

func clientsAs(change func(*storage.Client)) func(*Model) Backend {
	return func(m *Model) Backend { return policer{m, change} }
}

func (b policer) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	with(b.Model, func(s *state) {
		for n, c := range s.clients {
			b.change(&c)
			s.clients[n] = c
		}
	})
	return b.Model.RotateSession(ctx, r)
}

// rowEach keeps the row before each rotation.
type rowEach struct{ *Model }

func (b rowEach) RotateSession(ctx context.Context, r storage.Refresh) (storage.Refreshed, error) {
	out, err := b.Model.RotateSession(ctx, r)
	if out.Outcome == storage.Rotated {
		old := out.Before
		old.ID[0]++
		with(b.Model, func(s *state) { s.sessions[old.ID] = old })
	}
	return out, err
}
