package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// FuzzOldToken: what is taken has the signature of the key, by hand, and says
// what comes out; with that signature on any payload it says it in time.
func FuzzOldToken(f *testing.F) {
	const key = "a key of thirty-two bytes or more"
	now := time.Unix(1_700_000_000, 0)
	o := OldTokens{Key: storage.NewSecret(key), Until: now.Add(time.Hour)}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	for _, payload := range []string{
		`{"token_type":"refresh","exp":1700000100,"iat":1699999000,"jti":"one","user_id":17}`,
		`{"token_type":"refresh","exp":1700000100,"jti":"one","user_id":"17","hash_password":"AB"}`,
		`{"token_type":"access","exp":1700000100,"jti":"one","user_id":-1}`,
		`{"token_type":"refresh","exp":1.7e9,"jti":"one","user_id":1e3,"iss":"x","aud":[]}`,
		`{"exp":1,"exp":2}`, `null`, ``,
	} {
		f.Add(head, payload, false)
		f.Add(head, payload, true)
	}
	f.Add(head+"=", `{}`, true)
	f.Fuzz(func(t *testing.T, head, payload string, signed bool) {
		text := head + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
		if signed {
			text += base64.RawURLEncoding.EncodeToString(sign(strings.TrimSuffix(text, ".")))
		} else {
			text += payload
		}
		got, err := o.read(text, "user_id", now)
		if err != nil && !errors.Is(err, errOldType) {
			return
		}
		parts := strings.Split(text, ".")
		signature, bad := base64.RawURLEncoding.DecodeString(parts[len(parts)-1])
		if bad != nil || len(parts) != 3 || !hmac.Equal(signature, sign(parts[0]+"."+parts[1])) || !hmac.Equal(got.signature, signature) {
			t.Fatalf("%q is taken with the signature %q", text, signature)
		}
		inside := map[string]any{} // not a struct: its names would be found in any case
		if err := json.Unmarshal([]byte(payload), &inside); err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		exp, _ := inside["exp"].(float64)
		iat, _ := inside["iat"].(float64)
		if (inside["token_type"] == "refresh") != (err == nil) || inside["jti"] != got.id || inside["iss"] != nil || inside["aud"] != nil ||
			int64(exp) != got.expires.Unix() || int64(exp) <= now.Unix() || int64(iat) > now.Add(storage.ForeignSkew).Unix() || iat != 0 && int64(iat) != got.issued.Unix() {
			t.Fatalf("%q comes out as %+v", payload, got)
		}
		text, isText := inside["user_id"].(string)
		number, isNumber := inside["user_id"].(float64)
		if err == nil && !(isText && text == got.user) && !(isNumber && number == math.Trunc(number)) {
			t.Fatalf("%v comes out as %q", inside["user_id"], got.user)
		}
	})
}
