package main

import (
	"fmt"
	"io"

	"github.com/hallmark-auth/hallmark/conformance"
)

type conformanceListCmd struct {
	Output

	Built bool `help:"Only the checks that there are cases for."`
}

func (c *conformanceListCmd) Run(p *process) error {
	all := conformance.Checks()
	list, built := []conformance.Check{}, 0
	for _, check := range all {
		if check.Built {
			built++
		}
		if check.Built || !c.Built {
			list = append(list, check)
		}
	}
	return c.print(p.stdout, list, func(w io.Writer) error {
		var rows [][]string
		for _, check := range list {
			state := "-"
			if check.Built {
				state = "built"
			}
			rows = append(rows, []string{check.ID, check.Group, string(check.Mode), string(check.Level), state, check.Section, check.Expected})
		}
		if err := printTable(w, []string{"CHECK", "GROUP", "MODE", "LEVEL", "CASE", "SECTION", "EXPECTED"}, rows); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "\n%d checks, %d of them built\n", len(all), built)
		return err
	})
}
