package operator_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// signedIn opens a session some time ago.
func (d *desk) signedIn(t testing.TB, u storage.User, c storage.Client, device string, ago time.Duration) storage.RefreshToken {
	t.Helper()
	token := storage.NewRefreshToken()
	_, err := d.store.CreateSession(t.Context(), storage.NewSession{
		Token: token, User: u.ID, PasswordHash: u.PasswordHash, Client: c.Number, Audience: []string{"api"},
		AbsoluteLifetime: 1000 * time.Hour, IdleLifetime: 1000 * time.Hour, Device: device, Now: start.Add(-ago),
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestEndMatching: each member restricts, together they do so together; what
// would be ended is what is.
func TestEndMatching(t *testing.T) {
	d := newDesk(t)
	alice, app := d.alice(t, secret(t)), d.app(t)
	bob, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	web, _, err := d.AddClient(t.Context(), operator.NewClient{ID: "web", AuthMethod: storage.AuthNone, ClientPolicy: app.ClientPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		filter operator.SessionFilter
		want   []int
		record []string
	}{
		"user":       {operator.SessionFilter{Username: "alice"}, []int{0, 1, 3}, []string{"username=alice"}},
		"client":     {operator.SessionFilter{ClientID: "web"}, []int{1, 2}, []string{"client_id=web"}},
		"device":     {operator.SessionFilter{Device: "iphone"}, []int{1, 3}, []string{"device=iphone"}},
		"age":        {operator.SessionFilter{OlderThan: 2 * time.Hour}, []int{2, 3}, []string{"older_than=2h0m0s"}},
		"idleness":   {operator.SessionFilter{IdleFor: 2 * time.Hour}, []int{3}, []string{"idle_for=2h0m0s"}},
		"all of it":  {operator.SessionFilter{"alice", "app", "iPhone", time.Hour, time.Hour}, []int{3}, []string{"username=alice", "client_id=app", "device=iPhone"}},
		"none of it": {operator.SessionFilter{"bob", "app", "", 0, 0}, nil, nil},
		"everything": {operator.SessionFilter{}, []int{0, 1, 2, 3}, nil},
	} {
		tokens := []storage.RefreshToken{
			d.signedIn(t, alice, app, "Firefox on Linux", 0), d.signedIn(t, alice, web, "Safari on iPhone", time.Minute),
			d.signedIn(t, bob, web, "", 3*time.Hour), d.signedIn(t, alice, app, "An app on iPhone", 3*time.Hour),
		}
		if _, err := d.store.RotateSession(t.Context(), storage.Refresh{Token: tokens[2], Client: web.Number, Nonce: storage.NewNonce(), Now: start}); err != nil {
			t.Fatal(err)
		}
		d.log.Reset()
		var want, would []storage.SessionID
		for _, i := range tt.want {
			want = append(want, tokens[i].SessionID())
		}
		slices.SortFunc(want, func(a, b storage.SessionID) int { return slices.Compare(a[:], b[:]) })
		err := d.MatchingSessions(t.Context(), tt.filter, func(e storage.SessionEntry) error {
			would = append(would, e.ID)
			return nil
		})
		if err != nil || !slices.Equal(would, want) {
			t.Errorf("%s: would end %v, want %v; %v", name, would, want, err)
		}
		d.silent(t)
		ended, err := d.EndMatching(t.Context(), tt.filter, func(int) {})
		if err != nil || ended != len(want) {
			t.Errorf("%s: %d ended, want %d; %v", name, ended, len(want), err)
		}
		d.recorded(t, append(tt.record, "act=session.end_matching", "reason=revoked", "sessions_ended=")...)
		for i, token := range tokens {
			e, err := d.Session(t.Context(), token.SessionID())
			if err != nil || (e.EndReason == storage.EndedRevoked) != slices.Contains(tt.want, i) {
				t.Errorf("%s: session %d ended as %q, %v", name, i, e.EndReason, err)
			}
		}
		if again, err := d.EndMatching(t.Context(), tt.filter, func(int) {}); again != 0 || err != nil {
			t.Errorf("%s: run again, %d ended, %v", name, again, err)
		}
		d.EndMatching(t.Context(), operator.SessionFilter{}, func(int) {})
		d.log.Reset()
	}
	for _, f := range []operator.SessionFilter{{Username: "nobody"}, {ClientID: "nothing"}} {
		_, err := d.EndMatching(t.Context(), f, nil)
		if again := d.MatchingSessions(t.Context(), f, nil); !errors.Is(err, storage.ErrNotFound) || !errors.Is(again, storage.ErrNotFound) {
			t.Errorf("%+v: %v, %v", f, err, again)
		}
	}
	_, err = d.EndMatching(t.Context(), operator.SessionFilter{IdleFor: -1}, nil)
	advised(t, err, "idle_for", "negative")
	d.silent(t)
}

// TestEndPage: a caller that has no minutes walks page by page.
func TestEndPage(t *testing.T) {
	d := newDesk(t)
	alice, app := d.alice(t, secret(t)), d.app(t)
	for range 7 {
		d.login(t, alice, app)
	}
	d.log.Reset()
	f, all := operator.SessionFilter{ClientID: "app"}, 0
	for after := (storage.SessionID{}); ; {
		page, _, err := d.MatchingPage(t.Context(), f, after, 3)
		ended, next, endErr := d.EndPage(t.Context(), f, after, 3)
		if err != nil || endErr != nil || len(ended) != len(page) || len(ended) > 3 {
			t.Fatalf("would end %d, ended %d: %v, %v", len(page), len(ended), err, endErr)
		}
		if all += len(ended); len(ended) > 0 {
			d.recorded(t, "act=session.end_matching", "client_id=app")
		}
		if after = next; next == (storage.SessionID{}) {
			break
		}
	}
	if all != 7 {
		t.Errorf("%d ended", all)
	}
	_, _, err := d.EndPage(t.Context(), f, storage.SessionID{}, 1001)
	advised(t, err, "limit", "1 to 1000")
}

// TestEndMatchingInterrupted: what was ended is told and stays so, and the next
// run goes on with the rest.
func TestEndMatchingInterrupted(t *testing.T) {
	d := newDesk(t)
	alice, app := d.alice(t, secret(t)), d.app(t)
	const n = 600 // three slices
	for range n {
		d.login(t, alice, app)
	}
	d.log.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	var told []int
	first, err := d.EndMatching(ctx, operator.SessionFilter{ClientID: "app"}, func(ended int) {
		told = append(told, ended)
		cancel()
	})
	if !errors.Is(err, context.Canceled) || first != 250 || !slices.Equal(told, []int{250}) {
		t.Fatalf("%d ended, told %v, %v", first, told, err)
	}
	d.recorded(t, "sessions_ended=250")
	rest, err := d.EndMatching(t.Context(), operator.SessionFilter{ClientID: "app"}, func(int) {})
	if err != nil || rest != n-first {
		t.Errorf("then %d, %v", rest, err)
	}
}

// All sessions of a user are those too that a token of another system would
// begin; some are not.
func TestEndMatchingOldTokens(t *testing.T) {
	d := newDesk(t)
	alice, _ := d.alice(t, secret(t)), d.app(t)
	for _, tt := range []struct {
		filter operator.SessionFilter
		all    bool
	}{
		{operator.SessionFilter{Username: "alice", ClientID: "app"}, false},
		{operator.SessionFilter{Username: "alice", OlderThan: time.Hour}, false},
		{operator.SessionFilter{Username: "alice"}, true},
	} {
		if _, err := d.EndMatching(t.Context(), tt.filter, func(int) {}); err != nil {
			t.Fatal(err)
		}
		u, err := d.UserByID(t.Context(), alice.ID)
		if err != nil || u.NotBefore.IsZero() == tt.all {
			t.Errorf("%+v: tokens are refused until %v, %v", tt.filter, u.NotBefore, err)
		}
	}
	bob, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.EndPage(t.Context(), operator.SessionFilter{Username: "bob"}, storage.SessionID{}, 10); err != nil {
		t.Fatal(err)
	}
	if u, err := d.UserByID(t.Context(), bob.ID); err != nil || u.NotBefore.IsZero() {
		t.Errorf("page by page: %v, %v", u.NotBefore, err)
	}
}

// TestRefreshesBesideEnding: while very many sessions are ended by another
// process, whoever refreshes waits for a slice, never for all of it.
func TestRefreshesBesideEnding(t *testing.T) {
	d := newDesk(t)
	alice, app := d.alice(t, secret(t)), d.app(t)
	other, err := sqlite.Open(t.Context(), filepath.Join(d.dir, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	share := 1.0
	for range 3 { // a machine may be busy
		d.many(t, alice, app, 4000)
		share = min(share, d.endBesides(t, other, alice, app))
		if share < 0.25 {
			break
		}
	}
	t.Logf("the longest refresh took %.0f %% of the time that ending 4000 sessions took", 100*share)
	if share >= 0.25 {
		t.Errorf("a refresh waited %.0f %% of the time that ending 4000 sessions took", 100*share)
	}
}

// many opens sessions, at once enough to be quick.
func (d *desk) many(t *testing.T, u storage.User, c storage.Client, n int) {
	t.Helper()
	errs := make(chan error, n)
	slots := make(chan bool, 64)
	for range n {
		slots <- true
		go func() {
			_, err := d.store.CreateSession(t.Context(), storage.NewSession{
				Token: storage.NewRefreshToken(), User: u.ID, PasswordHash: u.PasswordHash, Client: c.Number, Audience: []string{"api"},
				AbsoluteLifetime: time.Hour, IdleLifetime: time.Hour, Device: "old", Now: start,
			})
			<-slots
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

// endBesides ends the sessions of device "old" through one store while the
// other refreshes, and returns the longest refresh as a share of it all.
func (d *desk) endBesides(t *testing.T, other *sqlite.Store, u storage.User, c storage.Client) float64 {
	t.Helper()
	token := d.signedIn(t, u, c, "live", 0)
	done, longest := make(chan bool), make(chan time.Duration)
	go func() {
		var most time.Duration
		for {
			select {
			case <-done:
				longest <- most
				return
			default:
			}
			began := time.Now()
			out, err := other.RotateSession(t.Context(), storage.Refresh{Token: token, Client: c.Number, Nonce: storage.NewNonce(), Now: start})
			if err != nil {
				t.Error(err)
			} else {
				token = out.Token
			}
			most = max(most, time.Since(began))
		}
	}()
	began := time.Now()
	ended, err := d.EndMatching(t.Context(), operator.SessionFilter{Device: "old"}, func(int) {})
	took := time.Since(began)
	close(done)
	if err != nil || ended != 4000 {
		t.Errorf("%d ended, %v", ended, err)
	}
	return float64(<-longest) / float64(took)
}
