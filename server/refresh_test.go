package server_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestRefresh(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("web", storage.AuthNone)
	first := k.login(user, client)
	second := k.refresh(client, first.str("refresh_token"))
	if second.status != 200 || second.str("refresh_token") == first.str("refresh_token") || second.str("access_token") == first.str("access_token") {
		t.Fatalf("refreshed: %d %s", second.status, second.raw)
	}
	was, is := k.claims(first.str("access_token")), k.claims(second.str("access_token"))
	for _, same := range []string{"sub", "sid", "auth_time", "aud", "scope", "client_id", "iss"} {
		if was[same] != is[same] {
			t.Errorf("%s changed from %v to %v", same, was[same], is[same])
		}
	}
	if was["jti"] == is["jti"] {
		t.Error("the same jti twice")
	}
}

// TestScopeOnRefresh: narrowing is of that one access token, widening never.
func TestScopeOnRefresh(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	first := k.login(user, client, "scope", "read write")
	narrowed := k.refresh(client, first.str("refresh_token"), "scope", "read")
	if narrowed.str("scope") != "read" || k.claims(narrowed.str("access_token"))["scope"] != "read" {
		t.Fatalf("narrowed: %s", narrowed.raw)
	}
	k.refused(k.refresh(client, narrowed.str("refresh_token"), "scope", "read admin"), 400, "invalid_scope", "exceeds")
	k.refused(k.refresh(client, narrowed.str("refresh_token"), "resource", otherAudience), 400, "invalid_target", "not one the session")
	again := k.refresh(client, narrowed.str("refresh_token")) // the refusals cost nothing
	if again.str("scope") != "read write" {
		t.Errorf("the session lost scope: %s", again.raw)
	}
}

// TestParallelRefreshes: fifty tabs refresh at once; all get the same
// successor, and one write was made.
func TestParallelRefreshes(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	first := k.login(user, client)
	answers := make([]answer, 50)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = k.refresh(client, first.str("refresh_token")) })
	}
	wg.Wait()
	rotations := 0
	for _, a := range answers {
		if a.status != 200 || a.str("refresh_token") != answers[0].str("refresh_token") {
			t.Fatalf("one tab got %d %s, another %s", a.status, a.raw, answers[0].raw)
		}
		if k.record(a)["refresh"] == string(storage.Rotated) {
			rotations++
		}
	}
	if rotations != 1 {
		t.Errorf("%d rotations were recorded, want 1", rotations)
	}
	if a := k.refresh(client, answers[0].str("refresh_token")); a.status != 200 {
		t.Errorf("the successor is dead: %s", a.raw)
	}
}

// TestReuseEndsTheSession and nothing but that session.
func TestReuseEndsTheSession(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	strict := k.addClient("strict", storage.AuthNone, func(c *storage.Client) { c.RetryWindow = 0 })
	laptop, phone := k.login(user, strict), k.login(user, strict)
	next := k.refresh(strict, laptop.str("refresh_token"))
	reused := k.refresh(strict, laptop.str("refresh_token"))
	k.refused(reused, 400, "invalid_grant", "superseded")
	rec := k.record(reused)
	if rec["level"] != "WARN" || rec["event"] != "session_ended_reused" || rec["sid"] == "" || rec["previous_address"] != "127.0.0.1" ||
		rec["generation"] != 0.0 || rec["current_generation"] != 1.0 || rec["since_last_rotation"].(float64) <= 0 || rec["sub"] != user.ID.String() {
		t.Errorf("the event: %v", rec)
	}
	k.refused(k.refresh(strict, next.str("refresh_token")), 400, "invalid_grant", "ended")
	if a := k.refresh(strict, phone.str("refresh_token")); a.status != 200 {
		t.Errorf("the user's other device was logged out: %s", a.raw)
	}
}

// TestRetryFromAnotherAddress is answered, and seen.
func TestRetryFromAnotherAddress(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	token := k.login(user, client).str("refresh_token")
	k.refresh(client, token)
	if rec := k.record(k.refresh(client, token)); rec["event"] != nil || rec["level"] != "INFO" {
		t.Errorf("a retry from the same address: %v", rec)
	}
	elsewhere := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	defer elsewhere.CloseIdleConnections()
	v := form("grant_type", "refresh_token", "client_id", client.ID, "refresh_token", token)
	resp, err := (&http.Client{Transport: elsewhere}).PostForm(k.tokenURL(), v)
	k.must(err)
	resp.Body.Close()
	rec := k.record(answer{header: resp.Header})
	if resp.StatusCode != 200 || rec["event"] != "refresh_retried_from_another_address" || rec["previous_address"] != "127.0.0.1" || rec["address"] != "127.0.0.2" || rec["level"] != "WARN" {
		t.Errorf("answered %s, logged %v", resp.Status, rec)
	}
}

func TestRefreshRefuses(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client, other := k.addClient("web", storage.AuthNone), k.addClient("other", storage.AuthNone)
	login := k.login(user, client)
	token := login.str("refresh_token")

	foreign := k.refresh(other, token)
	k.refused(foreign, 400, "invalid_grant", "another client")
	if got := k.record(foreign)["sid"]; got != k.claims(login.str("access_token"))["sid"] {
		t.Errorf("the record names session %v", got)
	}
	k.refused(k.refresh(client, "garbage"), 400, "invalid_grant", "not a refresh token")
	k.refused(k.refresh(client, login.str("access_token")), 400, "invalid_grant", "not a refresh token")
	k.refused(k.refresh(client, storage.NewRefreshToken().Reveal()), 400, "invalid_grant", "no such record")
	k.refused(k.refresh(client, token+"A"), 400, "invalid_grant", "not a refresh token")

	if a := k.refresh(client, token); a.status != 200 {
		t.Fatalf("the token died of others' attempts: %s", a.raw)
	}
	k.clock.jump(25 * time.Hour) // over the idle lifetime
	k.refused(k.refresh(client, token), 400, "invalid_grant", "lifetime")
}

// TestStoreSetBack: a token newer than the store ends the session as that.
func TestStoreSetBack(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	token := k.login(user, client).str("refresh_token")
	parsed, err := storage.ParseRefreshToken(token)
	k.must(err)
	if parsed.Generation() != 0 {
		t.Fatalf("generation %d", parsed.Generation())
	}
	newer := token[:4+24] + "B" + token[4+25:] // within the four bytes of the generation
	a := k.refresh(client, newer)
	k.refused(a, 400, "invalid_grant", "set back")
	if k.record(a)["event"] != "session_ended_store_behind" {
		t.Errorf("the event: %v", k.record(a))
	}
}

// TestLifetimes: each client's own, or the server's; the absolute one is never
// extended, and one that is too short for the retry window is lengthened.
func TestLifetimes(t *testing.T) {
	const idle, absolute = 24 * time.Hour, 72 * time.Hour // of the kit
	for name, tt := range map[string]struct {
		client         storage.ClientPolicy
		idle, absolute time.Duration
	}{
		"server's":                       {storage.ClientPolicy{}, idle, absolute},
		"own":                            {storage.ClientPolicy{IdleLifetime: 2 * time.Hour, AbsoluteLifetime: 5 * time.Hour}, 2 * time.Hour, 5 * time.Hour},
		"shorter than two retry windows": {storage.ClientPolicy{IdleLifetime: time.Second}, 2 * storage.DefaultRetryWindow, absolute},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "")
			user := k.addUser("alice")
			client := k.addClient("web", storage.AuthNone, func(c *storage.Client) {
				c.IdleLifetime, c.AbsoluteLifetime, c.Rotate = tt.client.IdleLifetime, tt.client.AbsoluteLifetime, false
			})
			left := k.login(user, client).str("refresh_token")
			k.clock.jump(tt.idle - time.Minute/2)
			if a := k.refresh(client, left); a.status != 200 {
				t.Fatalf("just before the idle lifetime: %s", a.raw)
			}
			k.clock.jump(tt.idle + time.Minute/2)
			k.refused(k.refresh(client, left), 400, "invalid_grant", "lifetime")

			used := k.login(user, client).str("refresh_token")
			k.exec(fmt.Sprintf("UPDATE sessions SET idle_lifetime = %d", (1000 * time.Hour).Microseconds()))
			k.clock.jump(tt.absolute - time.Minute/2)
			if a := k.refresh(client, used); a.status != 200 {
				t.Fatalf("just before the absolute lifetime: %s", a.raw)
			}
			k.clock.jump(time.Minute)
			k.refused(k.refresh(client, used), 400, "invalid_grant", "lifetime")
		})
	}
}

// TestGrantTakenAway: a client that may no longer refresh is told so.
func TestGrantTakenAway(t *testing.T) {
	k := newKit(t, "")
	user, client := k.addUser("alice"), k.addClient("web", storage.AuthNone)
	token := k.login(user, client).str("refresh_token")
	k.exec(`UPDATE clients SET policy = json_set(policy, '$.grants', json('["password"]'))`)
	k.refused(k.refresh(client, token), 400, "unauthorized_client", "")
}

// TestUserChangesShowAtRefresh: a disabled user gets nothing, a new password
// ends every session.
func TestUserChangesShowAtRefresh(t *testing.T) {
	k := newKit(t, "")
	client := k.addClient("web", storage.AuthNone)
	alice, bob := k.addUser("alice"), k.addUser("bob")
	a, b := k.login(alice, client), k.login(bob, client)

	_, err := setDisabled(t.Context(), k.store, alice.ID, true, time.Now())
	k.must(err)
	k.refused(k.refresh(client, a.str("refresh_token")), 400, "invalid_grant", "ended")
	_, err = setPassword(t.Context(), k.store, bob.ID, bob.PasswordHash, time.Now())
	k.must(err)
	k.refused(k.refresh(client, b.str("refresh_token")), 400, "invalid_grant", "ended")
}

// TestNonRotatingClient gets the presented token back, always.
func TestNonRotatingClient(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.Rotate = false; c.RetryWindow = 0 })
	token := k.login(user, client).str("refresh_token")
	for range 3 {
		if a := k.refresh(client, token); a.status != 200 || a.str("refresh_token") != token {
			t.Fatalf("answered %d %s", a.status, a.raw)
		}
	}
}

func TestChainOfRefreshes(t *testing.T) {
	k := newKit(t, "")
	user := k.addUser("alice")
	client := k.addClient("web", storage.AuthNone, func(c *storage.Client) { c.RetryWindow = 0 })
	token := k.login(user, client).str("refresh_token")
	length, seen := len(token), map[string]bool{}
	for i := range 100 {
		seen[token] = true
		a := k.refresh(client, token)
		token = a.str("refresh_token")
		if a.status != 200 || len(token) != length || seen[token] {
			t.Fatalf("refresh %d: %d %s", i, a.status, strings.Replace(a.raw, token, "…", 1))
		}
	}
}
