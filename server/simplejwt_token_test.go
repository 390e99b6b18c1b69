package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// FuzzOpenRefresh: whatever is presented, what comes out is the refresh token
// that stands in the payload, and nothing comes out of a JWT of our own key that
// was changed.
func FuzzOpenRefresh(f *testing.F) {
	ours, err := keys.NewSealer(bytes.Repeat([]byte{1, 2}, 16))
	if err != nil {
		f.Fatal(err)
	}
	theirs, err := keys.NewSealer(bytes.Repeat([]byte{3, 4}, 16))
	if err != nil {
		f.Fatal(err)
	}
	token, err := storage.ParseRefreshToken("hmr_" + strings.Repeat("A", 70))
	if err != nil {
		f.Fatal(err)
	}
	claims := map[string]any{"token_type": "refresh", "refresh_token": token.Reveal()}
	good := RefreshJWT(ours, claims)
	f.Add(good)
	f.Add(RefreshJWT(theirs, claims))
	f.Add(RefreshJWT(theirs, map[string]any{"token_type": "access", "refresh_token": token.Reveal()}))
	f.Add(good + "\n")
	f.Add(strings.ReplaceAll(good, ".", ".."))
	f.Add("..")
	derived := ours.Derive(refreshKeyLabel)
	head, _, _ := strings.Cut(good, ".")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := openRefresh(derived, text)
		if err != nil {
			return
		}
		if strings.HasPrefix(text, head+".") && text != good {
			t.Fatalf("%q is taken as ours", text)
		}
		_, payload, _ := strings.Cut(text, ".")
		payload, _, _ = strings.Cut(payload, ".")
		var inside struct {
			Token string `json:"refresh_token"`
		}
		raw, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil || json.Unmarshal(raw, &inside) != nil || inside.Token != got.Reveal() {
			t.Fatalf("%q gave another token than stands in it", text)
		}
	})
}
