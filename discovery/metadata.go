package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Metadata is what an authorization server says about itself (RFC 8414 §2).
// Members that are empty are left out of the document, as RFC 8414 §3.2 and
// OIDC Discovery §4.2 want.
//
// ResponseTypesSupported is left out too while there is no authorization
// endpoint, although §2 calls the member required: §3.2 forbids to send an
// empty array, an invented value would promise an endpoint that is not there,
// and the member says nothing about a server without one. Clients that need it
// (code flow only) need authorization_endpoint first.
type Metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string `json:"token_endpoint,omitempty"`
	RevocationEndpoint    string `json:"revocation_endpoint,omitempty"`    // RFC 7009
	IntrospectionEndpoint string `json:"introspection_endpoint,omitempty"` // RFC 7662
	JWKSURI               string `json:"jwks_uri,omitempty"`
	ServiceDocumentation  string `json:"service_documentation,omitempty"`

	ScopesSupported                           []string `json:"scopes_supported,omitempty"`
	ResponseTypesSupported                    []string `json:"response_types_supported,omitempty"`
	GrantTypesSupported                       []string `json:"grant_types_supported,omitempty"`
	TokenEndpointAuthMethodsSupported         []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	TokenEndpointAuthSigningAlgsSupported     []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationEndpointAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	IntrospectionEndpointAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	CodeChallengeMethodsSupported             []string `json:"code_challenge_methods_supported,omitempty"`
	SubjectTypesSupported                     []string `json:"subject_types_supported,omitempty"`               // OpenID Connect Discovery §3
	IDTokenSigningAlgValuesSupported          []string `json:"id_token_signing_alg_values_supported,omitempty"` // the allow-list of several verifiers: every key's algorithm
}

// Document renders the metadata. It reports an issuer or a URL that nobody may
// use: not https (loopback apart), with a fragment, with credentials.
func (m Metadata) Document() (*Document, error) {
	if err := CheckIssuer(m.Issuer); err != nil {
		return nil, err
	}
	texts, _ := m.members()
	for name, value := range texts {
		if *value == "" || name == "issuer" {
			continue
		}
		if u, err := parseURL(*value); err != nil {
			return nil, fmt.Errorf("%s %q: %w", name, *value, err)
		} else if u.Fragment != "" { // RFC 6749 §3.1, §3.2
			return nil, fmt.Errorf("%s %q: it has a fragment", name, *value)
		}
	}
	body, err := json.Marshal(m) // no member twice: RFC 8259 §4
	if err != nil {
		return nil, fmt.Errorf("render metadata: %w", err)
	}
	return newDocument(body), nil
}

// ParseMetadata reads a metadata document strictly: one JSON object, member
// names exact and unique, known members of the right type. Unknown members are
// ignored (RFC 8414 §3.2). Whether it is the right issuer's is for the caller
// to say; FetchMetadata does.
func ParseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	object, err := DecodeObject(data)
	if err != nil {
		return m, err
	}
	texts, lists := m.members()
	for name, field := range texts {
		value, present := object[name]
		if text, ok := value.(string); ok {
			*field = text
		} else if present {
			return m, fmt.Errorf("%s is not a string", name)
		}
	}
	for name, field := range lists {
		value, present := object[name]
		if !present {
			continue
		}
		list, ok := StringList(value)
		if !ok {
			return m, fmt.Errorf("%s is not an array of strings", name)
		}
		*field = list
	}
	if m.Issuer == "" { // RFC 8414 §2
		return m, errors.New("issuer is missing")
	}
	return m, nil
}

// members lists the fields by member name. encoding/json would take "ISSUER"
// for "issuer", so it cannot fill the struct.
func (m *Metadata) members() (texts map[string]*string, lists map[string]*[]string) {
	texts = map[string]*string{
		"issuer":                 &m.Issuer,
		"authorization_endpoint": &m.AuthorizationEndpoint,
		"token_endpoint":         &m.TokenEndpoint,
		"revocation_endpoint":    &m.RevocationEndpoint,
		"introspection_endpoint": &m.IntrospectionEndpoint,
		"jwks_uri":               &m.JWKSURI,
		"service_documentation":  &m.ServiceDocumentation,
	}
	lists = map[string]*[]string{
		"scopes_supported":                                 &m.ScopesSupported,
		"response_types_supported":                         &m.ResponseTypesSupported,
		"grant_types_supported":                            &m.GrantTypesSupported,
		"token_endpoint_auth_methods_supported":            &m.TokenEndpointAuthMethodsSupported,
		"token_endpoint_auth_signing_alg_values_supported": &m.TokenEndpointAuthSigningAlgsSupported,
		"revocation_endpoint_auth_methods_supported":       &m.RevocationEndpointAuthMethodsSupported,
		"introspection_endpoint_auth_methods_supported":    &m.IntrospectionEndpointAuthMethodsSupported,
		"code_challenge_methods_supported":                 &m.CodeChallengeMethodsSupported,
		"subject_types_supported":                          &m.SubjectTypesSupported,
		"id_token_signing_alg_values_supported":            &m.IDTokenSigningAlgValuesSupported,
	}
	return texts, lists
}
