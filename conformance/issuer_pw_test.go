package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// password finds the user and checks the password.
func (is *issuer) password(w http.ResponseWriter, clientID string, form url.Values) (*session, []string) {
	is.needed(form)
	name := is.userName(form.Get("username"))
	u, known := is.users[name]
	if !known && is.mutated("unknown-user-told") {
		panic(refusal{400, "invalid_grant", "no such user"})
	}
	if known && is.mutated("locks-quietly") && u.until.After(time.Now()) {
		refuse("invalid_grant")
	}
	if known && time.Now().Before(u.until) && (is.claimed == "" || !is.mutated("forwarded-believed")) || time.Now().Before(is.sprayed) {
		is.throttled(w)
	}
	if !known || !is.isPassword(u.password, form.Get("password")) {
		is.failed(u)
		status := 400
		if is.mutated("bad-password-403") {
			status = 403
		}
		panic(refusal{status, "invalid_grant", "user"})
	}
	if u.disabled {
		panic(refusal{400, "invalid_grant", "disabled"})
	}
	u.failures, is.strangers = 0, 0
	if is.mutated("victim-locked") && name == "victim" {
		refuse("invalid_grant")
	}
	if is.mutated("case-second-subject") {
		name = form.Get("username")
	}
	scope := is.askedScope(clientID, form)
	s := &session{id: "session-" + newID(), client: clientID, user: name, scope: scope}
	is.grantResources(s, form)
	return s, s.scope
}

// needed are the parameters of the grant.
func (is *issuer) needed(form url.Values) {
	missing := slices.ContainsFunc([]string{"username", "password"}, func(name string) bool { return !form.Has(name) })
	switch {
	case missing && is.mutated("missing-is-wrong"):
		refuse("invalid_grant")
	case missing:
		refuse("invalid_request")
	}
}

// userName is whom a typed name means.
func (is *issuer) userName(typed string) string {
	switch {
	case strings.ContainsRune(typed, '\'') && is.mutated("quote-500"), !isASCII(typed) && is.mutated("unicode-500"):
		panic(refusal{500, "server_error", "name"})
	case strings.Contains(typed, "' OR '") && is.mutated("injectable"):
		return "alice"
	case is.mutated("case-folds"), is.mutated("case-second-subject"):
		return strings.ToLower(typed)
	}
	return typed
}

// isPassword compares what is stored with what came.
func (is *issuer) isPassword(stored, typed string) bool {
	change := func(s string) string { return s }
	switch {
	case is.mutated("any-password"), strings.Contains(is.form.Get("username"), "' OR '") && is.mutated("injectable"):
		return true
	case is.mutated("bmp-only") && strings.ContainsFunc(typed, func(c rune) bool { return c > 0xffff }):
		refuse("invalid_request")
	case is.mutated("password-lossy"):
		change = func(s string) string {
			return strings.Map(func(c rune) rune {
				if c > '~' || c == '?' {
					return -1
				}
				return c
			}, s)
		}
	case is.mutated("password-trimmed"):
		change = strings.TrimSpace
	case is.mutated("bcrypt"):
		change = func(s string) string { return s[:min(len(s), 72)] }
	}
	return change(stored) == change(typed)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII })
}

// failed counts a failure of somebody, or of a name that nobody has.
func (is *issuer) failed(u *user) {
	if u == nil {
		if is.strangers++; is.strangers >= 30 && !is.mutated("no-throttle") {
			is.strangers, is.sprayed = 0, time.Now().Add(time.Second)
		}
		return
	}
	if u.failures++; u.failures >= 5 && !is.mutated("no-throttle") {
		u.failures, u.until = 0, time.Now().Add(time.Second)
		if is.mutated("locks-quietly") {
			u.until = time.Now().Add(time.Hour)
		}
		if is.mutated("lock-out") {
			u.password = newID()
		}
	}
}
