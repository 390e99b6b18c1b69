package discovery

import (
	"strings"
	"testing"
)

func TestCheckIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://auth.example.com":            "",
		"https://auth.example.com/":           "",
		"https://auth.example.com:8443/a/b":   "",
		"https://auth.example.com/caf%C3%A9":  "",
		"http://localhost:8080":               "",
		"http://127.0.0.1:8080/tenant":        "",
		"http://127.9.9.9":                    "",
		"http://[::1]:8080":                   "",
		"":                                    "empty",
		"auth.example.com":                    "not an absolute URL",
		"//auth.example.com":                  "not https",
		"https:":                              "not an absolute URL",
		"https:auth.example.com":              "not an absolute URL",
		"https://":                            "not an absolute URL",
		"https://:443":                        "not an absolute URL",
		"https://exa mple.com":                "not a URL",
		"https://auth.example.com/\n":         "not a URL",
		"http://auth.example.com":             "not https",
		"http://localhost.example.com":        "not https",
		"http://127.0.0.1.example.com":        "not https",
		"http://10.0.0.1":                     "not https",
		"ftp://localhost":                     "not https",
		"https://u@auth.example.com":          "user name",
		"https://u:p@auth.example.com":        "user name",
		"https://auth.example.com?":           "query",
		"https://auth.example.com/?a=b":       "query",
		"https://auth.example.com#":           "query or a fragment",
		"https://auth.example.com/#x":         "query or a fragment",
		"https://auth.example.com//":          "empty or dot",
		"https://auth.example.com/a//b":       "empty or dot",
		"https://auth.example.com/a/../b":     "empty or dot",
		"https://auth.example.com/a/%2e%2E/b": "empty or dot",
	} {
		err := CheckIssuer(issuer)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", issuer, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want an error with %q", issuer, err, want)
		}
	}
}

func TestWellKnown(t *testing.T) {
	for issuer, want := range map[string]Paths{
		"https://a.example":  {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json"},
		"https://a.example/": {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json"},
		"https://a.example/issuer1": { // the example of RFC 8414 §3.1
			"/.well-known/oauth-authorization-server/issuer1", "/issuer1/.well-known/openid-configuration", "/issuer1/.well-known/jwks.json"},
		"http://localhost:1/a/b/": {
			"/.well-known/oauth-authorization-server/a/b", "/a/b/.well-known/openid-configuration", "/a/b/.well-known/jwks.json"},
		"https://a.example/caf%C3%A9": {
			"/.well-known/oauth-authorization-server/caf%C3%A9", "/caf%C3%A9/.well-known/openid-configuration", "/caf%C3%A9/.well-known/jwks.json"},
	} {
		if got, err := WellKnown(issuer); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", issuer, got, err)
		}
	}
	if _, err := WellKnown("http://a.example"); err == nil {
		t.Error("an issuer that is not https got well-known paths")
	}
}
