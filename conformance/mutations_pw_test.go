package conformance_test

func pwMutations() map[string]string {
	return map[string]string{
		"pw-ok":                "password-off",
		"pw-bad-password":      "bad-password-403 any-password",
		"pw-unknown-user":      "unknown-user-told any-password",
		"pw-missing-username":  "missing-is-wrong",
		"pw-legacy-notice":     "password-listed", // as it is without any mutation
		"pw-missing-password":  "missing-is-wrong",
		"pw-basic-user-creds":  "user-as-client",
		"pw-scope-default":     "no-default-scope default-unsaid",
		"pw-scope-cap":         "scope-uncapped",
		"pw-no-refresh-unless": "refresh-for-all",
		"pw-unicode-nfc":       "unicode-500",
		"pw-utf8-password":     "bmp-only password-lossy",
		"pw-case-username":     "case-second-subject",
		"pw-long-password":     "bcrypt",
		"pw-nul-truncation":    "nul-truncates",
		"pw-whitespace":        "password-trimmed",
		"pw-crlf-in-username":  "line-breaks-dropped odd-text-500",
		"pw-injection":         "injectable quote-500",
		"pw-throttle-format":   "throttle-text errors-storable no-retry-after",
		"pw-throttle-spray":    "no-throttle",
		"pw-throttle-user":     "no-throttle any-password",
	}
}
