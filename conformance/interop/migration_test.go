package interop

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestMigration tells the story of docs/migrating-from-simplejwt.md with the
// document's own lines and files, there and back. People have the site open all
// the while: whatever is changed beside them, they are asked for nothing and meet
// no 401 but the usual one, of an access token that is over.
func TestMigration(t *testing.T) {
	needShop(t)
	t.Parallel()
	s := openShop(t)
	before := s.project(t)
	for _, name := range []string{"anna", "ben", "cleo", "dora", "fritz"} {
		s.signUp(t, name)
	}
	// anna and ben never leave; cleo comes back before the end date, dora does
	// not; fritz gets a build of the front end that knows the new host.
	anna, ben, cleo, dora, fritz := s.visitor(t, "anna", false), s.visitor(t, "ben", true), s.visitor(t, "cleo", true), s.visitor(t, "dora", false), s.visitor(t, "fritz", false)
	old := dora.do(t, "look")
	for _, v := range []*visitor{anna, ben, fritz} {
		v.browse(t)
	}

	s.prepare(t)
	s.goOn(t, "before the switch", "HS256", "")
	s.follow(t, "5. Switch")
	fritz.do(t, "move", "auth", s.login)
	s.goOn(t, "after the switch", "RS256", "rt+jwt")
	s.switched(t)

	report := s.follow(t, "6. Watch who comes over")
	for name, there := range map[string]bool{"anna": false, "ben": false, "fritz": false, "cleo": true, "dora": true} {
		if strings.Contains(report, name) != there {
			t.Errorf("%s is in the report: %v, want %v\n%s", name, !there, there, report)
		}
	}
	s.goOn(t, "after the rotation", "RS256", "rt+jwt")
	// Each of ten requests of hers exchanges the same old token.
	if late := cleo.do(t, "comeBack"); late.RefreshTyp != "rt+jwt" || late.Good != 10 || late.Refreshes < 10 {
		t.Errorf("cleo came back and has %+v", late)
	}
	cleo.browse(t)

	s.follow(t, "7. Switch the old endpoint off")
	s.goOn(t, "after the end", "RS256", "rt+jwt")
	s.refuses(t, old)
	for _, v := range []*visitor{anna, ben} { // the usual was not missed
		for deadline := time.Now().Add(time.Minute); v.do(t, "look").Over == 0; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s's access token is never over", v.name)
			}
		}
	}
	s.back(t, anna, dora, before)
	s.all(t)
}

// prepare follows the guide up to the switch.
func (s *shop) prepare(t *testing.T) {
	t.Helper()
	s.shows(t, "0. What you have", "ALGORITHM HS256\n", "ROTATE_REFRESH_TOKENS False\n")
	s.shows(t, "1. Install Hallmark beside Django", `"alg":"RS256"`)
	s.shows(t, "2. Import the users", "would be 5 created, 0 updated, 0 unchanged, 0 refused", "0 created, 0 updated, 5 unchanged, 0 refused", "anna")
	s.shows(t, "3. Let Django accept both tokens", `"username":"anna"`)
	s.signUp(t, "emil") // whom the import has not seen and nobody pushes
	s.shows(t, "4. Push what changes", "hallmark-check", "\ngone\n")
	s.signUp(t, "gina")
	s.arrives(t, "emil")
	s.arrives(t, "gina")
}

// shows follows a section, whose lines must have written something.
func (s *shop) shows(t *testing.T, heading string, want ...string) {
	t.Helper()
	out := s.follow(t, heading)
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%s: nothing shows %q:\n%s", heading, text, out)
		}
	}
}

// goOn checks that whoever has the site open stays signed in, over a page load
// too, and has the tokens of the time.
func (s *shop) goOn(t *testing.T, when, alg, typ string) {
	t.Helper()
	for _, v := range s.visitors {
		if !v.open {
			continue
		}
		was := v.do(t, "look")
		is := v.do(t, "reload")
		if is.AccessAlg != alg || typ != "" && is.RefreshTyp != typ || is.Good < was.Good+10 {
			t.Errorf("%s: %s has tokens of %s, %s; %d requests went well", when, v.name, is.AccessAlg, is.RefreshTyp, is.Good-was.Good)
		}
	}
}

// switched checks what is new after the switch: whoever signed up meanwhile signs
// in at Hallmark, under the old host name, from the pages of before.
func (s *shop) switched(t *testing.T) {
	t.Helper()
	for _, name := range []string{"emil", "gina"} {
		if found := s.visitor(t, name, false).do(t, "reload"); found.RefreshTyp != "rt+jwt" {
			t.Errorf("%s signed in and has %+v", name, found)
		}
	}
	req, err := http.NewRequest("OPTIONS", s.url+"/api/token/refresh/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://app.example.com")
	req.Header.Set("Access-Control-Request-Method", "POST")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
		t.Errorf("pages of the site are answered %q", got)
	}
}

// refuses checks that the old secret is worth nothing any more: neither tokens
// from before, nor new ones by whoever has it.
func (s *shop) refuses(t *testing.T, old visit) {
	t.Helper()
	if status := s.refresh(t, old.Refresh); status != http.StatusUnauthorized {
		t.Errorf("an old refresh token is answered %d", status)
	}
	if resp, body := get(t, s.url+"/api/me/", s.forged(t)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token made with the old secret is answered %d %s", resp.StatusCode, body)
	}
}

// forged is an access token of anna's that Simple JWT could have made.
func (s *shop) forged(t *testing.T) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"token_type": "access", "jti": "0123456789abcdef", "user_id": 1, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(read(t, filepath.Join(s.dir, "shop/secret_key"))))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// back takes the steps back, one by one, to a site that is as it was.
func (s *shop) back(t *testing.T, anna, dora *visitor, before map[string]string) {
	t.Helper()
	s.follow(t, "From step 7")
	s.goOn(t, "back before the end", "RS256", "rt+jwt")
	if resp, body := get(t, s.url+"/api/me/", s.forged(t)); resp.StatusCode != http.StatusOK {
		t.Errorf("an old token is answered %d %s", resp.StatusCode, body)
	}

	s.rest(t)
	came := anna.do(t, "look")
	s.follow(t, "From step 5")
	if status := s.refresh(t, came.Refresh); status != http.StatusUnauthorized {
		t.Errorf("Django answers a refresh token of ours with %d", status)
	}
	if found := dora.do(t, "reload"); found.AccessAlg != "HS256" { // she noticed nothing of all this
		t.Errorf("dora has %+v", found)
	}
	again := s.visitor(t, "anna", false)
	if found := again.do(t, "reload"); found.AccessAlg != "HS256" {
		t.Errorf("anna signed in and has %+v", found)
	}
	s.follow(t, "From step 4")
	s.signUp(t, "hugo")
	s.follow(t, "From step 3")
	again.do(t, "reload")
	if out, err := s.op(t, "user", "show", "hugo"); err == nil {
		t.Errorf("hugo is there: %s", out)
	}
	s.follow(t, "From step 1")
	dora.do(t, "reload")
	after := s.project(t)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s is not as it was:\n%s", name, after[name])
		}
		delete(after, name)
	}
	for name := range after {
		t.Errorf("%s is left", name)
	}
}

// project is what the site consists of, but for its database.
func (s *shop) project(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"*", "shop/*"} {
		names, err := filepath.Glob(filepath.Join(s.dir, "shop", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if base := filepath.Base(name); base != "shop" && !strings.HasPrefix(base, "db.sqlite3") {
				files[base] = read(t, name)
			}
		}
	}
	return files
}

// refresh returns the status that a refresh token is answered with.
func (s *shop) refresh(t *testing.T, token string) int {
	t.Helper()
	body, err := json.Marshal(map[string]string{"refresh": token})
	if err != nil {
		t.Fatal(err)
	}
	return s.post(t, "/api/token/refresh/", string(body))
}

// signUp has somebody register at the site, as its page does.
func (s *shop) signUp(t *testing.T, name string) {
	t.Helper()
	if status := s.post(t, "/api/signup/", `{"username": "`+name+`", "password": "`+password(name)+`"}`); status != http.StatusCreated {
		t.Fatalf("%s cannot sign up: %d", name, status)
	}
}

func password(name string) string { return "the password of " + name }

func (s *shop) post(t *testing.T, path, body string) int {
	t.Helper()
	resp, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// arrives waits until a user of the site's is at Hallmark.
func (s *shop) arrives(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		out, err := s.op(t, "user", "show", name)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not arrived: %s", name, out)
		}
	}
}

// op runs an operator's command as the guide does.
func (s *shop) op(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", s.shell + `op "$@"`, "op"}, args...)...)
	cmd.Env = append(cmd.Environ(), s.env...)
	return cmd.CombinedOutput()
}
