package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

// notProvoked are the errors that no request here brings about, each with the
// reason.
var notProvoked = map[string]string{
	"simplejwt-credentials": elsewhere, "simplejwt-token": elsewhere, "simplejwt-blacklisted": elsewhere, "simplejwt-token-type": elsewhere,
	"simplejwt-fields": elsewhere, "simplejwt-json": elsewhere, "simplejwt-media-type": elsewhere,
}

const elsewhere = "the answer has another form: simplejwt_test.go brings it about"

// spoiling are the provocations after which others would be refused for
// another reason.
var spoiling = []string{"store-unavailable", "internal", "throttled", "password-changed-meanwhile", "keys-unusable"}

// A stage is a server with what provocations need.
type stage struct {
	*kit
	hooked      *hooked
	throttle    *throttle.Throttle
	user        person
	web, narrow app
	backend     app
	portal      app
	mine        answer // an access token of the portal
	theirs      answer // of another client
	desk        *bureau
	slow        string // the address of a listener that waits for a body only shortly
}

func newStage(t *testing.T) *stage {
	h, guard := &hooked{before: func() {}}, throttle.New(throttle.Config{}, time.Now)
	s := &stage{hooked: h, throttle: guard, desk: &bureau{}}
	// A place to hash is waited for no longer than a blink.
	pool := password.New(password.Config{Workers: 1, MaxWait: time.Millisecond, Params: cheap})
	s.kit = newKit(t, "/auth", hook(h), s.desk.hire, func(c *server.Config) { c.Throttle, c.Passwords = guard, pool })
	s.desk.open(s.kit)
	s.user = s.addUser("alice")
	s.web, s.backend, s.portal = s.addClient("web", storage.AuthNone), s.addClient("backend", storage.AuthBasic), s.addPortal("portal")
	s.narrow = s.addClient("narrow", storage.AuthNone, func(c *storage.Client) { c.Grants = []string{storage.GrantRefreshToken} })
	s.mine, s.theirs = s.enter(s.user, s.portal, ""), s.login(s.user, s.web)
	s.pool = pool

	impatient := httptest.NewUnstartedServer(s.server.Handler())
	impatient.Config.ReadTimeout = 100 * time.Millisecond
	impatient.Start()
	t.Cleanup(impatient.Close)
	s.slow = impatient.Listener.Addr().String()
	return s
}

// raw sends bytes that no HTTP library would.
func (s *stage) raw(body string) answer {
	s.Helper()
	conn, err := net.Dial("tcp", s.slow)
	s.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /auth/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+body)
	s.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	s.must(err)
	text, err := io.ReadAll(resp.Body)
	s.must(err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(text)}
	s.must(json.Unmarshal(text, &a.body))
	return a
}

// at sends a form to the token endpoint.
func (s *stage) at(edit func(*http.Request), pairs ...string) answer {
	s.Helper()
	return s.post(form(pairs...), edit)
}

func asIs(*http.Request) {}

// provocations is, for each id, a request that is refused so.
func provocations() map[string]func(*stage) answer {
	return map[string]func(*stage) answer{
		"not-found":          func(s *stage) answer { return s.get(s.issuer + "/nothing") },
		"method-not-allowed": func(s *stage) answer { return s.get(s.tokenURL()) },
		"not-a-form": func(s *stage) answer {
			return s.at(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
		},
		"malformed-form":     func(s *stage) answer { return s.at(asIs, "grant_type", "\x00") },
		"parameters-in-url":  func(s *stage) answer { return s.at(func(r *http.Request) { r.URL.RawQuery = "password=x" }) },
		"repeated-parameter": func(s *stage) answer { return s.at(asIs, "grant_type", "a", "grant_type", "a") },
		"missing-parameter":  func(s *stage) answer { return s.at(asIs, "client_id", "web") },
		"too-large":          func(s *stage) answer { return s.at(asIs, "pad", strings.Repeat("x", 1<<16)) },
		"slow-body":          func(s *stage) answer { return s.raw("Content-Length: 100\r\n\r\ngrant_type=") },
		"cut-off-body":       func(s *stage) answer { return s.raw("Transfer-Encoding: chunked\r\n\r\nrubbish\r\n") },
		"origin":             func(s *stage) answer { return s.at(fromOrigin(spa), "client_id", "web", "grant_type", "password") },
		"busy":               provokeBusy,
		"store-unavailable": func(s *stage) answer {
			s.must(s.store.Close())
			return s.refresh(s.web, s.theirs.str("refresh_token"))
		},
		"internal": func(s *stage) answer {
			s.exec(`UPDATE users SET claims = '{' WHERE name = 'alice'`)
			return s.refresh(s.web, s.theirs.str("refresh_token"))
		},

		"client-authentication": func(s *stage) answer { return s.at(asIs, "grant_type", "password") },
		"introspecting-client":  func(s *stage) answer { return s.askAbout(form("client_id", "web", "token", "rubbish")) },
		"two-client-authentications": func(s *stage) answer {
			return s.at(basicAuth("backend", s.backend.secret), "grant_type", "x", "client_secret", "x")
		},
		"client-id-mismatch": func(s *stage) answer {
			return s.at(basicAuth("backend", s.backend.secret), "grant_type", "x", "client_id", "web")
		},
		"grant-type-unsupported":    func(s *stage) answer { return s.at(asIs, "client_id", "web", "grant_type", "x") },
		"grant-type-not-registered": func(s *stage) answer { return s.at(asIs, "client_id", "narrow", "grant_type", "password") },
		"scope":                     func(s *stage) answer { return s.refresh(s.web, s.theirs.str("refresh_token"), "scope", "admin") },
		"resource": func(s *stage) answer {
			return s.refresh(s.web, s.theirs.str("refresh_token"), "resource", "https://unknown.example")
		},
		"wrong-credentials": func(s *stage) answer { return s.post(s.signIn("wrong password")) },
		"throttled": func(s *stage) answer {
			for range 10 {
				s.throttle.Failed("alice", netip.MustParseAddr("127.0.0.1"))
			}
			return s.post(s.signIn(s.user.password))
		},
		"refresh-token": func(s *stage) answer { return s.refresh(s.web, "rubbish") },
		"access-token-revocation": func(s *stage) answer {
			return s.revoke(form("client_id", "web", "token", s.theirs.str("access_token")))
		},

		"no-access-token": func(s *stage) answer { return s.get(s.issuer + "/account/sessions") },
		"malformed-authorization": func(s *stage) answer {
			return s.call("GET", "/account/sessions", bearing("a b"), "")
		},
		"access-token": func(s *stage) answer { return s.call("GET", "/account/sessions", s.theirs, "") },
		"insufficient-scope": func(s *stage) answer {
			return s.call("GET", "/account/sessions", s.forge(s.mine, "at+jwt", map[string]any{"scope": nil}), "")
		},
		"not-json": func(s *stage) answer { return s.call("POST", "/account/password", s.mine, "") },
		"malformed-json": func(s *stage) answer {
			return s.call("POST", "/account/password", s.mine, "{")
		},
		"wrong-current-password": func(s *stage) answer { return s.changePassword(s.mine, "wrong password", "a good new password") },
		"new-password":           func(s *stage) answer { return s.changePassword(s.mine, s.user.password, "short") },
		"same-password":          func(s *stage) answer { return s.changePassword(s.mine, "the same one", "the same one") },
		"password-changed-meanwhile": func(s *stage) answer {
			s.hooked.before = func() { s.exec(`UPDATE users SET password_hash = 'another'`) }
			return s.changePassword(s.mine, s.user.password, "a good new password")
		},

		"operator-token": func(s *stage) answer { return s.desk.call("GET", "/users", nil, bearer("hmo_x")) },
		"operator-scope": func(s *stage) answer {
			return s.desk.call("GET", "/users", nil, bearer(s.desk.newToken("keys", time.Hour, "keys")))
		},
		"invalid-members": func(s *stage) answer { return s.desk.call("POST", "/users", members{"username": "", "admin": true}) },
		"conflict":        func(s *stage) answer { return s.desk.call("POST", "/users", members{"username": "alice"}) },
		"unknown-record":  func(s *stage) answer { return s.desk.call("GET", "/clients/nobody", nil) },
		"keys-unusable": func(s *stage) answer {
			s.exec(`UPDATE ring SET sealed = x'00', version = version + 1`)
			return s.desk.call("POST", "/keys/rotate", members{})
		},
		"no-session": func(s *stage) answer { return s.call("DELETE", "/account/sessions/x", s.mine, "") },
	}
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func (s *stage) signIn(pw string) url.Values {
	return form("grant_type", "password", "client_id", "web", "username", "alice", "password", pw)
}

// provokeBusy holds the only place to hash.
func provokeBusy(s *stage) answer {
	defer s.hold(s.pool)()
	return s.post(s.signIn(s.user.password))
}

// TestEveryErrorLeadsToItsReason: whatever is refused, the answer leads to the
// page that explains it, and by its request id to the record that has the real
// reason, which is more than the answer says.
func TestEveryErrorLeadsToItsReason(t *testing.T) {
	all, ids, shared := provocations(), server.ErrorIDs(), newStage(t)
	for _, id := range ids {
		if _, provoked := all[id]; provoked == (notProvoked[id] != "") {
			t.Errorf("%s: provoked %v; the reason not to: %q", id, provoked, notProvoked[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is provoked, and is not documented", id)
		}
		t.Run(id, func(t *testing.T) {
			if slices.Contains(spoiling, id) {
				s := newStage(t)
				checkRefusal(s.kit, all[id](s), id)
				return
			}
			s, k := *shared, *shared.kit
			k.T, s.kit = t, &k
			checkRefusal(&k, all[id](&s), id)
		})
	}
	t.Run("operators' listener", func(t *testing.T) {
		k := newKit(t, "")
		ops := httptest.NewServer(k.server.OpsHandler())
		defer ops.Close()
		checkRefusal(k, k.get(ops.URL+"/nothing"), "not-found")
		checkRefusal(k, k.get(ops.URL+"/healthz", func(r *http.Request) { r.Method = "POST" }), "method-not-allowed")
	})
	t.Run("what is shared helps operators too", func(t *testing.T) {
		b := newBureau(t)
		anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
		for want, a := range map[string]answer{
			"/openapi.json":                 b.call("GET", "/nothing", nil),
			"operator token":                b.call("GET", "/users", nil, anonymous),
			"one JSON object":               b.call("POST", "/users", "{"),
			"application/json":              b.call("POST", "/users", "{}", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }),
			"Authorization header with one": b.call("GET", "/users", nil, func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }),
		} {
			if !strings.Contains(a.str("error_description"), want) || a.str("error_uri") == "" {
				t.Errorf("%s is not in %d %s", want, a.status, a.raw)
			}
		}
	})
}

func checkRefusal(k *kit, a answer, id string) {
	k.Helper()
	if want := "https://github.com/hallmark-auth/hallmark/blob/main/docs/errors.md#" + id; a.str("error_uri") != want {
		k.Fatalf("error_uri %q, want %q: %d %s", a.str("error_uri"), want, a.status, a.raw)
	}
	if a.status < 400 || a.str("error") == "" || a.str("error_description") == "" || a.body["problems"] == nil && len(a.body) != 3 {
		k.Errorf("answered %d %s", a.status, a.raw)
	}
	rec := k.record(a) // by the Request-Id header
	reason, _ := rec["reason"].(string)
	private, ok := strings.CutPrefix(reason, a.str("error")+": ")
	if !ok || private == "" || private == a.str("error_description") || strings.Contains(a.raw, private) {
		k.Errorf("the private reason is %q, the public one %q", reason, a.str("error_description"))
	}
	if fmt.Sprint(rec["status"]) != fmt.Sprint(a.status) || rec["error"] != a.str("error") {
		k.Errorf("answered %d %s, recorded %v", a.status, a.str("error"), rec)
	}
	if (a.status == 429 || a.status == 503) != (a.header.Get("Retry-After") != "") {
		k.Errorf("%d with Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

// TestDocumentsComeWhole: what a document's own headers could be refused for
// is not asked, so that nothing but JSON is ever answered.
func TestDocumentsComeWhole(t *testing.T) {
	k := newKit(t, "")
	for name, value := range map[string]string{
		"Range": "bytes=1000000-", "If-Match": `"another"`, "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
	} {
		a := k.get(k.issuer+"/.well-known/jwks.json", func(r *http.Request) { r.Header.Set(name, value) })
		if a.status != 200 || len(strs(a.body["keys"])) == 0 {
			t.Errorf("%s: answered %d %s", name, a.status, a.raw)
		}
	}
}

// TestNothingPublishedYet is a refusal like any other, at the documents and for
// access tokens alike.
func TestNothingPublishedYet(t *testing.T) {
	k := newKit(t, "")
	cfg := server.Config{
		Issuer: k.issuer, AccessLifetime: time.Minute, IdleLifetime: time.Hour, AbsoluteLifetime: time.Hour,
		Store: k.store, Keys: k.keys, Passwords: k.pool, Throttle: throttle.New(throttle.Config{}, time.Now), Log: k.logger,
	}
	early, err := server.New(cfg)
	k.must(err)
	front := httptest.NewServer(early.Handler())
	defer front.Close()
	checkRefusal(k, k.get(front.URL+"/.well-known/jwks.json"), "store-unavailable")
	mine := k.enter(k.addUser("alice"), k.addPortal("portal"), "")
	checkRefusal(k, k.get(front.URL+"/account/sessions", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+mine.str("access_token"))
	}), "store-unavailable")
}
