package server

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/errors.md")

// documented is every error, in the order of the page.
func documented() []errorSection {
	return []errorSection{
		{"At any endpoint", []Error{
			errNotFound, errMethod, errContentType, errMalformed, errQuery, errRepeated, errMissing, errTooLarge, errSlow, errCutOff,
			errOrigin, errBusy, errUnavailable, errInternal,
		}},
		{"At the token, revocation and introspection endpoints", []Error{
			errClient, errIntrospector, errTwoMethods, errClientID, errGrantType, errUnauthorized, errScope, errTarget,
			errCredentials, errThrottled, errRefreshToken, errTokenType,
		}},
		{"At a user's account and the operators' API", []Error{errNoToken, errBearer, errNotJSON, errJSON}},
		{"At the endpoints of a user's account", []Error{
			errToken, errTokenScope, errCurrent, errNewPassword, errSamePassword, errChanged, errNoSession,
		}},
		{"At Simple JWT's paths", []Error{
			errNoAccount, errTokenNotValid, errBlacklisted, errWrongType, errFields, errParse, errUnsupportedMedia,
		}},
		{"At the operators' API", []Error{
			errOperatorToken, errOperatorScope, errOpsInvalid, errOpsConflict, errOpsUnknown, errOpsKeys,
		}},
	}
}

type errorSection struct {
	title  string
	errors []Error
}

const errorsIntro = `# Errors

<!-- Made from the table in server/refusals.go by go test ./server -run TestErrorsDoc -update -->

Every refusal is JSON in the form of [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2):

` + "```json" + `
{
  "error": "invalid_grant",
  "error_description": "The user name or password is wrong.",
  "error_uri": "https://github.com/hallmark-auth/hallmark/blob/main/docs/errors.md#wrong-credentials"
}
` + "```" + `

- Programs decide by the status and ` + "`error`" + `; where these are not enough, by the fragment of ` + "`error_uri`" + `, which does not change.
  The description is for developers, not for users, and may change.
- Refusals say nothing that an attacker could use. The reason is in the server's log: the record whose ` + "`request_id`" + ` is the
  ` + "`Request-Id`" + ` header of the answer has it as ` + "`reason`" + `. Ask your operator for it by that id.
- What is not HTTP, or has more than 16 KiB of headers, is turned away with a line of text before anybody reads it.
- Simple JWT's paths answer in Simple JWT's form, ` + "`{\"detail\": …, \"code\": …}`" + ` or the fields that are wrong ([docs/simplejwt.md](simplejwt.md)).
- The probes ` + "`/healthz` and `/readyz`" + ` have a form of their own.
- Simple JWT's paths answer in Simple JWT's, with ` + "`detail`, `code`" + ` or the fields that are wrong ([docs/simplejwt.md](simplejwt.md)).
`

func errorsDoc() []byte {
	var b bytes.Buffer
	b.WriteString(errorsIntro)
	for _, section := range documented() {
		fmt.Fprintf(&b, "\n## %s\n", section.title)
		for _, e := range section.errors {
			fmt.Fprintf(&b, "\n### %s\n\n%d %s, `%s`: %s\n\n%s\n\n- *Client:* %s\n",
				e.ID, e.Status, http.StatusText(e.Status), e.Code, e.Description, e.Help.Why, e.Help.Client)
			if e.Help.Operator != "" {
				fmt.Fprintf(&b, "- *Operator:* %s\n", e.Help.Operator)
			}
		}
	}
	return b.Bytes()
}

// TestErrorsDoc: docs/errors.md is what the table makes of it.
func TestErrorsDoc(t *testing.T) {
	path := filepath.Join("..", "docs", "errors.md")
	want := errorsDoc()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/errors.md is stale (%v): go test ./server -run TestErrorsDoc -update", err)
	}
}

// TestEveryErrorIsDocumented: each Error that the source makes, wherever, is
// in the page once, under an id that is an anchor of its own.
func TestEveryErrorIsDocumented(t *testing.T) {
	inPage := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(errorsDoc(), -1) {
		anchor := strings.ReplaceAll(strings.ToLower(string(heading[1])), " ", "-")
		if inPage[anchor] {
			t.Errorf("two headings have the anchor %s", anchor)
		}
		inPage[anchor] = true
	}
	ids := errorLiterals(t)
	if len(ids) < 36 {
		t.Fatalf("only %d errors were found in the source", len(ids))
	}
	for _, id := range ids {
		if !inPage[id] {
			t.Errorf("%q is not in docs/errors.md: add it to documented", id)
		}
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(ids))); len(unique) != len(ids) {
		t.Errorf("an id is used twice: %q", ids)
	}
	for _, section := range documented() {
		for _, e := range section.errors {
			if !slices.Contains(ids, e.ID) {
				t.Errorf("%q is in the page and not in the source", e.ID)
			}
		}
	}
}

// errorLiterals returns the ids of all Error literals of the package.
func errorLiterals(t *testing.T) (ids []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if typ, ok := lit.Type.(*ast.Ident); ok && typ.Name == "Error" {
				ids = append(ids, idOf(t, name, lit))
			}
			return true
		})
	}
	return ids
}

func idOf(t *testing.T, file string, lit *ast.CompositeLit) string {
	t.Helper()
	for _, element := range lit.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok || fmt.Sprint(pair.Key) != "ID" {
			continue
		}
		if value, ok := pair.Value.(*ast.BasicLit); ok {
			if id, err := strconv.Unquote(value.Value); err == nil {
				return id
			}
		}
	}
	t.Errorf("%s: an Error without an ID that can be read", file)
	return ""
}

// TestErrorsAreWellFormed: RFC 6749 §5.2 and App. A.7 to A.9 say of which
// characters the members are; the page says more than the answer.
func TestErrorsAreWellFormed(t *testing.T) {
	odd := func(c rune) bool { return c < 0x20 || c == '"' || c == '\\' || c > 0x7e }
	oddInURI := func(c rune) bool { return odd(c) || c == ' ' }
	id := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, section := range documented() {
		for _, e := range section.errors {
			if strings.ContainsFunc(e.Code+e.Description, odd) || e.Code == "" || e.Description == "" || e.Status < 400 {
				t.Errorf("%s: %+v", e.ID, e)
			}
			if strings.ContainsFunc(e.URI(), oddInURI) || !id.MatchString(e.ID) || !strings.HasSuffix(e.URI(), "docs/errors.md#"+e.ID) {
				t.Errorf("%s: error_uri %q", e.ID, e.URI())
			}
			if len(e.Help.Why) < 20 || len(e.Help.Client) < 20 {
				t.Errorf("%s: the page says hardly anything: %+v", e.ID, e.Help)
			}
		}
	}
}
