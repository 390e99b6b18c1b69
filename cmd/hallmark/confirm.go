package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
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
	tty, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return usage("this cannot be undone; add --yes to do it")
	}
	fmt.Fprint(p.stderr, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(tty, 64)).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a != "y" && a != "yes" {
			return fail(exitFailure, "not confirmed; nothing was done")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// printRecord writes one record for people.
func printRecord(w io.Writer, rows [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, row[0]+"\t"+printable(row[1]))
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
