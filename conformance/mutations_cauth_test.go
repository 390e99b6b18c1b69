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
	}
}
