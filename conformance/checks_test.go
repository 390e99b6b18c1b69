package conformance_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

// The list is whole: seven columns, no id twice, nothing unknown.
func TestChecks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("checks.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	list := conformance.Checks()
	if lines[0] != "id\tgroup\tmode\tsent\texpected\tlevel\treference" || len(list) != len(lines)-1 {
		t.Errorf("%d checks on %d lines under %q", len(list), len(lines), lines[0])
	}
	seen := map[string]bool{}
	for _, c := range list {
		modes := []conformance.Mode{conformance.BlackBox, conformance.Attack, conformance.Hand, conformance.Resource, conformance.Verifier}
		levels := []conformance.Level{conformance.Must, conformance.Should, conformance.BCP}
		switch {
		case seen[c.ID]:
			t.Errorf("%s: twice", c.ID)
		case c.ID == "" || c.Group == "" || c.Sent == "" || c.Expected == "" || c.Section == "":
			t.Errorf("%s: incomplete", c.ID)
		case !slices.Contains(modes, c.Mode) || !slices.Contains(levels, c.Level):
			t.Errorf("%s: mode %q, level %q", c.ID, c.Mode, c.Level)
		}
		seen[c.ID] = true
	}
}

// A case and its row say the same: where they differ, the specification says
// which of the two is to be corrected.
func TestCasesAreInTheList(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("checks.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		rows[cells[0]] = cells
	}
	for _, c := range conformance.Cases() {
		row := rows[c.ID]
		if row == nil {
			t.Errorf("%s is not in checks.tsv", c.ID)
			continue
		}
		if row[1] != c.Group || row[5] != string(c.Level) || places(row[6]) != places(c.Section) {
			t.Errorf("%s: checks.tsv says %s, %s, %s; the case %s, %s, %s", c.ID, row[1], row[5], row[6], c.Group, c.Level, c.Section)
		}
		if mode := conformance.Mode(row[2]); c.Abuse != (mode == conformance.Attack) || (mode == conformance.Resource) != slices.Contains(c.Needs, conformance.NeedResourceURL) || mode == conformance.Verifier {
			t.Errorf("%s: mode %s, Abuse %v", c.ID, mode, c.Abuse)
		} else if hook := slices.ContainsFunc(c.Needs, byHand); hook != (mode == conformance.Hand) {
			t.Errorf("%s: mode %s, needs %v", c.ID, mode, c.Needs)
		}
	}
}

// byHand reports whether an input is more than what a stranger has: a hook,
// another node, or a server that was set up so that it can be waited for.
func byHand(in conformance.Input) bool {
	waited := []conformance.Input{conformance.NeedSecondNode, conformance.NeedIdle, conformance.NeedLifetime, conformance.NeedRetention}
	return strings.HasPrefix(string(in), "--hook-") || slices.Contains(waited, in)
}

// places are the sections alone, in any order.
func places(section string) string {
	var all []string
	for _, c := range conformance.Citations(section) {
		if !strings.HasPrefix(c.Source, "measured") {
			all = append(all, c.String())
		}
	}
	slices.Sort(all)
	return strings.Join(all, "|")
}
