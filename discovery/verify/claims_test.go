package verify

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func goodClaims() Claims {
	return Claims{
		Issuer: issuerURL, Subject: "user-1", Audience: []string{audience}, ID: "token-1", ClientID: "web",
		IssuedAt: noon.Add(999 * time.Millisecond), ExpiresAt: noon.Add(10*time.Minute + 999*time.Millisecond),
	}
}

func TestClaimsMarshal(t *testing.T) {
	const start, end = `{"aud":"https://api.example.com",`, `"client_id":"web","exp":1795435800,"iat":1795435200,"iss":"https://auth.example.com","jti":"token-1"`
	for name, test := range map[string]struct {
		change func(*Claims)
		want   string
	}{
		"least": {func(*Claims) {}, start + end + `,"sub":"user-1"}`},
		"audiences": {func(c *Claims) { c.Audience = []string{"a", "b"} },
			`{"aud":["a","b"],` + end + `,"sub":"user-1"}`},
		"all": {func(c *Claims) {
			c.AuthTime, c.Scope, c.SessionID = noon.Add(-time.Nanosecond), []string{"a", "b"}, "s"
			c.Roles, c.Groups, c.Entitlements = []string{"r"}, []string{"g", "h"}, []string{"e"}
			c.Extra = map[string]any{"zone": 3, "a": json.Number("12345678901234567890")}
		}, `{"a":12345678901234567890,` + start[1:] + `"auth_time":1795435199,"client_id":"web","entitlements":["e"],"exp":1795435800,"groups":["g","h"],` +
			`"iat":1795435200,"iss":"https://auth.example.com","jti":"token-1","roles":["r"],"scope":"a b","sid":"s","sub":"user-1","zone":3}`},
		"empty lists": {func(c *Claims) { c.Scope, c.Roles, c.Extra = []string{}, []string{}, map[string]any{} }, start + end + `,"sub":"user-1"}`},
	} {
		c := goodClaims()
		test.change(&c)
		for _, value := range []any{c, &c} {
			if got, err := json.Marshal(value); err != nil || string(got) != test.want {
				t.Errorf("%s: got %s, %v\nwant %s", name, got, err, test.want)
			}
		}
	}
}

// What an operator or a user writes into the free claims cannot become a claim
// that has a meaning, nor one that a sloppy reader takes for it.
func TestExtraNeverOverrides(t *testing.T) {
	c := goodClaims()
	want, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Extra = map[string]any{}
	for _, name := range []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "auth_time", "scope", "sid", "roles", "groups", "entitlements",
	} {
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			c.Extra[spelling] = "evil"
		}
	}
	if got, err := json.Marshal(c); err != nil || string(got) != string(want) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestClaimsMarshalRefuses(t *testing.T) {
	for name, change := range map[string]func(*Claims){
		"iss": func(c *Claims) { c.Issuer = "" }, "sub": func(c *Claims) { c.Subject = "" },
		"aud": func(c *Claims) { c.Audience = nil }, "empty aud": func(c *Claims) { c.Audience = []string{"a", ""} },
		"exp": func(c *Claims) { c.ExpiresAt = time.Time{} }, "iat": func(c *Claims) { c.IssuedAt = time.Time{} },
		"jti": func(c *Claims) { c.ID = "" }, "client_id": func(c *Claims) { c.ClientID = "" },
		"a function": func(c *Claims) { c.Extra = map[string]any{"f": func() {}} },
	} {
		c := goodClaims()
		change(&c)
		if got, err := json.Marshal(c); err == nil {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// What is minted is what is verified.
func TestClaimsRoundTrip(t *testing.T) {
	f := newForge(t)
	v := attackVerifier(t, f.jwks)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 20, -1)
		list := rapid.SliceOfN(text, 1, 4)
		seconds := func(label string, from, to int64) time.Time {
			return time.Unix(rapid.Int64Range(from, to).Draw(t, label), 0).UTC()
		}
		c := Claims{
			Issuer: issuerURL, Subject: text.Draw(t, "sub"), Audience: append(list.Draw(t, "aud"), audience),
			ExpiresAt: seconds("exp", noon.Unix(), 253402300799), IssuedAt: seconds("iat", 0, noon.Unix()),
			ID: text.Draw(t, "jti"), ClientID: text.Draw(t, "client_id"),
			Scope: rapid.SliceOfN(rapid.StringMatching(`[!#-\[\]-~]{1,8}`), 1, 4).Draw(t, "scope"),
		}
		if rapid.Bool().Draw(t, "optional members") {
			c.AuthTime, c.SessionID = seconds("auth_time", 0, noon.Unix()), text.Draw(t, "sid")
			c.Roles, c.Groups, c.Entitlements = list.Draw(t, "roles"), list.Draw(t, "groups"), list.Draw(t, "entitlements")
			c.Extra = map[string]any{"x" + text.Draw(t, "name"): text.Draw(t, "value"), "n": json.Number(fmt.Sprint(rapid.Int64().Draw(t, "n")))}
		}
		payload, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), f.tokenText(f.ed, head("EdDSA", "ed1").String(), string(payload)))
		if err != nil || !reflect.DeepEqual(*got, c) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, c)
		}
	})
}
