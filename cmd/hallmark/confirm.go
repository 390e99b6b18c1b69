package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Confirmation is what commands take that cannot be undone.
type Confirmation struct {
	Yes bool `short:"y" help:"Do it without asking. Needed where standard input is not a terminal."`
}

// confirm asks at a terminal, and wants --yes elsewhere.
func (c Confirmation) confirm(ctx context.Context, p *process, question string) error {
	if c.Yes {
		return nil
	}
	tty, ok := p.terminal()
	if !ok {
		return usage("this cannot be undone; add --yes to do it")
	}
	fmt.Fprint(p.stderr, printable(question)+" [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(tty, 64)).ReadString('\n')
		answer <- line
	}()
	select {
	case a := <-answer:
		if !strings.HasSuffix(a, "\n") { // the end of input ends no line
			fmt.Fprintln(p.stderr)
		}
		if a = strings.ToLower(strings.TrimSpace(a)); a != "y" && a != "yes" {
			return fail(exitFailure, "not confirmed; nothing was done")
		}
		return nil
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return ctx.Err()
	}
}

// printRecord writes one record for people.
func printRecord(w io.Writer, rows [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, cells(row[:]))
	}
	return t.Flush()
}

// compact writes a claim's value as JSON.
func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}
