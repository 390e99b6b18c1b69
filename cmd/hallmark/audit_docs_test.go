package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

var updateAudit = flag.Bool("update-audit", false, "write the events into docs/audit.md")

// TestAuditDocs: the manual has every event, as the code explains it.
func TestAuditDocs(t *testing.T) {
	path := filepath.Join(repo(t), "docs", "audit.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("\n| event | kind | what happened |\n|---|---|---|\n")
	for _, e := range storage.Events() {
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", e.Event, e.Kind, e.Means)
	}
	generated := regexp.MustCompile(`(?s)(<!-- generated: events;[^\n]*-->\n)(.*)(<!-- end -->)`)
	parts := generated.FindStringSubmatch(string(text))
	if parts == nil {
		t.Fatal("docs/audit.md has lost the marks of its generated part")
	}
	fresh := strings.Replace(string(text), parts[0], parts[1]+want.String()+"\n"+parts[3], 1)
	switch {
	case fresh == string(text):
	case !*updateAudit:
		t.Fatal("docs/audit.md is stale: go test ./cmd/hallmark -run TestAuditDocs -update-audit")
	default:
		if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	standard := parse(t, nil)
	if keep := storage.DefaultRetention(); keep.Age != standard.AuditAge || keep.Rows != standard.AuditRows {
		t.Errorf("the store keeps %+v, the settings say %v and %d", keep, standard.AuditAge, standard.AuditRows)
	}
}
