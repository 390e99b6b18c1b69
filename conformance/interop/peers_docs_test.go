package interop

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const docs = "../../docs/verify/"

// TestPeersDocumented: the page of every peer shows, whole, what the tests run
// it with, and says of it what they found.
func TestPeersDocumented(t *testing.T) {
	index := read(t, docs+"README.md")
	for _, p := range peers() {
		page := read(t, docs+p.page)
		for _, file := range p.files {
			quote := regexp.MustCompile("<!-- file: conformance/interop/" + regexp.QuoteMeta(file) + " -->\n\n```\\w+\n" +
				regexp.QuoteMeta(read(t, file)) + "```\n")
			if !quote.MatchString(page) {
				t.Errorf("%s does not show %s", p.page, file)
			}
		}
		for _, line := range []string{
			"- Takes " + strings.Join(p.algs, " and ") + ".\n",
			"- Lets through: " + p.letsThrough() + ".\n",
			"- After `hallmark keys revoke`: " + p.forgetting(),
		} {
			if !strings.Contains(page, line) {
				t.Errorf("%s does not say\n%s", p.page, line)
			}
		}
		for _, good := range p.minds {
			if line := "- Refuses, although it is good: " + good + ".\n"; !strings.Contains(page, line) {
				t.Errorf("%s does not say\n%s", p.page, line)
			}
		}
		// The cell between is how long it keeps keys by its own default.
		row := regexp.MustCompile(`(?m)^\| \[` + regexp.QuoteMeta(p.name) + `\]\(` + regexp.QuoteMeta(p.page) + `\) \| ` +
			regexp.QuoteMeta(strings.Join(p.algs, ", ")+" | "+p.letsThrough()) + ` \| [^|]+ \| ` + regexp.QuoteMeta(p.forgetting()) + ` \|$`)
		if !row.MatchString(index) {
			t.Errorf("README.md has no row\n| [%s](%s) | %s | %s | ... | %s |", p.name, p.page, strings.Join(p.algs, ", "), p.letsThrough(), p.forgetting())
		}
	}
}

func (p peer) letsThrough() string {
	if len(p.lets) == 0 {
		return "none"
	}
	return strings.Join(p.lets, ", ")
}

func (p peer) forgetting() string {
	if p.operator == "" {
		return "by itself, within `JWKS_MAX_AGE`"
	}
	return p.operator
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
