package conformance_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// scopesOf are what a client may ask for; none else may ask for billing.
func scopesOf(clientID string) []string {
	all := []string{"read", "write", "admin", "openid", "stock"}
	if clientID == "second" {
		all = append(all, "billing")
	}
	return all
}

// askedScope is what a password request is granted.
func (is *issuer) askedScope(clientID string, form url.Values) []string {
	asked := form.Get("scope")
	switch {
	case !form.Has("scope") && is.mutated("no-default-scope"):
		refuse("invalid_request")
	case !form.Has("scope") && is.mutated("scope-wanted"):
		refuse("invalid_scope")
	case !form.Has("scope"):
		return []string{"read", "write"}
	case is.mutated("scope-any-case"):
		asked = strings.ToLower(asked)
	case is.mutated("scope-spaces"):
		asked = strings.Join(strings.Fields(asked), " ")
	}
	if is.mutated("scope-nul-truncates") {
		asked = regexp.MustCompile("\x00[^ ]*").ReplaceAllString(asked, "")
	}
	scope := strings.Split(asked, " ")
	if !is.mutated("scope-dup-kept") {
		scope = slices.Compact(scope)
	}
	allowing := scopesOf(clientID)
	if is.mutated("scope-uncapped") {
		allowing = append(allowing, "billing")
	}
	known := func(s string) bool {
		return slices.Contains(allowing, s) || is.mutated("scope-bytes") && !utf8.ValidString(s) || is.mutated("scope-nul") && strings.Contains(s, "\x00")
	}
	switch {
	case is.mutated("scope-ordered") && !slices.IsSorted(scope):
		refuse("invalid_scope")
	case is.mutated("any-scope"):
		return scope
	case slices.Contains(scope, ""):
		refuse("invalid_scope")
	case is.mutated("scope-subset"), is.mutated("scope-subset-unsaid"), is.mutated("scope-ignored"), is.scopeBytes():
		scope = slices.DeleteFunc(scope, func(s string) bool { return !known(s) })
	}
	if len(scope) == 0 && is.mutated("scope-ignored") {
		return []string{"read"}
	}
	if slices.ContainsFunc(scope, func(s string) bool { return !known(s) }) || len(scope) == 0 {
		refuse("invalid_scope")
	}
	return scope
}
