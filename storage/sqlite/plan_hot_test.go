package sqlite_test

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// What a sign-in, a refresh, a revocation and a look at a session say to the
// database finds one row by a key that has no other: a primary key, or a unique
// index (SQLite's own for UNIQUE, and that of foreign ids).
func TestHotPathIsByKey(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	tokens := l.open(t, 3)
	w := witness{plans: map[string][]string{}}
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		w.Querier = q
		hotPath(t, w, l, tokens)
		return nil
	}))
	if len(w.plans) < 12 {
		t.Errorf("only %d statements were seen", len(w.plans))
	}
	unique := regexp.MustCompile(`^SEARCH \w+( EXISTS)? USING (PRIMARY KEY|INTEGER PRIMARY KEY|INDEX sqlite_autoindex_\w+|INDEX users_by_foreign_id) \(\w+=\?\)$|^(CORRELATED )?SCALAR SUBQUERY \d+$|^-$`)
	for query, plan := range w.plans {
		for _, step := range plan {
			if !unique.MatchString(step) {
				t.Errorf("%s\nis answered by %s", query, step)
			}
		}
		insert := strings.HasPrefix(query, "INSERT")
		if reads := strings.Join(plan, ";"); !insert && !strings.Contains(reads, "SEARCH") {
			t.Errorf("%s\nis no search: %s", query, reads)
		}
	}
}

func hotPath(t *testing.T, q sqlstore.Querier, l login, tokens []storage.RefreshToken) {
	t.Helper()
	check := func(what string, err, want error) {
		t.Helper()
		if err != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := sqlstore.UserByName(ctx, q, l.user.Name)
	check("user", err, nil)
	_, err = sqlstore.UserByID(ctx, q, l.user.ID)
	check("user", err, nil)
	_, err = sqlstore.UserByForeignID(ctx, q, "none")
	check("user", err, storage.ErrNotFound)
	check("rehash", sqlstore.Rehash(ctx, q, l.user.ID, l.user.PasswordHash, l.user.PasswordHash), nil)
	_, err = sqlstore.ClientByID(ctx, q, l.client.ID)
	check("client", err, nil)
	_, err = sqlstore.CreateSession(ctx, q, l.session())
	check("create", err, nil)
	out, err := sqlstore.RotateSession(ctx, q, l.refresh(tokens[0]), 1)
	check("rotate", err, nil)
	long := storage.ServiceTime(1).Add(storage.DefaultRetryWindow)
	_, err = sqlstore.RotateSession(ctx, q, l.refresh(out.Token), long)
	check("rotate again", err, nil)
	_, err = sqlstore.RotateSession(ctx, q, l.refresh(tokens[0]), long)
	check("reuse", err, storage.ErrReused)
	_, err = sqlstore.SessionByID(ctx, q, tokens[1].SessionID())
	check("find", err, nil)
	_, err = sqlstore.EndSession(ctx, q, tokens[1].SessionID(), storage.EndedRevoked, epoch)
	check("revoke", err, nil)
	at, err := sqlstore.ServiceTime(ctx, q)
	check("service time", err, nil)
	check("service time", sqlstore.SetServiceTime(ctx, q, at+1), nil)
}

// everyStatement reads the source of package sqlstore for the statements that
// it has: constants, and what its calls are given. A constant that others begin
// with is one of them.
func everyStatement(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../sqlstore/*.go")
	must(t, err)
	set, parsed := token.NewFileSet(), []*ast.File{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		must(t, err)
		parsed = append(parsed, f)
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}}
	// What it imports does not matter to its constants.
	c := types.Config{Error: func(error) {}, Importer: nothing{}}
	c.Check("sqlstore", set, parsed, &info)
	found := map[string]bool{}
	add := func(v constant.Value) {
		if v != nil && v.Kind() == constant.String {
			if s := constant.StringVal(v); regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH) `).MatchString(s) {
				found[s] = true
			}
		}
	}
	for _, o := range info.Defs {
		if c, ok := o.(*types.Const); ok {
			add(c.Val())
		}
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, arg := range call.Args {
					add(info.Types[arg].Value)
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// nothing has no package to import.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not needed") }
