package server_test

import (
	"context"
	"crypto"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// hasty is a schedule under which a key follows another every few seconds.
func hasty() keys.Schedule {
	return keys.Schedule{
		Algorithms: []keys.Algorithm{keys.ES256}, RotateEvery: 2500 * time.Millisecond, PublishAhead: 2300 * time.Millisecond, KeepAfter: 90 * time.Second,
		MaxAge: time.Second, Poll: 200 * time.Millisecond, Skew: 100 * time.Millisecond,
	}
}

// A brittleStore panics when it is told to.
type brittleStore struct {
	keys.Store
	boom *atomic.Bool
}

func (b brittleStore) LoadRing(ctx context.Context) ([]byte, storage.Version, error) {
	if b.boom.Load() {
		panic("the store went off")
	}
	return b.Store.LoadRing(ctx)
}

// TestRotatorPanics: where whatever the rotator uses panics again and again,
// people sign in and refresh as if nothing were; the alarm is raised, the log
// says why, /readyz tells; and all of it ends by itself.
func TestRotatorPanics(t *testing.T) {
	for name, brittle := range map[string]func(*keys.RotatorConfig, *atomic.Bool){
		"Generate": func(c *keys.RotatorConfig, boom *atomic.Bool) {
			c.Generate = func(alg keys.Algorithm, rsaBits int) (crypto.Signer, error) {
				if boom.Load() {
					panic("the generator went off")
				}
				return keys.GenerateKey(alg, rsaBits)
			}
		},
		"the store": func(c *keys.RotatorConfig, boom *atomic.Bool) { c.Store = brittleStore{c.Store, boom} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var boom atomic.Bool
			var k *kit
			k = newKitWith(t, "", func(c *keys.RotatorConfig) {
				c.Schedule = hasty()
				brittle(c, &boom)
			}, func(c *server.Config) {
				c.Ready = func(context.Context) error { return k.keys.Healthy() }
			})
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { k.keys.Run(ctx) })
			defer wg.Wait()
			defer stop()
			web, ada := k.addClient("web", storage.AuthNone), k.addUser("ada")
			tokens := k.login(ada, web)
			k.until("ready", func() bool { status, _ := k.ready(); return status == 200 })
			before, _ := scrape(t, k.server)

			boom.Store(true)
			k.until("the alarm is raised", func() bool { m, _ := scrape(t, k.server); return m["hallmark_key_ring_stale"] == 1 })
			for end := time.Now().Add(10 * hasty().Poll); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				tokens = k.refresh(web, tokens.str("refresh_token"))
				k.accepted(tokens)
				k.accepted(k.login(ada, web))
			}
			during, _ := scrape(t, k.server)
			if during["hallmark_key_ring_stale"] != 1 || during["hallmark_key_ring_look_failures_total"] == 0 {
				t.Errorf("no alarm: %v", during)
			}
			if during["hallmark_key_ring_look_age_seconds"] <= 3*hasty().Poll.Seconds() {
				t.Errorf("the last look was %v s ago", during["hallmark_key_ring_look_age_seconds"])
			}
			if status, body := k.ready(); status != 503 || !strings.Contains(body, "the key ring was last looked at") {
				t.Errorf("/readyz answers %d %s", status, body)
			}
			for _, want := range []string{"went off", "key ring: look failed, signing goes on", `"failures":1`, "outage_test.go"} {
				if !strings.Contains(k.log.String(), want) {
					t.Errorf("the log lacks %q", want)
				}
			}
			if bad := during["hallmark_requests_total{endpoint=token,status=4xx}"] + during["hallmark_requests_total{endpoint=token,status=5xx}"]; bad != 0 {
				t.Errorf("%v requests were refused", bad)
			}

			boom.Store(false)
			k.until("ready again, with no alarm", func() bool {
				status, _ := k.ready()
				m, _ := scrape(t, k.server)
				return status == 200 && m["hallmark_key_ring_stale"] == 0 && m["hallmark_key_ring_version"] > before["hallmark_key_ring_version"]
			})
			old := k.part(tokens.str("access_token"), 0)["kid"]
			k.until("another key signs", func() bool {
				k.accepted(tokens)
				now := k.login(ada, web)
				k.accepted(now)
				return k.part(now.str("access_token"), 0)["kid"] != old
			})
		})
	}
}

// ready asks /readyz.
func (k *kit) ready() (status int, body string) {
	w := httptest.NewRecorder()
	k.server.OpsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code, w.Body.String()
}

// accepted checks that an answer is good, and its token by the key set that is published.
func (k *kit) accepted(a answer) {
	k.Helper()
	if a.status != 200 {
		k.Fatalf("answered %d %s", a.status, a.raw)
	}
	jwks := k.get(k.issuer + "/.well-known/jwks.json")
	v, err := verify.New(k.Context(), k.issuer, apiAudience, verify.WithKeySet([]byte(jwks.raw)))
	k.must(err)
	if _, err := v.Verify(k.Context(), a.str("access_token")); err != nil {
		k.Error(err)
	}
}

func (k *kit) until(what string, done func() bool) {
	k.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("not in 20 s: %s; the log is\n%s", what, k.log.String())
		}
	}
}
