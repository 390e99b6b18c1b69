package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// session is one lineage of refresh tokens.
type session struct {
	began             int64  // when the user signed in
	bound             string // thumbprint of the DPoP key
	id, client, user  string
	scope             []string
	resources         []string // granted
	audience          []string // of the next access token
	current, previous string
	rotated           time.Time
	ended             bool
	dying             bool      // revoked, and not known everywhere yet
	uses              int       // token answers
	born, used        time.Time // for clients whose sessions are brief
	cut               bool      // an answer was lost in the crash
	older             string    // the token before previous
}

// find looks a refresh token up.
func (is *issuer) find(token string) (*session, string) {
	if s := is.access[token]; s != nil && is.mutated("access-refreshes") {
		return s, s.current
	}
	if body, last := token[:max(0, len(token)-1)], token[max(0, len(token)-1):]; is.mutated("refresh-lenient") && last == "B" {
		token = body + "A"
	}
	if is.mutated("prefix-lookup") {
		for full, s := range is.sessions {
			if len(token) == len(full) && full[:len(full)-1] == token[:len(token)-1] {
				return s, full
			}
		}
	}
	return is.sessions[token], token
}

// refresh rotates, notices reuse, and lets a client with a window repeat.
func (is *issuer) refresh(clientID string, form url.Values) (*session, []string) {
	if !form.Has("refresh_token") {
		refuse("invalid_request")
	}
	s, token := is.find(form.Get("refresh_token"))
	switch {
	case s == nil && is.mutated("unknown-refresh-request"):
		refuse("invalid_request")
	case s == nil, s.ended && !is.forks(s), is.expired(s), s.client != clientID && !is.takesForeign(clientID, s, token), s.uses > 50 && is.mutated("refresh-tires"):
		refuse("invalid_grant")
	}
	if is.mutated("error-spends") && token == s.current && form.Has("scope") {
		s.previous, s.current = s.current, ""
	}
	s.ended = s.ended || s.dying
	is.recall(s, token)
	scope := is.narrowed(s, form)
	is.narrowResources(s, form)
	is.readMore(s, form)
	again := token == s.previous && time.Since(s.rotated) < is.clients[s.client].window
	switch {
	case is.mutated("race-500") && token == s.previous:
		panic(refusal{500, "server_error", "database is locked"})
	case is.mutated("fork"), is.forks(s):
		fork := *s
		fork.current, fork.ended = "", false
		return &fork, scope
	case token != s.current && !again && (is.mutated("reuse-answered") || is.mutated("reuse-answered-secret") && s.client == "app" || is.mutated("spent-unbound") && s.client != clientID):
	case token != s.current && !again && is.mutated("reuse-unnoticed"):
		refuse("invalid_grant")
	case token != s.current && !again:
		s.ended = true
		refuse("invalid_grant")
	}
	if !again && !is.mutated("no-rotation") {
		s.older, s.previous, s.current, s.rotated = s.previous, s.current, "", time.Now()
	}
	if is.mutated("narrow-sticks") {
		s.scope = scope
	}
	return s, scope
}

// narrowed keeps RFC 6749 §6: a part of what was granted, or all of it.
func (is *issuer) narrowed(s *session, form url.Values) []string {
	asked := strings.Fields(form.Get("scope"))
	switch {
	case len(asked) == 0 && is.mutated("scope-dropped"):
		return s.scope[:1]
	case len(asked) == 0, is.mutated("narrow-ignored"), is.mutated("narrow-unsaid"):
		return s.scope
	case is.mutated("widen"), allowed(asked, s.scope):
		return asked
	case is.mutated("widen-silently"), is.mutated("widen-kept"):
		return s.scope
	}
	refuse("invalid_scope")
	return nil
}

// issue writes the token answer.
func (is *issuer) issue(w http.ResponseWriter, s *session, scope []string) {
	if s.current == "" || is.mutated("fork") {
		s.current = is.newRefreshToken(s)
		is.sessions[s.current] = s
	}
	body := map[string]any{
		"access_token": is.accessToken(s, scope), "token_type": "Bearer", "expires_in": 600,
		"refresh_token": s.current, "scope": strings.Join(scope, " "),
	}
	is.addIDToken(body, s)
	is.see(body["access_token"].(string))
	is.access[body["access_token"].(string)] = s
	is.turned.signers[body["access_token"].(string)] = is.key.KeyID
	s.uses++
	status := 200
	switch {
	case is.mutated("expires-string"):
		body["expires_in"] = "600"
	case is.mutated("no-refresh"), s.uses > 1 && is.mutated("successor-untold"):
		delete(body, "refresh_token")
	case is.mutated("created"):
		status = http.StatusCreated
	case is.mutated("as-text"):
		w.Header().Set("Content-Type", "text/plain")
	case is.mutated("widen-silently"), is.mutated("narrow-unsaid"), is.mutated("scope-subset-unsaid"), is.mutated("no-scope-member") && is.form.Has("scope"):
		delete(body, "scope")
	case is.mutated("no-expires"):
		delete(body, "expires_in")
	}
	w.Header().Set("Pragma", "no-cache")
	is.spoilAnswer(w, s, body)
	if _, told := body["refresh_token"]; told {
		is.see(s.current)
	}
	if !is.mutated("storable") {
		w.Header().Set("Cache-Control", "no-store")
	}
	is.addTo(body, s)
	is.shout(w)
	if is.mutated("answer-twice") {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "other", %s`, strings.TrimPrefix(asJSON(body), "{"))
		return
	}
	writeJSON(w, status, body)
}

// accessToken signs a token; a mutation changes one thing about it.
func (is *issuer) accessToken(s *session, scope []string) string {
	now := time.Now().Unix()
	header := map[jose.HeaderKey]any{"typ": "at+jwt", "kid": is.key.KeyID}
	claims := map[string]any{
		"iss": is.url, "sub": s.user, "aud": is.aud(s), "exp": now + 600, "iat": now,
		"jti": rand.Text(), "client_id": s.client, "scope": strings.Join(scope, " "),
		"auth_time": s.began, "roles": []string{"staff"},
	}
	for _, m := range []struct {
		mutation, claim string
		value           any
	}{
		{"exp-string", "exp", "9999999999"}, {"exp-past", "exp", now - 1}, {"exp-fraction", "exp", float64(now) + 600.5}, {"iat-ahead", "iat", now + 60}, {"iat-near", "iat", now + 3}, {"iat-fraction", "iat", 1.5},
		{"nbf-ahead", "nbf", now + 1}, {"nbf-same", "nbf", now}, {"aud-array", "aud", append([]string{s.client}, s.audience...)},
		{"no-aud", "aud", []string{}}, {"aud-client", "aud", s.client},
		{"client-id-other", "client_id", s.user}, {"sub-random", "sub", rand.Text()}, {"sub-empty", "sub", ""},
		{"jti-session", "jti", s.id}, {"jti-null", "jti", nil}, {"jti-short", "jti", rand.Text()[:8]},
	} {
		if is.mutated(m.mutation) {
			claims[m.claim] = m.value
		}
	}
	switch {
	case is.mutated("typ-jwt"):
		header["typ"] = "JWT"
	case is.mutated("typ-long"):
		header["typ"] = "application/AT+JWT"
	}
	if is.mutated("token-no-kid") {
		delete(header, "kid")
	}
	key := is.key.Key
	switch {
	case is.mutated("opaque"):
		return rand.Text()
	case is.mutated("same-access"):
		return is.sameAccess(s)
	case is.mutated("unpublished-key"):
		key = is.stray.Key
	}
	is.turned.hidden = max(0, is.turned.hidden-1)
	is.spoilClaims(s, claims)
	return is.compact(key, header, claims)
}

func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// sameAccess answers one token for the life of the session.
func (is *issuer) sameAccess(s *session) string {
	i := slices.IndexFunc(is.seen, func(v string) bool { return strings.HasSuffix(v, s.id) })
	if i >= 0 {
		return is.seen[i]
	}
	return "opaque-" + base64.RawURLEncoding.EncodeToString([]byte(s.user)) + s.id
}
