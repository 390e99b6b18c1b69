package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// An Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"         // a MUST does not hold
	Warn         Outcome = "warn"         // a SHOULD or best practice does not hold
	NA           Outcome = "n/a"          // the server does not claim the feature
	Skipped      Outcome = "skipped"      // an input is missing
	Waived       Outcome = "waived"       // it failed or warned, and a waiver says why that may be for now
	Inconclusive Outcome = "inconclusive" // the valid request failed too, the connection broke, or the server throttled
)

// Outcomes returns all, what needs attention first.
func Outcomes() []Outcome {
	return []Outcome{Fail, Inconclusive, Warn, Waived, Skipped, NA, Pass}
}

// A Result is one case's outcome with its evidence. It holds no secret.
type Result struct {
	ID       string        `json:"id"`
	Group    string        `json:"group"`
	Level    Level         `json:"level"`
	Section  string        `json:"section"`
	Links    []string      `json:"links,omitempty"` // where to read the section
	Outcome  Outcome       `json:"outcome"`
	Expected string        `json:"expected"`
	Why      string        `json:"why,omitempty"`   // what was wrong, missing or absent
	Means    string        `json:"means,omitempty"` // for users, where the case does not hold
	Sent     string        `json:"sent,omitempty"`  // the deciding request
	Got      string        `json:"got,omitempty"`   // and its answer
	Curl     string        `json:"curl,omitempty"`  // repeats the request, in bash or zsh; secrets are variables in it
	Waived   *Pardon       `json:"waived,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// A Report is the outcome of a run.
type Report struct {
	Schema  int         `json:"schema"` // 1
	Issuer  string      `json:"issuer"`
	Started time.Time   `json:"started"`           // UTC
	Strict  bool        `json:"strict,omitempty"`  // warnings count as failures
	Partial bool        `json:"partial,omitempty"` // the run was interrupted
	Left    int         `json:"left,omitempty"`    // cases that did not run, or did not end
	Waivers []WaiverUse `json:"waivers,omitempty"`
	Results []Result    `json:"results"`
}

// Count returns how many cases ended in o.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Passed reports whether all cases ran, some passed, none failed and none was
// inconclusive. Warnings do not count, unless the report is strict.
func (r Report) Passed() bool { return r.ExitCode() == 0 }

// ExitCode is 0 when Passed, 1 when a case failed, 2 when the run proves nothing.
func (r Report) ExitCode() int {
	switch {
	case slices.ContainsFunc(r.Results, func(result Result) bool { return r.failing(result.Outcome) }):
		return 1
	case r.Partial, r.Count(Inconclusive) > 0, r.Count(Pass)+r.Count(Warn)+r.Count(Waived) == 0:
		return 2
	}
	return 0
}

// Summary is the report in one line.
func (r Report) Summary() string {
	var parts []string
	for _, o := range slices.Backward(Outcomes()) {
		if n := r.Count(o); n > 0 || o == Pass || o == Fail {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	summary := strings.Join(parts, ", ")
	if r.Partial {
		summary += fmt.Sprintf("; partial: interrupted with %d cases left", r.Left)
	}
	return summary
}

// WriteText writes the report for people: what needs attention first and with
// its evidence, the rest one line each.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "conformance of %s\n\n", r.Issuer)
	results := slices.Clone(r.Results)
	slices.SortStableFunc(results, func(a, b Result) int {
		return cmp.Compare(slices.Index(Outcomes(), a.Outcome), slices.Index(Outcomes(), b.Outcome))
	})
	for _, result := range results {
		result.writeText(&b)
	}
	b.WriteString("\n")
	for _, use := range r.Waivers {
		if text := use.text(); text != "" {
			fmt.Fprintln(&b, text)
		}
	}
	fmt.Fprintln(&b, r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "%-13s%-28s  %-6s  %s\n", r.Outcome, r.ID, r.Level, r.Section)
	for _, line := range r.lines() {
		fmt.Fprintf(b, "             %-9s %s\n", line[0], line[1])
	}
}

// lines are what is to be said about the outcome.
func (r Result) lines() [][2]string {
	lines := [][2]string{{"why", r.Why}}
	if r.Waived != nil {
		lines = append(lines, [2]string{"waived", fmt.Sprintf("%s until %s: %s", r.Waived.Outcome, r.Waived.Expires, r.Waived.Reason)})
	}
	switch r.Outcome {
	case Fail, Warn, Inconclusive:
		lines = [][2]string{
			{"expected", r.Expected}, {"why", r.Why}, {"means", r.Means}, {"sent", r.Sent}, {"got", r.Got},
			{"curl", r.Curl}, {"read", strings.Join(r.Links, " ")},
		}
	}
	return slices.DeleteFunc(lines, func(line [2]string) bool { return line[1] == "" })
}

// failing reports whether a case that ended so fails the run.
func (r Report) failing(o Outcome) bool { return o == Fail || r.Strict && o == Warn }

// WriteJSON writes the report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
