package conformance_test

func resMutations() map[string]string {
	return map[string]string{
		"res-aud":            "resource-not-aud resource-aud-both",
		"res-multi":          "resource-once",
		"res-relative":       "resource-relative resource-any",
		"res-fragment":       "resource-fragment resource-any",
		"res-unknown":        "resource-any resource-unknown",
		"res-narrow-refresh": "resource-kept resource-narrow-refused",
		"res-default":        "no-aud aud-random",

		"res-scope-per-resource": "scope-anywhere",
	}
}
