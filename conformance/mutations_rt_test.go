package conformance_test

func rtMutations() map[string]string {
	return map[string]string{
		"rt-ok":                     "refresh-off jti-session",
		"rt-unknown":                "unknown-refresh-request",
		"rt-tampered":               "prefix-lookup",
		"rt-client-bound":           "unbound",
		"rt-rotated-public":         "no-rotation",
		"rt-reuse-revokes-family":   "reuse-unnoticed reuse-answered",
		"rt-race-16":                "fork race-500",
		"rt-race-refresh-vs-revoke": "revocation-sometimes",
		"rt-scope-narrow":           "narrow-unsaid",
		"rt-scope-narrow-then-full": "narrow-sticks",
		"rt-scope-widen":            "widen widen-silently",

		"rt-charset":                        "refresh-latin",
		"rt-entropy":                        "refresh-short refresh-counter",
		"rt-is-not-access":                  "access-refreshes",
		"rt-extra-params":                   "extra-logs-in",
		"rt-no-id-token-widening":           "id-token-stray",
		"rt-old-refused":                    "reuse-answered",
		"rt-confidential-needs-auth":        "secret-optional",
		"rt-public-bound":                   "unbound public-unbound",
		"rt-scope-omitted":                  "scope-dropped",
		"rt-scope-widen-after-narrow-grant": "widen widen-silently",
		"rt-resource-bound":                 "resource-unbound",

		"rt-grace-window":          "fork",
		"rt-chain-100":             "refresh-grows refresh-tires",
		"rt-rotated-confidential":  "successor-untold",
		"rt-client-bound-survives": "unbound foreign-takes",
		"rt-reuse-by-other-client": "spent-unbound",
		"rt-reuse-kills-access":    "access-outlives",
	}
}
