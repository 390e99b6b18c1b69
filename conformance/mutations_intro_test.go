package conformance_test

func introMutations() map[string]string {
	return map[string]string{
		"intro-active":        "introspection-text introspection-sub",
		"intro-auth-required": "introspection-open secret-optional any-secret",
		"intro-inactive":      "introspection-active",
		"intro-hint-wrong":    "hint-believed",
		"intro-get":           "introspection-get",
		"intro-missing-token": "introspection-anything",
		"intro-tampered-jwt":  "introspection-unverified",
		"intro-revoked-now":   "introspection-stale revocation-idle",
	}
}
