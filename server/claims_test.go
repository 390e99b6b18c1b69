package server_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestNumbersKeepTheirDigits: an id that no float64 can hold goes through the
// operators' API, the store and the token as it is.
func TestNumbersKeepTheirDigits(t *testing.T) {
	b := newBureau(t)
	const id = `"id":12345678901234567891`
	password := storage.RandomSecret().Reveal()
	web := b.addClient("web", storage.AuthNone, func(c *storage.Client) { c.Claims = []string{"id", "more"} })
	made := b.want(201, "POST", "/users", `{"username":"ada","password":"`+password+`","extra":{`+id+`,"more":[9007199254740993,{"half":0.50}]}}`)
	at := made.header.Get("Location")
	b.want(200, "PATCH", at, `{"roles":["admin"]}`)
	for what, text := range map[string]string{
		"made":  made.raw,
		"shown": b.want(200, "GET", at, nil).raw,
		"token": b.payload(b.login(person{storage.User{Name: "ada"}, password}, web)),
	} {
		if !strings.Contains(text, id) || !strings.Contains(text, `[9007199254740993,{"half":0.50}]`) {
			t.Errorf("%s: %s", what, text)
		}
	}
	b.refused(b.call("PATCH", at, `{"extra":[1]}`), 400, "invalid_request", "extra: is a array where a object belongs")
	b.refused(b.call("PATCH", at, `{"extra":{"id":1e400}}`), 400, "invalid_request", "extra: has a number beyond")
	if got := b.want(200, "GET", at, nil).raw; !strings.Contains(got, id) {
		t.Errorf("a refused change left %s", got)
	}
}

// payload is the text of an access token's claims.
func (b *bureau) payload(tokens answer) string {
	b.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens.str("access_token"), ".")[1])
	b.must(err)
	return string(raw)
}
