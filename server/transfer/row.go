package transfer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// A taker takes a row apart and notes what is wrong with it.
type taker struct {
	m   Mapping
	row row
	a   operator.Arrival
}

// arrival is what a row comes to. Columns that nothing asks for are ignored.
func (m Mapping) arrival(at string, r row) operator.Arrival {
	t := taker{m: m, row: r, a: operator.Arrival{At: at, Extra: storage.FreeClaims{}}}
	t.a.Name = t.text(m.nameField())
	t.who()
	t.hash()
	t.disabled()
	t.lists()
	t.claims()
	return t.a
}

func (t *taker) wrong(field, format string, args ...any) {
	t.a.Problems = append(t.a.Problems, problem(field, format, args...))
}

// text is a column's text, empty without one.
func (t *taker) text(column string) string {
	switch v := t.row[column].(type) {
	case nil:
	case string:
		return v
	default:
		t.wrong(column, "must be a text")
	}
	return ""
}

// who finds out which user it is. Without an id it is the one of this name
// in the source: somebody else here with the same name is not.
func (t *taker) who() {
	if sub := t.text("sub"); sub != "" {
		id, err := uuid.Parse(sub)
		if err != nil || id.String() != strings.ToLower(sub) {
			t.wrong("sub", "must be a UUID")
		}
		t.a.ID = id
	}
	id := t.row[t.m.idField()]
	if t.a.ForeignID = t.text("foreign_id"); t.a.ForeignID != "" {
		id = nil // ours: the claim is among the free ones
	}
	switch v := id.(type) {
	case nil:
	case string:
		t.a.ForeignID = v
	case json.Number:
		t.a.ForeignID = v.String()
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil {
			t.wrong(t.m.idField(), "must be a whole number or a text")
		}
	default:
		t.wrong(t.m.idField(), "must be a whole number or a text")
	}
	if t.a.ForeignID != "" && id != nil && t.m.IDClaim != "" {
		t.a.Extra[t.m.IDClaim] = id
	}
	if t.a.ForeignID == "" && t.a.ID == (uuid.UUID{}) {
		t.a.ForeignID = t.a.Name
	}
}

func (t *taker) hash() {
	for _, column := range []string{"password_hash", "password"} {
		if _, there := t.row[column]; !there {
			continue
		}
		if hash := t.text(column); hash != "" {
			t.a.PasswordHash = &hash
		}
		return
	}
}

func (t *taker) disabled() {
	active, there := t.flag("is_active")
	if there {
		t.a.Disabled = new(!active)
	}
	if disabled, there := t.flag("disabled"); there {
		t.a.Disabled = &disabled
	}
}

// flag is a column's truth: databases and spreadsheets have several spellings.
func (t *taker) flag(column string) (value, there bool) {
	var err error
	switch v := t.row[column].(type) {
	case nil:
		return false, false
	case bool:
		return v, true
	case json.Number:
		value, err = strconv.ParseBool(v.String())
	case string:
		if v == "" {
			return false, false
		}
		value, err = strconv.ParseBool(v)
	default:
		t.wrong(column, "must be true or false")
		return false, false
	}
	if err != nil {
		t.wrong(column, "must be true or false")
	}
	return value, err == nil
}

func (t *taker) lists() {
	l := lists{m: t.m, lists: map[string]*[]string{}}
	for to, column := range map[string]string{toRole: "roles", toEntitlement: "entitlements"} {
		if list, there := t.list(column); there {
			l.lists[to] = &list
		}
	}
	for _, c := range [][2]string{{fromStaff, "is_staff"}, {fromSuperuser, "is_superuser"}} {
		if is, there := t.flag(c[1]); there {
			if l.reach(c[0]); is {
				l.add(c[0], "")
			}
		}
	}
	for _, c := range [][2]string{{fromGroup, "groups"}, {fromPermission, "permissions"}} {
		list, there := t.list(c[1])
		if len(list) > maxListed {
			t.wrong(c[1], "%d of them; at most %d can be mapped", len(list), maxListed)
			continue
		}
		if there {
			l.reach(c[0])
		}
		for _, name := range list {
			l.add(c[0], name)
		}
	}
	t.a.Roles, t.a.Groups, t.a.Entitlements = l.lists[toRole], l.lists[toGroup], l.lists[toEntitlement]
}

// list is a column's texts: an array, an array as text, or texts with
// semicolons between them.
func (t *taker) list(column string) (list []string, there bool) {
	value, there := t.row[column]
	if !there || value == nil {
		return []string{}, there // an empty cell: there are none any more
	}
	if text, ok := value.(string); ok {
		if !strings.HasPrefix(text, "[") {
			for part := range strings.SplitSeq(text, ";") {
				if part = strings.TrimSpace(part); part != "" {
					list = append(list, part)
				}
			}
			return list, true
		}
		object, err := discovery.DecodeObject([]byte(`{"list":` + text + `}`))
		if err != nil {
			t.wrong(column, "must be a JSON array of texts, or texts with semicolons between them")
			return nil, false
		}
		value = object["list"]
	}
	list, ok := discovery.StringList(value)
	if !ok {
		t.wrong(column, "must be a list of texts")
	}
	return list, ok
}

// claims takes the free claims: ours as they are, others by the mapping. A
// column that is empty has none.
func (t *taker) claims() {
	extra := t.row["extra"]
	if text, ok := extra.(string); ok && text != "" {
		object, err := discovery.DecodeObject([]byte(text))
		if err != nil {
			t.wrong("extra", "must be a JSON object: %v", err)
		}
		extra = object
	}
	switch v := extra.(type) {
	case nil:
	case map[string]any:
		maps.Copy(t.a.Extra, v)
	case string: // empty
	default:
		t.wrong("extra", "must be a JSON object")
	}
	for _, claim := range slices.Sorted(maps.Keys(t.m.Claims)) {
		value, there := t.row[t.m.Claims[claim]]
		switch {
		case !there:
		case value == nil || value == "":
			t.a.Drop = append(t.a.Drop, claim)
		default:
			t.a.Extra[claim] = value
		}
	}
}
