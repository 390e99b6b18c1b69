package conformance_test

func atMutations() map[string]string {
	return map[string]string{
		"at-typ":          "typ-jwt",
		"at-kid":          "token-no-kid other-kids",
		"at-exp":          "exp-string exp-past",
		"at-iat":          "iat-ahead iat-fraction",
		"at-nbf-harmless": "nbf-ahead",
		"at-aud":          "no-aud",
		"at-client-id":    "client-id-other",
		"at-sub":          "sub-empty",
		"at-jti":          "jti-session jti-null",

		"at-three-parts": "token-padded token-four-parts alg-none",
		"at-charset":     "token-colon",
		"at-json-unique": "head-twice claims-twice",
		"at-ecdsa-raw":   "sig-der sig-zero",
		"at-size":        "claim-fat",

		"at-alg":                    "alg-none",
		"at-no-embedded-key":        "head-jwk head-jku",
		"at-no-crit":                "head-crit",
		"at-iss":                    "iss-other iss-final-slash",
		"at-numeric-dates":          "exp-string exp-ms auth-time-text",
		"at-scope":                  "scope-array scope-more scope-claim-missing",
		"at-groups-roles":           "roles-string roles-number",
		"at-auth-time":              "auth-time-text auth-time-ahead auth-time-moves acr-number amr-string",
		"at-deterministic-distinct": "jti-second",

		"at-no-pii": "claim-mail claim-phone claim-hash claim-password",

		"at-not-id-token":           "id-token-typ id-token-same",
		"at-client-credentials-sub": "cc-nobody",
		"at-cnf":                    "dpop-bound-no-cnf dpop-bound-other",
	}
}
