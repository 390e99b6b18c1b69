// Package discovery handles the two documents by which an issuer makes itself
// known, in both directions: the authorization server metadata (RFC 8414, and
// OpenID Connect Discovery's name for the same) and the JSON Web Key Set (RFC
// 7517).
//
//	issuer:    Metadata, NewKeySet ─► Document ─► Holder ─► HTTP
//	verifier:  HTTP ─► FetchMetadata ─► FetchKeySet ─► KeySet
//
// What comes from outside is read strictly and bounded in size and time; an
// issuer is compared byte for byte; a key that cannot be used safely is left
// out of its set. The package neither keeps what it fetched (discovery/verify
// does) nor makes keys.
package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// CheckIssuer reports why a string cannot be an issuer identifier: RFC 8414 §2
// wants an https URL without query and fragment. Plain http is allowed on a
// loopback address, for trying things out.
func CheckIssuer(issuer string) error {
	_, err := parseIssuer(issuer)
	return err
}

func parseIssuer(issuer string) (*url.URL, error) {
	u, err := parseURL(issuer)
	switch {
	case issuer == "":
		return nil, errors.New("the issuer is empty")
	case err != nil:
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	case strings.ContainsAny(issuer, "?#"): // RFC 8414 §2; also when empty
		return nil, fmt.Errorf("issuer %q: it has a query or a fragment", issuer)
	case strings.Contains(u.EscapedPath(), "//"), hasDotSegment(u.Path):
		return nil, fmt.Errorf("issuer %q: its path has empty or dot segments", issuer)
	}
	return u, nil
}

// parseURL accepts https URLs, and http ones that stay on this machine.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("it is not an absolute URL with a host")
	case u.User != nil:
		return nil, errors.New("it holds a user name or password")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()): // RFC 8414 §6.1
		return u, nil
	}
	return nil, errors.New("it is not https (plain http is for loopback addresses only)")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// Paths are the URL paths, in escaped form, where the documents of an issuer
// are found below its scheme and host.
type Paths struct {
	OAuth  string // RFC 8414 §3: the well-known part goes before the issuer's path
	OpenID string // OpenID Connect Discovery §4: it goes after the issuer's path
	KeySet string // by custom after it; what counts is jwks_uri
}

// WellKnown returns the paths for an issuer:
//
//	https://example.com         /.well-known/oauth-authorization-server  /.well-known/openid-configuration
//	https://example.com/tenant  /.well-known/oauth-authorization-server/tenant  /tenant/.well-known/openid-configuration
func WellKnown(issuer string) (Paths, error) {
	u, err := parseIssuer(issuer)
	if err != nil {
		return Paths{}, err
	}
	return wellKnown(u), nil
}

func wellKnown(u *url.URL) Paths {
	base := strings.TrimSuffix(u.EscapedPath(), "/") // RFC 8414 §3.1, OpenID Connect Discovery §4.1
	return Paths{
		OAuth:  "/.well-known/oauth-authorization-server" + base,
		OpenID: base + "/.well-known/openid-configuration",
		KeySet: base + "/.well-known/jwks.json",
	}
}
