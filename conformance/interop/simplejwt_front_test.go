package interop

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const siteLifetime = 5 * time.Second // of access tokens

// A frontTask is what node/simplejwt.mjs reads.
type frontTask struct {
	Auth     string `json:"auth"`
	API      string `json:"api"`
	Username string `json:"username"`
	Password string `json:"password"`
	Own      bool   `json:"own"`     // every request refreshes for itself
	Seconds  int    `json:"seconds"` // that access tokens last
}

func (f frontTask) run(t *testing.T) map[string]any {
	t.Helper()
	f.Username, f.Password, f.Seconds = "alice", siteUsers()[0].Password, int(siteLifetime/time.Second)
	line, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	d := converse(t, "node", "node/simplejwt.mjs")
	answer, err := d.say(string(line))
	if err != nil {
		t.Errorf("own %v: %v", f.Own, err)
		return nil
	}
	found := map[string]any{}
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Errorf("own %v: it answered %q: %v", f.Own, answer, err)
	}
	return found
}

// TestSimpleJWTFrontEnd: a front end with axios and the usual interceptor, "401,
// refresh, ask again", with ten requests at once, works with Simple JWT and with
// Hallmark, unchanged, and finds the same. With Hallmark the API is a Django that
// verifies offline through JWK_URL and finds its user by user_id.
func TestSimpleJWTFrontEnd(t *testing.T) {
	needSimpleJWT(t)
	needNode(t, "axios")
	t.Parallel()
	seconds := strconv.Itoa(int(siteLifetime / time.Second))
	site := startDjango(t, "ACCESS_LIFETIME="+seconds)
	d := startSurface(t, site.users, "--no-rotate", "--access-lifetime", siteLifetime.String())
	api := startDjango(t, "ISSUER="+d.Issuer, "AUDIENCE="+siteAudience)

	var wg sync.WaitGroup
	found := map[string]map[string]any{}
	var mu sync.Mutex
	visit := func(name string, task frontTask) {
		wg.Go(func() {
			got := task.run(t)
			mu.Lock()
			defer mu.Unlock()
			found[name] = got
		})
	}
	for name, own := range map[string]bool{"one refresh": false, "ten refreshes": true} {
		visit("Simple JWT, "+name, frontTask{Auth: site.url, API: site.url, Own: own})
		visit("Hallmark, "+name, frontTask{Auth: d.Issuer, API: api.url, Own: own})
	}
	wg.Wait()
	d.operate(t, "client", "change", "site", "--rotate")
	visit("Hallmark, ten refreshes, rotating", frontTask{Auth: d.Issuer, API: api.url, Own: true})
	wg.Wait()
	refuseRefresh(t, d, api)

	const alice, notValid = `{"id":1,"user":"alice"}`, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
	for name, got := range found {
		me, err := json.Marshal(got["me"])
		if err != nil {
			t.Fatal(err)
		}
		got["me"] = string(me)
		want := map[string]any{
			"wrong":   `401 {"detail":"No active account found with the given credentials"}`,
			"missing": `400 {"password":["This field is required."]}`,
			"decoded": "refresh 1 true access 1", "me": alice, "expired": "401 " + notValid,
			"ten": `200 {"user":"alice","id":1}`, "fresh": "200 {}", "refresh": "200 {}", "out": "200 {}",
			"after": `401 {"detail":"Token is blacklisted","code":"token_not_valid"}`, "signedOut": true,
		}
		refreshes, _ := got["refreshes"].(float64)
		if ten := strings.Contains(name, "ten"); refreshes < 1 || ten && refreshes < 10 { // one that is late finds an access token that is over again
			t.Errorf("%s: it refreshed %v times", name, refreshes)
		}
		delete(got, "refreshes")
		if !maps.Equal(got, want) {
			t.Errorf("%s:\nfound %v\nwant  %v", name, got, want)
		}
	}
}

// refuseRefresh: an API that takes our access tokens does not take our refresh
// tokens, whatever is done to their headers.
func refuseRefresh(t *testing.T, d demo, api djangoSite) {
	t.Helper()
	got := d.authority().signIn(t, "alice")
	if resp, body := get(t, api.url+"/me", got["access"]); resp.StatusCode != 200 {
		t.Errorf("an access token: %d %s", resp.StatusCode, body)
	}
	for _, edit := range []string{"", "none", "signature"} {
		if resp, body := get(t, api.url+"/me", edited(t, got["refresh"], edit)); resp.StatusCode != 401 {
			t.Errorf("a refresh token, %q: %d %s", edit, resp.StatusCode, body)
		}
	}
}
