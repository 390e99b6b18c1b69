package conformance

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func TestBits(t *testing.T) {
	for secret, enough := range map[string]bool{
		"": false, "correct horse": false, "hunter2hunter2": false,
		strings.Repeat("0", 31): false, strings.Repeat("0", 32): true, // hexadecimal
		strings.Repeat("zZ", 11): false, strings.Repeat("aZ9-", 6): true,
		"A3f-9Zq_7Kd2LmWx8RtY5v": true, // 22 characters of base64url
	} {
		if got := bits(secret); (got >= 128) != enough {
			t.Errorf("%q: %.1f bits, want at least 128: %v", secret, got, enough)
		}
	}
}

// Every text is what a strict decoder refuses.
func TestNotBase64(t *testing.T) {
	for _, c := range []Client{{ID: "app", Secret: "not-a-secret"}, {ID: "a", Secret: "~~~~~~~~"}} {
		for _, text := range notBase64(c) {
			if _, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
				t.Errorf("%q is base64", text)
			}
		}
		if urlSafe := slices.ContainsFunc(notBase64(c), func(s string) bool { return strings.Contains(s, "-") }); urlSafe != strings.ContainsAny(credentials(c), "+/") {
			t.Errorf("%s: the URL-safe alphabet: %v", c.ID, urlSafe)
		}
	}
}
