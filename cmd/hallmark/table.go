package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Output is how a command prints what it found.
type Output struct {
	JSON bool `name:"json" help:"Print one JSON document, for programs."`
}

// print writes v as JSON, or what forPeople writes.
func (o Output) print(w io.Writer, v any, forPeople func(io.Writer) error) error {
	if !o.JSON {
		return forPeople(w)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printTable writes rows under their headings.
func printTable(w io.Writer, heading []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// or returns what stands in a table for a value that is not there.
func or(v, none string) string {
	if v == "" {
		return none
	}
	return v
}

func words(values []string) string { return or(strings.Join(values, " "), "-") }

// stamp writes a time for people and programs alike: UTC, RFC 3339, seconds.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// lifetime writes a client's own lifetime.
func lifetime(d time.Duration) string {
	if d == 0 {
		return "default"
	}
	return d.String()
}
