package server_test

import (
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestLogOutEverywhere: all of a user's sessions end, whatever their client, or
// all but the one that asks; nobody else's does.
func TestLogOutEverywhere(t *testing.T) {
	k := newKit(t, "/auth")
	alice, bob, portal, web := k.addUser("alice"), k.addUser("bob"), k.addPortal("portal"), k.addClient("web", storage.AuthNone)
	mine, tablet, phone, bobs := k.enter(alice, portal, firefox), k.enter(alice, portal, iphone), k.login(alice, web), k.login(bob, web)

	others := k.call("DELETE", "/account/sessions/others", mine, "")
	if others.status != 200 || others.raw != "{\"sessions_ended\":2}\n" || others.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answered %d %v %s", others.status, others.header, others.raw)
	}
	if rec := k.record(others); rec["event"] != "logged_out_everywhere" || rec["sessions_ended"] != 2.0 || rec["sub"] != alice.ID.String() || rec["sid"] != k.sid(mine) || rec["client_id"] != "portal" {
		t.Errorf("the record: %v", rec)
	}
	for _, a := range []answer{tablet, phone} {
		ended, err := k.store.SessionByID(t.Context(), k.sessionID(a))
		k.must(err)
		if ended.EndReason != storage.EndedLogout {
			t.Errorf("ended as %q", ended.EndReason)
		}
	}
	k.refused(k.refresh(portal, tablet.str("refresh_token")), 400, "invalid_grant", "ended")
	k.refused(k.refresh(web, phone.str("refresh_token")), 400, "invalid_grant", "ended")
	if again := k.call("DELETE", "/account/sessions/others", mine, ""); again.raw != "{\"sessions_ended\":0}\n" { // after a lost answer
		t.Errorf("again: %d %s", again.status, again.raw)
	}
	if got := k.sessions(mine); len(got) != 1 || got[0]["current"] != true {
		t.Errorf("left are %v", got)
	}

	phone = k.login(alice, web)
	all := k.call("DELETE", "/account/sessions", mine, "")
	if all.status != 200 || all.raw != "{\"sessions_ended\":2}\n" {
		t.Fatalf("answered %d %s", all.status, all.raw)
	}
	k.refused(k.call("GET", "/account/sessions", mine, ""), 401, "invalid_token", "logged_out")
	k.refused(k.call("DELETE", "/account/sessions", mine, ""), 401, "invalid_token", "logged_out")
	k.refused(k.refresh(portal, mine.str("refresh_token")), 400, "invalid_grant", "ended")
	k.refused(k.refresh(web, phone.str("refresh_token")), 400, "invalid_grant", "ended")
	if a := k.refresh(web, bobs.str("refresh_token")); a.status != 200 {
		t.Errorf("somebody else was signed out: %s", a.raw)
	}
	k.login(alice, web) // and may come back
}
