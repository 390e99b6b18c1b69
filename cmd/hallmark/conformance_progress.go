package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/hallmark-auth/hallmark/conformance"
)

// caseProgress shows on a terminal which case runs and how the ones before it
// ended; elsewhere nothing. It returns what takes the line away.
func caseProgress(w io.Writer, o *conformance.Options) (clear func()) {
	tty, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return func() {}
	}
	counts := map[conformance.Outcome]int{}
	o.Begin = func(id string, n, of int) {
		line := fmt.Sprintf("%d of %d: %s", n, of, id)
		for _, outcome := range []conformance.Outcome{conformance.Fail, conformance.Inconclusive, conformance.Warn} {
			if counts[outcome] > 0 {
				line += fmt.Sprintf(", %d %s", counts[outcome], outcome)
			}
		}
		fmt.Fprint(tty, "\r"+line+"\x1b[K")
	}
	o.Done = func(r conformance.Result) { counts[r.Outcome]++ }
	return func() { fmt.Fprint(tty, "\r\x1b[K") }
}
