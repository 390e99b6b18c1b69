package discovery

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// ResourceMetadata is what an API says about itself (RFC 9728 §2).
type ResourceMetadata struct {
	Resource               string   `json:"resource"`
	AuthorizationServers   []string `json:"authorization_servers,omitempty"` // issuers
	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	BearerMethodsSupported []string `json:"bearer_methods_supported,omitempty"` // header, body, query
}

// Document renders the metadata. It reports a resource or an issuer that cannot
// be one.
func (m ResourceMetadata) Document() (*Document, error) {
	if _, err := parseResource(m.Resource); err != nil {
		return nil, err
	}
	for _, issuer := range m.AuthorizationServers {
		if err := CheckIssuer(issuer); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("render resource metadata: %w", err)
	}
	return newDocument(body), nil
}

// ResourceMetadataURL returns where the metadata of a resource is found, and
// the path of it: RFC 9728 §3.1 puts the well-known part before the resource's
// own path.
//
//	https://api.example.com         /.well-known/oauth-protected-resource
//	https://api.example.com/orders  /.well-known/oauth-protected-resource/orders
func ResourceMetadataURL(resource string) (whole, path string, err error) {
	u, err := parseResource(resource)
	if err != nil {
		return "", "", err
	}
	path = "/.well-known/oauth-protected-resource"
	if own := u.EscapedPath(); own != "/" {
		path += own
	}
	return u.Scheme + "://" + u.Host + path, path, nil
}

// parseResource wants an https URL (RFC 9728 §1.2), without a query, by which
// no router tells paths apart. Plain http is for loopback.
func parseResource(resource string) (*url.URL, error) {
	u, err := parseURL(resource)
	switch {
	case err != nil:
		return nil, fmt.Errorf("resource %q: %w", resource, err)
	case strings.ContainsAny(resource, "?#"):
		return nil, fmt.Errorf("resource %q: it has a query or a fragment", resource)
	case strings.Contains(u.EscapedPath(), "//"), hasDotSegment(u.Path):
		return nil, fmt.Errorf("resource %q: its path has empty or dot segments", resource)
	}
	return u, nil
}
