package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
)

// sessions lists as the holder of an answer's access token sees them.
func (k *kit) sessions(as answer) (list []map[string]any) {
	k.Helper()
	a := k.call("GET", "/account/sessions", as, "")
	if a.status != 200 || a.header.Get("Cache-Control") != "no-store" || len(a.body) != 1 {
		k.Fatalf("the list answered %d %v %s", a.status, a.header, a.raw)
	}
	for _, v := range a.body["sessions"].([]any) {
		list = append(list, v.(map[string]any))
	}
	return list
}

// TestListSessions follows one list into every member.
func TestListSessions(t *testing.T) {
	k := newKit(t, "/auth")
	alice, bob, portal, web := k.addUser("alice"), k.addUser("bob"), k.addPortal("portal"), k.addClient("web", storage.AuthNone)
	k.exec(`UPDATE clients SET name = '' WHERE client_id = 'web'`)
	began := time.Now().UTC().Truncate(time.Second)
	phone := k.enter(alice, portal, iphone)
	k.clock.jump(2 * time.Minute)
	quiet := k.login(alice, web)
	k.clock.jump(2 * time.Minute)
	mine := k.enter(alice, portal, firefox)
	over, bobs := k.login(alice, web), k.enter(bob, portal, iphone)
	k.must2(k.store.EndSession(t.Context(), k.sessionID(over), storage.EndedRevoked, k.clock.Now()))
	idle := k.sessionID(k.login(alice, web))
	k.exec(fmt.Sprintf(`UPDATE sessions SET idle_lifetime = 1 WHERE id = x'%x'`, idle[:]))
	k.clock.jump(2 * time.Minute)
	phone = k.refresh(portal, phone.str("refresh_token"))

	list := k.sessions(mine)
	var ids []string
	for _, s := range list {
		ids = append(ids, s["id"].(string))
	}
	if want := []string{k.sid(mine), k.sid(quiet), k.sid(phone)}; !slices.Equal(ids, want) {
		t.Fatalf("listed %q; want, the newest first, %q", ids, want)
	}
	want := []map[string]any{
		{"client_id": "portal", "client_name": "The portal", "device": "Firefox on Linux", "current": true},
		{"client_id": "web", "client_name": nil, "device": "Go-http-client", "current": false},
		{"client_id": "portal", "client_name": "The portal", "device": "Safari on iPhone", "current": false},
	}
	members := []string{"address", "client_id", "client_name", "current", "device", "expires_at", "first_seen", "id", "idle_expires_at", "last_seen"}
	for i, s := range list {
		for name, v := range want[i] {
			if s[name] != v {
				t.Errorf("session %d: %s is %v, want %v", i, name, s[name], v)
			}
		}
		if s["address"] != "127.0.0.1" {
			t.Errorf("session %d: address %v", i, s["address"])
		}
		for _, name := range slices.Collect(maps.Keys(s)) {
			if !slices.Contains(members, name) {
				t.Errorf("session %d has a member %q", i, name)
			}
		}
	}
	at := func(i int, member string) time.Duration {
		t.Helper()
		when, err := time.Parse("2006-01-02T15:04:05Z", list[i][member].(string)) // RFC 3339, UTC
		k.must(err)
		return when.Sub(began).Round(time.Minute)
	}
	for i, minutes := range []struct{ first, last time.Duration }{{4, 4}, {2, 2}, {0, 6}} {
		first, last := minutes.first*time.Minute, minutes.last*time.Minute
		if at(i, "first_seen") != first || at(i, "last_seen") != last || at(i, "expires_at") != first+72*time.Hour || at(i, "idle_expires_at") != last+24*time.Hour {
			t.Errorf("session %d: %v", i, list[i])
		}
	}
	if others := k.sessions(bobs); len(others) != 1 || others[0]["id"] != k.sid(bobs) {
		t.Errorf("bob sees %v", others)
	}
	if head := k.call("HEAD", "/account/sessions", mine, ""); head.status != 200 || head.raw != "" {
		t.Errorf("HEAD: %d %q", head.status, head.raw)
	}
}

// TestDeviceIsOfTheSignIn: a refresh from elsewhere does not change it, and
// what has no name has none.
func TestDeviceIsOfTheSignIn(t *testing.T) {
	k := newKit(t, "")
	user, portal := k.addUser("alice"), k.addPortal("portal")
	a := k.enter(user, portal, firefox)
	v := form("grant_type", "refresh_token", "client_id", portal.ID, "refresh_token", a.str("refresh_token"))
	a = k.post(v, func(r *http.Request) { r.Header.Set("User-Agent", iphone) })
	if got := k.sessions(a)[0]["device"]; got != "Firefox on Linux" {
		t.Errorf("after a refresh it is %q", got)
	}
	if got := k.sessions(k.enter(user, portal, ""))[0]["device"]; got != "" {
		t.Errorf("nothing is called %q", got)
	}
}

// A shortList is a store with more sessions of a user than anybody lists.
type shortList struct {
	*sqlite.Store
	t *testing.T
}

func (s *shortList) UserSessions(_ context.Context, _ uuid.UUID, limit int) ([]storage.SessionEntry, error) {
	if limit < 1 || limit > 1000 {
		s.t.Errorf("asked for %d sessions", limit)
	}
	return nil, nil
}

// TestListIsBounded, and has the caller's own session in any case.
func TestListIsBounded(t *testing.T) {
	k := newKit(t, "", func(c *server.Config) { c.Store = &shortList{c.Store.(*sqlite.Store), t} })
	mine := k.enter(k.addUser("alice"), k.addPortal("portal"), "")
	if list := k.sessions(mine); len(list) != 1 || list[0]["current"] != true {
		t.Errorf("listed %v", list)
	}
}

// TestEndOwnSession: a user's own, from any client; the end counts at once.
func TestEndOwnSession(t *testing.T) {
	k := newKit(t, "")
	alice, portal, web := k.addUser("alice"), k.addPortal("portal"), k.addClient("web", storage.AuthNone)
	mine, phone := k.enter(alice, portal, ""), k.login(alice, web)
	path := "/account/sessions/" + k.sid(phone)
	a := k.call("DELETE", path, mine, "")
	if a.status != 204 || a.raw != "" {
		t.Fatalf("answered %d %s", a.status, a.raw)
	}
	if rec := k.record(a); rec["event"] != "session_ended_logged_out" || rec["target_sid"] != k.sid(phone) || rec["sid"] != k.sid(mine) {
		t.Errorf("the record: %v", rec)
	}
	k.refused(k.refresh(web, phone.str("refresh_token")), 400, "invalid_grant", "ended")
	ended, err := k.store.SessionByID(t.Context(), k.sessionID(phone))
	k.must(err)
	if ended.EndReason != storage.EndedLogout || len(k.sessions(mine)) != 1 {
		t.Errorf("ended as %q; %d sessions are left", ended.EndReason, len(k.sessions(mine)))
	}
	again := k.call("DELETE", path, mine, "")
	if rec := k.record(again); again.status != 204 || rec["event"] != nil || rec["outcome"] != "already over" {
		t.Errorf("asked again: %d, %v", again.status, rec)
	}
	// The caller's own: to log out.
	if a := k.call("DELETE", "/account/sessions/"+k.sid(mine), mine, ""); a.status != 204 {
		t.Errorf("the own session: %d %s", a.status, a.raw)
	}
	k.refused(k.refresh(portal, mine.str("refresh_token")), 400, "invalid_grant", "ended")
	k.refused(k.call("DELETE", path, mine, ""), 401, "invalid_token", "logged_out")
}

// TestEndOthersSession: whether it is somebody else's, or none, or not even an
// id, cannot be told.
func TestEndOthersSession(t *testing.T) {
	k := newKit(t, "")
	alice, bob, portal := k.addUser("alice"), k.addUser("bob"), k.addPortal("portal")
	mine, bobs := k.enter(alice, portal, ""), k.enter(bob, portal, "")
	var first answer
	for id, reason := range map[string]string{
		k.sid(bobs):              "another user's",
		"AAAAAAAAAAAAAAAAAAAAAA": "no such record",
		"x":                      "not a session id",
		"%2e%2e":                 "not a session id",
		"AAAAAAAAAAAAAAAAAAAAA=": "not a session id",
		k.sid(bobs) + "%00":      "not a session id",
	} {
		a := k.call("DELETE", "/account/sessions/"+id, mine, "")
		k.refused(a, 404, "invalid_request", reason)
		if first.raw == "" {
			first = a
		}
		if a.raw != first.raw {
			t.Errorf("%s: %s differs from %s", id, a.raw, first.raw)
		}
	}
	if a := k.refresh(portal, bobs.str("refresh_token")); a.status != 200 {
		t.Errorf("somebody else's session ended: %s", a.raw)
	}
}

// TestAccountWithoutAStore: nothing is said and nothing is done.
func TestAccountWithoutAStore(t *testing.T) {
	k := newKit(t, "")
	mine := k.enter(k.addUser("alice"), k.addPortal("portal"), "")
	k.must(k.store.Close())
	for path, method := range accountPaths {
		a := k.call(method, path, mine, "")
		k.refused(a, 503, "temporarily_unavailable", "")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
}
