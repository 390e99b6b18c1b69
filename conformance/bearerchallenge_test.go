package conformance

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestBearerChallenge(t *testing.T) {
	for field, want := range map[string]string{ // parameters, or - for none that can be read
		``:                                     "-",
		`Bearer`:                               "",
		`bearer realm="a"`:                     "realm=a",
		`Bearer realm=a , error = "b"`:         "error=b realm=a",
		`Bearer realm="a, \"b\"",error="c"`:    `error=c realm=a, "b"`,
		`Basic realm="a", Bearer realm="b"`:    "realm=b",
		`Basic realm="Bearer x", Bearer a=b`:   "a=b",
		`Bearer realm="a", Basic realm="b"`:    "realm=a",
		`Negotiate, Bearer error="a"`:          "error=a",
		`Bearer, Negotiate`:                    "",
		`Basic realm="Bearer"`:                 "-",
		`BearerX realm="a"`:                    "-",
		`Bearer realm="a`:                      "-",
		`Bearer realm="a"b`:                    "-",
		`Bearer realm=a b`:                     "-",
		`Bearer realm=`:                        "-",
		`Bearer error="a", error="b"`:          "error=a|b",
		`Bearer realm="a", , error="b"`:        "error=b realm=a",
		`DPoP algs="ES256", Bearer realm="\\"`: `realm=\`,
	} {
		got := "-"
		if parameters, ok := bearerChallenge(answer{header: http.Header{"Www-Authenticate": {field}}}); ok {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(parameters)) {
				parts = append(parts, name+"="+strings.Join(parameters[name], "|"))
			}
			got = strings.Join(parts, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

func TestWrongChallenge(t *testing.T) {
	type parameters = map[string][]string
	for why, of := range map[string]parameters{
		"no parameter":               {},
		"error comes twice":          {"error": {"a", "b"}},
		"realm comes twice":          {"realm": {"a", "a"}},
		"scope has a character":      {"scope": {`a"b`}},
		"error_description has a ch": {"error_description": {"é"}},
		"error_uri has a character":  {"error_uri": {"https://a.example/ b"}},
		"":                           {"realm": {"ü"}, "scope": {"a b"}, "error": {"invalid_token"}, "x": {"1", "2"}},
	} {
		if got := wrongChallenge(of); !strings.HasPrefix(got, why) && !strings.Contains(got, why) || (why == "") != (got == "") {
			t.Errorf("%v: %q, want %q", of, got, why)
		}
	}
}

func FuzzBearerChallenge(f *testing.F) {
	f.Add(`Basic realm="a", Bearer realm="b\"", error=c`)
	f.Add(`Bearer ,=,"`)
	f.Fuzz(func(t *testing.T, field string) {
		parameters, ok := bearerChallenge(answer{header: http.Header{"Www-Authenticate": {field}}})
		if ok != (parameters != nil) {
			t.Errorf("%q: %v %v", field, parameters, ok)
		}
		wrongChallenge(parameters)
	})
}
