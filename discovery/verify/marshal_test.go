package verify

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestTextIsJSON: every string is written as encoding/json writes it.
func TestTextIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a<>&\"\\\u2028\x7f\x00 é"))), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText(nil, text); string(got) != string(want) {
			t.Errorf("%q became %s, not %s", text, got, want)
		}
	})
}
