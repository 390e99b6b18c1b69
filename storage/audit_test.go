package storage

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Every event is of one kind and is explained once; each record that a verb
// leaves is of an event that is.
func TestEvents(t *testing.T) {
	seen, kinds := map[Event]bool{}, map[AuditKind]bool{}
	for _, e := range Events() {
		if seen[e.Event] || e.Means == "" || e.Event.Kind() != e.Kind {
			t.Errorf("%+v", e)
		}
		seen[e.Event], kinds[e.Kind] = true, true
	}
	for _, k := range AuditKinds() {
		if !kinds[k] || k.String() == "" {
			t.Errorf("kind %d", k)
		}
	}
	if Event("never heard of").Kind() != Failures {
		t.Error("what is not known has the room of acts")
	}
	for _, r := range []Record{
		UserAdded(t.Context(), User{})[0], UserRemoved(User{}, 1), ClientAdded(Client{}), ClientRemoved("x"), SignedIn(NewSession{}, "x"),
		TokenAdded(OperatorToken{}), TokenRemoved("x"), Refresh{}.RefreshEnded(Refreshed{}), RingReplaced(context.Background(), 1)[0],
	} {
		if !seen[r.Event] {
			t.Errorf("%q is not explained", r.Event)
		}
	}
}

func TestUserChangedNames(t *testing.T) {
	ada := User{Name: "ada", PasswordHash: "h"}
	off, renamed, hashed := ada, ada, ada
	off.Disabled, renamed.Name, hashed.PasswordHash = true, "eve", "i"
	offHashed, onRenamed, both := hashed, renamed, hashed
	offHashed.Disabled, both.Name = true, "eve"
	for name, c := range map[string]struct {
		before, after User
		change        UserChange
		ended         int
		want          Event // empty: nothing
	}{
		"nothing":            {ada, ada, UserChange{Name: new("ada")}, 0, ""},
		"a password":         {ada, hashed, UserChange{PasswordHash: new("i")}, 2, EventUserPasswd},
		"the same hash":      {ada, ada, UserChange{PasswordHash: new("h")}, 0, EventUserPasswd},
		"an import":          {ada, hashed, UserChange{ImportHash: new("i")}, 0, EventUserPasswd},
		"disabled":           {ada, off, UserChange{Disabled: new(true)}, 0, EventUserDisable},
		"enabled":            {off, ada, UserChange{Disabled: new(false)}, 0, EventUserEnable},
		"disabled again":     {off, off, UserChange{Disabled: new(true)}, 0, ""},
		"what was left over": {off, off, UserChange{Disabled: new(true)}, 1, EventUserEdit},
		"a name":             {ada, renamed, UserChange{Name: new("eve")}, 0, EventUserEdit},
		// What matters most names it, and the rest is said.
		"disabled and a password": {ada, offHashed, UserChange{PasswordHash: new("i"), Disabled: new(true)}, 1, EventUserDisable},
		"enabled and a name":      {off, onRenamed, UserChange{Name: new("eve"), Disabled: new(false)}, 0, EventUserEnable},
		"a password and a name":   {ada, both, UserChange{PasswordHash: new("i"), Name: new("eve")}, 1, EventUserPasswd},
	} {
		r, changed := UserChanged(c.before, c.after, c.change, EndedPassword, c.ended)
		if r.Event != c.want || changed != (c.want != "") {
			t.Errorf("%s: %q, %v", name, r.Event, changed)
		}
		if (r.Reason == string(EndedPassword)) != (c.ended > 0) || (r.Detail["sessions_ended"] != nil) != (c.ended > 0) {
			t.Errorf("%s: %q, %v", name, r.Reason, r.Detail)
		}
		if names, said := r.Detail["changed"].([]string); said != (strings.Contains(name, " and ") || c.want == EventUserEdit) || strings.Contains(name, " and ") && len(names) != 2 {
			t.Errorf("%s: changed %v", name, r.Detail["changed"])
		}
	}
}

// Of each kind a third stays, and what a clock says of one record does not keep
// what was recorded before it.
func TestRetention(t *testing.T) {
	now := time.Unix(1e9, 0)
	at := func(hours ...int) (out []Record) {
		for _, h := range hours {
			out = append(out, Record{At: now.Add(-time.Duration(h) * time.Hour)})
		}
		return out
	}
	keep := Retention{Age: 10 * time.Hour, Rows: 10}
	if keep.Share() != 3 || (Retention{Rows: 1}).Share() != 1 {
		t.Error("not a third")
	}
	for _, c := range []struct {
		oldest  []Record
		overdue int
		want    int
	}{
		{nil, 5, 0}, {at(10, 9), 0, 0}, {at(11, 10), 0, 1}, {at(-5, 11, 3), 0, 2}, {at(1, 1, 1), 2, 2}, {at(1, 1), 5, 2}, {at(11, 11, 1), 1, 2}, {at(1), -5, 0},
	} {
		if n := keep.Removable(c.oldest, c.overdue, now); n != c.want {
			t.Errorf("%v, %d overdue: %d go, want %d", c.oldest, c.overdue, n, c.want)
		}
	}
}
