package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
)

func TestWellKnownURLs(t *testing.T) {
	for _, tc := range []struct{ issuer, oauth, oidc string }{
		{"https://a.example", "https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		{"https://a.example/", "https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		{"https://a.example/t/1", "https://a.example/.well-known/oauth-authorization-server/t/1", "https://a.example/t/1/.well-known/openid-configuration"},
		{"https://a.example:8443/t%2F1/", "https://a.example:8443/.well-known/oauth-authorization-server/t%2F1", "https://a.example:8443/t%2F1/.well-known/openid-configuration"},
	} {
		target := Target{Issuer: tc.issuer}
		if target.oauthURL() != tc.oauth || target.oidcURL() != tc.oidc {
			t.Errorf("%s: %s and %s", tc.issuer, target.oauthURL(), target.oidcURL())
		}
	}
}

func TestWhereCredentialsMayGo(t *testing.T) {
	for issuer, want := range map[string]bool{
		"https://a.example": true, "http://127.0.0.1:8080": true, "http://[::1]:8080/x": true, "http://LocalHost": true,
		"http://[::ffff:127.0.0.1]": true, "http://a.example": false, "http://127.0.0.1.example": false, "http://10.0.0.1": false,
		"ftp://127.0.0.1": false, "127.0.0.1:8080": false, "https://a.example#f": false, "https://u@a.example": false,
	} {
		if err := (Target{Issuer: issuer}).check(); (err == nil) != want {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestClientRoles(t *testing.T) {
	target := Target{
		Client: Client{ID: "public"}, Second: Client{ID: "basic", Secret: "x"}, Strict: Client{ID: "post", Secret: "x", Method: AuthPost},
		RetryWindow: time.Minute,
	}
	for role, c := range map[string]Client{"public": target.public(), "basic": target.basic(), "post": target.post()} {
		if c.ID != role {
			t.Errorf("%s is %q", role, c.ID)
		}
	}
	if c := target.confidential(); c.Secret == "" {
		t.Errorf("confidential is %q", c.ID)
	}
	if c, wait := target.strict(); c.ID != "post" || wait != 0 {
		t.Errorf("strict is %q, %v", c.ID, wait)
	}
	target.Strict, target.Basic = Client{}, Client{ID: "explicit", Secret: "x"}
	if c, wait := target.strict(); c.ID != "public" || wait != time.Minute {
		t.Errorf("without a strict one: %q, %v", c.ID, wait)
	}
	if c := target.basic(); c.ID != "explicit" {
		t.Errorf("basic is %q", c.ID)
	}
}

func TestRedactor(t *testing.T) {
	var r redactor
	r.learn("password", "abc")
	r.learn("refresh_token", "abcdef") // begins with the other
	r.learn("client_secret", `a"\<é &`)
	r.learn("nothing", "")
	for in, want := range map[string]string{
		"x=abc&y=abcdef":                          "x=[password]&y=[refresh_token]",
		`say "a\"\\<é &"`:                         `say "[client_secret]"`,
		`say "a\"\\\u003cé \u0026"`:               `say "[client_secret]"`,
		"s=a%22%5C%3C%C3%A9+%26":                  "s=[client_secret]",
		"s=a%22%5C%3C%C3%A9%20&":                  "s=[client_secret]",
		"%61%62%63 of percent":                    "[password] of percent",
		"base64 " + base64abc():                   "base64 [password]",
		"a\x1b[2Jb\n\u202ec":                      "a�[2Jb��c",
		"nothing to see":                          "nothing to see",
		strings.Repeat("é", maxText):              strings.Repeat("é", maxText),
		strings.Repeat("é", 1+maxText):            strings.Repeat("é", maxText) + "…",
		strings.Repeat("-", maxText-1) + "abcdef": strings.Repeat("-", maxText-1) + "[…", // cut after redacting
	} {
		if got := r.clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func base64abc() string { return base64.StdEncoding.EncodeToString([]byte("abc")) }

func TestParams(t *testing.T) {
	ps := params{{"a", "1"}, {"b", "2"}}
	for want, got := range map[string]params{
		"a=1&b=2&a=3": ps.and("a", "3"),
		"a=9&b=2":     ps.set("a", "9"),
		"b=2":         ps.without("a"),
		"a=1&b=2":     ps,
		"%26=+%3D":    {{"&", " ="}},
	} {
		if got.String() != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestObject(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, ` {"a":1} ` + "\n": true, `{"a":1}x`: false, `{} {}`: false, `[]`: false, `"a"`: false, `null`: false, ``: false, `{"a"`: false,
	} {
		if got := object([]byte(text)); (got != nil) != ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "Mon, 23 Nov 2026 10:00:09 GMT": 9 * time.Second, "Mon, 23 Nov 2026 09:00:00 GMT": 0,
		"": -1, "soon": -1, "-3": -1, "99999999999999999999": -1,
	} {
		got, ok := answer{at: now, header: http.Header{"Retry-After": {value}}}.retryAfter()
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestDirectives(t *testing.T) {
	a := answer{header: http.Header{"Cache-Control": {`Public, MAX-AGE="300"`, "no-store"}}}
	d := a.directives()
	if _, ok := d["public"]; !ok || d["max-age"] != "300" || !a.noStore() {
		t.Errorf("%v", d)
	}
	if (answer{header: http.Header{"Cache-Control": {"x-no-store"}}}).noStore() {
		t.Error("another directive passes for no-store")
	}
}

func TestClock(t *testing.T) {
	ours := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for date, want := range map[string]time.Duration{
		"Mon, 23 Nov 2026 10:00:02 GMT": 0,
		"Mon, 23 Nov 2026 11:00:00 GMT": time.Hour, // theirs is the only judge
		"":                              0,
	} {
		_, got := jwt{answer: answer{at: ours, header: http.Header{"Date": {date}}}}.clock()
		if got != ours.Add(want).Unix() {
			t.Errorf("%q: judged by %d, want %d", date, got, ours.Add(want).Unix())
		}
	}
}

func TestSlower(t *testing.T) {
	took := func(each func(i int) time.Duration) (out []time.Duration) {
		for i := range 20 {
			out = append(out, each(i))
		}
		return out
	}
	for name, tc := range map[string]struct {
		took []time.Duration
		want bool
	}{
		"growing":   {took(func(i int) time.Duration { return time.Duration(i) * 100 * time.Millisecond }), true},
		"steady":    {took(func(int) time.Duration { return 2 * time.Second }), false},
		"noise":     {took(func(i int) time.Duration { return time.Duration(1+i) * time.Millisecond }), false},
		"one spike": {took(func(i int) time.Duration { return time.Duration(i/19) * time.Minute }), false},
	} {
		if got := slower(tc.took); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPace(0, false)
		for range 11 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("11 requests at the default rate took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newPace(1, true).wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended context: %v", err)
		}
		start = time.Now()
		for range 1000 {
			newPace(0, true).wait(t.Context())
		}
		if time.Since(start) != 0 {
			t.Error("loopback is paced")
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("not-a-secret", `{"error_description":"not-a-secret"}`)
	f.Add("a%20b", "a b\x00\x1b")
	f.Fuzz(func(t *testing.T, secret, text string) {
		var r redactor
		r.learn("x", secret)
		got := r.clean(text)
		if len(secret) > 3 && !strings.Contains("[x]…", secret) && strings.Contains(got, secret) {
			t.Errorf("%q shows in %q", secret, got)
		}
		if i := strings.IndexFunc(got, func(c rune) bool { return !unicode.IsPrint(c) && c != unicode.ReplacementChar }); i >= 0 {
			t.Errorf("%q is not printable", got)
		}
	})
}

func FuzzParseJWT(f *testing.F) {
	f.Add("e30.e30.x")
	f.Add("e30.W10.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, compact string) {
		token, ok := parseJWT(compact)
		if ok != (token.header != nil && token.claims != nil) {
			t.Errorf("%q: %v %v", compact, ok, token)
		}
		token.date("exp")
		token.text("sub")
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"error":"invalid_grant"}`, "no-store", "application/json")
	f.Fuzz(func(t *testing.T, body, cache, contentType string) {
		a := answer{body: []byte(body), json: object([]byte(body)), header: http.Header{"Cache-Control": {cache}, "Content-Type": {contentType}, "Retry-After": {cache}}}
		a.directives()
		a.isJSON()
		a.retryAfter()
		if _, ok := newTokens(a, nil); ok {
			t.Error("tokens without a status")
		}
		_ = a.String()
	})
}
