package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func (k *kit) revoke(v url.Values, edit ...func(*http.Request)) answer {
	k.Helper()
	return k.post(v, append([]func(*http.Request){func(r *http.Request) {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/token") + "/revoke"
	}}, edit...)...)
}

// revoked checks an answer of 200, and what the record says came of it.
func (k *kit) revoked(a answer, outcome string) {
	k.Helper()
	if a.status != 200 || a.raw != "" || a.header.Get("Cache-Control") != "no-store" { // RFC 7009 §2.2
		k.Errorf("answered %d %v %s", a.status, a.header, a.raw)
	}
	rec := k.record(a)
	if got, _ := rec["outcome"].(string); !strings.Contains(got, outcome) || outcome == "" && rec["event"] != "session_ended_logged_out" {
		k.Errorf("the record: %v; want %q", rec, outcome)
	}
}

// TestRevoke: the token's session ends, and no other.
func TestRevoke(t *testing.T) {
	k := newKit(t, "/auth")
	user, web := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	backend, poster := k.addClient("backend", storage.AuthBasic), k.addClient("poster", storage.AuthPost)
	other := k.login(user, web)
	v := form("grant_type", "password", "username", user.Name, "password", user.password)
	for name, tt := range map[string]struct {
		client url.Values
		edit   func(*http.Request)
	}{
		"public":              {form("client_id", web.ID), func(*http.Request) {}},
		"client_secret_basic": {form(), basicAuth(backend.ID, backend.secret)},
		"client_secret_post":  {form("client_id", poster.ID, "client_secret", poster.secret), func(*http.Request) {}},
	} {
		for _, hint := range []string{"", "refresh_token", "access_token", "unheard_of"} {
			for pair, values := range tt.client {
				v[pair] = values
			}
			a := k.post(v, tt.edit)
			token := a.str("refresh_token")
			revocation := with(tt.client, "token", token, "token_type_hint", hint)
			done := k.revoke(revocation, tt.edit)
			k.revoked(done, "")
			if rec := k.record(done); rec["target_sid"] != k.sid(a) || rec["endpoint"] != "revocation" || rec["sub"] != user.ID.String() {
				t.Errorf("%s: the record: %v", name, rec)
			}
			k.refused(k.post(with(tt.client, "grant_type", "refresh_token", "refresh_token", token), tt.edit), 400, "invalid_grant", "ended")
			k.revoked(k.revoke(revocation, tt.edit), "already over")
			ended, err := k.store.SessionByID(t.Context(), k.sessionID(a))
			k.must(err)
			if ended.EndReason != storage.EndedLogout {
				t.Errorf("%s: ended as %q", name, ended.EndReason)
			}
			for pair := range tt.client {
				v.Del(pair)
			}
		}
	}
	if a := k.refresh(web, other.str("refresh_token")); a.status != 200 {
		t.Errorf("another session of the user ended: %s", a.raw)
	}
	if strings.Contains(k.log.String(), "hmr_") {
		t.Error("a refresh token is in the log")
	}
}

// TestRevokeAnyGeneration: the user's old token ends what a thief refreshed
// since, and the other way round.
func TestRevokeAnyGeneration(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	web := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.RetryWindow = 0 })
	for presented := range 4 {
		tokens := []string{k.login(user, web).str("refresh_token")}
		for range 3 {
			tokens = append(tokens, k.refresh(web, tokens[len(tokens)-1]).str("refresh_token"))
		}
		k.revoked(k.revoke(form("client_id", web.ID, "token", tokens[presented])), "")
		k.refused(k.refresh(web, tokens[3]), 400, "invalid_grant", "ended")
	}
}

// TestRevokeNothing: what is no living token of the client is as good as
// revoked, and nothing happens (RFC 7009 §2.2).
func TestRevokeNothing(t *testing.T) {
	k := newKit(t, "")
	user, web, other := k.addUser("alice"), k.addClient("web", storage.AuthNone), k.addClient("other", storage.AuthNone)
	a := k.login(user, web)
	token := a.str("refresh_token")
	for name, tt := range map[string]struct{ token, outcome string }{
		"unknown":         {storage.NewRefreshToken().Reveal(), "no such session"},
		"malformed":       {"rubbish", "not a refresh token"},
		"a byte more":     {token + "A", "not a refresh token"},
		"three parts":     {"a.b.c", "not a refresh token"},
		"another's token": {"eyJhbGciOiJub25lIn0.e30.", "not a refresh token"},
	} {
		done := k.revoke(form("client_id", web.ID, "token", tt.token))
		k.revoked(done, tt.outcome)
		if rec := k.record(done); rec["event"] != nil {
			t.Errorf("%s: %v", name, rec)
		}
	}
	stolen := k.revoke(form("client_id", other.ID, "token", token))
	if rec := k.record(stolen); stolen.status != 200 || stolen.raw != "" || rec["event"] != "revocation_by_another_client" ||
		rec["level"] != "WARN" || rec["target_sid"] != k.sid(a) || rec["client_id"] != other.ID {
		t.Errorf("by another client: %d %s, %v", stolen.status, stolen.raw, rec)
	}
	a = k.refresh(web, token)
	if a.status != 200 {
		t.Fatalf("the session ended: %s", a.raw)
	}
	k.clock.jump(25 * time.Hour)
	k.revoked(k.revoke(form("client_id", web.ID, "token", a.str("refresh_token"))), "already over")
	over, err := k.store.SessionByID(t.Context(), k.sessionID(a))
	k.must(err)
	if !over.EndedAt.IsZero() {
		t.Error("an expired session was ended once more")
	}
}

func TestRevokeRefuses(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	web := k.addClient("spa", storage.AuthNone, func(c *storage.Client) { c.Origins = []string{spa} })
	backend := k.addClient("backend", storage.AuthBasic)
	a := k.login(user, web)
	good := form("client_id", web.ID, "token", a.str("refresh_token"))
	twice := with(good)
	twice.Add("token", a.str("refresh_token"))
	for name, tt := range map[string]struct {
		form         url.Values
		edit         func(*http.Request)
		status       int
		code, reason string
	}{
		"no token":             {form("client_id", web.ID), nil, 400, "invalid_request", "no token"},
		"empty token":          {with(good, "token", ""), nil, 400, "invalid_request", "no token"},
		"token twice":          {twice, nil, 400, "invalid_request", "token is repeated"},
		"token in the query":   {form("client_id", web.ID), func(r *http.Request) { r.URL.RawQuery = "token=x" }, 400, "invalid_request", "token in the query"},
		"an access token":      {with(good, "token", a.str("access_token")), nil, 400, "unsupported_token_type", "access token"},
		"one, with a hint":     {with(good, "token", a.str("access_token"), "token_type_hint", "refresh_token"), nil, 400, "unsupported_token_type", "access token"},
		"JSON":                 {good, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 415, "invalid_request", "another"},
		"no client":            {form("token", a.str("refresh_token")), nil, 400, "invalid_client", "no client_id"},
		"unknown client":       {with(good, "client_id", "nobody"), nil, 400, "invalid_client", "unknown client_id"},
		"without its secret":   {with(good, "client_id", backend.ID), nil, 400, "invalid_client", "none used"},
		"wrong secret":         {form("token", a.str("refresh_token")), basicAuth(backend.ID, "wrong"), 401, "invalid_client", "wrong secret"},
		"two methods":          {with(good, "client_secret", "x"), basicAuth(backend.ID, backend.secret), 400, "invalid_request", "more than one"},
		"from another origin":  {good, fromOrigin(otherSPA), 400, "unauthorized_client", "origin"},
		"an API's bearer":      {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client", "not Basic"},
		"another's, no secret": {with(good, "token", "rubbish", "client_id", backend.ID), nil, 400, "invalid_client", "none used"}, // RFC 7009 §2.1: the client first
	} {
		t.Run(name, func(t *testing.T) {
			k := *k
			k.T = t
			edit := tt.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			refused := k.revoke(tt.form, edit)
			k.refused(refused, tt.status, tt.code, tt.reason)
			if challenge := refused.header.Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(challenge, "Basic realm=") {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
	if done := k.revoke(good, fromOrigin(spa)); done.status != 200 || done.header.Get("Access-Control-Allow-Origin") != spa {
		t.Errorf("from its own origin: %d %v", done.status, done.header)
	}
	r, err := http.NewRequest("OPTIONS", k.issuer+"/oauth2/revoke", nil)
	k.must(err)
	r.Header.Set("Origin", spa)
	if pre := k.do(r); pre.status != 204 || pre.header.Get("Access-Control-Allow-Methods") != "POST" || pre.header.Get("Access-Control-Allow-Headers") != "Content-Type" {
		t.Errorf("preflight: %d %v", pre.status, pre.header)
	}
	// RFC 7009 §2.2.1: a 503 says that the token still is.
	k.must(k.store.Close())
	k.refused(k.revoke(good), 503, "temporarily_unavailable", "")
}
