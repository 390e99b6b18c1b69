package conformance

import (
	"fmt"
	"path"
	"slices"
)

// An InputError says what is wrong with a Target or with Options; nothing was
// sent then.
type InputError struct{ err error }

func (e InputError) Error() string { return e.err.Error() }
func (e InputError) Unwrap() error { return e.err }

// cases returns those to run, when there is nothing wrong with t and o.
func (o Options) cases(t Target) ([]Case, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	for _, w := range o.Waivers {
		if err := w.check(); err != nil {
			return nil, err
		}
	}
	return o.selected(Cases())
}

// selected returns the cases that o names.
func (o Options) selected(cases []Case) ([]Case, error) {
	for _, glob := range slices.Concat(o.Only, o.Skip) {
		match := func(c Case) bool { ok, _ := path.Match(glob, c.ID); return ok }
		if _, err := path.Match(glob, ""); err != nil {
			return nil, fmt.Errorf("glob %q: %w", glob, err)
		}
		if !slices.ContainsFunc(cases, match) {
			return nil, fmt.Errorf("no case is named %q", glob)
		}
	}
	named := func(globs []string, c Case) bool {
		return slices.ContainsFunc(globs, func(glob string) bool { ok, _ := path.Match(glob, c.ID); return ok })
	}
	return slices.DeleteFunc(cases, func(c Case) bool {
		return len(o.Only) > 0 && !named(o.Only, c) || named(o.Skip, c)
	}), nil
}
