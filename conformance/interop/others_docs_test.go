package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// documented compares a run with what docs/conformance.md says of the server:
// how many cases ended how, which MUST does not hold, and with which flags.
func (f *foreign) documented(t *testing.T, report conformance.Report, name string) {
	t.Helper()
	text := othersSection(t)
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(name) + ` .*\| (\d+ \| \d+ \| \d+) \|$`).FindStringSubmatch(text)
	want := fmt.Sprintf("%d | %d | %d", report.Count(conformance.Pass), report.Count(conformance.Fail), report.Count(conformance.Warn))
	if row == nil || row[1] != want {
		t.Errorf("docs/conformance.md says %q of %s, and it is %s", row, name, want)
	}
	_, part, ok := strings.Cut(text, "\n**"+name+"**")
	part, _, _ = strings.Cut(part, "\n**")
	if part, _, _ = strings.Cut(part, "\nDefects that"); !ok {
		t.Fatalf("docs/conformance.md has no part about %s", name)
	}
	for _, r := range report.Results {
		if r.Outcome == conformance.Fail && !strings.Contains(part, "`"+r.ID+"`") {
			t.Errorf("docs/conformance.md does not name %s, which %s fails", r.ID, name)
		}
	}
	_, table, _ := strings.Cut(part, "| found | cases |")
	for _, id := range caseIDs(table) {
		if !slices.ContainsFunc(report.Results, func(r conformance.Result) bool {
			return r.ID == id && (r.Outcome == conformance.Fail || r.Outcome == conformance.Warn)
		}) {
			t.Errorf("docs/conformance.md says that %s does not hold for %s", id, name)
		}
	}
	_, command, _ := strings.Cut(part, "```text\n")
	command, _, _ = strings.Cut(command, "```")
	used := regexp.MustCompile(`--[\w-]+`).FindAllString(command, -1)
	if len(used) < 10 {
		t.Errorf("the command of docs/conformance.md for %s has %d flags", name, len(used))
	}
	for _, flag := range used {
		if flag != "--issuer" && !slices.Contains(f.flags, flag) {
			t.Errorf("the command of docs/conformance.md for %s has %s, which is not tried", name, flag)
		}
	}
}

// TestDefectsDocumented: docs/conformance.md names the defects that are made, and
// no others.
func TestDefectsDocumented(t *testing.T) {
	_, table, _ := strings.Cut(othersSection(t), "| defect | cases |")
	var made []string
	for _, defects := range providerDefects() {
		for _, ids := range defects {
			made = append(made, ids...)
		}
	}
	for _, d := range toolkitDefects() {
		made = append(made, d.ids...)
	}
	said := caseIDs(table)
	slices.Sort(made)
	slices.Sort(said)
	if !slices.Equal(made, said) {
		t.Errorf("docs/conformance.md says that these name a defect: %v\nand it is %v", said, made)
	}
}

func othersSection(t *testing.T) string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "../../docs/conformance.md"), "\n## Against other servers\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// caseIDs returns the names in the last column of a table.
func caseIDs(table string) (ids []string) {
	for _, row := range regexp.MustCompile(`(?m)^\|.*\| (.*) \|$`).FindAllStringSubmatch(table, -1) {
		for _, id := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(row[1], -1) {
			ids = append(ids, id[1])
		}
	}
	return ids
}
