package conformance

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStrictJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "",
		` {"a":[{"a":1},{"a":2}],"b":{"a":"a"},"c":null} ` + "\n": "",
		`{"a":"b","b":"a"}`:          "",
		`{"a":"b","c":["b","b"]}`:    "",
		`{"a":1,"a":1}`:              "twice",
		`{"a":1,"\u0061":1}`:         "twice",
		`{"a":[{"b":[],"b":1}]}`:     "twice",
		`{"a":{"b":{},"c":1,"b":1}}`: "twice",
		`[]`:                         "not a JSON object",
		`"a"`:                        "not a JSON object",
		``:                           "not a JSON object",
		`{"a":1`:                     "not valid",
		`{"a" 1}`:                    "not valid",
		`{"a":01}`:                   "not valid",
		`{} {}`:                      "follows",
		`{}x`:                        "follows",
		"\xef\xbb\xbf{}":             "byte order mark",
		"{\"a\":\"\xe9\"}":           "UTF-8",
		`{"a":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `}`: "",
	} {
		err := strictJSON([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func FuzzStrictJSON(f *testing.F) {
	f.Add(`{"a":[{"a":1}],"b":"a"}`)
	f.Add(`{"a":1,"a":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		err := strictJSON([]byte(text))
		if err == nil && (!json.Valid([]byte(text)) || !utf8.ValidString(text) || object([]byte(text)) == nil) {
			t.Errorf("%q is taken", text)
		}
		// Whatever Go writes has no member twice.
		if members := object([]byte(text)); members != nil {
			if again, _ := json.Marshal(members); strictJSON(again) != nil {
				t.Errorf("%q is refused", again)
			}
		}
	})
}

func TestRelated(t *testing.T) {
	for _, tc := range []struct {
		one, two string
		want     bool
	}{
		{"https://a.example", "https://a.example:8443/jwks", true},
		{"https://login.a.example", "https://keys.a.example", true},
		{"https://A.example", "https://keys.a.Example", true},
		{"https://a.example", "https://b.example", false},
		{"https://a.example", "https://a.example.evil.test", false},
		{"http://127.0.0.1:1", "http://127.0.0.1:2", true},
		{"http://127.0.0.1", "http://127.1.0.1", false},
		{"https://a.example", "https://a.exam ple", false},
	} {
		if got := related(tc.one, tc.two); got != tc.want {
			t.Errorf("%s and %s: %v", tc.one, tc.two, got)
		}
	}
}

func TestWorked(t *testing.T) {
	for body, want := range map[string]bool{
		`{"error":"invalid_client"}`: true, `{"error":"invalid_grant"}`: true, `{"error":"invalid_request"}`: false, `{}`: false, ``: false,
	} {
		if got := worked(answer{status: 400, json: object([]byte(body))}); got != want {
			t.Errorf("400 %s: %v", body, got)
		}
	}
	if !worked(answer{status: 200}) || worked(answer{status: 308}) {
		t.Error("by status")
	}
}

func TestMemberKinds(t *testing.T) {
	for text, want := range map[string]string{
		`{"issuer":1}`:                          "not a string",
		`{"issuer":"x"}`:                        "not an absolute URL",
		`{"issuer":"http://a.example"}`:         "not https",
		`{"issuer":"http://127.0.0.1"}`:         "",
		`{"op_tos_uri":"http://a.example"}`:     "",
		`{"op_tos_uri":"x"}`:                    "not an absolute URL",
		`{"scopes_supported":["a",1]}`:          "not an array of strings",
		`{"scopes_supported":"a"}`:              "not an array of strings",
		`{"scopes_supported":null}`:             "not an array of strings",
		`{"scopes_supported":[]}`:               "",
		`{"claims_parameter_supported":"true"}`: "not a boolean",
		`{"claims_parameter_supported":false}`:  "",
		`{"mtls_endpoint_aliases":[]}`:          "not an object",
		`{"mtls_endpoint_aliases":{}}`:          "",
		`{"own":{}}`:                            "",
	} {
		v := memberTypes(answer{json: object([]byte(text))})
		if (v.Outcome == Pass) != (want == "") || !strings.HasSuffix(v.Why, want) {
			t.Errorf("%s: %+v, want %q", text, v, want)
		}
	}
}
