package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

const oldKey = "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz"

// taking has old tokens taken for a day.
func taking(change ...func(*server.OldTokens)) option {
	return func(c *server.Config) {
		c.SimpleJWT.Old = server.OldTokens{Key: storage.NewSecret(oldKey), Until: time.Now().Add(24 * time.Hour)}
		for _, apply := range change {
			apply(&c.SimpleJWT.Old)
		}
	}
}

// oldClaims are what Simple JWT writes into a refresh token.
func oldClaims(id string, user any, pairs ...any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"token_type": "refresh", "jti": id, "user_id": user, "iat": now - 60, "exp": now + 3600}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(claims, pairs[i].(string))
			continue
		}
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return claims
}

// oldJWT signs as PyJWT does, by hand: what is tested uses the library.
func oldJWT(alg, key, typ string, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","typ":"`+typ+`"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum, known := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[alg]
	if !known {
		return text + "."
	}
	mac := hmac.New(sum, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func old(claims map[string]any) string { return oldJWT("HS256", oldKey, "JWT", claims) }

func (d *django) addImported(name, id string) person {
	return d.addUser(name, func(u *storage.User) { u.ForeignID, u.Imported = id, storage.ImportDigest(u.PasswordHash) })
}

func (d *django) exchange(token string) answer {
	d.Helper()
	a := d.renew(token)
	if a.status != 200 || len(a.body) != 2 || a.str("access") == "" || a.str("refresh") == "" {
		d.Fatalf("answered %d %s", a.status, a.raw)
	}
	return a
}

// TestOldToken is exchanged for a session of ours, whose tokens go on by
// themselves; verify and blacklist know it as well. With rotation and without.
func TestOldToken(t *testing.T) {
	for name, change := range map[string]func(*storage.Client){"still": still, "rotating": rotating} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDjango(t, change, taking())
			alice := d.addImported("alice", "17")
			token := old(oldClaims("one", 17))
			if a := d.json("verify/", map[string]string{"token": token}); a.status != 200 || a.raw != "{}\n" {
				t.Fatalf("verified: %d %s", a.status, a.raw)
			}
			a := d.exchange(token)
			session := d.sessionOf(a.str("access"))
			if session.User != alice.ID || session.ClientID != "web" || session.AuthTime.Unix() != int64(d.claims(token)["iat"].(float64)) {
				t.Errorf("the session is %+v", session)
			}
			if rec := d.record(a); rec["refresh"] != "exchanged" || rec["sub"] != alice.ID.String() || rec["sid"] != session.ID.String() || rec["endpoint"] != "simplejwt_refresh" {
				t.Errorf("the record: %v", rec)
			}
			if got := d.audited(a, 1)[0]; got.Event != storage.EventExchange || got.User != alice.ID || got.Session != session.ID || got.Address != "127.0.0.1" {
				t.Errorf("the audit: %+v", got)
			}
			claims := d.claims(a.str("refresh"))
			if d.part(a.str("refresh"), 0)["typ"] != "rt+jwt" || claims["user_id"] != "17" || d.claims(a.str("access"))["user_id"] != "17" {
				t.Errorf("the refresh token says %v", claims)
			}
			d.exec(`UPDATE sessions SET rotated_at = -3600000000`)
			if next := d.renew(a.str("refresh")); next.status != 200 {
				t.Errorf("ours is refreshed: %d %s", next.status, next.raw)
			}
			d.rejected(d.json("verify/", map[string]string{"token": token}), 401, notValid, "token_not_valid", "superseded")
		})
	}
}

// TestOldTokenTwice: parallel tabs and lost answers get the same refresh token;
// later it is a copy, and the session ends for both.
func TestOldTokenTwice(t *testing.T) {
	t.Parallel()
	d := newDjango(t, rotating, taking())
	alice := d.addImported("alice", "17")
	token := old(oldClaims("one", 17))
	answers := make([]answer, 10)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = d.renew(token) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != 200 || a.str("refresh") != answers[0].str("refresh") || a.str("access") == "" {
			t.Fatalf("answered %d %s", a.status, a.raw)
		}
	}
	if sessions, err := d.store.UserSessions(t.Context(), alice.ID, 10); err != nil || len(sessions) != 1 {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
	if a := d.json("verify/", map[string]string{"token": token}); a.status != 200 {
		t.Errorf("it would be taken, and is no good: %s", a.raw)
	}
	d.exec(`UPDATE sessions SET rotated_at = -3600000000`)
	a := d.renew(token)
	d.rejected(a, 401, blacklisted, "token_not_valid", "superseded")
	if got := d.audited(a, 1)[0]; got.Event != storage.EventRefreshReused || got.User != alice.ID {
		t.Errorf("the audit: %+v", got)
	}
	for _, token := range []string{answers[0].str("refresh"), token} {
		d.rejected(d.renew(token), 401, blacklisted, "token_not_valid", "ended")
		d.rejected(d.json("verify/", map[string]string{"token": token}), 401, blacklisted, "token_not_valid", "ended")
		d.rejected(d.json("blacklist/", map[string]string{"refresh": token}), 401, blacklisted, "token_not_valid", "ended")
	}
	d.exec(`DELETE FROM sessions`) // as the walk does, a day later
	for path, field := range map[string]string{"refresh/": "refresh", "verify/": "token", "blacklist/": "refresh"} {
		a := d.json(path, map[string]string{field: token})
		if a.status != 401 {
			t.Errorf("%s, with the session's row gone: %d %s", path, a.status, a.raw)
		}
	}
}

// TestOldTokenBlacklisted begins nothing, and one that began a session ends it.
func TestOldTokenBlacklisted(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still, taking())
	alice := d.addImported("alice", "17")
	unused, used := old(oldClaims("one", 17)), old(oldClaims("two", 17))
	pair := d.exchange(used)
	for i, token := range []string{unused, used} {
		a := d.json("blacklist/", map[string]string{"refresh": token})
		if a.status != 200 || a.raw != "{}\n" {
			t.Fatalf("blacklisted: %d %s", a.status, a.raw)
		}
		want := []storage.Event{storage.EventExchangeBlacklist, storage.EventSessionEnd}[i]
		if got := d.audited(a, 1)[0]; got.Event != want || got.User != alice.ID {
			t.Errorf("the audit: %+v", got)
		}
		d.rejected(d.renew(token), 401, blacklisted, "token_not_valid", "ended")
		d.rejected(d.json("verify/", map[string]string{"token": token}), 401, blacklisted, "token_not_valid", "ended")
		d.rejected(d.json("blacklist/", map[string]string{"refresh": token}), 401, blacklisted, "token_not_valid", "")
	}
	d.rejected(d.renew(pair.str("refresh")), 401, blacklisted, "token_not_valid", "ended")
}

// TestOldTokenRefused: whoever may not go on, and whatever Simple JWT would not
// have written. Each is refused alike, and costs the user nothing.
func TestOldTokenRefused(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still, taking())
	d.addImported("alice", "17")
	d.addImported("uuid", "9f3c1c1e-0000-4000-8000-000000000000")
	gone := d.addImported("gone", "18")
	_, err := setDisabled(t.Context(), d.store, gone.ID, true, time.Now().Add(-time.Hour))
	d.must(err)
	d.addUser("native")
	now := time.Now().Unix()
	with := func(pairs ...any) string { return old(oldClaims("one", 17, pairs...)) }
	good := with()
	for name, c := range map[string]struct{ token, reason string }{
		"another key":            {oldJWT("HS256", strings.Repeat("k", 50), "JWT", oldClaims("one", 17)), "the signature"},
		"an empty key":           {oldJWT("HS256", "", "JWT", oldClaims("one", 17)), "the signature"},
		"another algorithm":      {oldJWT("HS512", oldKey, "JWT", oldClaims("one", 17)), "not a JWS of HS256"},
		"no algorithm":           {oldJWT("none", oldKey, "JWT", oldClaims("one", 17)), "not a JWS of HS256"},
		"another typ":            {oldJWT("HS256", oldKey, "jwt", oldClaims("one", 17)), "typ is not"},
		"our typ":                {oldJWT("HS256", oldKey, "rt+jwt", oldClaims("one", 17)), "not a refresh token"},
		"a byte more":            {good + "A", ""},
		"space":                  {strings.Replace(good, ".", ". ", 1), ""},
		"too long":               {with("x", strings.Repeat("x", 9000)), "more than 8192 bytes"},
		"expired":                {with("exp", now-1), "expired"},
		"no exp":                 {with("exp", nil), "exp is missing"},
		"exp no number":          {with("exp", "soon"), "exp is missing or no time"},
		"exp with a fraction":    {with("exp", 1e9+.5), "exp is missing or no time"},
		"exp for ever":           {with("exp", 1e17), "exp is missing or no time"},
		"iat in the future":      {with("iat", now+3600), "iat is in the future"},
		"iat no number":          {with("iat", true), "iat is missing or no time"},
		"no jti":                 {with("jti", nil), "jti"},
		"jti no text":            {with("jti", 7), "jti"},
		"jti too long":           {with("jti", strings.Repeat("j", 256)), "jti"},
		"no type":                {with("token_type", nil), "no refresh token"},
		"sliding":                {with("token_type", "sliding"), "no refresh token"},
		"no user":                {with("user_id", nil), "user_id"},
		"a user of a fraction":   {with("user_id", 17.5), "user_id"},
		"a list of users":        {with("user_id", []int{17}), "user_id"},
		"an issuer":              {with("iss", "https://old.example"), "iss or aud"},
		"an audience":            {with("aud", "https://old.example"), "iss or aud"},
		"a mark that is none":    {with("hash_password", 7), "hash_password"},
		"another password":       {with("hash_password", storage.PasswordMark("other")), "ended"},
		"nobody":                 {with("user_id", 99), "no such record"},
		"a disabled user":        {with("user_id", 18), "disabled"},
		"somebody who is native": {with("user_id", "native"), "no such record"},
	} {
		a := d.renew(c.token)
		rec := d.record(a)
		if got, _ := rec["reason"].(string); a.status != 401 || a.str("code") != "token_not_valid" || !strings.Contains(got, c.reason) {
			t.Errorf("%s: %d %s because of %v", name, a.status, a.raw, got)
		}
		if a.header.Get("WWW-Authenticate") != `Bearer realm="api"` || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, a.header)
		}
		if strings.Contains(fmt.Sprint(rec), c.token[:20]) || strings.Contains(fmt.Sprint(rec), oldKey) {
			t.Errorf("%s: the record has the token: %v", name, rec)
		}
	}
	d.rejected(d.renew(with("token_type", "access")), 401, wrongType, "token_not_valid", "no refresh token")
	d.rejected(d.json("verify/", map[string]string{"token": with("token_type", "access")}), 401, notValid, "token_not_valid", "no refresh token")
	d.rejected(d.json("blacklist/", map[string]string{"refresh": with("token_type", "access")}), 401, wrongType, "token_not_valid", "no refresh token")
	d.exchange(good)
	d.exchange(old(oldClaims("two", "17", "iat", nil)))
	d.exchange(old(oldClaims("three", "9f3c1c1e-0000-4000-8000-000000000000")))
}

// TestOldTokenEnds: at the date that was set for it, for all three paths, and
// with whatever ends the user's sessions.
func TestOldTokenEnds(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still, taking())
	alice := d.addImported("alice", "17")
	before := func(id string) string { return old(oldClaims(id, 17, "exp", time.Now().Add(100*time.Hour).Unix())) }
	pair := d.exchange(before("one"))
	_, err := d.store.EndSessions(t.Context(), alice.ID, storage.SessionID{}, storage.EndedLogout, time.Now())
	d.must(err)
	d.rejected(d.renew(before("two")), 401, blacklisted, "token_not_valid", "ended")
	d.rejected(d.json("verify/", map[string]string{"token": before("two")}), 401, blacklisted, "token_not_valid", "ended")
	d.rejected(d.renew(pair.str("refresh")), 401, blacklisted, "token_not_valid", "ended")
	issued := func(id string, at time.Duration) string {
		return old(oldClaims(id, 17, "iat", time.Now().Add(at).Unix(), "exp", time.Now().Add(100*time.Hour).Unix()))
	}
	d.rejected(d.renew(issued("fast clock", storage.ForeignSkew-10*time.Second)), 401, blacklisted, "token_not_valid", "ended")
	d.rejected(d.renew(old(oldClaims("no iat", 17, "iat", nil))), 401, blacklisted, "token_not_valid", "ended")
	d.clock.jump(time.Minute)
	after := issued("three", storage.ForeignSkew+2*time.Second)
	d.exchange(after)

	d.clock.jump(25 * time.Hour)
	for path, field := range map[string]string{"refresh/": "refresh", "verify/": "token", "blacklist/": "refresh"} {
		d.rejected(d.json(path, map[string]string{field: after}), 401, notValid, "token_not_valid", "old tokens were taken until")
	}
}

// TestOldTokenSettings: none are taken without a key, and those that are have
// the issuer, audience, algorithm and claim of the settings.
func TestOldTokenSettings(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still)
	d.addImported("alice", "17")
	d.rejected(d.renew(old(oldClaims("one", 17))), 401, notValid, "token_not_valid", "typ is not rt+jwt")

	d = newDjango(t, still, taking(func(o *server.OldTokens) {
		o.Key, o.Algorithm = storage.NewSecret(strings.Repeat("k", 64)), "HS512"
		o.Issuer, o.Audience = "https://old.example", "shop"
	}), func(c *server.Config) { c.SimpleJWT.UserIDClaim = "uid" })
	d.addImported("alice", "17")
	sign := func(pairs ...any) string {
		return oldJWT("HS512", strings.Repeat("k", 64), "JWT", oldClaims(fmt.Sprint(pairs...), nil, append([]any{"user_id", nil, "uid", 17}, pairs...)...))
	}
	d.exchange(sign("iss", "https://old.example", "aud", "shop"))
	d.exchange(sign("iss", "https://old.example", "aud", []string{"blog", "shop"}))
	for name, token := range map[string]string{
		"no issuer":        sign("aud", "shop"),
		"another issuer":   sign("iss", "https://other.example", "aud", "shop"),
		"no audience":      sign("iss", "https://old.example"),
		"another audience": sign("iss", "https://old.example", "aud", []string{"blog"}),
		"an odd audience":  sign("iss", "https://old.example", "aud", 7),
	} {
		if a := d.renew(token); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	for name, c := range map[string]struct {
		old  server.OldTokens
		want string
	}{
		"nothing":      {server.OldTokens{}, ""},
		"good":         {server.OldTokens{Key: storage.NewSecret(oldKey), Until: time.Now()}, ""},
		"no end":       {server.OldTokens{Key: storage.NewSecret(oldKey)}, "no end date"},
		"short":        {server.OldTokens{Key: storage.NewSecret(oldKey[:31]), Until: time.Now()}, "31 bytes are too short for HS256"},
		"short for it": {server.OldTokens{Key: storage.NewSecret(oldKey), Algorithm: "HS512", Until: time.Now()}, "too short for HS512"},
		"of two keys":  {server.OldTokens{Key: storage.NewSecret(oldKey), Algorithm: "RS256", Until: time.Now()}, "none of HS256, HS384, HS512"},
		"no algorithm": {server.OldTokens{Key: storage.NewSecret(oldKey), Algorithm: "none", Until: time.Now()}, "none of HS256"},
		"384, long":    {server.OldTokens{Key: storage.NewSecret(oldKey), Algorithm: "HS384", Until: time.Now()}, ""},
	} {
		err := server.SimpleJWT{Client: "web", Old: c.old}.Check()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), oldKey[:31])) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOldTokenFromElsewhere: a retry from another address is an event, and a
// store that is away costs nothing.
func TestOldTokenFromElsewhere(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still, taking())
	d.addImported("alice", "17")
	token := old(oldClaims("one", 17))
	first := d.exchange(token)
	d.exec(`UPDATE sessions SET last_address = '203.0.113.7'`)
	again := d.exchange(token)
	if again.str("refresh") != first.str("refresh") || d.record(again)["event"] != "refresh_retried_from_another_address" {
		t.Errorf("%v", d.record(again))
	}
	d.must(d.store.Close())
	if a := d.renew(old(oldClaims("two", 17))); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("without a store: %d %s", a.status, a.raw)
	}
}

// TestOldTokenOfUnknownAge: versions before 5 write no iat. Where a session's
// sign-in would be told, nothing is, and the newest come first all the same.
func TestOldTokenOfUnknownAge(t *testing.T) {
	t.Parallel()
	d := newDjango(t, still, taking())
	alice, portal, api := d.addImported("alice", "17"), d.addPortal("portal"), d.addAPI("api", apiAudience)
	a := d.exchange(old(oldClaims("one", 17, "iat", nil)))
	session := d.sessionOf(a.str("access"))
	list := d.sessions(d.enter(alice, portal, firefox))
	if len(list) != 2 || list[0]["first_seen"] == nil || list[1]["id"] != session.ID.String() || list[1]["last_seen"] == nil {
		t.Fatalf("she sees %v", list)
	}
	if seen, there := list[1]["first_seen"]; there {
		t.Errorf("it was first seen %v", seen)
	}
	if got := d.audited(a, 1)[0]; got.Event != storage.EventExchange || got.Detail["device"] != "Go-http-client" || len(got.Detail) != 1 {
		t.Errorf("the audit: %+v", got)
	}
	if got, err := json.Marshal(operator.ViewSession(session, time.Now())); err != nil || strings.Contains(string(got), "first_seen") {
		t.Errorf("an operator sees %s, %v", got, err)
	}
	told := d.active(d.introspect(api, a.str("access")))
	if at, there := told["auth_time"]; there || told["sid"] != session.ID.String() {
		t.Errorf("told of %v, signed in %v", told, at)
	}
}
