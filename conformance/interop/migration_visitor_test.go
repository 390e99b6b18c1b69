package interop

import (
	"encoding/json"
	"testing"
)

// A visitor has the site's front end open: node/visitor.mjs.
type visitor struct {
	name string
	open bool // the page asks for something all the time
	d    *dialogue
}

// What a visitor has seen so far, and holds now.
type visit struct {
	Good, Over, Refreshes int
	Bad                   []string
	SignedOut             bool
	Access, Refresh       string
	AccessAlg, RefreshTyp string
}

// visitor opens a page and signs in, the only time that the password is asked
// for. own: every request refreshes for itself, five at once.
func (s *shop) visitor(t *testing.T, name string, own bool) *visitor {
	t.Helper()
	v := &visitor{name: name, d: converse(t, "node", "node/visitor.mjs")}
	task, err := json.Marshal(map[string]any{"auth": s.url, "api": s.url, "own": own, "parallel": map[bool]int{true: 5, false: 2}[own]})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.d.tell(string(task)); err != nil {
		t.Fatal(err)
	}
	v.do(t, "signIn")
	s.visitors = append(s.visitors, v)
	return v
}

// do returns what the visitor has found, which is an error if it is bad.
func (v *visitor) do(t *testing.T, act string, more ...string) visit {
	t.Helper()
	line := map[string]string{"do": act, "username": v.name, "password": password(v.name)}
	for i := 0; i+1 < len(more); i += 2 {
		line[more[i]] = more[i+1]
	}
	raw, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := v.d.say(string(raw))
	if err != nil {
		t.Fatalf("%s, %s: %v", v.name, act, err)
	}
	var found visit
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Fatalf("%s, %s: %q: %v", v.name, act, answer, err)
	}
	if len(found.Bad) > 0 || found.SignedOut {
		t.Fatalf("%s, %s: signed out: %v, and met %q", v.name, act, found.SignedOut, found.Bad)
	}
	return found
}

func (v *visitor) browse(t *testing.T) {
	t.Helper()
	v.open = true
	v.do(t, "browse")
}

// rest has nobody ask anything, until browse.
func (s *shop) rest(t *testing.T) {
	t.Helper()
	for _, v := range s.visitors {
		if v.open {
			v.do(t, "rest")
		}
	}
}

func (s *shop) browse(t *testing.T) {
	t.Helper()
	for _, v := range s.visitors {
		if v.open {
			v.do(t, "browse")
		}
	}
}
