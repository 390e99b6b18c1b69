package conformance_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// A line is a place in our code that says which section it obeys.
type line struct {
	path   string // from the top of the repository
	number int
}

func (l line) String() string {
	return fmt.Sprintf("[%s:%d](../%s#L%d)", strings.TrimPrefix(l.path, "server/"), l.number, l.path, l.number)
}

// obedience finds the comments that cite a section, by what they cite.
func obedience(t *testing.T) map[conformance.Citation][]line {
	t.Helper()
	cited := regexp.MustCompile(`(RFC \d+|OIDC Core|OIDC Discovery)((?:(?:,| and)? ?(?:§|App\. ?)[0-9A-Z]+(?:\.[0-9]+)*)*)`)
	found := map[conformance.Citation][]line{}
	for _, room := range []string{"server", "keys", "storage", "discovery"} {
		err := filepath.WalkDir(filepath.Join("..", room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, code := range strings.Split(string(text), "\n") {
				_, comment, _ := strings.Cut(code, "//")
				for _, match := range cited.FindAllString(comment, -1) {
					for _, c := range conformance.Citations(strings.ReplaceAll(match, " and ", ", ")) {
						at := line{filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))), i + 1}
						if c.Section != "" && !slices.Contains(found[c], at) {
							found[c] = append(found[c], at)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// lines are those that cite c itself; if there is none, a part of it.
func lines(found map[conformance.Citation][]line, c conformance.Citation) []line {
	if own := found[c]; own != nil {
		return own
	}
	var parts []line
	for other, at := range found {
		if other.Source == c.Source && c.Section != "" && strings.HasPrefix(other.Section, c.Section+".") {
			parts = append(parts, at...)
		}
	}
	slices.SortFunc(parts, func(a, b line) int { return cmp.Or(cmp.Compare(a.path, b.path), a.number-b.number) })
	return slices.Compact(parts)
}

// matrix is the generated part of docs/conformance.md.
func matrix(found map[conformance.Citation][]line) string {
	mutated := mutations()
	bySource := map[string]map[conformance.Citation][]string{}
	for _, c := range conformance.Cases() {
		entry := fmt.Sprintf("`%s` %s: `%s`", c.ID, c.Level, strings.Join(strings.Fields(mutated[c.ID]), "` `"))
		for _, place := range conformance.Citations(c.Section) {
			if strings.HasPrefix(place.Source, "measured") {
				place.Source = "Measured"
			}
			if bySource[place.Source] == nil {
				bySource[place.Source] = map[conformance.Citation][]string{}
			}
			bySource[place.Source][place] = append(bySource[place.Source][place], entry)
		}
	}
	var b strings.Builder
	for _, source := range slices.SortedFunc(maps.Keys(bySource), compareSources) {
		fmt.Fprintf(&b, "\n### %s\n\n| Section | Cases and what they were seen to fail on | Our code |\n|---|---|---|\n", source)
		sections := bySource[source]
		for _, place := range slices.SortedFunc(maps.Keys(sections), compareSections) {
			name := strings.TrimSpace(strings.TrimPrefix(place.String(), source))
			if url := place.URL(); url != "" {
				name = fmt.Sprintf("[%s](%s)", cmp.Or(name, "all"), url)
			}
			var at []string
			for _, l := range lines(found, place) {
				at = append(at, l.String())
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(sections[place], "<br>"), strings.Join(at, "<br>"))
		}
	}
	return b.String()
}

// compareSources puts RFCs first, by number.
func compareSources(a, b string) int {
	number := func(s string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(s, "RFC "))
		if err != nil {
			return 1 << 30
		}
		return n
	}
	return cmp.Or(number(a)-number(b), strings.Compare(a, b))
}

// compareSections puts §4.2 before §4.10, and appendices last.
func compareSections(a, b conformance.Citation) int {
	parts := func(c conformance.Citation) (all []int) {
		for part := range strings.SplitSeq(c.Section, ".") {
			n, err := strconv.Atoi(part)
			if err != nil && part != "" {
				n = 1<<20 + int(part[0])
			}
			all = append(all, n)
		}
		return all
	}
	return slices.Compare(parts(a), parts(b))
}

// TestMatrix: docs/conformance.md says which case is about which section, what
// it was seen to fail on, and which lines of ours obey.
func TestMatrix(t *testing.T) {
	t.Parallel()
	const path = "../docs/conformance.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	generated := regexp.MustCompile(`(?s)(<!-- generated: matrix;[^\n]*-->\n)(.*)(<!-- end -->)`)
	parts := generated.FindSubmatchIndex(text)
	if parts == nil {
		t.Fatal("docs/conformance.md has lost the marks of its generated part")
	}
	fresh := string(text[:parts[4]]) + matrix(obedience(t)) + "\n" + string(text[parts[6]:])
	if fresh == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/conformance.md is stale: go test ./conformance -run TestMatrix -update")
	}
	if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

const noKeys = "clients do not authenticate with keys, and the metadata does not say so"

// elsewhere are the MUST cases that no line of ours obeys, and why.
var elsewhere = map[string]string{
	"meta-dpop-algs":                 "DPoP is not offered, and the metadata does not say so",
	"at-cnf":                         "tokens are not bound to keys, and no token says so",
	"intro-cnf":                      "tokens are not bound to keys, and no answer says so",
	"jwks-x5c-matches":               "no certificates are published",
	"rt-no-id-token-widening":        "there are no ID tokens",
	"at-not-id-token":                "there are no ID tokens",
	"http-chunked":                   "net/http reads bodies",
	"http-keepalive-isolation":       "net/http keeps connections, and nothing here belongs to one",
	"http-expect-continue":           "net/http answers it",
	"http-tls12":                     "crypto/tls, as cmd/hallmark/tls.go sets it up",
	"http-ciphers":                   "crypto/tls, as cmd/hallmark/tls.go sets it up",
	"http-cert":                      "the operator's certificate, which hallmark doctor examines",
	"http-http2":                     "net/http speaks HTTP/2",
	"cauth-pkjwt-ok":                 noKeys,
	"cauth-pkjwt-assertion-type":     noKeys,
	"cauth-pkjwt-client-id-mismatch": noKeys,
	"cauth-pkjwt-as-token":           noKeys,
	"cauth-pkjwt-aud-wrong":          noKeys,
	"cauth-pkjwt-iss-sub":            noKeys,
	"cauth-pkjwt-exp":                noKeys,
}

// TestEveryMustHasALine: what must hold is obeyed somewhere, and it is said
// there.
func TestEveryMustHasALine(t *testing.T) {
	t.Parallel()
	found := obedience(t)
	for _, c := range conformance.Cases() {
		obeyed := slices.ContainsFunc(conformance.Citations(c.Section), func(place conformance.Citation) bool { return len(lines(found, place)) > 0 })
		switch reason := elsewhere[c.ID]; {
		case c.Level != conformance.Must:
		case !obeyed && reason == "":
			t.Errorf("%s: no comment in server, keys, storage or discovery cites %s", c.ID, c.Section)
		case obeyed && reason != "":
			t.Errorf("%s: it is said to be obeyed nowhere, and is cited", c.ID)
		}
	}
	for id := range elsewhere {
		if !slices.ContainsFunc(conformance.Cases(), func(c conformance.Case) bool { return c.ID == id }) {
			t.Errorf("%s: no such case", id)
		}
	}
}
