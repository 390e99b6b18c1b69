package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxFindings bounds what is printed about one configuration.
const maxFindings = 50

// A finding is one thing to change in the configuration.
type finding struct {
	code     int
	text     string
	settings []string // that it is about
}

// findings collects what is wrong, so that it is refused at once.
type findings struct {
	list   []finding
	unread map[string]bool // settings whose value could not be read: their default stands in
}

// unreadable adds a value that cannot be used; nothing more is said about its setting.
func (f *findings) unreadable(setting, format string, args ...any) {
	f.list = append(f.list, finding{exitUsage, fmt.Sprintf(format, args...), []string{setting}})
	if f.unread == nil {
		f.unread = map[string]bool{}
	}
	f.unread[setting] = true
}

// add adds a finding about settings. One about several is left out where one
// of them is wrong by itself: what is put right there may put this right.
func (f *findings) add(code int, settings []string, format string, args ...any) {
	wrong := func(name string) bool {
		alone := func(other finding) bool { return slices.Equal(other.settings, []string{name}) }
		return f.unread[name] || len(settings) > 1 && slices.ContainsFunc(f.list, alone)
	}
	if !slices.ContainsFunc(settings, wrong) {
		f.list = append(f.list, finding{code, fmt.Sprintf(format, args...), settings})
	}
}

// on names the settings of a finding.
func on(settings ...string) []string { return settings }

// A refusal is everything that has to be changed, a line each.
type refusal []string

func (r refusal) Error() string { return strings.Join(r, "; ") }

// err is nil if nothing was found. Lines end with where a setting has its value
// from, when the command line does not show it.
func (f *findings) err(origins map[string]origin) error {
	if len(f.list) == 0 {
		return nil
	}
	code, lines := f.list[0].code, refusal{}
	for i, found := range f.list {
		if found.code == exitUsage {
			code = exitUsage
		}
		if i < maxFindings {
			lines = append(lines, found.text+f.whence(found, origins))
		}
	}
	if more := len(f.list) - maxFindings; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more like these", more))
	}
	return fail(code, "%w", lines)
}

func (f *findings) whence(found finding, origins map[string]origin) string {
	var parts []string
	for _, name := range found.settings {
		if at := origins[name]; at.where != "" && !f.unread[name] {
			parts = append(parts, name+" from "+at.where)
		}
	}
	if parts == nil {
		return ""
	}
	return " [" + strings.Join(parts, ", ") + "]"
}

// errorLines are what is printed about an error: one line, or one for each
// thing to change.
func errorLines(err error) []string {
	var r refusal
	if errors.As(err, &r) {
		return r
	}
	return []string{explain(err)}
}
