package server_test

import (
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

// TestConformance runs every case of the suite against this server, the ones
// that attack it included: all pass, none is left out.
func TestConformance(t *testing.T) {
	k := newKit(t, "", func(c *server.Config) {
		// Guessing is throttled for one account as ever; the cases' own wrong
		// passwords, many users from one address, must not stop the suite.
		c.Throttle = throttle.New(throttle.Config{
			Pair:    throttle.Bucket{Burst: 10, Every: time.Second}, // so that the wait is short
			Account: throttle.Bucket{Burst: 100, Every: time.Second},
			Network: throttle.Bucket{Burst: 1000, Every: time.Second},
		}, time.Now)
	})
	user, victim := k.addUser("alice"), k.addUser("victim")
	scopes := func(c *storage.Client) { c.DefaultScopes = []string{"read", "write"} }
	client := func(id string, method storage.AuthMethod, change ...func(*storage.Client)) conformance.Client {
		a := k.addClient(id, method, append(change, scopes)...)
		return conformance.Client{ID: a.ID, Secret: a.secret, Method: string(method)}
	}
	target := conformance.Target{
		Issuer: k.issuer,
		Client: client("web", storage.AuthNone), Second: client("other", storage.AuthNone),
		Basic: client("backend", storage.AuthBasic), Post: client("poster", storage.AuthPost),
		Strict: client("strict", storage.AuthNone, func(c *storage.Client) { c.RetryWindow = 0 }),
		User:   conformance.User{Name: user.Name, Password: user.password},
		Victim: conformance.User{Name: victim.Name, Password: victim.password},
		Scope:  "read write", Ungranted: "admin", RetryWindow: storage.DefaultRetryWindow,
	}
	report, err := conformance.Run(t.Context(), target, conformance.Options{Abuse: true})
	k.must(err)
	if len(report.Results) < 40 {
		t.Errorf("%d cases ran, want 40 at least", len(report.Results))
	}
	for _, r := range report.Results {
		if r.Outcome != conformance.Pass {
			t.Errorf("%s: %s: %s", r.ID, r.Outcome, r.Why+" | "+r.Sent+" | "+r.Got)
		}
	}
}
