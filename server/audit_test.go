package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// audited waits for the records of the request that was answered so.
func (k *kit) audited(a answer, want int) (found []storage.Record) {
	k.Helper()
	id := a.header.Get("Request-Id")
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		all, err := k.store.Records(k.Context(), storage.Span{Limit: 10_000})
		k.must(err)
		found = nil
		for _, r := range all {
			if r.Request == id {
				found = append(found, r)
			}
		}
		if len(found) >= want && want > 0 {
			return found
		}
		if want == 0 && time.Since(deadline.Add(-5*time.Second)) > 300*time.Millisecond {
			return found
		}
	}
	k.Fatalf("%d records of request %q, want %d: %+v", len(found), id, want, found)
	return nil
}

func behind(addr string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Forwarded-For", addr) }
}

// trusting believes X-Forwarded-For from loopback.
func trusting(cfg *server.Config) {
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// Each request that the audit is about leaves one record: who, what, from where
// and which user, client and session.
func TestAuditOfRequests(t *testing.T) {
	b := &bureau{}
	k := newKit(t, "", b.hire, trusting)
	b.open(k)
	ada, web, portal := k.addUser("ada"), k.addClient("web", storage.AuthNone), k.addPortal("portal")
	bare := k.addClient("bare", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	off := k.addUser("off", func(u *storage.User) { u.Disabled = true })
	back := k.addClient("back", storage.AuthPost)
	first := k.login(ada, web)
	second := k.refresh(web, first.str("refresh_token"))
	mine, other := k.enter(ada, portal, "", "scope", "sessions"), k.login(ada, web)
	ended := k.login(ada, web)
	k.revoke(form("client_id", "web", "token", ended.str("refresh_token")))
	sidOf := func(a answer) storage.SessionID { return k.sessionID(a) }
	signIn := func(name, password string, pairs ...string) answer {
		return k.post(with(form("grant_type", "password", "client_id", "web", "username", name, "password", password), pairs...), behind("198.51.100.7"))
	}
	byWeb, byUser := storage.Actor{Kind: storage.ByClient, Name: "web"}, storage.Actor{Kind: storage.ByUser}
	nobody := storage.Actor{Kind: storage.Nobody}
	const typed = "my pass phrase in the wrong field"
	for _, c := range []struct {
		name string
		act  func() answer
		want storage.Record // of which are compared those members that say something
	}{
		{"a sign-in", func() answer { return signIn("ada", ada.password) },
			storage.Record{Event: storage.EventSignIn, Actor: byUser, User: ada.ID, Client: "web", Address: "198.51.100.7"}},
		{"without a session", func() answer { return signIn("ada", ada.password, "client_id", "bare") },
			storage.Record{Event: storage.EventSignIn, Actor: byUser, User: ada.ID, Client: bare.ID, Address: "198.51.100.7"}},
		{"a wrong password", func() answer { return signIn("ada", "wrong") },
			storage.Record{Event: storage.EventSignInFailed, Actor: byWeb, User: ada.ID, Client: "web", Address: "198.51.100.7", Reason: "wrong password"}},
		{"nobody's name", func() answer { return signIn(typed, ada.password) },
			storage.Record{Event: storage.EventSignInFailed, Actor: byWeb, Client: "web", Address: "198.51.100.7", Reason: "no such user"}},
		{"no name at all", func() answer { return signIn(" "+typed, ada.password) },
			storage.Record{Event: storage.EventSignInFailed, Actor: byWeb, Client: "web", Reason: "no such user"}},
		{"a disabled user", func() answer { return signIn("off", off.password) },
			storage.Record{Event: storage.EventSignInFailed, User: off.ID, Reason: "the user is disabled"}},
		{"a wrong secret", func() answer {
			return k.post(form("grant_type", "password", "client_id", "back", "client_secret", "wrong"))
		},
			storage.Record{Event: storage.EventClientFailed, Actor: nobody, Client: back.ID, Reason: "client authentication failed: wrong secret"}},
		{"nobody's client", func() answer { return k.post(form("grant_type", "password", "client_id", typed)) },
			storage.Record{Event: storage.EventClientFailed, Actor: nobody, Reason: "client authentication failed: unknown client_id"}},
		{"a retry from elsewhere", func() answer {
			return k.post(form("grant_type", "refresh_token", "client_id", "web", "refresh_token", first.str("refresh_token")), behind("203.0.113.5"))
		}, storage.Record{Event: storage.EventRefreshRetried, Actor: byWeb, User: ada.ID, Client: "web", Session: sidOf(first), Address: "203.0.113.5"}},
		{"a refresh after the end", func() answer { return k.refresh(web, ended.str("refresh_token")) },
			storage.Record{Event: storage.EventRefreshFailed, Actor: byWeb, User: ada.ID, Session: sidOf(ended), Reason: "the session was ended"}},
		{"a refresh of nobody", func() answer { return k.refresh(web, storage.NewRefreshToken().Reveal()) },
			storage.Record{Event: storage.EventRefreshFailed, Actor: byWeb, Client: "web"}},
		{"another's refresh", func() answer { return k.refresh(portal, other.str("refresh_token")) },
			storage.Record{Event: storage.EventRefreshFailed, Client: "portal", Session: sidOf(other), User: ada.ID}},
		{"another's revocation", func() answer { return k.revoke(form("client_id", "portal", "token", other.str("refresh_token"))) },
			storage.Record{Event: storage.EventRevokeForeign, Client: "portal", Session: sidOf(other), User: ada.ID}},
		{"a revocation", func() answer { return k.revoke(form("client_id", "web", "token", other.str("refresh_token"))) },
			storage.Record{Event: storage.EventSessionEnd, Actor: byWeb, User: ada.ID, Client: "web", Session: sidOf(other), Reason: "logged_out"}},
		{"a wrong current password", func() answer { return k.changePassword(mine, "wrong", "another pass phrase") },
			storage.Record{Event: storage.EventSignInFailed, Actor: byUser, User: ada.ID, Client: "portal", Reason: "wrong password"}},
		{"a device that is sent away", func() answer {
			return k.call("DELETE", "/account/sessions/"+sidOf(second).String(), mine, "")
		}, storage.Record{Event: storage.EventSessionEnd, Actor: byUser, User: ada.ID, Client: "web", Session: sidOf(second), Reason: "logged_out"}},
		{"a new password", func() answer { return k.changePassword(mine, ada.password, "another pass phrase") },
			storage.Record{Event: storage.EventUserPasswd, Actor: byUser, User: ada.ID}},
		{"an operator over HTTP", func() answer { return b.want(200, "PATCH", "/users/"+ada.ID.String(), members{"disabled": true}) },
			storage.Record{Event: storage.EventUserDisable, Actor: storage.Actor{Kind: storage.ByProgram, Name: "all"}, User: ada.ID, Address: "127.0.0.1"}},
		{"no operator", func() answer {
			return b.call("GET", "/users", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer hmo_x") })
		},
			storage.Record{Event: storage.EventOperatorFailed, Actor: nobody}},
		{"an operator for less", func() answer {
			token := b.newToken("less", time.Hour, "clients")
			return b.call("GET", "/audit", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		}, storage.Record{Event: storage.EventOperatorFailed, Actor: storage.Actor{Kind: storage.ByProgram, Name: "less"}}},
	} {
		t.Log(c.name)
		got := k.audited(c.act(), 1)
		if len(got) != 1 {
			t.Errorf("%s leaves %+v", c.name, got)
			continue
		}
		r, want := got[0], c.want
		if r.Event != want.Event || r.User != want.User || want.Actor.Kind != "" && r.Actor != want.Actor || want.Client != "" && r.Client != want.Client ||
			want.Session != (storage.SessionID{}) && r.Session != want.Session || want.Address != "" && r.Address != want.Address || want.Reason != "" && r.Reason != want.Reason {
			t.Errorf("%s leaves\n%+v, want\n%+v", c.name, r, want)
		}
		if r.At.IsZero() || r.Address == "" {
			t.Errorf("%s leaves %+v", c.name, r)
		}
	}
	all, err := k.store.Records(k.Context(), storage.Span{Limit: 10_000})
	k.must(err)
	for _, r := range all {
		if strings.Contains(r.Client+r.Reason+r.Actor.Name, typed[:10]) {
			t.Errorf("what was typed is recorded: %+v", r)
		}
	}
}

// A client that asks about a user's token acts itself; the user does at
// /account, with the same token.
func TestWhoAsksActs(t *testing.T) {
	seen := &seenActs{}
	k := newKit(t, "", func(cfg *server.Config) { seen.Store = cfg.Store; cfg.Store = seen })
	ada, portal, api := k.addUser("ada"), k.addPortal("portal"), k.addAPI("api", k.issuer)
	mine := k.enter(ada, portal, "", "scope", "sessions")
	for _, c := range []struct {
		ask  func() answer
		want storage.Actor
	}{
		{func() answer { return k.introspect(api, mine.str("access_token")) }, storage.Actor{Kind: storage.ByClient, Name: "api"}},
		{func() answer { return k.call("GET", "/account/sessions", mine, "") }, storage.Actor{Kind: storage.ByUser}},
	} {
		a := c.ask()
		if got := storage.ActOf(seen.last); a.status != 200 || a.body["active"] == false || got.Actor != c.want {
			t.Errorf("%d %s: %+v, want %+v", a.status, a.raw, got.Actor, c.want)
		}
	}
}

// seenActs remembers under which context a user was looked up last.
type seenActs struct {
	server.Store
	last context.Context
}

func (s *seenActs) UserByID(ctx context.Context, id uuid.UUID) (storage.User, error) {
	s.last = ctx
	return s.Store.UserByID(ctx, id)
}

// A refresh leaves no record, nor does one that is answered again to who asked
// before.
func TestRefreshIsNotRecorded(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("ada"), k.addClient("web", storage.AuthNone)
	first := k.login(user, client)
	for range 3 {
		a := k.refresh(client, first.str("refresh_token"))
		if got := k.audited(a, 0); a.status != 200 || len(got) != 0 {
			t.Errorf("%d, %+v", a.status, got)
		}
	}
	if n := k.query("SELECT count(*) FROM audit"); n != 4 { // the first ring, user, client, sign-in
		t.Errorf("%d records", n)
	}
}

// A sign-in that cannot be recorded does not happen, with a session or without.
func TestSignInIsRecordedOrRefused(t *testing.T) {
	k := newKit(t, "")
	user, web := k.addUser("ada"), k.addClient("web", storage.AuthNone)
	bare := k.addClient("bare", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} })
	k.exec(`CREATE TRIGGER deaf BEFORE INSERT ON audit WHEN NEW.event = 'sign_in' BEGIN SELECT RAISE(ABORT, 'deaf'); END`)
	for _, client := range []app{web, bare} {
		a := k.post(form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password))
		if a.status < 500 || a.str("access_token") != "" {
			t.Errorf("%s: %d %s", client.ID, a.status, a.raw)
		}
	}
	if n := k.query("SELECT count(*) FROM sessions"); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A flood of failures writes few records and says how many there are none of,
// and a store that takes none keeps nobody waiting.
func TestFloodOfFailures(t *testing.T) {
	k := newKit(t, "")
	k.addClient("web", storage.AuthNone)
	before := k.query("SELECT count(*) FROM audit")
	const flood = 1500
	began := time.Now()
	for range flood {
		if a := k.refresh(app{Client: storage.Client{ID: "web"}}, storage.NewRefreshToken().Reveal()); a.status != 400 {
			t.Fatalf("%d %s", a.status, a.raw)
		}
	}
	took := time.Since(began)
	k.stop()
	records := k.query("SELECT count(*) FROM audit WHERE event = 'refresh.failed'")
	more := k.query("SELECT coalesce(sum(json_extract(detail, '$.count')), 0) FROM audit WHERE event = 'audit.unrecorded'")
	if records+more != flood {
		t.Errorf("%d records and %d counted of %d", records, more, flood)
	}
	// 200 at once, and 10 for each second.
	if most := 200 + int(10*(took.Seconds()+1)); records > most || records < 150 {
		t.Errorf("%d records in %v, at most %d", records, took, most)
	}
	if n := k.query("SELECT count(*) FROM audit") - before - records; n > 20 {
		t.Errorf("%d other records", n)
	}
}

// Wrong secrets and rubbish tokens, as many as anybody sends, keep nothing out
// that takes a genuine token.
func TestFloodHidesNoMisuse(t *testing.T) {
	k := newKit(t, "", trusting)
	ada, web := k.addUser("ada"), k.addClient("web", storage.AuthNone)
	k.addPortal("portal")
	k.addClient("back", storage.AuthPost)
	first := k.login(ada, web)
	second := k.refresh(web, first.str("refresh_token"))
	flood := func(n int) {
		for range n {
			k.refresh(web, storage.NewRefreshToken().Reveal())
			k.post(form("grant_type", "password", "client_id", "back", "client_secret", "wrong"))
		}
	}
	flood(150)
	for i := range 10 {
		flood(5)
		retry := k.post(form("grant_type", "refresh_token", "client_id", "web", "refresh_token", first.str("refresh_token")), behind(fmt.Sprint("203.0.113.", i)))
		foreign := k.revoke(form("client_id", "portal", "token", second.str("refresh_token")))
		for want, a := range map[storage.Event]answer{storage.EventRefreshRetried: retry, storage.EventRevokeForeign: foreign} {
			if got := k.audited(a, 1); got[0].Event != want || got[0].Session != k.sessionID(first) || want.Kind() != storage.Sessions {
				t.Errorf("%+v, want %s", got, want)
			}
		}
	}
	k.stop()
	if n := k.query("SELECT count(*) FROM audit WHERE event = 'audit.unrecorded'"); n == 0 {
		t.Error("it was no flood")
	}
}

// TestOpsAudit: a program reads the audit page by page and goes on where it was.
func TestOpsAudit(t *testing.T) {
	b := newBureau(t)
	user := b.addUser("ada")
	for i := range 5 {
		b.want(200, "PATCH", "/users/"+user.ID.String(), members{"disabled": i%2 == 0})
	}
	reader := b.newToken("reader", time.Hour, "audit")
	b.token = reader
	page := b.want(200, "GET", "/audit?user=ada&event=user.*&limit=4", nil)
	next := func(a answer) string { return fmt.Sprintf("%.0f", a.body["next"]) }
	if got := page.names("records", "event"); strings.Join(got, " ") != "user.add user.disable user.enable user.disable" || page.body["more"] != true {
		t.Fatalf("%s", page.raw)
	}
	rest := b.want(200, "GET", "/audit?user="+user.ID.String()+"&event=user.*&after="+next(page), nil)
	if got := rest.names("records", "event"); strings.Join(got, " ") != "user.enable user.disable" || rest.body["more"] != false {
		t.Errorf("%s", rest.raw)
	}
	again := b.want(200, "GET", "/audit?after="+next(rest), nil)
	if len(again.names("records", "event")) != 0 || again.body["next"] != rest.body["next"] {
		t.Errorf("%s", again.raw)
	}
	for _, path := range []string{"/audit?after=x", "/audit?after=-1", "/audit?event=nothing", "/audit?sid=x", "/audit?limit=0", "/audit?of=ada", "/audit?since=then"} {
		b.want(400, "GET", path, nil)
	}
	b.want(404, "GET", "/audit?user=nobody", nil)
	b.want(403, "GET", "/users", nil) // the audit and nothing else
	if _, err := uuid.Parse(rest.body["records"].([]any)[0].(members)["sub"].(string)); err != nil {
		t.Error(err)
	}
}
