package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

type migrateCmd struct {
	Operation

	Check bool `help:"Only say whether the store is of this program's version: exit code 1 if it is not."`
}

// Run says what it would do, or does it. Opening a store migrates it, so serve
// and every other command do the same: this one is for doing it at a time of
// one's own choice.
func (c *migrateCmd) Run(ctx context.Context, p *process) error {
	path, err := c.storePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fail(exitUnusable, "there is no store %s: name the right one with --data or --store; a new store needs no migration", path)
	}
	before, err := sqlite.Inspect(ctx, path)
	if err != nil {
		return fail(exitUnusable, "%w", err)
	}
	result := struct {
		Store  string `json:"store"`
		Before int    `json:"schema_before"`
		Schema int    `json:"schema"`
		Known  int    `json:"schema_of_program"`
	}{path, before.Schema, before.Schema, before.Known}
	if !c.Check && before.Schema != before.Known {
		if err := p.withOffice(ctx, c.Operation, func(*office) error { return nil }); err != nil {
			return err
		}
		result.Schema = before.Known
	}
	err = c.print(p.stdout, result, func(w io.Writer) error {
		text := fmt.Sprintf("%s has schema %d, that of this program\n", path, before.Schema)
		switch {
		case result.Schema != before.Known:
			text = fmt.Sprintf("%s has schema %d; hallmark migrate, or a start of this program, takes it to %d. Back it up before: there is no way back\n", path, before.Schema, before.Known)
		case result.Schema != before.Schema:
			text = fmt.Sprintf("%s was migrated from schema %d to %d\n", path, before.Schema, result.Schema)
		}
		_, err := io.WriteString(w, text)
		return err
	})
	if err == nil && result.Schema != before.Known {
		return errUnmigrated
	}
	return err
}

// errUnmigrated ends the program with exitFailure after everything was said.
var errUnmigrated error = failure{exitFailure, errShown}
