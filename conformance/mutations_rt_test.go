package conformance_test

func rtMutations() map[string]string {
	return map[string]string{
		"rt-ok":                     "refresh-off same-access jti-session",
		"rt-unknown":                "unknown-refresh-request",
		"rt-tampered":               "prefix-lookup",
		"rt-client-bound":           "unbound",
		"rt-rotated-public":         "no-rotation",
		"rt-reuse-revokes-family":   "reuse-unnoticed reuse-answered",
		"rt-race-16":                "fork race-500",
		"rt-scope-narrow":           "narrow-ignored",
		"rt-scope-narrow-then-full": "narrow-sticks",
		"rt-scope-widen":            "widen widen-silently",
	}
}
