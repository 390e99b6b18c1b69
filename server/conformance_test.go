package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

// notPassed are the cases that cannot pass here, each for its reason.
var notPassed = map[string]conformance.Outcome{
	// On purpose (docs/decisions/0003): there is no authorization endpoint.
	"meta-response-types": conformance.Warn,
	"meta-oidc-required":  conformance.Warn,
	// On purpose: RFC 9700 §2.4 forbids the password grant, and it is what this
	// server is for (SECURITY.md). It warns, so that nobody overlooks it.
	"pw-legacy-notice": conformance.Warn,
	// The issuer of this test is on loopback.
	"meta-issuer-form":          conformance.Warn,
	"meta-endpoints-https-only": conformance.NA,
	"http-tls12":                conformance.NA,
	"http-tls13":                conformance.NA,
	"http-ciphers":              conformance.NA,
	"http-cert":                 conformance.NA,
	"http-hsts":                 conformance.NA,
	"http-http2":                conformance.NA,
	// Not offered, and the metadata does not say so.
	"meta-scopes":               conformance.NA,
	"meta-auth-signing-algs":    conformance.NA,
	"meta-pkce-methods":         conformance.NA,
	"meta-iss-param-flag":       conformance.NA,
	"meta-dpop-algs":            conformance.NA,
	"jwks-x5c-matches":          conformance.NA,
	"at-not-id-token":           conformance.NA,
	"at-client-credentials-sub": conformance.NA,
	"at-cnf":                    conformance.NA,
	"intro-cnf":                 conformance.NA,
	"intro-jwt-response":        conformance.NA,
	"res-scope-per-resource":    conformance.Skipped, // a client's scopes are for all its audiences: there is none to ask with
	// private_key_jwt.
	"cauth-pkjwt-ok":                 conformance.NA,
	"cauth-pkjwt-aud-issuer":         conformance.NA,
	"cauth-pkjwt-aud-token-url":      conformance.NA,
	"cauth-pkjwt-aud-array":          conformance.NA,
	"cauth-pkjwt-aud-wrong":          conformance.NA,
	"cauth-pkjwt-iss-sub":            conformance.NA,
	"cauth-pkjwt-exp":                conformance.NA,
	"cauth-pkjwt-nbf-iat":            conformance.NA,
	"cauth-pkjwt-jti-replay":         conformance.NA,
	"cauth-pkjwt-jti-missing":        conformance.NA,
	"cauth-pkjwt-sig":                conformance.NA,
	"cauth-pkjwt-assertion-type":     conformance.NA,
	"cauth-pkjwt-client-id-mismatch": conformance.NA,
	"cauth-pkjwt-typ":                conformance.NA,
	"cauth-pkjwt-as-token":           conformance.NA,
}

// TestConformance runs every case of the suite against this server, the ones
// that attack it included: all pass but those named above, none is left out.
func TestConformance(t *testing.T) {
	// Guessing is throttled for one account as ever; the cases' own wrong
	// passwords, many users from one address, must not stop the suite. So what
	// the throttle says to many users has a server of its own.
	const spray = "pw-throttle-spray"
	results := examine(t, 1000, conformance.Options{Skip: []string{spray}, Abuse: true})
	results = append(results, examine(t, 20, conformance.Options{Only: []string{spray}, Abuse: true})...)
	if len(results) != len(conformance.Cases()) || len(results) < 40 {
		t.Errorf("%d cases ran of %d", len(results), len(conformance.Cases()))
	}
	manual, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for id, outcome := range notPassed {
		if outcome == conformance.Warn && id != "meta-issuer-form" && !strings.Contains(string(manual), "`"+id+"`") {
			t.Errorf("%s is not passed on purpose, and docs/conformance.md does not say why", id)
		}
	}
	for _, r := range results {
		want, named := notPassed[r.ID]
		switch {
		case r.Outcome == conformance.Skipped && byHand(r.Why): // they run in cmd/hallmark, with its commands and processes
			want = conformance.Skipped
		case !named:
			want = conformance.Pass
		}
		if r.Outcome != want {
			t.Errorf("%s: %s, want %s: %s", r.ID, r.Outcome, want, r.Why+" | "+r.Sent+" | "+r.Got)
		}
	}
}

// byHand reports whether a case was skipped for want of a hand on the server.
func byHand(why string) bool {
	return slices.ContainsFunc([]string{"--hook-", "--second-node", "--rt-idle", "--rt-lifetime", "--key-retention"}, func(flag string) bool {
		return strings.HasPrefix(why, "give "+flag)
	})
}

// TestConformanceOfRetention: a key leaves the set when its time is over, which
// a moved clock makes short.
func TestConformanceOfRetention(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	k := newKitWith(t, "", func(c *keys.RotatorConfig) {
		read := c.ServiceTime
		c.ServiceTime = func(ctx context.Context) (storage.ServiceTime, error) {
			at, err := read(ctx)
			return at.Add(time.Duration(ahead.Load())), err
		}
	})
	target := k.conformanceTarget()
	target.Client, target.KeyRetention = target.API, time.Second // which is told of its own tokens
	target.Hooks.Rotate = func(ctx context.Context) error {
		_, err := k.keys.Edit(ctx, func(r keys.Ring, now keys.Instant, _ keys.Generate) (keys.Ring, error) {
			return r.Rotate(keys.ES256, now, true)
		})
		stay := 2 * k.keys.Ring().Schedule().KeepAfter
		time.AfterFunc(target.KeyRetention/2, func() {
			k.clock.jump(stay)
			ahead.Add(int64(stay))
			if err := k.keys.Look(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return err
	}
	report, err := conformance.Run(t.Context(), target, conformance.Options{Only: []string{"rot-old-removed"}})
	k.must(err)
	if r := report.Results[0]; r.Outcome != conformance.Pass {
		t.Errorf("%+v", r)
	}
}

// examine runs the suite at a server that allows an address so many failures.
func examine(t *testing.T, failures int, o conformance.Options) []conformance.Result {
	t.Helper()
	k := newKit(t, "", func(c *server.Config) {
		c.Throttle = throttle.New(throttle.Config{
			Pair:    throttle.Bucket{Burst: 10, Every: time.Second}, // so that the wait is short
			Account: throttle.Bucket{Burst: 100, Every: time.Second},
			Network: throttle.Bucket{Burst: failures, Every: time.Second},
		}, time.Now)
	})
	report, err := conformance.Run(t.Context(), k.conformanceTarget(), o)
	k.must(err)
	return report.Results
}

// conformanceTarget is everything that the cases can use.
func (k *kit) conformanceTarget() conformance.Target {
	k.Helper()
	const long = "not a password, with é€😀, and longer than the 72 bytes that bcrypt would read of it"
	hash, err := k.pool.Hash(k.Context(), storage.NewSecret(long))
	k.must(err)
	user, victim := k.addUser("alice", func(u *storage.User) { u.Claims.Roles = []string{"editor"} }), k.addUser("victim", func(u *storage.User) { u.PasswordHash = hash })
	scopes := func(c *storage.Client) { c.DefaultScopes, c.Claims = []string{"read", "write"}, []string{"roles"} }
	client := func(id string, method storage.AuthMethod, change ...func(*storage.Client)) conformance.Client {
		a := k.addClient(id, method, append(change, scopes)...)
		return conformance.Client{ID: a.ID, Secret: a.secret, Method: string(method)}
	}
	return conformance.Target{
		Issuer: k.issuer,
		Client: client("web", storage.AuthNone), Second: client("other", storage.AuthNone, func(c *storage.Client) {
			c.Scopes, c.DefaultAudiences = append(c.Scopes, "billing"), []string{otherAudience}
		}),
		// Ids that need encoding: without % and + they also work without it.
		Basic: client("b:a%c+k e&n=dé", storage.AuthBasic), Post: client("poster", storage.AuthPost),
		Strict:     client("strict/é", storage.AuthBasic, func(c *storage.Client) { c.RetryWindow = 0 }),
		NoPassword: client("job", storage.AuthBasic, func(c *storage.Client) { c.Grants = []string{storage.GrantRefreshToken} }),
		NoRefresh:  client("kiosk", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantPassword} }),
		User:       conformance.User{Name: user.Name, Password: user.password},
		Victim:     conformance.User{Name: victim.Name, Password: long},
		Scope:      "read write", Ungranted: "admin", Forbidden: "billing", RetryWindow: storage.DefaultRetryWindow,
		Resource:    apiAudience + " " + otherAudience,
		ResourceURL: newResource(k), API: client("api", storage.AuthBasic, func(c *storage.Client) { c.Introspects = []string{apiAudience} }),
	}
}

// newResource starts a protected resource that verifies with our package, and
// returns its address.
func newResource(k *kit) string {
	v, err := verify.New(k.Context(), k.issuer, apiAudience)
	k.must(err)
	k.Cleanup(v.Close)
	api := httptest.NewServer(v.Require("read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	k.Cleanup(api.Close)
	return api.URL
}
