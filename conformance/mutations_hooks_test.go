package conformance_test

func hookMutations() map[string]string {
	return map[string]string{
		"rot-announce-before-use": "rotate-unannounced",
		"rot-lead-time":           "rotate-sudden",
		"rot-old-stays":           "old-key-withdrawn",
		"rot-old-verify":          "old-key-withdrawn old-key-replaced",
		"rot-atomic":              "rotate-gap etag-fixed",
		"rot-refresh-unaffected":  "rotate-ends-sessions",
		"rot-private-never-leaks": "rotate-leaks",
		"rot-restart":             "restart-other-keys restart-more-keys",
		"rot-emergency":           "revoked-published revoked-signs revoked-active revoked-ends-sessions",
		"jwks-kid-not-reused":     "kid-reused",
		"rt-revoked-user":         "disabled-refreshes",
		"pw-disabled-user":        "disabled-told",
	}
}
