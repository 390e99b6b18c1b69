package conformance_test

func revMutations() map[string]string {
	return map[string]string{
		"rev-refresh":       "revocation-idle revocation-refuses",
		"rev-unknown-200":   "revocation-unknown-400",
		"rev-twice-200":     "revocation-twice-400",
		"rev-client-auth":   "revocation-open secret-optional any-secret",
		"rev-other-client":  "revocation-unbound",
		"rev-hint-wrong":    "revocation-hint revocation-hint-400",
		"rev-missing-token": "revocation-anything",
		"rev-get":           "revocation-get",
		"rev-immediate":     "revocation-sometimes",
		"rev-public-client": "revocation-secret-only revocation-unbound",

		"rev-access":          "revocation-access-idle",
		"rev-cascade-refresh": "access-outlives",
		"rev-cascade-access":  "revocation-refusal-kills",
		"rev-rotated-family":  "revocation-current-only",
		"rev-empty-body":      "revocation-echo",
		"rev-no-jsonp":        "jsonp",
	}
}
