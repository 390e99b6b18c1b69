package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/keys"
)

var updateBounds = flag.Bool("update-bounds", false, "write the emergency bounds into docs/keys.md")

// TestBoundsDocs: the manual says of each kind of verifier what the program does.
func TestBoundsDocs(t *testing.T) {
	path := filepath.Join(repo(t), "docs", "keys.md")
	text := read(t, path)
	var table strings.Builder
	table.WriteString("\n| a verifier that | may still accept its tokens for |\n|---|---|\n")
	for _, b := range keys.DefaultSchedule().Emergency() {
		fmt.Fprintf(&table, "| %s | %s |\n", b.Verifier, boundText(b))
	}
	generated := regexp.MustCompile(`(?s)(<!-- generated: bounds;[^\n]*-->\n)(.*?)(<!-- end -->)`)
	parts := generated.FindStringSubmatch(text)
	if parts == nil {
		t.Fatal("docs/keys.md has lost the marks of its generated part")
	}
	fresh := strings.Replace(text, parts[0], parts[1]+table.String()+"\n"+parts[3], 1)
	if fresh == text {
		return
	}
	if !*updateBounds {
		t.Fatal("docs/keys.md is stale: go test ./cmd/hallmark -run TestBoundsDocs -update-bounds")
	}
	if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}
