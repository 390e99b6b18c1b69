package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Output is how a command prints what it found.
type Output struct {
	JSON bool `name:"json" help:"Print one JSON document, for programs."`
}

// print writes v as JSON, or what forPeople writes.
func (o Output) print(w io.Writer, v any, forPeople func(io.Writer) error) error {
	var out bytes.Buffer
	if o.JSON {
		text, err := document(v, "  ")
		if err != nil {
			return err
		}
		out.Write(text)
	} else if err := forPeople(&out); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// report is print for what an act came to: it is done, printed or not.
func (o Output) report(w io.Writer, v any, forPeople func(io.Writer) error) error {
	return unprinted(o.print(w, v, forPeople), "it is done, but what came of it could not be printed")
}

// unprinted says how things stand where printing failed.
func unprinted(err error, standing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", standing, err)
}

// document is v as JSON in lines.
func document(v any, indent string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return visible(out.Bytes()), nil
}

// visible escapes what may steer the terminal, or cannot be seen there. To JSON
// it is the same: such characters are in strings only.
func visible(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range string(text) {
		switch {
		case c == '\n' || unicode.IsPrint(c):
			out = utf8.AppendRune(out, c)
		case c > 0xFFFF: // RFC 8259 §7
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
	}
	return out
}

// printTable writes rows under their headings.
func printTable(w io.Writer, heading []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		fmt.Fprintln(t, cells(row))
	}
	return t.Flush()
}

// cells is a row for a tabwriter. What is in it cannot steer the terminal, and
// makes neither columns nor lines.
func cells(row []string) string {
	for i, cell := range row {
		row[i] = printable(cell)
	}
	return strings.Join(row, "\t")
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
