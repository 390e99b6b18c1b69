package conformance

import (
	"net/url"
	"strings"
)

// memberKind is what a registered member of the metadata holds.
type memberKind int

const (
	secureURL memberKind = iota // an absolute https URL
	pageURL                     // an absolute URL for people
	textual
	textList
	boolean
	structured
)

// mismatch says what member is instead of k, or "".
func (k memberKind) mismatch(doc answer, member string) string {
	value := doc.json[member]
	_, isText := value.(string)
	_, isFlag := value.(bool)
	_, isObject := value.(map[string]any)
	_, isTexts := doc.list(member)
	switch {
	case k <= textual && !isText:
		return "not a string"
	case k == textList && !isTexts:
		return "not an array of strings"
	case k == boolean && !isFlag:
		return "not a boolean"
	case k == structured && !isObject:
		return "not an object"
	case k == secureURL:
		return notSecure(doc.text(member))
	case k == pageURL:
		if u, err := url.Parse(doc.text(member)); err != nil || u.Host == "" {
			return "not an absolute URL"
		}
	}
	return ""
}

// registeredMembers are the members of the IANA registry "OAuth Authorization
// Server Metadata", and of the OpenID specifications that register there.
func registeredMembers() map[string]memberKind {
	kinds := map[string]memberKind{}
	for kind, names := range map[memberKind]string{
		secureURL: `issuer authorization_endpoint token_endpoint jwks_uri registration_endpoint revocation_endpoint
			introspection_endpoint device_authorization_endpoint pushed_authorization_request_endpoint userinfo_endpoint
			backchannel_authentication_endpoint end_session_endpoint check_session_iframe federation_registration_endpoint
			signed_jwks_uri status_list_aggregation_endpoint`,
		pageURL: `service_documentation op_policy_uri op_tos_uri logo_uri policy_uri information_uri organization_uri`,
		textual: `signed_metadata display_name description organization_name`,
		textList: `scopes_supported response_types_supported response_modes_supported grant_types_supported ui_locales_supported
			token_endpoint_auth_methods_supported token_endpoint_auth_signing_alg_values_supported
			revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
			introspection_endpoint_auth_methods_supported introspection_endpoint_auth_signing_alg_values_supported
			code_challenge_methods_supported acr_values_supported subject_types_supported
			id_token_signing_alg_values_supported id_token_encryption_alg_values_supported id_token_encryption_enc_values_supported
			userinfo_signing_alg_values_supported userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported
			request_object_signing_alg_values_supported request_object_encryption_alg_values_supported
			request_object_encryption_enc_values_supported display_values_supported claim_types_supported claims_supported
			claims_locales_supported prompt_values_supported
			authorization_signing_alg_values_supported authorization_encryption_alg_values_supported
			authorization_encryption_enc_values_supported
			introspection_signing_alg_values_supported introspection_encryption_alg_values_supported
			introspection_encryption_enc_values_supported
			nfv_token_signing_alg_values_supported nfv_token_encryption_alg_values_supported nfv_token_encryption_enc_values_supported
			authorization_details_types_supported dpop_signing_alg_values_supported protected_resources
			backchannel_token_delivery_modes_supported backchannel_authentication_request_signing_alg_values_supported
			client_registration_types_supported contacts keywords
			identity_chaining_requested_token_types_supported`,
		boolean: `claims_parameter_supported request_parameter_supported request_uri_parameter_supported
			require_request_uri_registration require_signed_request_object require_pushed_authorization_requests
			tls_client_certificate_bound_access_tokens authorization_response_iss_parameter_supported
			frontchannel_logout_supported frontchannel_logout_session_supported
			backchannel_logout_supported backchannel_logout_session_supported backchannel_user_code_parameter_supported`,
		structured: `mtls_endpoint_aliases jwks`,
	} {
		for name := range strings.FieldsSeq(names) {
			kinds[name] = kind
		}
	}
	return kinds
}
