package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// TestChangePassword: the caller's session goes on, every other ends at once,
// and from then on the new password signs in and the old one does not.
func TestChangePassword(t *testing.T) {
	k := newKit(t, "/auth", patient)
	alice, bob, portal, web := k.addUser("alice"), k.addUser("bob"), k.addPortal("portal"), k.addClient("web", storage.AuthNone)
	mine, tablet, phone, bobs := k.enter(alice, portal, ""), k.enter(alice, portal, ""), k.login(alice, web), k.login(bob, web)
	old, next := alice.password, "correct horse \u00e9\u4e2d \"battery\\ staple"

	a := k.changePassword(mine, old, next)
	if a.status != 204 || a.raw != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answered %d %s", a.status, a.raw)
	}
	rec := k.record(a)
	if rec["event"] != "password_changed" || rec["sessions_ended"] != 2.0 || rec["sub"] != alice.ID.String() || rec["sid"] != k.sid(mine) || rec["client_id"] != "portal" {
		t.Errorf("the record: %v", rec)
	}
	k.refused(k.refresh(portal, tablet.str("refresh_token")), 400, "invalid_grant", "ended")
	k.refused(k.refresh(web, phone.str("refresh_token")), 400, "invalid_grant", "ended")
	k.refused(k.call("GET", "/account/sessions", tablet, ""), 401, "invalid_token", "password_changed")
	if b := k.refresh(web, bobs.str("refresh_token")); b.status != 200 {
		t.Errorf("somebody else was signed out: %s", b.raw)
	}
	if b := k.call("GET", "/account/sessions", mine, ""); b.status != 200 {
		t.Errorf("the caller's access token died: %s", b.raw)
	}
	if b := k.refresh(portal, mine.str("refresh_token")); b.status != 200 {
		t.Errorf("the caller's refresh token died: %s", b.raw)
	}
	k.refused(k.post(form("grant_type", "password", "client_id", web.ID, "username", alice.Name, "password", old)), 400, "invalid_grant", "wrong password")
	alice.password = next
	k.login(alice, web)
	k.refused(k.changePassword(mine, old, "another new password"), 403, "access_denied", "wrong password")
	for _, secret := range []string{old, next, mine.str("access_token"), alice.PasswordHash} {
		if strings.Contains(k.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

// TestChangePasswordRefuses, and then nothing has changed.
func TestChangePasswordRefuses(t *testing.T) {
	k := newKit(t, "", patient)
	alice, portal := k.addUser("alice"), k.addPortal("portal")
	mine, tablet := k.enter(alice, portal, ""), k.enter(alice, portal, "")
	const next = "a good new password"
	for name, tt := range map[string]struct {
		current, new, part string
		status             int
		code, reason       string
	}{
		"wrong":                        {"wrong password", next, "current password is wrong", 403, "access_denied", "wrong password"},
		"cut off":                      {alice.password[:20], next, "current password is wrong", 403, "access_denied", "wrong password"},
		"impossible":                   {"\x00", next, "current password is wrong", 403, "access_denied", "control"},
		"too short":                    {alice.password, "1234567", "at least 8 characters", 400, "invalid_request", "shorter than 8"},
		"too short in characters":      {alice.password, "\U0001f600\U0001f600", "at least 8 characters", 400, "invalid_request", "shorter than 8"},
		"too long":                     {alice.password, strings.Repeat("x", 1025), "at most 1024", 400, "invalid_request", "longer than 1 KiB"},
		"control characters":           {alice.password, "good\x00password", "no control", 400, "invalid_request", "control"},
		"the same":                     {alice.password, alice.password, "same", 400, "invalid_request", "equal"},
		"the same, neither is current": {next, next, "same", 400, "invalid_request", "equal"},
		"short, and current is wrong":  {"wrong password", "short", "at least 8", 400, "invalid_request", "shorter"}, // no oracle
	} {
		a := k.changePassword(mine, tt.current, tt.new)
		k.refused(a, tt.status, tt.code, tt.reason)
		if !strings.Contains(a.str("error_description"), tt.part) {
			t.Errorf("%s: described as %q", name, a.str("error_description"))
		}
	}
	for _, body := range []string{"", "{}", `{"current":"a","new":"b","new":"c"}`} {
		a := k.call("POST", "/account/password", mine, body, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
		k.refused(a, 400, "invalid_request", "member")
	}
	a := k.call("POST", "/account/password", mine, "current=a&new=b", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	k.refused(a, 415, "invalid_request", "another Content-Type")
	now, err := k.store.UserByName(t.Context(), alice.Name)
	k.must(err)
	if now.PasswordHash != alice.PasswordHash {
		t.Error("a refused change changed the password")
	}
	if a := k.refresh(portal, tablet.str("refresh_token")); a.status != 200 {
		t.Errorf("a refused change ended a session: %s", a.raw)
	}
}

// TestGuessingTheCurrentPassword is guessing at a sign-in: as slow, and out of
// the same buckets.
func TestGuessingTheCurrentPassword(t *testing.T) {
	k := newKit(t, "")
	alice, portal := k.addUser("zo\u00eb"), k.addPortal("portal")
	mine := k.enter(alice, portal, "")
	guess := func(i int) answer {
		if i%2 == 0 {
			return k.changePassword(mine, "wrong password", "a good new password")
		}
		return k.post(form("grant_type", "password", "client_id", portal.ID, "username", "zoe\u0308", "password", "wrong password"))
	}
	var wg sync.WaitGroup
	for i := range 10 { // the burst of one account from one network
		wg.Go(func() {
			began := time.Now()
			if a := guess(i); a.status == 429 || time.Since(began) < failAfter {
				t.Errorf("guess %d: %d after %v", i, a.status, time.Since(began))
			}
		})
	}
	wg.Wait()
	for i := range 2 {
		began := time.Now()
		a := guess(i)
		k.refused(a, 429, "slow_down", "throttle")
		if a.header.Get("Retry-After") == "" || time.Since(began) > failAfter {
			t.Errorf("Retry-After %q, after %v", a.header.Get("Retry-After"), time.Since(began))
		}
	}
	k.refused(k.changePassword(mine, alice.password, "a good new password"), 429, "slow_down", "throttle")
}

// TestPasswordChangedMeanwhile: of what happened between the look and the
// change, nothing is undone.
func TestPasswordChangedMeanwhile(t *testing.T) {
	h := &hooked{before: func() {}}
	k := newKit(t, "", hook(h))
	alice, portal := k.addUser("alice"), k.addPortal("portal")
	mine, tablet := k.enter(alice, portal, ""), k.enter(alice, portal, "")
	theirs := "$argon2id$of$somebody$else"
	h.before = func() { k.exec(fmt.Sprintf(`UPDATE users SET password_hash = '%s'`, theirs)) }
	k.refused(k.changePassword(mine, alice.password, "a good new password"), 409, "invalid_request", "changed by someone else")
	now, err := k.store.UserByName(t.Context(), alice.Name)
	k.must(err)
	if a := k.refresh(portal, tablet.str("refresh_token")); now.PasswordHash != theirs || a.status != 200 {
		t.Errorf("the hash is %s; the other session: %d", now.PasswordHash, a.status)
	}
	h.before = func() { k.must2(k.store.RemoveUser(t.Context(), alice.ID)) }
	k.exec(fmt.Sprintf(`UPDATE users SET password_hash = '%s'`, alice.PasswordHash))
	k.refused(k.changePassword(mine, alice.password, "a good new password"), 401, "invalid_token", "no such record")
}

// TestParallelChanges: of two at once one wins, and its password is the one.
func TestParallelChanges(t *testing.T) {
	k := newKit(t, "", patient)
	alice, portal := k.addUser("alice"), k.addPortal("portal")
	mine := k.enter(alice, portal, "")
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = k.changePassword(mine, alice.password, fmt.Sprint("new password number ", i)) })
	}
	wg.Wait()
	won := -1
	for i, a := range answers {
		switch {
		case a.status == 204 && won < 0:
			won = i
		case a.status != 409 && a.status != 403:
			t.Errorf("change %d: %d %s", i, a.status, a.raw)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	alice.password = fmt.Sprint("new password number ", won)
	k.login(alice, portal)
}

// TestChangePasswordBusy: without a place to hash nothing happens, and the
// client may ask again.
func TestChangePasswordBusy(t *testing.T) {
	pool := password.New(password.Config{Workers: 1, MaxWait: time.Millisecond, Params: cheap})
	k := newKit(t, "", patient, func(c *server.Config) { c.Passwords = pool })
	alice, portal := k.addUser("alice"), k.addPortal("portal")
	mine := k.enter(alice, portal, "")
	release := k.hold(pool)
	a := k.changePassword(mine, alice.password, "a good new password")
	release()
	k.refused(a, 503, "temporarily_unavailable", "too many")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // until the place is free
		a := k.changePassword(mine, alice.password, "a good new password")
		if a.status == 204 {
			return
		}
		if a.status != 503 || time.Now().After(deadline) {
			t.Fatalf("asked again: %d %s", a.status, a.raw)
		}
	}
}

// TestRightPasswordForgives the failures before it, as at a sign-in.
func TestRightPasswordForgives(t *testing.T) {
	k := newKit(t, "")
	alice, portal := k.addUser("alice"), k.addPortal("portal")
	mine := k.enter(alice, portal, "")
	current := alice.password
	for i, tries := range []int{9, 9} {
		var wg sync.WaitGroup
		for range tries {
			wg.Go(func() {
				k.refused(k.changePassword(mine, "wrong password", "a good new password"), 403, "access_denied", "")
			})
		}
		wg.Wait()
		next := fmt.Sprint("a good new password ", i)
		if a := k.changePassword(mine, current, next); a.status != 204 {
			t.Fatalf("the right one: %d %s", a.status, a.raw)
		}
		current = next
	}
}
