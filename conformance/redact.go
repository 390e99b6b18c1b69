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
	mu     sync.Mutex
	known  map[string]bool   // the secrets themselves
	labels map[string]string // a secret as it may appear → what stands there instead
}

// learn makes value one of the secrets.
func (r *redactor) learn(label, value string) {
	if value == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.labels == nil {
		r.known, r.labels = map[string]bool{}, map[string]string{}
	}
	if r.known[value] {
		return
	}
	r.known[value] = true
	inJSON, _ := json.Marshal(value) // a string always marshals
	inGo := strconv.Quote(value)
	for _, form := range []string{
		value, url.QueryEscape(value), url.PathEscape(value), percent(value), spaced(url.QueryEscape(value)),
		string(inJSON[1 : len(inJSON)-1]), inGo[1 : len(inGo)-1], base64.StdEncoding.EncodeToString([]byte(value)),
	} {
		r.labels[form] = "[" + label + "]"
	}
}

// clean returns s without secrets, in printable characters, of bounded length.
// It cuts last: half a secret would not be recognised.
func (r *redactor) clean(s string) string {
	r.mu.Lock()
	var forms, pairs []string
	for form := range r.labels {
		if strings.Contains(s, form) {
			forms = append(forms, form)
		}
	}
	// The longest first: one secret may begin another.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, form := range forms {
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
