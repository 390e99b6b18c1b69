package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// toolkitFindings are what Django OAuth Toolkit 1.7, of Debian 12, does not hold
// to: each was looked up in the specification and in the sources of it, oauthlib,
// Django and gunicorn.
var toolkitFindings = map[string]string{
	// What lets others in, or keeps them in.
	"rev-other-client":        "RFC 7009 §2.1: any client revokes any token",
	"rev-public-client":       "RFC 7009 §2.1: any client revokes any token, public ones too",
	"rt-reuse-revokes-family": "RFC 9700 §4.14.2: the reuse of a spent refresh token is refused and otherwise unnoticed",
	"rt-reuse-kills-access":   "RFC 9700 §4.14.2: nor does it end access tokens",
	"rt-revoked-user":         "RFC 9700 §4.14.2: a user who is not active goes on refreshing",
	"rev-rotated-family":      "RFC 7009 §2.1: to revoke a spent token leaves its successor alive",
	"intro-client-token":      "RFC 7662 §4: any client is told of any access token",
	"pw-throttle-user":        "RFC 6749 §4.3.2: nothing limits the guessing of passwords",
	"pw-throttle-spray":       "RFC 6819 §4.4.3.6: nor across users",
	// What it answers 500, by an exception of oauthlib's or its own.
	"tok-query-params-ignored": "RFC 6749 §5.2: any parameter in the URL is 500",
	"tok-query-mixed":          "RFC 6749 §5.2: any parameter in the URL is 500",
	"tok-dup-body-and-query":   "RFC 6749 §5.2: any parameter in the URL is 500",
	"cauth-query-secret":       "RFC 6749 §5.2: any parameter in the URL is 500",
	"rev-cascade-access":       "RFC 7009 §2.1: once its access token is revoked, a refresh token is 500",
	// Parameters and errors: Django takes the last of several and oauthlib sees no other.
	"tok-dup-grant-type": "RFC 6749 §3.2: the last of two counts",
	"tok-dup-scope":      "RFC 6749 §3.2: the last of two counts",
	"tok-dup-username":   "RFC 6749 §3.2: the last of two counts",
	"tok-dup-each":       "RFC 6749 §3.2: the last of two counts",
	"tok-empty-param":    "RFC 6749 §3.2: an empty scope is invalid_scope, not none",
	"tok-empty-required": "RFC 6749 §5.2: no grant_type is unsupported_grant_type, not invalid_request",
	"tok-grant-missing":  "RFC 6749 §5.2: no grant_type is unsupported_grant_type, not invalid_request",
	"tok-scope-syntax":   "RFC 6749 §3.3: spaces before and after do not matter",
	"tok-scope-dup":      "RFC 6749 §3.3: a scope that is asked for twice is granted twice",
	"tok-ct-form":        "RFC 9110 §8.3.1: Django minds the case of a media type",
	"tok-ct-multipart":   "RFC 6749 §4.3.2: multipart is read too",
	"tok-ct-double":      "RFC 9110 §5.3: the last of two types counts",
	"tok-body-nul":       "RFC 6749 App. A.1: a client_id with NUL beside Basic is overlooked",
	// Clients.
	"cauth-basic-wrong-www-auth": "RFC 6749 §5.2: the challenge is Bearer, not Basic",
	"cauth-basic-scheme-case":    "RFC 9110 §11.1: basic is not Basic",
	"cauth-basic-bad-base64":     "RFC 4648 §3.3: characters outside the alphabet are skipped",
	"cauth-two-methods":          "RFC 6749 §2.3: Basic counts, and what the body says does not matter",
	"cauth-two-methods-one-bad":  "RFC 6749 §2.3: the one that is right counts",
	"cauth-basic-plus-other-id":  "RFC 6749 §3.2.1: another client_id in the body is overlooked",
	"cauth-basic-two-headers":    "RFC 9110 §5.3: one of two credentials counts",
	"cauth-post-not-registered":  "RFC 7591 §2: clients are not registered for a method",
	"rt-scope-narrow-then-full":  "RFC 6749 §6: a refresh for less narrows the next refresh token for good",
	// Introspection and its own API.
	"intro-get":           "RFC 7662 §2.1: GET is answered, so that tokens get into logs",
	"intro-missing-token": "RFC 7662 §2.1: no token is an inactive one",
	"intro-no-store":      "RFC 7662 §4: the answer says nothing of caches",
	"bear-missing":        "RFC 6750 §3: 403 without a challenge",
	"bear-invalid":        "RFC 6750 §3: 403 without a challenge",
	"bear-malformed":      "RFC 6750 §3: 403 without a challenge",
	"bear-scope":          "RFC 6750 §3.1: no insufficient_scope",
	"bear-query":          "RFC 6750 §2.3: it takes a token from the URL, and does not make the answer private",
	"bear-two-methods":    "RFC 6750 §2: one in the header and one in the URL are no mistake",
	// Documents.
	"meta-oidc-path":      "OIDC Discovery §4: the document is at an address with a slash more, to which it redirects",
	"meta-iss-param-flag": "RFC 9207 §3: answers of the authorization endpoint do not name the issuer",
	"jwks-cache-control":  "RFC 9111 §5.2: the value of Cache-Control begins with Cache-Control:",
	"jwks-etag":           "RFC 9110 §8.8.3: the keys come without an ETag",
	"jwks-cors":           "WHATWG Fetch: a preflight for the keys is not answered as one",
	// gunicorn's and Django's.
	"http-chunked":   "RFC 9112 §7.1: Django reads no body without a length",
	"http-smuggling": "RFC 9112 §6.3: an unknown coding is 500, not 400 or 501",
	"http-csp-json":  "OWASP ASVS 4.0 §14.4: there is no Content-Security-Policy",
	// This set-up's.
	"pw-legacy-notice": "RFC 9700 §2.4: the password grant",
	"meta-issuer-form": "RFC 8414 §2: plain http, on loopback",
}

// startToolkit runs it behind gunicorn, with more in its environment.
func startToolkit(t *testing.T, more ...string) *foreign {
	t.Helper()
	need(t, "Debian's python3-django-oauth-toolkit", python, "-c", "import oauth2_provider, django, oauthlib, jwcrypto")
	need(t, "Debian's gunicorn", "test", "-x", gunicorn)
	port := freePort(t)
	f := &foreign{issuer: "http://127.0.0.1:" + port + "/o", dir: t.TempDir()}
	type application struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Type   string `json:"client_type"`
		Grant  string `json:"authorization_grant_type"`
	}
	var clients []application
	add := func(flag, id, method, grant string) {
		a := application{id, f.client(t, flag, id, method), "confidential", grant}
		if a.Secret == "" {
			a.Type = "public"
		}
		clients = append(clients, a)
	}
	add("client", "web", "client_secret_basic", "password")
	add("client2", "other", "client_secret_basic", "password")
	add("basic-client", "b:a%c+k e&n=dé", "client_secret_basic", "password") // what needs encoding
	add("post-client", "poster", "client_secret_post", "password")
	add("public-client", "app", "none", "password")
	add("no-password-client", "job", "client_secret_basic", "client-credentials")
	given, err := json.Marshal(map[string]any{"clients": clients, "users": f.users(t)})
	if err != nil {
		t.Fatal(err)
	}

	script, err := filepath.Abs("django/toolkit.py")
	if err != nil {
		t.Fatal(err)
	}
	environment := append([]string{"DATABASE=" + filepath.Join(f.dir, "db"), "ISSUER=" + f.issuer, "PYTHONDONTWRITEBYTECODE=1"}, more...)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), environment...)
		return cmd
	}
	begin := run(python, script, "begin")
	begin.Stdin = bytes.NewReader(given)
	if out, err := begin.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	launch(t, port, func() *exec.Cmd {
		return run(gunicorn, "toolkit:application", "--chdir", "django", "--bind", "127.0.0.1:"+port, "--worker-tmp-dir", f.dir)
	}).await(t)
	disable := fmt.Sprintf(`%s %s '%s' disable "$CONFORMANCE_USERNAME"`, "DATABASE='"+filepath.Join(f.dir, "db")+"' ISSUER="+f.issuer, python+" -B", script)
	f.flags = append(f.flags, "--scope", "read write", "--scope-ungranted", "admin",
		"--resource-url", "http://127.0.0.1:"+port+"/me", "--hook-disable-user", disable, "--hook-wait", "5s")
	return f
}

// TestDjangoOAuthToolkit: the suite examines Django OAuth Toolkit, and says of
// it what is true.
func TestDjangoOAuthToolkit(t *testing.T) {
	t.Parallel()
	f := startToolkit(t)
	report := f.examine(t, "--abuse", "--skip", "rt-race-*") // one worker, as SQLite wants: nothing races
	found(t, report, toolkitFindings, 175)
	f.documented(t, report, "Django OAuth Toolkit")
}

// A toolkitDefect is a setting, in the environment, and the cases that name it.
type toolkitDefect struct{ set, ids []string }

func toolkitDefects() []toolkitDefect {
	return []toolkitDefect{
		{[]string{`SETTINGS={"ROTATE_REFRESH_TOKEN": false}`}, []string{"rt-rotated-public"}},
		{[]string{`SETTINGS={"REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 3600}`, "DEBUG=1"}, []string{"rt-old-refused", "http-error-pages"}},
	}
}

// TestDjangoOAuthToolkitDefects: what is set wrongly is named by its cases.
func TestDjangoOAuthToolkitDefects(t *testing.T) {
	t.Parallel()
	for _, d := range toolkitDefects() {
		t.Run(d.ids[0], func(t *testing.T) {
			t.Parallel()
			report := startToolkit(t, d.set...).examine(t, "--only", strings.Join(d.ids, ","))
			names(t, report, toolkitFindings, d.ids...)
		})
	}
}
