package conformance_test

func pwMutations() map[string]string {
	return map[string]string{
		"pw-ok":               "password-off",
		"pw-bad-password":     "bad-password-403 any-password",
		"pw-unknown-user":     "unknown-user-told any-password",
		"pw-missing-username": "missing-is-wrong",
		"pw-throttle-user":    "no-throttle no-retry-after lock-out any-password",
	}
}
