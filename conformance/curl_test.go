package conformance

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// shellOut runs a command line as bash does, with variables.
func shellOut(t *testing.T, line string, variables ...string) string {
	t.Helper()
	bash := exec.CommandContext(t.Context(), "bash", "-u", "-c", line)
	bash.Env = append(append(os.Environ(), "no_proxy=*"), variables...)
	out, err := bash.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", line, err, out)
	}
	return string(out)
}

// needCurl skips where there is none, which CI forbids.
func needCurl(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("HALLMARK_REQUIRE_PEERS") != "" {
				t.Fatalf("required and not here: %v", err)
			}
			t.Skipf("not here: %v", err)
		}
	}
}

// A word survives the shell, whatever is in it.
func TestQuoted(t *testing.T) {
	t.Parallel()
	needCurl(t)
	for _, s := range []string{
		"plain-1.2_3/:=%+,@x", "a b", `it's "$(touch x)" ` + "`id`", "$HOME !! ~ *", "a\r\nb\t\x1b[2J1", "é ü", "\xff\xfe'\\", "\u202e9", "'", "a\x019",
	} {
		if got := shellOut(t, "printf %s "+quoted(s)); got != s {
			t.Errorf("%q came back as %q from %s", s, got, quoted(s))
		}
	}
}

// What the command sends is what the case sent, and says no secret itself.
func TestCurlSendsTheSame(t *testing.T) {
	t.Parallel()
	needCurl(t)
	requests := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- strings.Join([]string{
			r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("X-Odd"), string(body),
		}, "|")
	}))
	defer server.Close()
	const password, secret = `pass'"$(id)\ é&=`, "s e/c:r+e't"
	form := params{{"grant_type", "password"}, {"username", "al ice"}, {"password", password}, {"scope", "a"}, {"scope", "@x"}, {"empty", ""}}
	basic := basicHeader("app", "s+e%2Fc%3Ar%2Be%27t")
	contentType, multipart := multipartEncoded(form)
	jsonType, asJSON := jsonEncoded(form)
	for name, w := range map[string]wire{
		"form":        {"POST", "/token", http.Header{"Content-Type": {formType}, "Authorization": {basic}}, form.String(), form},
		"query":       {"POST", "/token?" + form.String() + "&x=[1-3]{a,b}", http.Header{"Content-Type": {formType}}, "a=b", params{{"a", "b"}}},
		"multipart":   {"POST", "/token", http.Header{"Content-Type": {contentType}}, multipart, form},
		"json":        {"POST", "/token", http.Header{"Content-Type": {jsonType}}, asJSON, form},
		"no type":     {"POST", "/token", http.Header{}, form.String(), form},
		"odd":         {"PUT", "/a/../b", http.Header{"X-Odd": {"it's; odd"}}, "", nil},
		"bare":        {"GET", "/x", nil, "", nil},
		"no body":     {"POST", "/x", nil, "", nil},
		"wrong Basic": {"POST", "/x", http.Header{"Authorization": {basicHeader("app", "wrong")}}, "", nil},
	} {
		address := w.address
		w.address = server.URL + address
		p := &Probe{runner: &runner{secrets: &redactor{}}}
		p.secrets.name("CLIENT_SECRET", "client_secret", secret)
		p.secrets.learn("password", password)
		p.learn(call{header: w.header, body: w.fields})
		p.keep(w)
		line := p.curl()
		if strings.Contains(line, password) || strings.Contains(line, secret) || strings.Contains(line, "s+e%2F") || strings.Contains(line, "d3Jvbmc") || strings.Contains(line, "\n") {
			t.Errorf("%s: a secret or a line break in %s", name, line)
		}
		json := strings.ReplaceAll(strings.ReplaceAll(password, `\`, `\\`), `"`, `\"`)
		shellOut(t, line, "PASSWORD="+password, "PASSWORD_ENCODED=pass%27%22%24%28id%29%5C+%C3%A9%26%3D", "PASSWORD_JSON="+strings.ReplaceAll(json, "&", `\u0026`),
			"CLIENT_SECRET_ENCODED=s+e%2Fc%3Ar%2Be%27t", "OTHER_CREDENTIALS="+strings.TrimPrefix(basicHeader("app", "wrong"), "Basic "))
		want := strings.Join([]string{
			w.method, address, w.header.Get("Content-Type"), w.header.Get("Authorization"), w.header.Get("X-Odd"), w.body,
		}, "|")
		got := <-requests
		if name == "form" || name == "no type" { // curl writes %20 for +
			got = strings.ReplaceAll(got, "%20", "+")
		}
		if got != want {
			t.Errorf("%s: sent\n%q, want\n%q\nby %s", name, got, want, line)
		}
	}
}

func TestCurlThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]wire{
		"file": {method: "GET", address: "file:///etc/passwd"},
		"NUL":  {method: "POST", address: "https://a", body: "a\x00"},
		"long": {method: "POST", address: "https://a", body: strings.Repeat("a", maxCurl)},
	} {
		p := &Probe{runner: &runner{secrets: &redactor{}}}
		p.keep(w)
		if line := p.curl(); line != "" {
			t.Errorf("%s: %s", name, line)
		}
	}
	if line := (&Probe{runner: &runner{}}).curl(); line != "" {
		t.Errorf("nothing was sent: %s", line)
	}
}
