package interop

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A reply is what Simple JWT's paths answer.
type reply struct {
	Status int
	tokens
}

func ask(t *testing.T, url string, members tokens) reply {
	t.Helper()
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := reply{Status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&r.tokens); err != nil {
		t.Errorf("%s: %d: %v", url, resp.StatusCode, err)
	}
	return r
}

// A move is a Django with Simple JWT whose users are signed in, and a Hallmark
// that has its users, its blacklist and its key.
type move struct {
	site djangoSite
	demo
	old map[string]string // refresh tokens, by who or what has them
}

func (m move) signIn(t *testing.T, name string) string {
	t.Helper()
	users := siteUsers()
	user := users[slices.IndexFunc(users, func(u siteUser) bool { return u.Name == name })]
	r := ask(t, m.site.url+"/api/token/", tokens{"username": name, "password": user.Password})
	if r.Status != 200 {
		t.Fatalf("%s: %d %v", name, r.Status, r.tokens)
	}
	return r.tokens["refresh"]
}

func newMove(t *testing.T, client ...string) move {
	t.Helper()
	m := move{site: startDjango(t), old: map[string]string{}}
	for _, name := range []string{"alice", "dora", "carl", "guessed", "quotes"} {
		m.old[name] = m.signIn(t, name)
	}
	m.old["logged out"] = m.signIn(t, "alice")
	if r := ask(t, m.site.url+"/api/token/blacklist/", tokens{"refresh": m.old["logged out"]}); r.Status != 200 {
		t.Fatalf("%v", r)
	}
	key := filepath.Join(t.TempDir(), "secret-key")
	if err := os.WriteFile(key, []byte(djangoSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.demo = serve(t, "--simplejwt-client", "site", "--simplejwt-old-key-file", key, "--simplejwt-old-until", time.Now().AddDate(0, 0, 2).UTC().Format(time.DateOnly))
	m.operate(t, append([]string{"client", "add", "--id", "site", "--auth", "none", "--audience", siteAudience, "--algorithm", rs256}, client...)...)
	m.operate(t, "user", "import", "--from-django", m.site.database)
	return m
}

func (m move) renew(t *testing.T, refresh string) reply {
	t.Helper()
	return ask(t, m.Issuer+"/api/token/refresh/", tokens{"refresh": refresh})
}

func (m move) taken(t *testing.T, who string) reply {
	t.Helper()
	r := m.renew(t, m.old[who])
	if r.Status != 200 || len(r.tokens) != 2 {
		t.Fatalf("%s: %d %v", who, r.Status, r.tokens)
	}
	return r
}

func (m move) refused(t *testing.T, who string) {
	t.Helper()
	if r := m.renew(t, m.old[who]); r.Status != 401 || r.tokens["code"] != "token_not_valid" {
		t.Errorf("%s: %d %v", who, r.Status, r.tokens)
	}
}

// notCome are the users of the report.
func (m move) notCome(t *testing.T) string {
	t.Helper()
	var users []struct {
		Name string `json:"username"`
	}
	if err := json.Unmarshal(m.operate(t, "simplejwt", "report", "--json"), &users); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	return strings.Join(names, " ")
}

// TestSimpleJWTOldTokens: whoever is signed in at a Django with Simple JWT goes
// on at Hallmark without a password, once for each token, and who was logged
// out, disabled or has another password there does not. Who has not come over
// is reported. Its own API takes the tokens that come of it.
func TestSimpleJWTOldTokens(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	m := newMove(t, "--no-rotate")
	everybody := m.notCome(t)
	if !strings.HasPrefix(everybody, "12345 alice carl dora ") {
		t.Errorf("not come: %q", everybody)
	}
	// Until its blacklist is taken over, a token that was logged out there is good.
	for i, want := range []string{"1 taken over, 0 there before, 0 expired\n", "0 taken over, 1 there before, 0 expired\n"} {
		if out := string(m.operate(t, "simplejwt", "blacklist", "--from-django", m.site.database)); out != want {
			t.Errorf("time %d: %q, want %q", i, out, want)
		}
	}
	m.refused(t, "logged out")
	api := startDjango(t, "ISSUER="+m.Issuer, "AUDIENCE="+siteAudience)
	first := m.taken(t, "alice")
	if resp, body := get(t, api.url+"/me", first.tokens["access"]); resp.StatusCode != 200 || body != `{"user":"alice","id":1}` {
		t.Errorf("the API: %d %s", resp.StatusCode, body)
	}
	if again := m.taken(t, "alice"); again.tokens["refresh"] != first.tokens["refresh"] {
		t.Error("another refresh token the second time")
	}
	if r := m.renew(t, first.tokens["refresh"]); r.Status != 200 {
		t.Errorf("ours: %v", r)
	}

	for user, what := range map[string]string{"dora": "disable", "carl": "password"} {
		m.site.authority().change(t, user, what)
	}
	m.operate(t, "user", "import", "--from-django", m.site.database)
	m.refused(t, "dora")
	m.refused(t, "carl")
	if r := ask(t, m.Issuer+"/api/token/blacklist/", tokens{"refresh": m.old["guessed"]}); r.Status != 200 || len(r.tokens) != 0 {
		t.Errorf("blacklisted: %v", r)
	}
	m.refused(t, "guessed")
	for _, who := range []string{"guessed", "logged out", "dora"} {
		if r := ask(t, m.Issuer+"/api/token/verify/", tokens{"token": m.old[who]}); r.Status != 401 {
			t.Errorf("%s is verified: %v", who, r)
		}
	}
	if r := ask(t, m.Issuer+"/api/token/verify/", tokens{"token": m.old["quotes"]}); r.Status != 200 || len(r.tokens) != 0 {
		t.Errorf("a good one is not verified: %v", r)
	}
	if got, want := m.notCome(t), strings.Replace(everybody, " alice", "", 1); got != want {
		t.Errorf("not come: %q, want %q", got, want)
	}
	if out := string(m.operate(t, "audit", "--event", "sign_in.exchange", "--user", "alice", "--json", "--limit", "0")); strings.Count(out, "\n") != 1 || strings.Contains(out, m.old["alice"]) {
		t.Errorf("the audit: %s", out)
	}
	// Whoever comes over and then logs out at the old path has logged out.
	if r := ask(t, m.site.url+"/api/token/blacklist/", tokens{"refresh": m.old["alice"]}); r.Status != 200 {
		t.Errorf("logged out at the old path: %v", r)
	}
	for i, want := range []string{"0 taken over, 2 there before, 0 expired; 1 session ended\n", "0 taken over, 2 there before, 0 expired\n"} {
		if out := string(m.operate(t, "simplejwt", "blacklist", "--from-django", m.site.database)); out != want {
			t.Errorf("time %d: %q, want %q", i, out, want)
		}
	}
	if r := m.renew(t, first.tokens["refresh"]); r.Status != 401 || r.tokens["detail"] != "Token is blacklisted" {
		t.Errorf("her session goes on: %v", r)
	}
}

// TestSimpleJWTOldTokenTabs: tabs that come over at once, and one whose answer
// was lost, share a session; a copy that comes later than the retry window ends it.
func TestSimpleJWTOldTokenTabs(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	m := newMove(t, "--retry-window", "4s")
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 10 {
		wg.Go(func() {
			r := m.renew(t, m.old["alice"])
			mu.Lock()
			defer mu.Unlock()
			got[r.tokens["refresh"]]++
		})
	}
	wg.Wait()
	if len(got) != 1 || got[""] > 0 {
		t.Errorf("%d different answers", len(got))
	}
	refresh := slices.Collect(maps.Keys(got))[0]
	for deadline := time.Now().Add(time.Minute); m.renew(t, m.old["alice"]).Status == 200; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatal("the window never ends")
		}
	}
	if r := m.renew(t, refresh); r.Status != 401 || r.tokens["detail"] != "Token is blacklisted" {
		t.Errorf("the session goes on beside a copy: %v", r)
	}
}
