package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// only runs one case.
func only(t *testing.T, target conformance.Target, id string) conformance.Result {
	t.Helper()
	return run(t, target, conformance.Options{Only: []string{id}, Abuse: true}).Results[0]
}

func TestNotApplicable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ mutation, id, evidence string }{
		{"no-oidc", "meta-oidc-path", "404"},
		{"no-oidc", "meta-both-agree", "only one"},
		{"introspection-silent", "meta-introspection-endpoint", "has no default"},
		{"no-jwks-uri", "jwks-no-private", "jwks_uri"},
		{"opaque", "at-typ", "not a signed JWT"},
		{"opaque", "jwks-verifies-issued", "not a signed JWT"},
		{"no-refresh", "rt-ok", "no refresh token"},
		{"no-throttle", "http-forwarded-spoof", "not answered 429"},
		{"no-rotation", "rt-reuse-revokes-family", "not rotated"},
		{"basic-only", "cauth-post-ok", "client_secret_post"},
		{"opaque", "rot-old-verify", "not a signed JWT"},
		{"token-no-kid", "rot-old-verify", "names no key"},
		{"no-refresh", "rt-revoked-user", "no refresh token"},
		{"basic-only", "cauth-public-ok", "does not list none"},
		{"resource-ignored", "res-unknown", "ignored"},
		{"resource-single", "res-narrow-refresh", "one resource at a time"},
		{"resource-not-aud", "rt-resource-bound", "same audience"},
		{"no-introspection", "rt-reuse-kills-access", "not told"},
		{"no-introspection", "rev-cascade-refresh", "not told"},
		{"introspection-blind", "rev-cascade-refresh", "not told"},
		{"no-revocation", "rev-refresh", "no revocation_endpoint"},
	} {
		r := only(t, newIssuer(t, tc.mutation).target(), tc.id)
		if r.Outcome != conformance.NA || !strings.Contains(r.Why, tc.evidence) {
			t.Errorf("%s under %s: %s %q, want n/a with %q", tc.id, tc.mutation, r.Outcome, r.Why, tc.evidence)
		}
	}
}

func TestOpaqueTokensAreNoReasonToFail(t *testing.T) {
	t.Parallel()
	report := run(t, newIssuer(t, "opaque").target(), conformance.Options{})
	for _, r := range report.Results {
		if !right(r) && r.Outcome != conformance.NA && r.Outcome != conformance.Skipped {
			t.Errorf("%s: %s: %s", r.ID, r.Outcome, r.Why)
		}
	}
}

func TestInconclusive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ mutation, id, why string }{
		{"password-off", "tok-dup-scope", "would prove nothing"},
		{"refresh-off", "rt-unknown", "would prove nothing"},
		{"victim-locked", "pw-bad-password", "would prove nothing"},
		{"busy", "tok-ct-json", "throttles"},
		{"hangup", "tok-ct-json", "no answer"},
		{"hangup", "rt-race-16", "no answer"},
		{"hangup", "http-forwarded-spoof", "no answer"},
		{"issuer-slash", "tok-ct-json", "must not be used"},
		{"cleartext", "tok-ct-json", "no credentials are sent"},
		{"hook-fails", "rot-old-stays", "the hook failed: not today"},
		{"hook-does-nothing", "rot-old-stays", "--hook-wait"},
		{"no-refresh", "meta-issuer-identical", ""},
	} {
		r := only(t, newIssuer(t, tc.mutation).target(), tc.id)
		want := conformance.Inconclusive
		if tc.why == "" {
			want = conformance.Pass
		}
		if r.Outcome != want || !strings.Contains(r.Why, tc.why) {
			t.Errorf("%s under %s: %s %q, want %s with %q", tc.id, tc.mutation, r.Outcome, r.Why, want, tc.why)
		}
	}
}

// Nothing may look like a pass that was not proven: when nobody can sign in,
// only cases that sign nobody in pass.
func TestNoPassWithoutControl(t *testing.T) {
	t.Parallel()
	needsUser := map[string]bool{}
	for _, c := range conformance.Cases() {
		needsUser[c.ID] = slices.Contains(c.Needs, conformance.NeedUser)
	}
	off, wrong := newIssuer(t, "password-off").target(), newIssuer(t).target()
	wrong.User.Password, wrong.Victim.Password = "not-a-password", "not-a-password"
	for name, target := range map[string]conformance.Target{"grant off": off, "wrong passwords": wrong} {
		for _, r := range run(t, target, conformance.Options{Abuse: true, MaxWait: time.Millisecond}).Results {
			if r.Outcome == conformance.Pass && needsUser[r.ID] || r.Outcome == conformance.Fail && name == "wrong passwords" {
				t.Errorf("%s: %s is %s though nobody can sign in", name, r.ID, r.Outcome)
			}
		}
	}
}

func TestSkippedNamesTheFlag(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	cases := map[string]conformance.Case{}
	for _, c := range conformance.Cases() {
		cases[c.ID] = c
	}
	for _, r := range run(t, conformance.Target{Issuer: is.url}, conformance.Options{}).Results {
		c := cases[r.ID]
		if len(c.Needs) == 0 && !c.Abuse {
			asksClient := r.ID == "meta-revocation-endpoint" || r.ID == "meta-introspection-endpoint" // of any method that is listed
			if asksClient != (r.Outcome == conformance.Skipped && strings.Contains(r.Why, "--client-id")) || !asksClient && !right(r) {
				t.Errorf("%s: %s: %s", r.ID, r.Outcome, r.Why)
			}
			continue
		}
		if r.Outcome != conformance.Skipped || !strings.HasPrefix(r.Why, "give ") || !strings.Contains(r.Why, "--") {
			t.Errorf("%s: %s %q, want skipped with a flag", r.ID, r.Outcome, r.Why)
		}
	}
	target := is.target()
	for _, tc := range []struct {
		id, flag string
		without  func(*conformance.Target)
	}{
		{"rt-client-bound", "--client2-id", func(t *conformance.Target) { t.Second = conformance.Client{} }},
		{"cauth-post-ok", "--post-client-id", func(t *conformance.Target) { t.Post = conformance.Client{} }},
		{"cauth-public-ok", "--public-client-id", func(t *conformance.Target) { t.Public = conformance.Client{} }},
		{"pw-bad-password", "--user2-username", func(t *conformance.Target) { t.Victim = conformance.User{} }},
		{"pw-ok", "--username", func(t *conformance.Target) { t.User.Password = "" }},
		{"tok-dup-scope", "--scope", func(t *conformance.Target) { t.Scope = "" }},
		{"rt-scope-narrow", "--scope", func(t *conformance.Target) { t.Scope = "read" }},
		{"intro-aud-isolation", "--api-client-id", func(t *conformance.Target) { t.API = conformance.Client{} }},
		{"bear-missing", "--resource-url", func(t *conformance.Target) { t.ResourceURL = "" }},
		{"rt-scope-widen", "--scope-ungranted", func(t *conformance.Target) { t.Ungranted = "" }},
		{"tok-grant-not-allowed", "--no-password-client-id", func(t *conformance.Target) { t.NoPassword = conformance.Client{} }},
		{"pw-no-refresh-unless", "--no-refresh-client-id", func(t *conformance.Target) { t.NoRefresh = conformance.Client{} }},
		{"pw-scope-cap", "--scope-forbidden", func(t *conformance.Target) { t.Forbidden = "" }},
		{"pw-utf8-password", "--user2-password-file", func(t *conformance.Target) { t.Victim.Password = "ascii" }},
		{"res-aud", "--resource", func(t *conformance.Target) { t.Resource = "" }},
		{"rt-resource-bound", "--resource", func(t *conformance.Target) { t.Resource = apiResource }},
		{"rev-other-client", "--client2-id", func(t *conformance.Target) {
			t.Second, t.Post, t.Public = conformance.Client{}, conformance.Client{}, conformance.Client{}
		}},
		{"cauth-basic-plus-other-id", "--client2-id", func(t *conformance.Target) {
			t.Second, t.Post, t.Public = conformance.Client{}, conformance.Client{}, conformance.Client{}
		}},
	} {
		less := target
		tc.without(&less)
		if r := only(t, less, tc.id); r.Outcome != conformance.Skipped || !strings.Contains(r.Why, tc.flag) {
			t.Errorf("%s: %s %q, want skipped with %s", tc.id, r.Outcome, r.Why, tc.flag)
		}
	}
}

func TestAbuseIsAskedForAndStaysOnLoopback(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	for _, r := range run(t, is.target(), conformance.Options{Only: []string{"rt-race-*", "pw-throttle-*"}, Skip: []string{"rt-race-multi-node"}}).Results { // which is only fast
		if r.Outcome != conformance.Skipped || !strings.Contains(r.Why, "--abuse") {
			t.Errorf("%s without Abuse: %s %q", r.ID, r.Outcome, r.Why)
		}
	}
	far, target := newFarIssuer(t)
	for _, r := range run(t, target, conformance.Options{Only: []string{"*-race-*", "pw-throttle-*", "rt-crash-consistency", "pw-ok"}, Abuse: true, Rate: 1000}).Results {
		want := conformance.Skipped
		if r.ID == "pw-ok" {
			want = conformance.Pass
		}
		if r.Outcome != want || want == conformance.Skipped && !strings.Contains(r.Why, "--i-own-this-server") {
			t.Errorf("%s at %s: %s %q, want %s", r.ID, far.url, r.Outcome, r.Why, want)
		}
	}
	// Who owns it may, and is not slowed down.
	start := time.Now()
	for _, r := range run(t, target, conformance.Options{Only: []string{"rt-race-16"}, Abuse: true, Owned: true, Rate: 1}).Results {
		if r.Outcome != conformance.Pass || time.Since(start) > 15*time.Second {
			t.Errorf("%s at %s, owned: %s %q after %v", r.ID, far.url, r.Outcome, r.Why, time.Since(start))
		}
	}
	for _, r := range run(t, target, conformance.Options{Only: []string{"rt-race-16"}, Owned: true, Rate: 1000}).Results {
		if r.Outcome != conformance.Skipped {
			t.Errorf("%s without Abuse: %s", r.ID, r.Outcome)
		}
	}
}

// newFarIssuer is one that has an https name, not a loopback one.
func newFarIssuer(t *testing.T, mutations ...string) (*issuer, conformance.Target) {
	t.Helper()
	is := newIssuer(t, mutations...)
	srv := httptest.NewUnstartedServer(is.handler())
	srv.TLS, srv.EnableHTTP2 = is.tls(t), true
	if is.mutated("h2-lenient") {
		srv.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": lenient}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	is.url = "https://example.com/tenant" // what the certificate of httptest is for
	hc := srv.Client()
	hc.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if is.mutated("http-too") && strings.HasSuffix(address, ":80") {
			return new(net.Dialer).DialContext(ctx, network, is.plain)
		}
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	target := is.target()
	target.HTTP = hc
	return is, target
}

func TestRateOnOtherPeoplesServers(t *testing.T) {
	t.Parallel()
	is, target := newFarIssuer(t)
	start := time.Now()
	run(t, target, conformance.Options{Only: []string{"pw-ok", "jwks-etag"}})
	if took, least := time.Since(start), time.Duration(is.count()-1)*time.Second/5; took < least {
		t.Errorf("%d requests took %v, want %v at 5/s", is.count(), took, least)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	is := newIssuer(t, "redirect")
	before := is.count()
	r := only(t, is.target(), "tok-ct-json")
	if r.Outcome != conformance.Inconclusive || !strings.Contains(r.Got, "307") || is.count() != before+2 {
		t.Errorf("%s %q after %d requests, want the 307 itself", r.Outcome, r.Got, is.count()-before)
	}
}

func TestRetryWindowIsWaitedFor(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	target := is.target()
	target.Client = conformance.Client{ID: "lenient", Secret: secondSecret}
	if r := only(t, target, "rt-reuse-revokes-family"); r.Outcome != conformance.Warn || !strings.Contains(r.Why, "--rt-grace") {
		t.Errorf("unannounced window: %s %q", r.Outcome, r.Why)
	}
	target.RetryWindow = 200 * time.Millisecond
	if r := only(t, target, "rt-reuse-revokes-family"); r.Outcome != conformance.Pass || r.Took < target.RetryWindow {
		t.Errorf("announced window: %s %q after %v", r.Outcome, r.Why, r.Took)
	}
	target.RetryWindow, target.Strict = time.Hour, conformance.Client{ID: "app", Secret: appSecret}
	if r := only(t, target, "rt-reuse-revokes-family"); r.Outcome != conformance.Pass {
		t.Errorf("strict client: %s %q", r.Outcome, r.Why)
	}
}

func TestThrottleThatOutlastsThePatience(t *testing.T) {
	t.Parallel()
	r := only(t, newIssuer(t, "retry-never").target(), "pw-throttle-user")
	if r.Outcome != conformance.Pass || !strings.Contains(r.Why, "--max-wait") {
		t.Errorf("%s %q", r.Outcome, r.Why)
	}
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		target conformance.Target
		o      conformance.Options
		want   string
	}{
		"no issuer":           {t.Context(), conformance.Target{}, conformance.Options{}, "absolute URL"},
		"query":               {t.Context(), conformance.Target{Issuer: is.url + "?a=b"}, conformance.Options{}, "absolute URL"},
		"userinfo":            {t.Context(), conformance.Target{Issuer: "https://u:not-a-password@host"}, conformance.Options{}, "absolute URL"},
		"in the clear":        {t.Context(), conformance.Target{Issuer: "http://issuer.invalid"}, conformance.Options{}, "not https"},
		"same user":           {t.Context(), conformance.Target{Issuer: is.url, User: conformance.User{Name: "a"}, Victim: conformance.User{Name: "a"}}, conformance.Options{}, "wrong passwords"},
		"tokens in the clear": {t.Context(), conformance.Target{Issuer: is.url, ResourceURL: "http://api.invalid"}, conformance.Options{}, "not https"},
		"bad glob":            {t.Context(), is.target(), conformance.Options{Only: []string{"["}}, "glob"},
		"unknown case":        {t.Context(), is.target(), conformance.Options{Skip: []string{"tok-nothing"}}, "no case"},
		"nobody listens":      {t.Context(), conformance.Target{Issuer: closed.URL}, conformance.Options{}, "not reachable"},
		"ended":               {ended, is.target(), conformance.Options{}, "canceled"},
	} {
		report, err := conformance.Run(tc.ctx, tc.target, tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "not-a-password") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if report.Passed() {
			t.Errorf("%s: passed", name)
		}
	}
}

func TestStopsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	report, err := conformance.Run(ctx, newIssuer(t).target(), conformance.Options{Done: func(r conformance.Result) {
		if r.ID == "meta-both-agree" {
			cancel()
		}
	}})
	done := len(report.Results)
	if !errors.Is(err, context.Canceled) || done == 0 || report.Results[done-1].ID != "meta-both-agree" {
		t.Errorf("%d results, %v", done, err)
	}
	if !report.Partial || report.Left != len(conformance.Cases())-done || report.Passed() {
		t.Errorf("partial %v, %d left, passed %v", report.Partial, report.Left, report.Passed())
	}
}

// The case that was interrupted is not in the report.
func TestStopsInTheMiddleOfACase(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	target := newIssuer(t).target()
	target.Hooks.Restart = func(context.Context) error { cancel(); return nil }
	report, err := conformance.Run(ctx, target, conformance.Options{Only: []string{"pw-ok", "rot-restart", "tok-pragma"}})
	if !errors.Is(err, context.Canceled) || !report.Partial || report.Left != 1 || report.Count(conformance.Pass) != 2 || len(report.Results) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestOnlyAndSkip(t *testing.T) {
	t.Parallel()
	var ids []string
	run(t, newIssuer(t).target(), conformance.Options{Only: []string{"jwks-k*", "jwks-etag", "pw-ok"}, Skip: []string{"*-kid-*"}, Done: func(r conformance.Result) {
		ids = append(ids, r.ID)
	}})
	if got, want := strings.Join(ids, " "), "jwks-keys-array jwks-kty jwks-etag pw-ok"; got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
}

// What the specifications leave open must not be held against a server.
func TestLegalVariantsPass(t *testing.T) {
	t.Parallel()
	for _, mutations := range []string{
		"nbf-same", "aud-array", "typ-long", "no-scope-member", "widen-kept", "post-401", "media-400", "get-404", "jwk-set-type",
		"scope-ignored text-literal", "scope-wanted no-type-415 empty-secret-400 error-ids", "scope-ignored other-host-page docs-ordered doc-post-404", "retry-date", "no-expires", "shout", "page-http", "doc-tag", "head-405", "kty-unknown", "text-literal", "scope-subset", "case-folds",
		"revocation-untold", "revocation-unsupported", "revocation-access-ends",
	} {
		if spared(mutations) {
			continue
		}
		t.Run(mutations, func(t *testing.T) {
			t.Parallel()
			o := conformance.Options{Skip: append(slow(), "pw-throttle-*"), Abuse: true}
			if strings.HasPrefix(mutations, "retry") {
				o = conformance.Options{Only: []string{"pw-throttle-*"}, Abuse: true}
			}
			for _, r := range run(t, newIssuer(t, strings.Fields(mutations)...).target(), o).Results {
				if mutations == "widen-kept" && r.ID == "tok-no-state-on-error" && r.Outcome == conformance.NA {
					continue // no error to look at
				}
				if !right(r) {
					t.Errorf("%s: %s: %s\n sent %s\n got %s", r.ID, r.Outcome, r.Why, r.Sent, r.Got)
				}
			}
		})
	}
}

// Whichever kind the main client is, what it can show is shown.
func TestAnyKindOfClientWillDo(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	for _, c := range []conformance.Client{is.target().Public, is.target().Post} {
		target := conformance.Target{Issuer: is.url, Client: c, User: is.target().User}
		for _, r := range run(t, target, conformance.Options{}).Results {
			if !right(r) && r.Outcome != conformance.Skipped {
				t.Errorf("%s: %s: %s: %s\n sent %s\n got %s", c.ID, r.ID, r.Outcome, r.Why, r.Sent, r.Got)
			}
		}
	}
}

// A server that says everything it knows in every place that a report shows.
func TestNoSecretGetsIntoAReport(t *testing.T) {
	t.Parallel()
	for _, mutations := range []string{
		"echo", "echo own-codes errors-200", "echo password-off", "echo any-method refresh-off", "echo errors-with-token",
	} {
		t.Run(mutations, func(t *testing.T) {
			t.Parallel()
			is := newIssuer(t, strings.Fields(mutations)...)
			report := run(t, is.target(), conformance.Options{Skip: slow(), Abuse: true})
			noSecrets(t, is, report)
			var text strings.Builder
			report.WriteText(&text)
			for _, label := range []string{"[password]", "[refresh_token]"} {
				if !strings.Contains(text.String(), label) {
					t.Errorf("nothing shows as %s: the test proves nothing", label)
				}
			}
			if strings.ContainsRune(text.String(), 0x1b) {
				t.Error("a control character of the server reaches the terminal")
			}
		})
	}
}

// noSecrets looks for every secret of the target and every one that passed
// the issuer, as it is and as it may be written.
func noSecrets(t *testing.T, is *issuer, report conformance.Report) {
	t.Helper()
	var text, js, xml strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteJUnit(&xml); err != nil {
		t.Fatal(err)
	}
	written := text.String() + js.String() + xml.String()
	is.mu.Lock()
	defer is.mu.Unlock()
	secrets := append([]string{appSecret, secondSecret, postSecret, alicePassword, victimPassword}, is.seen...)
	slices.Sort(secrets) // most came more than once
	for _, secret := range slices.Compact(secrets) {
		for _, form := range []string{secret, url.QueryEscape(secret), inJSON(secret), inJSON(inJSON(secret))} {
			if form != "" && strings.Contains(written, form) {
				t.Errorf("%q is in the report", form)
			}
		}
	}
}
