package server_test

import (
	"slices"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestOpsSessions: an operator sees who is signed in, from where, and ends it.
func TestOpsSessions(t *testing.T) {
	b := newBureau(t)
	web := b.addClient("web", storage.AuthNone)
	ada, bob := b.addUser("ada"), b.addUser("bob")
	tokens := []answer{b.login(ada, web), b.login(ada, web), b.login(bob, web)}
	sid := func(i int) string { return b.claims(tokens[i].str("access_token"))["sid"].(string) }

	all := b.want(200, "GET", "/sessions?limit=2", nil)
	rest := b.want(200, "GET", "/sessions?limit=2&after="+all.str("next"), nil)
	got := append(all.names("sessions", "sid"), rest.names("sessions", "sid")...)
	want := []string{sid(0), sid(1), sid(2)}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("lists %v, want %v", got, want)
	}
	one := b.want(200, "GET", "/sessions/"+sid(0), nil)
	if one.str("username") != "ada" || one.str("client_id") != "web" || one.str("state") != "live" || one.str("address") != "127.0.0.1" || one.str("sub") != ada.ID.String() {
		t.Errorf("shows %s", one.raw)
	}
	for range 2 { // ended once, it stays as it ended
		ended := b.want(200, "DELETE", "/sessions/"+sid(0), nil)
		if ended.str("state") != "ended" || ended.str("end_reason") != "revoked" {
			t.Errorf("ended as %s", ended.raw)
		}
	}
	b.refused(b.refresh(web, tokens[0].str("refresh_token")), 400, "invalid_grant", "ended")
	hers := "/users/" + ada.ID.String() + "/sessions"
	if got := b.want(200, "GET", hers, nil).names("sessions", "sid"); len(got) != 2 {
		t.Errorf("lists %v", got)
	}
	if got := b.want(200, "DELETE", hers, nil); got.body["sessions_ended"] != 1.0 {
		t.Errorf("ended %s", got.raw)
	}
	b.refused(b.refresh(web, tokens[1].str("refresh_token")), 400, "invalid_grant", "ended")
	if a := b.refresh(web, tokens[2].str("refresh_token")); a.status != 200 {
		t.Errorf("another user's session ended too: %s", a.raw)
	}
}

// TestOpsEndSessions: whose, where, on what and how old, together; page by page.
func TestOpsEndSessions(t *testing.T) {
	b := newBureau(t)
	web, tv := b.addClient("web", storage.AuthNone), b.addClient("tv", storage.AuthNone)
	ada, bob := b.addUser("ada"), b.addUser("bob")
	sid := func(a answer) string { return b.claims(a.str("access_token"))["sid"].(string) }
	old := []answer{b.login(ada, web), b.login(bob, tv)}
	b.exec(`UPDATE sessions SET auth_time = auth_time - 7200000000, last_used_at = last_used_at - 3600000000`)
	tokens := append(old, b.login(ada, tv), b.login(bob, web))
	for query, want := range map[string][]int{
		"username=ada": {0, 2}, "client_id=tv": {1, 2}, "client_id=tv&username=ada": {2}, "older_than=5400": {0, 1}, "older_than=10000": nil,
		"idle_for=3000": {0, 1}, "idle_for=5400": nil, "older_than=60&client_id=web&username=ada&device=go-http": {0}, "device=firefox": nil, "device=CLIENT": {0, 1, 2, 3},
	} {
		var wanted []string
		for _, i := range want {
			wanted = append(wanted, sid(tokens[i]))
		}
		slices.Sort(wanted)
		would := b.want(200, "DELETE", "/sessions?dry_run=true&"+query, nil)
		got := strs(would.body["sids"])
		if slices.Sort(got); !slices.Equal(got, wanted) || would.body["dry_run"] != true || would.body["sessions_ended"] != float64(len(want)) {
			t.Errorf("%s would end %s, want %v", query, would.raw, wanted)
		}
	}
	for _, a := range tokens {
		if one := b.want(200, "GET", "/sessions/"+sid(a), nil); one.str("state") != "live" {
			t.Errorf("a dry run ended %s", one.raw)
		}
	}
	if done := b.want(200, "DELETE", "/sessions?username=ada&client_id=tv", nil); done.raw != `{"sessions_ended":1,"sids":["`+sid(tokens[2])+`"]}`+"\n" {
		t.Errorf("ended %s", done.raw)
	}
	b.refused(b.refresh(tv, tokens[2].str("refresh_token")), 400, "invalid_grant", "ended")
	if one := b.want(200, "GET", "/sessions/"+sid(tokens[2]), nil); one.str("end_reason") != "revoked" {
		t.Errorf("ended as %s", one.raw)
	}
	if a := b.refresh(web, tokens[0].str("refresh_token")); a.status != 200 {
		t.Errorf("another session of hers ended too: %s", a.raw)
	}
	ended, pages := 0.0, 0
	for next := ""; ; pages++ {
		page := b.want(200, "DELETE", "/sessions?device=go&limit=1&after="+next, nil)
		ended += page.body["sessions_ended"].(float64)
		if next = page.str("next"); next == "" {
			break
		}
	}
	if ended != 3 || pages != 4 {
		t.Errorf("%v ended on %d pages", ended, pages)
	}
	for query, field := range map[string]string{
		"": "query", "?dry_run=true": "query", "?limit=10": "query", "?user=ada": "user", "?username=": "username", "?older_than=0": "older_than", "?older_than=-1": "older_than",
		"?idle_for=1h": "idle_for", "?idle_for=99999999999999": "idle_for", "?client_id=web&dry_run=yes": "dry_run", "?client_id=web&limit=0": "limit", "?client_id=web&after=x": "after",
	} {
		a := b.call("DELETE", "/sessions"+query, nil)
		b.refused(a, 400, "invalid_request", field)
		if got := a.names("problems", "field"); len(got) != 1 || got[0] != field {
			t.Errorf("%q: problems of %v", query, got)
		}
	}
	b.want(404, "DELETE", "/sessions?username=nobody", nil)
	b.want(404, "DELETE", "/sessions?client_id=nothing&dry_run=true", nil)
}
