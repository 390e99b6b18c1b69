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
		"rot-never-unpublished":   "keys-late node-keys-late",
		"rot-old-removed":         "old-key-kept old-token-active",
		"rot-alg-switch":          "switch-unlisted",
		"jwks-kid-not-reused":     "kid-reused",
		"rt-revoked-user":         "disabled-refreshes",
		"pw-disabled-user":        "disabled-told",

		"pw-password-change-revokes": "password-change-silent",
		"rt-revoked-client-grant":    "grant-kept",
		"rt-race-multi-node":         "node-forks",
		"rt-crash-consistency":       "crash-500 crash-forgets crash-forks",
		"rt-expired":                 "never-expires",
		"rt-idle-expiry":             "never-idle",
		"rt-lifetime-not-extended":   "lifetime-extended",
	}
}
