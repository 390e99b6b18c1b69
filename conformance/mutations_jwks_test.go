package conformance_test

func jwksMutations() map[string]string {
	return map[string]string{
		"jwks-status-ct":        "jwks-text jwks-203",
		"jwks-keys-array":       "no-keys key-string empty-keys jwks-trailing",
		"jwks-json-strict":      "jwks-twice jwks-bom jwks-trailing jwks-latin1",
		"jwks-no-oct":           "oct-key",
		"jwks-kty":              "no-kty",
		"jwks-required-members": "no-y rsa-no-e okp-no-crv",
		"jwks-base64url":        "padded line-break stray-bits leading-zero",
		"jwks-no-private":       "private-member",
		"jwks-kid-present":      "no-kid",
		"jwks-kid-unique":       "same-kid",
		"jwks-cache-control":    "max-age-0",
		"jwks-etag":             "no-etag etag-ignored",
		"jwks-verifies-issued":  "unpublished-key token-no-kid same-kid",
	}
}
