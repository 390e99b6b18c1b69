package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// oauthURL is where RFC 8414 §3.1 puts the document: the well-known segment
// stands between host and path of the issuer.
func (t Target) oauthURL() string {
	u, err := url.Parse(t.Issuer)
	if err != nil {
		return ""
	}
	host := u.Scheme + "://" + u.Host
	return host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.EscapedPath(), "/")
}

// oidcURL is where OpenID Connect Discovery §4 puts it: appended.
func (t Target) oidcURL() string {
	return strings.TrimSuffix(t.Issuer, "/") + "/.well-known/openid-configuration"
}

func (t Target) loopback() bool {
	u, err := url.Parse(t.Issuer)
	return err == nil && loopback(u)
}

// discover finds the metadata document that the cases go by. It fails only
// when nothing answers.
func (r *runner) discover(ctx context.Context) error {
	var unreachable error
	answered := false
	for _, address := range []string{r.target.oauthURL(), r.target.oidcURL()} {
		a, err := r.fetch(ctx, http.MethodGet, address, nil, "")
		if err != nil {
			unreachable = err
			continue
		}
		answered = true
		if a.status == 200 && a.json != nil {
			r.docAt, r.doc = address, a
			return nil
		}
	}
	if answered {
		return nil
	}
	return unreachable
}

// tokenEndpoint returns where most credentials go, if they may go there.
func (r *runner) tokenEndpoint() (*url.URL, error) { return r.endpoint("token_endpoint") }

// endpoint returns where credentials go, if they may go there.
func (r *runner) endpoint(member string) (*url.URL, error) {
	address := r.doc.text(member)
	if address == "" {
		return nil, fmt.Errorf("no metadata document names a %s", member)
	}
	if got := r.doc.text("issuer"); got != r.target.Issuer { // RFC 8414 §3.3
		return nil, fmt.Errorf("the metadata is of issuer %q and must not be used for %q: give --issuer exactly as it says", got, r.target.Issuer)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !safe(u) {
		return nil, fmt.Errorf("%s %q is not an https URL: no credentials are sent there", member, address)
	}
	return u, nil
}

// list returns a member of the metadata that is an array of strings, or def
// when there is none (RFC 8414 §2 has defaults).
func (r *runner) list(member string, def ...string) []string {
	if _, ok := r.doc.json[member].([]any); !ok {
		return def
	}
	values, _ := r.doc.list(member)
	return values
}

// advertised reports whether the metadata lists an authentication method.
func (r *runner) advertised(method string) bool {
	return slices.Contains(r.list("token_endpoint_auth_methods_supported", AuthBasic), method)
}
