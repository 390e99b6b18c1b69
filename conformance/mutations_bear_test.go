package conformance_test

func bearMutations() map[string]string {
	return map[string]string{
		"bear-header-ok":        "api-deaf",
		"bear-scheme-case":      "api-case",
		"bear-missing":          "api-open api-no-challenge",
		"bear-invalid":          "api-open api-forgery api-500 api-no-challenge api-no-code",
		"bear-scope":            "api-scope-401",
		"bear-malformed":        "api-first-token",
		"bear-www-auth-syntax":  "api-bare api-twice api-illegal api-unclosed",
		"bear-two-methods":      "api-query api-body",
		"bear-query":            "api-query api-query-strict",
		"bear-body-get":         "api-body-get",
		"bear-body-ct":          "api-body-json",
		"bear-cookie":           "api-cookie",
		"bear-token-not-echoed": "api-echo api-echo-header",
		"bear-cache":            "api-public",
	}
}
