package conformance_test

func introMutations() map[string]string {
	return map[string]string{
		"intro-active":        "introspection-text",
		"intro-auth-required": "introspection-open secret-optional any-secret",
		"intro-inactive":      "introspection-active",
		"intro-hint-wrong":    "hint-believed",
		"intro-get":           "introspection-get",
		"intro-missing-token": "introspection-anything",
		"intro-tampered-jwt":  "introspection-unverified",
		"intro-revoked-now":   "introspection-stale revocation-idle",

		"intro-no-store":       "introspection-storable",
		"intro-refresh-hidden": "introspection-of-all",
		"intro-client-token":   "introspection-of-all introspection-of-access",
		"intro-aud-isolation":  "introspection-api-all introspection-of-all",
		"intro-cnf":            "dpop-bound-untold dpop-bound-told-bearer dpop-bound-other",
		"intro-jwt-response":   "intro-jwt-typ intro-jwt-no-aud intro-jwt-iss intro-jwt-undated intro-jwt-flat intro-jwt-forged intro-jwt-unsigned",
	}
}
