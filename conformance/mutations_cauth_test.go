package conformance_test

func cauthMutations() map[string]string {
	return map[string]string{
		"cauth-basic-ok":                "no-basic",
		"cauth-basic-percent-alnum":     "basic-compared-encoded",
		"cauth-basic-wrong-401":         "basic-400 any-secret",
		"cauth-basic-wrong-www-auth":    "no-challenge no-realm",
		"cauth-www-auth-only-on-401":    "challenge-always",
		"cauth-post-ok":                 "no-post",
		"cauth-public-ok":               "no-public",
		"cauth-confidential-needs-auth": "secret-optional",
		"cauth-unknown-client-same":     "unknown-client-told any-secret",
		"cauth-query-secret":            "query-secret",
		"cauth-two-methods":             "two-methods",
		"cauth-basic-plus-other-id":     "other-id",

		"cauth-basic-form-encoded": "basic-not-decoded",
		"cauth-basic-raw-interop":  "basic-compared-encoded",
		"cauth-basic-scheme-case":  "scheme-exact",
		"cauth-basic-extra-space":  "one-space",
		"cauth-basic-no-colon":     "colon-500",
		"cauth-basic-bad-base64":   "lenient-base64",
		"cauth-basic-two-headers":  "first-header",
		"cauth-basic-empty-secret": "empty-secret",
		"cauth-bearer-scheme":      "any-scheme bearer-500",

		"cauth-post-wrong":          "any-secret",
		"cauth-two-methods-one-bad": "two-methods body-wins",
		"cauth-missing":             "default-client",
		"cauth-post-not-registered": "any-registered",
		"cauth-basic-plus-same-id":  "same-id-refused",
		"cauth-public-with-secret":  "secret-upgrades public-secret-500",

		"cauth-secret-not-in-errors": "echo",
		"cauth-secret-entropy":       "weak-secret",
		"cauth-mtls-confusion":       "cert-header",
	}
}
