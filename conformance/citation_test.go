package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

func TestCitations(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"RFC 6749 §3.2, §5.2; RFC 8259 §4":             "RFC 6749 §3.2|RFC 6749 §5.2|RFC 8259 §4",
		"OIDC Discovery §4, RFC 8414 §5":               "OIDC Discovery §4|RFC 8414 §5",
		"RFC 6749 §2.3.1, App. B":                      "RFC 6749 §2.3.1|RFC 6749 App. B",
		"RFC 6749 App. A.15, A.16; RFC 8265 §3":        "RFC 6749 App. A.15|RFC 6749 App. A.16|RFC 8265 §3",
		"RFC 7517 §4.7–§4.9":                           "RFC 7517 §4.7|RFC 7517 §4.9",
		"RFC 6749 §5.2 (measured: oauth4webapi 3.8.8)": "RFC 6749 §5.2",
		"RFC 6749 §5.1, §5.2 (examples)":               "RFC 6749 §5.1|RFC 6749 §5.2",
		"RFC 7521 §4.2 by analogy":                     "RFC 7521 §4.2",
		"WHATWG Fetch":                                 "WHATWG Fetch",
		"measured oauth4webapi 3.8.8":                  "measured oauth4webapi 3.8.8",
	} {
		var got []string
		for _, c := range conformance.Citations(section) {
			got = append(got, c.String())
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %q", section, got, want)
		}
	}
}

// Every case says where it can be read, if it is not from experience.
func TestEveryCaseHasALink(t *testing.T) {
	t.Parallel()
	for _, c := range conformance.Cases() {
		for _, place := range conformance.Citations(c.Section) {
			if place.URL() == "" && !strings.HasPrefix(place.Source, "measured") {
				t.Errorf("%s: %q has no link", c.ID, place)
			}
		}
	}
	for section, want := range map[string]string{
		"RFC 6749 §3.2":              "https://www.rfc-editor.org/rfc/rfc6749#section-3.2",
		"RFC 6749 App. B":            "https://www.rfc-editor.org/rfc/rfc6749#appendix-B",
		"OIDC Core §10.1.1":          "https://openid.net/specs/openid-connect-core-1_0.html#rfc.section.10.1.1",
		"draft-ietf-oauth-v2-1 §5.1": "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1#section-5.1",
	} {
		if got := fmt.Sprint(conformance.Citations(section)[0].URL()); got != want {
			t.Errorf("%q: %s", section, got)
		}
	}
}
