package transfer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// Dumpdata reads what Django's dumpdata writes: an array of objects of any
// models, of which model is the users' ("auth.user"). Groups, permissions and
// content types that stand before the users, as Django orders them, say what
// the users' numbers mean.
func Dumpdata(r io.Reader, model string, m Mapping, each Each) error {
	s := splitter{r: bufio.NewReader(r)}
	t := newTables(m)
	for n := 1; ; n++ {
		text, err := s.next(n == 1)
		if err == io.EOF {
			return t.none(model)
		}
		if err != nil {
			return err
		}
		at := fmt.Sprintf("object %d", n)
		object, err := discovery.DecodeObject(text)
		if err != nil {
			return fmt.Errorf("%s (line %d): %w", at, s.line+1, err)
		}
		if err := t.take(at, model, object, each); err != nil {
			return err
		}
	}
}

// tables are what a dump says beside the users.
type tables struct {
	m       Mapping
	types   map[string]string // content type → application
	perms   map[string]string // number → "app.codename"
	groups  map[string]group  // by number
	byName  map[string][]string
	users   bool
	another string // a model that looks like users and is not the one asked for
}

type group struct {
	name  string
	perms []string
}

func newTables(m Mapping) *tables {
	return &tables{m: m, types: map[string]string{}, perms: map[string]string{}, groups: map[string]group{}, byName: map[string][]string{}}
}

// none is the error for a dump without users.
func (t *tables) none(model string) error {
	switch {
	case t.users:
		return nil
	case t.another != "":
		return fmt.Errorf("no object is of the model %s: is it %s? Then say --model %s", model, t.another, t.another)
	}
	return fmt.Errorf("no object is of the model %s: dump it, or name the users' model with --model", model)
}

// take looks at one object of a dump.
func (t *tables) take(at, model string, object map[string]any, each Each) error {
	name, _ := object["model"].(string)
	fields, ok := object["fields"].(map[string]any)
	if name == "" || !ok {
		return fmt.Errorf("%s: not an object of dumpdata, which has a model, a pk and fields", at)
	}
	pk := text(object["pk"])
	switch name {
	case model:
		t.users = true
		return each(t.user(at, object["pk"], fields))
	case "contenttypes.contenttype":
		t.types[pk], _ = fields["app_label"].(string)
	case "auth.permission":
		codename, _ := fields["codename"].(string)
		t.perms[pk] = t.app(fields["content_type"]) + "." + codename
	case "auth.group":
		g := group{}
		g.name, _ = fields["name"].(string)
		g.perms, _ = t.permissions(fields["permissions"])
		t.groups[pk], t.byName[g.name] = g, g.perms
	default:
		if _, hash := fields["password"].(string); hash && t.another == "" {
			t.another = fmt.Sprintf("%.100s", name)
		}
	}
	if len(t.types) > maxTable || len(t.perms) > maxTable || len(t.groups) > maxTable || len(t.byName) > maxTable {
		return fmt.Errorf("%s: more than %d groups, permissions or content types", at, maxTable)
	}
	return nil
}

// app is the application of a content type, by number or by natural key.
func (t *tables) app(contentType any) string {
	if key, ok := discovery.StringList(contentType); ok && len(key) == 2 {
		return key[0]
	}
	return t.types[text(contentType)]
}

// user is the arrival of one. Django has no password that is empty.
func (t *tables) user(at string, pk any, fields map[string]any) operator.Arrival {
	r := row(fields)
	var problems operator.Invalid
	var inherited []string
	if names, there := fields["groups"]; there {
		r["groups"], inherited, problems = t.groupNames(names)
	}
	if _, there := fields["user_permissions"]; there {
		own, unknown := t.permissions(fields["user_permissions"])
		if unknown != "" && !t.m.WithoutUnknown && !t.m.drops(fromPermission) {
			problems = append(problems, problem("user_permissions", "permission %s is not in the dump: add --natural-foreign to dumpdata, or contenttypes and auth before the users; or leave such ones out with --without-unknown", unknown))
		}
		r["permissions"] = anys(append(own, inherited...))
	}
	r[t.m.idField()] = pk
	if pk == nil {
		problems = append(problems, problem("pk", "there is none: dump without --natural-primary"))
	}
	if r["password"] == "" {
		r["password"] = "!"
	}
	a := t.m.arrival(at, r)
	a.Problems = append(a.Problems, problems...)
	return a
}

// groupNames are a user's groups by name, and the permissions that come with them.
func (t *tables) groupNames(value any) (names []any, perms []string, problems operator.Invalid) {
	list, _ := value.([]any)
	var found []string
	for _, element := range list {
		if key, ok := discovery.StringList(element); ok && len(key) == 1 {
			found, perms = append(found, key[0]), append(perms, t.byName[key[0]]...)
			continue
		}
		g, known := t.groups[text(element)]
		if known {
			found, perms = append(found, g.name), append(perms, g.perms...)
		} else if !t.m.WithoutUnknown && !t.m.drops(fromGroup) {
			problems = operator.Invalid{problem("groups", "group %s is not in the dump: add --natural-foreign to dumpdata, or contenttypes and auth before the users; or leave such ones out with --without-unknown", text(element))}
		}
	}
	return anys(found), perms, problems
}

// permissions reads a list of permissions, and names one that is not known.
func (t *tables) permissions(value any) (names []string, unknown string) {
	list, _ := value.([]any)
	for _, element := range list {
		if key, ok := discovery.StringList(element); ok && len(key) == 3 {
			names = append(names, key[1]+"."+key[0])
		} else if name, known := t.perms[text(element)]; known {
			names = append(names, name)
		} else {
			unknown = text(element)
		}
	}
	return names, unknown
}

// text is a key as text: a number, or a text such as a UUID.
func text(key any) string {
	switch v := key.(type) {
	case json.Number:
		return v.String()
	case string:
		return v
	}
	return ""
}

// anys makes a column of names, in order and each once.
func anys(names []string) []any {
	names = slices.Clone(names)
	slices.Sort(names)
	column := []any{}
	for _, name := range slices.Compact(names) {
		column = append(column, name)
	}
	return column
}
