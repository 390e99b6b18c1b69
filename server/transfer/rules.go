package transfer

import (
	"errors"
	"slices"
	"strings"
)

// What a rule is about.
const (
	fromStaff      = "staff"
	fromSuperuser  = "superuser"
	fromGroup      = "group"
	fromPermission = "permission"
)

// Where it leads.
const (
	toRole        = "role"
	toGroup       = "group"
	toEntitlement = "entitlement"
	toNothing     = "none"
)

// A Rule makes a role, a group or an entitlement of what a user is in the
// source, or nothing. See ParseRule.
type Rule struct {
	from, pattern string // pattern of groups and permissions: a name, or a beginning and "*"
	to, name      string // "*" in the name stands for what it stands for in the pattern
}

// DefaultRules take over everything: groups as groups, permissions as
// entitlements ("blog.add_post"), staff and superuser as roles.
func DefaultRules() []Rule {
	return []Rule{
		{fromStaff, "", toRole, "staff"},
		{fromSuperuser, "", toRole, "superuser"},
		{fromGroup, "*", toGroup, "*"},
		{fromPermission, "*", toEntitlement, "*"},
	}
}

var errRule = errors.New(`write FROM=TO, with staff, superuser, group:NAME or permission:APP.CODENAME on the left and role:NAME, group:NAME, entitlement:NAME or none on the right; a NAME may end in "*"`)

// ParseRule reads a rule such as "group:editors=role:editor",
// "permission:blog.*=entitlement:*", "staff=none".
func ParseRule(text string) (Rule, error) {
	at := -1
	for _, to := range []string{"=role:", "=group:", "=entitlement:"} {
		at = max(at, strings.LastIndex(text, to))
	}
	if at < 0 && strings.HasSuffix(text, "=none") {
		at = len(text) - len("=none")
	}
	if at < 0 {
		return Rule{}, errRule
	}
	var r Rule
	r.from, r.pattern, _ = strings.Cut(text[:at], ":")
	r.to, r.name, _ = strings.Cut(text[at+1:], ":")
	named := r.from == fromGroup || r.from == fromPermission
	bare := r.from == fromStaff || r.from == fromSuperuser
	star := strings.HasSuffix(r.pattern, "*")
	switch {
	case !named && !bare, named != (r.pattern != ""), (r.to == toNothing) != (r.name == ""):
		return Rule{}, errRule
	case strings.Contains(strings.TrimSuffix(r.pattern, "*"), "*"), strings.Count(r.name, "*") > 1, strings.Contains(r.name, "*") && !star:
		return Rule{}, errRule
	}
	return r, nil
}

// apply returns what a rule makes of a name, if it is about it.
func (r Rule) apply(from, name string) (made string, matches bool) {
	if r.from != from {
		return "", false
	}
	rest := ""
	if beginning, star := strings.CutSuffix(r.pattern, "*"); star {
		if rest, matches = strings.CutPrefix(name, beginning); !matches {
			return "", false
		}
	} else if r.pattern != name {
		return "", false
	}
	return strings.Replace(r.name, "*", rest, 1), true
}

// lists collects a user's roles, groups and entitlements. A list that no
// column leads to stays nil: the user's stays as it is.
type lists struct {
	m     Mapping
	lists map[string]*[]string // by what a rule leads to
}

// reach makes the lists that rules about a column may fill.
func (l *lists) reach(from string) {
	for _, r := range append(slices.Clone(l.m.Rules), DefaultRules()...) {
		if r.from != from {
			continue
		}
		if r.to != toNothing && l.lists[r.to] == nil {
			l.lists[r.to] = &[]string{}
		}
		if r.pattern == "*" || r.pattern == "" { // nothing gets past it
			return
		}
	}
}

// add puts what a name becomes into its list.
func (l *lists) add(from, name string) {
	for _, r := range append(slices.Clone(l.m.Rules), DefaultRules()...) {
		made, matches := r.apply(from, name)
		if !matches {
			continue
		}
		if r.to != toNothing && !slices.Contains(*l.lists[r.to], made) {
			*l.lists[r.to] = append(*l.lists[r.to], made)
		}
		return
	}
}

// drops reports whether everything of a kind comes to nothing.
func (m Mapping) drops(from string) bool {
	for _, r := range m.Rules {
		if r.from == from {
			return r.to == toNothing && r.pattern == "*"
		}
	}
	return false
}
