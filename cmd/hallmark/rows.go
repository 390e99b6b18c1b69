package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A rowPrinter writes a list that may be long, as a table or as a JSON array,
// while it is read. Where reading fails in the middle the array stays open: a
// program that misses the exit code cannot take it for the whole.
type rowPrinter struct {
	w     io.Writer
	out   bytes.Buffer      // what is not written yet
	table *tabwriter.Writer // into out; nil: JSON
	rows  int
}

// rowsAtOnce is how many rows are written together, and in a table aligned
// with each other.
const rowsAtOnce = 500

func (o Output) rows(w io.Writer, heading ...string) *rowPrinter {
	p := &rowPrinter{w: w}
	if !o.JSON {
		p.table = tabwriter.NewWriter(&p.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(p.table, strings.Join(heading, "\t"))
	}
	return p
}

// write adds a record: v for programs, row for people.
func (p *rowPrinter) write(v any, row ...string) error {
	p.rows++
	if p.table != nil {
		fmt.Fprintln(p.table, cells(row))
	} else {
		text, err := document(v, "")
		if err != nil {
			return err
		}
		before := ",\n  "
		if p.rows == 1 {
			before = "[\n  "
		}
		p.out.WriteString(before)
		p.out.Write(bytes.TrimSuffix(text, []byte("\n")))
	}
	if p.rows%rowsAtOnce == 0 {
		return p.flush()
	}
	return nil
}

func (p *rowPrinter) flush() error {
	if p.table != nil {
		if err := p.table.Flush(); err != nil {
			return err
		}
	}
	_, err := p.out.WriteTo(p.w)
	return err
}

// end writes the rest. Without it the list is not whole.
func (p *rowPrinter) end() error {
	switch {
	case p.table != nil:
	case p.rows == 0:
		p.out.WriteString("[]\n")
	default:
		p.out.WriteString("\n]\n")
	}
	return p.flush()
}
