package conformance_test

func tokenMutations() map[string]string {
	return map[string]string{
		"tok-post-only":             "any-method no-allow",
		"tok-query-params-ignored":  "query-merged",
		"tok-ct-json":               "json-body",
		"tok-ct-multipart":          "multipart-body",
		"tok-dup-grant-type":        "duplicates",
		"tok-dup-scope":             "duplicates",
		"tok-dup-username":          "duplicates",
		"tok-ct-form":               "ct-exact",
		"tok-ct-missing":            "ct-optional",
		"tok-ct-double":             "ct-first",
		"tok-body-charset-latin1":   "odd-text-500 utf8-dropped",
		"tok-body-invalid-utf8":     "odd-text-500 utf8-dropped",
		"tok-body-bad-percent":      "bad-percent-500",
		"tok-body-nul":              "odd-text-500 nul-truncates",
		"tok-plus-is-space":         "plus-literal",
		"tok-semicolon-sep":         "semicolons",
		"tok-unknown-param":         "unknown-refused",
		"tok-empty-param":           "empty-kept",
		"tok-empty-required":        "empty-kept",
		"tok-grant-missing":         "no-grant-unsupported errors-with-token",
		"tok-grant-unknown":         "unknown-grant-invalid",
		"tok-success-200":           "created",
		"tok-success-ct":            "as-text",
		"tok-success-members":       "expires-string",
		"tok-no-store":              "storable",
		"tok-no-store-errors":       "errors-storable",
		"tok-error-400":             "errors-200",
		"tok-error-code-registered": "own-codes",
	}
}
