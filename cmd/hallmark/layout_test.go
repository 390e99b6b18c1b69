package main

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hallmark-auth/hallmark/"

// mayImport is the whole graph of the module: what each package may import of
// it, directly. Nothing imports what is above it.
var mayImport = map[string][]string{
	"cmd/hallmark": {"server", "server/operator", "server/password", "server/throttle", "server/transfer", "keys", "keys/pkcs11", "storage", "storage/sqlite", "discovery", "discovery/verify", "conformance", "conformance/rotation"},

	"server":            {"server/clientauth", "server/operator", "server/password", "server/throttle", "keys", "storage", "discovery", "discovery/verify"},
	"server/clientauth": {"storage"},
	"server/operator":   {"server/password", "keys", "storage", "discovery"},
	"server/password":   {"storage"},
	"server/throttle":   {},
	"server/transfer":   {"server/operator", "server/password", "storage", "discovery"},

	"keys":        {"storage"},
	"keys/pkcs11": {"keys", "storage"}, // in builds with the tag alone

	"storage":                  {},
	"storage/sqlstore":         {"storage"},
	"storage/sqlite":           {"storage", "storage/sqlstore"},
	"storage/storagetest":      {"storage"},
	"storage/storagetest/disk": {},

	"discovery":        {},
	"discovery/verify": {"discovery"},

	"conformance":          {},
	"conformance/forge":    {},
	"conformance/rotation": {"discovery", "discovery/verify"},
}

// mayLink is which third-party modules a package may bring into a binary,
// directly or not. The verifier is for other people's programs.
var mayLink = map[string][]string{
	"discovery":            {"github.com/go-jose/go-jose/v4"},
	"discovery/verify":     {"github.com/go-jose/go-jose/v4"},
	"conformance":          {"github.com/go-jose/go-jose/v4"},
	"conformance/forge":    {"github.com/go-jose/go-jose/v4"},
	"conformance/rotation": {"github.com/go-jose/go-jose/v4"},
	"storage":              {"github.com/google/uuid"},
	"keys":                 {"github.com/go-jose/go-jose/v4", "github.com/google/uuid"},
	"keys/pkcs11":          {"github.com/go-jose/go-jose/v4", "github.com/google/uuid", "github.com/ThalesGroup/crypto11", "github.com/miekg/pkcs11", "github.com/pkg/errors", "github.com/thales-e-security/pool"},
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = repo(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func repo(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, pkg := range goList(t, "./...") {
		name := strings.TrimPrefix(pkg, module)
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is in no place of the graph", name)
		}
		for _, dep := range goList(t, "-tags", "pkcs11", "-f", `{{join .Imports "\n"}}`, pkg) {
			if ours, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
		modules, restricted := mayLink[name]
		if !restricted {
			continue
		}
		for _, dep := range goList(t, "-tags", "pkcs11", "-deps", "-f", `{{with .Module}}{{.Path}}{{end}}`, pkg) {
			if dep+"/" != module && !slices.Contains(modules, dep) {
				t.Errorf("%s links %s", name, dep)
			}
		}
	}
}

// TestTopLevel: a newcomer finds these rooms and no others.
func TestTopLevel(t *testing.T) {
	rooms := []string{
		"cmd", "server", "keys", "storage", "discovery", "conformance", "docs",
		"go.mod", "go.sum", "docker-compose.yml", "Dockerfile", "Makefile",
		"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "staticcheck.conf",
	}
	out, err := exec.Command("git", "-C", repo(t), "ls-files").Output()
	if err != nil {
		lacking(t, "git, or the checkout is not one", err)
	}
	for file := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(rooms, top) {
			t.Errorf("%s does not belong at the top level", top)
		}
	}
}

const (
	longestFile, medianFile = 500, 150
	longestFunc, p90Func    = 100, 50
)

// TestSizes holds the code to what one can take in at a glance.
func TestSizes(t *testing.T) {
	t.Parallel()
	var files, funcs []int
	err := filepath.WalkDir(repo(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := countLines(src)
		files = append(files, lines)
		if lines > longestFile {
			t.Errorf("%s has %d lines", path, lines)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, src, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
				funcs = append(funcs, n)
				if n > longestFunc {
					t.Errorf("%s: %s has %d lines", path, fn.Name.Name, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	slices.Sort(funcs)
	if m := files[len(files)/2]; m >= medianFile {
		t.Errorf("the median file has %d lines", m)
	}
	if p := funcs[len(funcs)*9/10]; p >= p90Func {
		t.Errorf("one function in ten has %d lines or more", p)
	}
}

func countLines(src []byte) (n int) {
	for s := bufio.NewScanner(bytes.NewReader(src)); s.Scan(); n++ {
	}
	return n
}
