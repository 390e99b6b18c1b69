package conformance

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// maxText bounds what one answer can put on one line of a report.
const maxText = 600

// redactor takes secrets out of text by value, in whatever place and in
// whichever of their encodings they come back.
type redactor struct {
	mu        sync.Mutex
	known     map[string]bool   // the secrets themselves
	labels    map[string]string // a secret as it may appear → what stands there instead
	variables map[string]string // the same → the shell variable that stands there in a command
}

// learn makes value one of the secrets, unless it is one under another name.
func (r *redactor) learn(label, value string) { r.name(strings.ToUpper(label), label, value) }

// name makes value one of the secrets; variable is for commands. The first
// name stays.
func (r *redactor) name(variable, label, value string) {
	if value == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.labels == nil {
		r.known, r.labels, r.variables = map[string]bool{}, map[string]string{}, map[string]string{}
	}
	if r.known[value] {
		return
	}
	r.known[value] = true
	inJSON, _ := json.Marshal(value) // a string always marshals
	inGo := strconv.Quote(value)
	for _, form := range []struct{ text, suffix string }{
		{value, ""}, {url.QueryEscape(value), "_ENCODED"}, {url.PathEscape(value), "_PATH"}, {percent(value), "_PERCENT"},
		{spaced(url.QueryEscape(value)), "_SPACED"}, {string(inJSON[1 : len(inJSON)-1]), "_JSON"}, {inGo[1 : len(inGo)-1], "_QUOTED"},
		{base64.StdEncoding.EncodeToString([]byte(value)), "_BASE64"},
	} {
		r.labels[form.text] = "[" + label + "]"
		if r.variables[form.text] == "" {
			r.variables[form.text] = variable + form.suffix
		}
	}
}

// found returns the secrets in s, the longest first: one may begin another.
func (r *redactor) found(s string) (forms []string) {
	for form := range r.labels {
		if strings.Contains(s, form) {
			forms = append(forms, form)
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return forms
}

// parted cuts s at its secrets: every other part is the variable of one.
func (r *redactor) parted(s string) (parts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	forms := r.found(s)
	for {
		at, form := -1, ""
		for _, f := range forms {
			if i := strings.Index(s, f); i >= 0 && (at < 0 || i < at) {
				at, form = i, f
			}
		}
		if at < 0 {
			return append(parts, s)
		}
		parts = append(parts, s[:at], r.variables[form])
		s = s[at+len(form):]
	}
}

// clean returns s without secrets, in printable characters, of bounded length.
// It cuts last: half a secret would not be recognised.
func (r *redactor) clean(s string) string {
	r.mu.Lock()
	var pairs []string
	for _, form := range r.found(s) {
		pairs = append(pairs, form, r.labels[form])
	}
	r.mu.Unlock()
	s = strings.NewReplacer(pairs...).Replace(s)
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar // a terminal must not obey a server
	}, s)
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + "…"
	}
	return s
}
