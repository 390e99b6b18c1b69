package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// serveDjango runs a script of a Django API on a site's database.
func serveDjango(t *testing.T, script, database string, environment ...string) (url string) {
	t.Helper()
	port := freePort(t)
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command(python, "-B", script, port, database)
		cmd.Env = append(append(os.Environ(), "AUDIENCE="+siteAudience), environment...)
		return cmd
	})
	p.await(t)
	return "http://127.0.0.1:" + port
}

// counted is the key set behind a server that counts who fetches it.
func (h *hallmark) counted(t *testing.T) (uri string, fetches *atomic.Int32) {
	t.Helper()
	target, err := url.Parse(h.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	fetches = &atomic.Int32{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL + "/.well-known/jwks.json", fetches
}

// pair signs in at a server with Simple JWT's paths.
func pair(t *testing.T, url, name, password string) tokens {
	t.Helper()
	got := tokens{}
	h := &hallmark{demo: demo{Issuer: url}}
	if status := h.post(t, "", map[string]string{"username": name, "password": password}, &got); status != http.StatusOK {
		t.Fatalf("%s: %d %v", url, status, got)
	}
	return got
}

// me holds what an API says of a token.
func me(t *testing.T, what, api, token, want string) {
	t.Helper()
	resp, body := get(t, api+"/me", token)
	if got := fmt.Sprint(resp.StatusCode, " ", body); got != want && (want != "401" || resp.StatusCode != 401) {
		t.Errorf("%s: %.500s, want %s", what, got, want)
	}
}

const isAda = `200 {"id":1,"user":"ada"}`

// TestDjangoBothTokens: a site takes the tokens that it made itself, until the
// day that was named, and ours, and finds the same rows by both.
func TestDjangoBothTokens(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	s := startSynced(t, h, "auth.User", settings{})
	s.do(t, `ada = User.objects.create_user("ada", password="wonderland 1"); eve = User.objects.create_user("eve", password="password e")`)
	s.arrives(t)
	uri, fetches := h.counted(t)
	until := time.Now().Add(25 * time.Second).UTC()
	api := serveDjango(t, "django/both_tokens.py", s.database, "ISSUER="+h.Issuer, "SECRET_KEY="+djangoSecret,
		"OLD_TOKENS_UNTIL="+until.Format("2006-01-02T15:04:05+00:00"), `HALLMARK={"JWK_URL": "`+uri+`", "KEYS_MAX_AGE": 2}`)
	until = until.Truncate(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wrong := exec.CommandContext(ctx, python, "-B", "django/both_tokens.py", freePort(t), s.database)
	wrong.Env = append(os.Environ(), "ISSUER="+h.Issuer, "AUDIENCE="+siteAudience, "SECRET_KEY="+djangoSecret, "OLD_TOKENS_UNTIL=2027-03-01")
	if out, err := wrong.CombinedOutput(); err == nil || ctx.Err() != nil || !strings.Contains(string(out), "OLD_TOKENS_UNTIL has to be such as") {
		t.Errorf("a site starts with an end that has no offset: %v\n%s", err, out)
	}

	old, ours := pair(t, api, "ada", "wonderland 1"), pair(t, h.Issuer, "ada", "wonderland 1")
	for range 3 {
		began := time.Now()
		if resp, body := get(t, api+"/me", old["access"]); time.Now().Before(until) && resp.StatusCode != 200 {
			t.Errorf("an old token, %v before the end: %d %s", until.Sub(began), resp.StatusCode, body)
		}
	}
	if n := fetches.Load(); n != 0 {
		t.Errorf("old tokens had the keys fetched %d times", n)
	}
	me(t, "ours", api, ours["access"], isAda)
	for what, token := range map[string]string{
		"an old refresh token": old["refresh"], "our refresh token": ours["refresh"],
		"old, another signature": edited(t, old["access"], "signature"), "old, no signature": edited(t, old["access"], "none"),
		"ours, another signature": edited(t, ours["access"], "signature"), "ours, another payload": edited(t, ours["access"], "payload"),
		"ours, no signature": edited(t, ours["access"], "none"), "garbage": "garbage",
		"ours, signed with the public key as a secret": forgedHS(t, ours["access"], []byte(h.exportPEM(t))),
		"with our kid, signed with the old secret":     forgedHS(t, ours["access"], []byte("another secret of 32 bytes or more")),
	} {
		me(t, what, api, token, "401")
	}
	h.operate(t, "client", "change", "site", "--audience", "https://another.example", "--default-audience", "https://another.example")
	me(t, "for another API", api, pair(t, h.Issuer, "ada", "wonderland 1")["access"], "401")
	h.operate(t, "client", "change", "site", "--audience", siteAudience, "--default-audience", siteAudience)

	strangers(t, h, s, api)
	before, began := fetches.Load(), time.Now()
	for range 20 {
		me(t, "an unknown kid", api, unknownKid(t, ours["access"]), "401")
	}
	if n, most := fetches.Load()-before, 2+int32(time.Since(began)/(2*time.Second)); n > most { // keys are kept for two seconds
		t.Errorf("20 tokens with an unknown kid had the keys fetched %d times, want at most %d", n, most)
	}

	h.kill(t)
	time.Sleep(3 * time.Second) // the keys are older than they should be
	me(t, "ours, while Hallmark is away", api, ours["access"], isAda)

	for {
		asked := time.Now()
		resp, _ := get(t, api+"/me", old["access"])
		switch {
		case resp.StatusCode == 200 && asked.After(until):
			t.Fatal("old tokens are taken after their end")
		case resp.StatusCode != 200 && time.Now().Before(until):
			t.Fatal("old tokens are refused before their end")
		case resp.StatusCode != 200:
			me(t, "ours, after the end of the old ones", api, ours["access"], isAda)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// strangers: who has no row, or one that is disabled, is refused, and that is
// no failure of the API.
func strangers(t *testing.T, h *hallmark, s *syncedSite, api string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "user", "add", "--data", h.data, "stranger")
	cmd.Stdin = strings.NewReader("strange password 1\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	me(t, "who is a user at Hallmark only", api, pair(t, h.Issuer, "stranger", "strange password 1")["access"], "401")
	eve := pair(t, h.Issuer, "eve", "password e")["access"]
	me(t, "eve", api, eve, `200 {"id":2,"user":"eve"}`)
	s.do(t, `eve.is_active = False; eve.save()`)
	me(t, "eve, disabled", api, eve, "401")
}

// forgedHS is a token of ours with an HMAC instead of its signature.
func forgedHS(t *testing.T, token string, secret []byte) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	forged := jwt.NewWithClaims(jwt.SigningMethodHS256, parsed.Claims)
	forged.Header["kid"], forged.Header["typ"] = parsed.Header["kid"], "at+jwt"
	text, err := forged.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unknownKid is a token of ours that names a key nobody has.
func unknownKid(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	parsed.Header["kid"] = "nobody's"
	text, err := parsed.SigningString()
	if err != nil {
		t.Fatal(err)
	}
	return text + ".AAAA"
}

// TestDjangoResourceServer: Simple JWT's own settings verify our tokens offline
// and find the users' rows, across rotations, to keys that were known and to
// ones that were not, and forget a revoked key in the time that they say.
func TestDjangoResourceServer(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	s := startSynced(t, h, "auth.User", settings{})
	s.do(t, `ada = User.objects.create_user("ada", password="wonderland 1"); eve = User.objects.create_user("eve", password="password e")`)
	s.arrives(t)
	const seconds = 4
	api := serveDjango(t, "django/resource_server.py", s.database, "ISSUER="+h.Issuer, fmt.Sprint("JWKS_MAX_AGE=", seconds))

	sign := func() string { return pair(t, h.Issuer, "ada", "wonderland 1")["access"] }
	signed := []string{sign()}
	me(t, "the first key", api, signed[0], isAda)
	me(t, "no token", api, "", "401")
	strangers(t, h, s, api)
	for range 2 { // the second key was published when the API began, the third was not
		h.operate(t, "keys", "rotate", "--now", "--alg", rs256)
		last := signed[len(signed)-1]
		for next := last; kid(t, next) == kid(t, last); time.Sleep(200 * time.Millisecond) {
			if next = sign(); kid(t, next) != kid(t, last) {
				signed = append(signed, next)
			}
		}
		for n, token := range signed {
			me(t, fmt.Sprint("after rotation, key ", n), api, token, isAda)
		}
	}

	h.operate(t, "keys", "revoke", "--reason", "a test", "--yes", "--", kid(t, signed[1]))
	began, refused := time.Now(), false
	for time.Since(began) < 60*time.Second && !refused { // that, 5 seconds of the server's poll, and a slow machine
		resp, _ := get(t, api+"/me", signed[1])
		refused = resp.StatusCode == 401
		time.Sleep(200 * time.Millisecond)
	}
	if t.Logf("the revoked key was forgotten within %v", time.Since(began)); !refused {
		t.Error("it goes on with the revoked key")
	}
	me(t, "a retired key", api, signed[0], isAda)
	me(t, "the key that signs", api, signed[2], isAda)
}
