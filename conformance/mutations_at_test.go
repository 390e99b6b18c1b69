package conformance_test

func atMutations() map[string]string {
	return map[string]string{
		"at-typ":          "typ-jwt",
		"at-kid":          "token-no-kid other-kids",
		"at-exp":          "exp-string exp-past",
		"at-iat":          "iat-ahead iat-fraction",
		"at-nbf-harmless": "nbf-ahead",
		"at-aud":          "no-aud aud-client",
		"at-client-id":    "client-id-other",
		"at-sub":          "sub-random sub-empty",
		"at-jti":          "jti-session jti-short",
	}
}
