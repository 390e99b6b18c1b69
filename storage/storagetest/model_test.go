package storagetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func openModel(*testing.T) Fixture {
	m := NewModel()
	return Fixture{
		Backend: m, AddService: func(d time.Duration) { m.AddService(d) },
		Reopen: func() Backend { m = m.Reopen(); return m },
	}
}

func TestModel(t *testing.T) { Run(t, openModel) }

func TestModelReopen(t *testing.T) {
	before := NewModel()
	after := before.Reopen()
	if err := after.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := before.Check(t.Context()); verdict(err) != storage.ErrUnavailable {
		t.Errorf("the model before: %v", err)
	}
}

// Service time is exactly what a test makes it.
func TestModelServiceTime(t *testing.T) {
	m := NewModel()
	for _, c := range []struct {
		add  time.Duration
		want storage.ServiceTime
	}{{0, 1}, {time.Second, 1_000_001}, {-time.Hour, 1_000_001}, {999, 1_000_001}, {1000, 1_000_002}} {
		m.AddService(c.add)
		if got, err := m.ServiceTime(t.Context()); err != nil || got != c.want {
			t.Errorf("after %v more: %d, %v; want %d", c.add, got, err, c.want)
		}
	}
}

// What cannot be written as JSON is refused, and nothing of it is kept.
func TestModelRefusesClaims(t *testing.T) {
	m, u := NewModel(), storage.User{Name: "ada"}
	u.Claims.Extra = map[string]any{"f": func() {}}
	if err := m.CreateUser(t.Context(), u); err == nil {
		t.Error("a function is kept as a claim")
	}
	if _, err := m.UserByName(t.Context(), "ada"); verdict(err) != storage.ErrNotFound {
		t.Errorf("%v", err)
	}
}

// No verb is left out where the suite calls them all.
func TestEveryVerbIsCalled(t *testing.T) {
	verbs := everyVerb(newStore(t, openModel))
	for m := range reflect.TypeFor[Backend]().Methods() {
		if m.Name != "Close" && verbs[m.Name] == nil {
			t.Errorf("%s is not called", m.Name)
		}
	}
}

func TestVerdict(t *testing.T) {
	s := &store{T: t}
	s.wants(nil, nil)
	s.wants(storage.ErrReused, wrapped{storage.ErrReused})
	for _, err := range []error{errWrong, wrapped{storage.ErrReused, storage.ErrEnded}, wrapped{storage.ErrEnded, storage.ErrReused}} {
		if got := verdict(err); got == storage.ErrReused || got == storage.ErrEnded || got == nil {
			t.Errorf("%v is taken for %v", err, got)
		}
	}
}

// wrapped is an error of several.
type wrapped []error

func (w wrapped) Error() string   { return "several" }
func (w wrapped) Unwrap() []error { return w }
