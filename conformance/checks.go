package conformance

import (
	_ "embed" // the list
	"strings"
)

// checks.tsv is the list of all checks that were thought of, built or not.
//
//go:embed checks.tsv
var checks string

// A Mode says what a check takes beside requests.
type Mode string

// The modes.
const (
	BlackBox Mode = "B"
	Attack   Mode = "A" // loads or attacks the server: Case.Abuse
	Hand     Mode = "S" // a hand on the server: a hook, another node, or time to wait
	Resource Mode = "R" // is about a resource server
	Verifier Mode = "V" // is about a library that verifies tokens
)

// A Check is a row of the list. Its id is never used for another one.
type Check struct {
	ID       string   `json:"id"`
	Group    string   `json:"group"`
	Mode     Mode     `json:"mode"`
	Level    Level    `json:"level"`
	Section  string   `json:"section"`
	Links    []string `json:"links,omitempty"`
	Sent     string   `json:"sent"` // what a check does
	Expected string   `json:"expected"`
	Built    bool     `json:"built"` // there is a case
	Means    string   `json:"means,omitempty"`
	Needs    []Input  `json:"needs,omitempty"` // beside the issuer, where there is a case
}

// Checks returns the list, in its order, with what the cases say of themselves.
func Checks() []Check {
	cases := map[string]Case{}
	for _, c := range Cases() {
		cases[c.ID] = c
	}
	var list []Check
	for line := range strings.SplitSeq(strings.TrimSpace(checks), "\n") {
		cells := strings.Split(line, "\t")
		if len(cells) != 7 || cells[0] == "id" { // the tests hold the file to its form
			continue
		}
		check := Check{
			ID: cells[0], Group: cells[1], Mode: Mode(cells[2]), Sent: cells[3], Expected: cells[4],
			Level: Level(cells[5]), Section: cells[6], Links: links(cells[6]),
		}
		if c, ok := cases[check.ID]; ok {
			check.Built, check.Expected, check.Means, check.Needs = true, c.Expected, c.Means, c.Needs
			check.Section, check.Links = c.Section, links(c.Section)
		}
		list = append(list, check)
	}
	return list
}
