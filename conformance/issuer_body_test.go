package conformance_test

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// refusedMethod is why another method than POST is refused.
func (is *issuer) refusedMethod(r *http.Request) string {
	if is.mutated("query-echoed") {
		return "no GET of " + r.URL.RawQuery
	}
	return "method"
}

// repeatable reports whether a parameter may come twice.
func (is *issuer) repeatable(name string) bool {
	switch {
	case name == "foo" && is.mutated("dup-unknown-500"):
		panic(refusal{500, "server_error", "twice"})
	case name == "refresh_token" && is.mutated("dup-refresh-token"), name == "client_secret" && is.mutated("dup-client-secret"):
		return true
	case name == "resource" && !is.mutated("resource-once"): // RFC 8707 §2
		return true
	}
	return is.mutated("duplicates") || strings.HasPrefix(name, "client_assertion") && is.mutated("assert-twice")
}

// mislabelled reports whether r has no Content-Type, or several.
func (is *issuer) mislabelled(r *http.Request) bool {
	types := r.Header.Values("Content-Type")
	switch {
	case r.ContentLength == 0, len(types) == 0 && is.mutated("ct-optional"), len(types) == 2 && is.mutated("ct-first"):
		return false
	case is.mutated("ct-exact") && len(types) == 1 && types[0] != formType:
		return true
	}
	return len(types) != 1
}

const formType = "application/x-www-form-urlencoded"

// parseBody reads a form, each of its values as text (RFC 6749 App. A, App. B).
func (is *issuer) parseBody(r *http.Request) url.Values {
	raw, _ := io.ReadAll(r.Body)
	body := string(raw)
	switch {
	case is.mutated("semicolons"):
		body = strings.ReplaceAll(body, ";", "&")
	case is.mutated("plus-literal"):
		body = strings.ReplaceAll(body, "+", "%2B")
	}
	form, err := url.ParseQuery(body)
	switch {
	case err != nil && is.mutated("bad-percent-500"):
		panic(refusal{500, "server_error", "body"})
	case err != nil && !is.mutated("text-literal"):
		refuse("invalid_request")
	}
	is.form = maps.Clone(form)
	for name, values := range form {
		if name == "scope" && is.scopeBytes() {
			continue
		}
		for i, v := range values {
			values[i] = is.text(v)
		}
	}
	return form
}

// scopeBytes reports whether what a scope consists of does not matter.
func (is *issuer) scopeBytes() bool {
	return is.mutated("scope-bytes") || is.mutated("scope-nul") || is.mutated("scope-nul-truncates")
}

// text refuses what is not UTF-8 or has control characters.
func (is *issuer) text(v string) string {
	control := func(c rune) bool { return c < ' ' }
	switch {
	case utf8.ValidString(v) && !strings.ContainsFunc(v, control), is.mutated("text-literal"):
		return v
	case !utf8.ValidString(v) && is.mutated("utf8-dropped"):
		return strings.ToValidUTF8(v, "")
	case is.mutated("odd-text-500"):
		panic(refusal{500, "server_error", "text"})
	case is.mutated("nul-truncates"):
		before, _, _ := strings.Cut(v, "\x00")
		return before
	case is.mutated("line-breaks-dropped"):
		return strings.NewReplacer("\r", "", "\n", "").Replace(v)
	}
	panic(refusal{400, "invalid_request", "text"})
}
