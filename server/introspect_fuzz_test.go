package server

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// FuzzClaimedAudience: whatever is sent as a token, there is an audience to
// verify it for, or it is none.
func FuzzClaimedAudience(f *testing.F) {
	for _, payload := range []string{
		`{"aud":"a"}`, `{"aud":["a","b"]}`, `{"aud":[]}`, `{"aud":""}`, `{"aud":["a",""]}`, `{"aud":1}`, `{"aud":null}`, `{}`, `[]`, ``,
		`{"aud":"a","aud":"b"}`, "{\"aud\":\"\xff\"}", `{"aud":["a",["b"]]}`, strings.Repeat(`{"aud":`, 40),
	} {
		f.Add("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AA")
	}
	f.Add("")
	f.Add("..")
	f.Add("a.b=.c")
	f.Fuzz(func(t *testing.T, raw string) {
		audience, err := claimedAudience(raw)
		if (err == nil) != (len(audience) > 0) || slices.Contains(audience, "") {
			t.Errorf("%q is for %q, %v", raw, audience, err)
		}
		if err != nil && len(raw) > 60 && strings.Contains(err.Error(), raw) {
			t.Errorf("%q is repeated", raw)
		}
	})
}
