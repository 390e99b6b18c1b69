package main

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/hallmark-auth/hallmark/conformance"
)

// readWaivers reads a file of
//
//	[[waiver]]
//	id = "meta-oidc-*"
//	reason = "There is no authorization endpoint yet."
//	expires = 2027-06-30
//
// and nothing else: a name that is misspelt would waive what it should not.
func readWaivers(name string) ([]conformance.Waiver, error) {
	if name == "" {
		return nil, nil
	}
	text, err := readBounded(name)
	if err != nil {
		return nil, usage("--waivers: %w", err)
	}
	if len(text) > maxConfigFile || tooInvolved(string(text)) {
		return nil, usage("--waivers %s: it is too long or too involved for a list of waivers", name)
	}
	var file struct {
		Waiver []struct {
			ID      string
			Reason  string
			Expires any // a time.Time forgets whether it was a date
		}
	}
	meta, err := toml.Decode(string(text), &file)
	if err != nil {
		return nil, usage("--waivers %s: %w", name, err)
	}
	for _, key := range meta.Keys() {
		if !slices.Contains([]string{"waiver", "waiver.id", "waiver.reason", "waiver.expires"}, key.String()) {
			return nil, usage("--waivers %s: %q is nothing that a waiver has: write id, reason and expires under [[waiver]]", name, key)
		}
	}
	var waivers []conformance.Waiver
	for i, w := range file.Waiver {
		problem := ""
		day, _ := w.Expires.(time.Time)
		switch _, err := path.Match(w.ID, ""); {
		case w.ID == "" || err != nil:
			problem = `it has no id or no glob of ids: write id = "meta-oidc-*"`
		case strings.TrimSpace(w.Reason) == "":
			problem = `it has no reason: write reason = "…"`
		case day.Location().String() != "date-local": // a time of day and a zone would be somebody's own
			problem = "it has no date on which it expires: write expires = 2027-06-30, without quotes"
		}
		if problem != "" {
			return nil, usage("--waivers %s: waiver %d: %s", name, i+1, problem)
		}
		day = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
		waivers = append(waivers, conformance.Waiver{ID: w.ID, Reason: w.Reason, Expires: day})
	}
	if len(waivers) == 0 {
		return nil, usage("--waivers %s: there is no [[waiver]] in it", name)
	}
	return waivers, nil
}
