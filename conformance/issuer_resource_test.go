package conformance_test

import (
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
)

const (
	apiResource   = "https://api.example" // the default one
	otherResource = "https://other.example"
)

// resources returns what a request asks for, of what it may; nothing is kept
// of a request that asks for none.
func (is *issuer) resources(form url.Values, may []string) []string {
	asked := form["resource"]
	if len(asked) > 1 && is.mutated("resource-single") {
		refuse("invalid_target")
	}
	for _, r := range asked {
		u, err := url.Parse(r)
		relative, fragment := err != nil || !u.IsAbs(), strings.Contains(r, "#")
		switch {
		case slices.Contains(may, r), is.mutated("resource-any"):
		case is.mutated("resource-ignored"), is.mutated("resource-unknown") && !relative && !fragment,
			is.mutated("resource-relative") && relative, is.mutated("resource-fragment") && fragment:
			return nil
		default:
			refuse("invalid_target")
		}
	}
	if is.mutated("resource-ignored") {
		return nil
	}
	return asked
}

// grantResources decides what a sign-in is for.
func (is *issuer) grantResources(s *session, form url.Values) {
	s.resources = is.resources(form, []string{apiResource, otherResource})
	if s.resources == nil {
		s.resources = []string{apiResource}
	}
	s.audience = s.resources
	if foreign := slices.Contains(s.scope, "stock") && !slices.Contains(s.resources, apiResource); foreign && is.mutated("scope-elsewhere-dropped") {
		s.scope = []string{"read"}
	} else if foreign && !is.mutated("scope-anywhere") {
		refuse("invalid_scope")
	}
}

// narrowResources decides what a refresh is for (RFC 8707 §2.2).
func (is *issuer) narrowResources(s *session, form url.Values) {
	may := s.resources
	switch {
	case is.mutated("resource-unbound"):
		may = []string{apiResource, otherResource}
	case is.mutated("resource-narrow-refused") && form.Has("resource"):
		refuse("invalid_target")
	}
	s.audience = is.resources(form, may)
	if s.audience == nil || is.mutated("resource-kept") {
		s.audience = s.resources
	}
}

// aud is the claim: a lone audience is a string.
func (is *issuer) aud(s *session) any {
	switch {
	case is.mutated("aud-random"):
		return rand.Text()
	case is.mutated("resource-not-aud"):
		return apiResource + "/v1"
	case is.mutated("resource-aud-both"):
		return []string{apiResource, otherResource}
	case is.mutated("resource-mapped"): // RFC 8707 §2: a name of the issuer's own
		return strings.Split(strings.ReplaceAll(strings.Join(s.audience, " "), "https://", "name:"), " ")
	case len(s.audience) == 1:
		return s.audience[0]
	}
	return s.audience
}
