package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/hallmark-auth/hallmark/server/transfer"
)

type userExportCmd struct {
	Operation

	Format string `default:"jsonl" enum:"jsonl,csv,django" placeholder:"FORMAT" help:"jsonl or csv, which user import reads, or django: a fixture for Django's loaddata."`
	Out    string `placeholder:"FILE" help:"The new file, which only you can read, instead of standard output."`
}

func (c *userExportCmd) Run(ctx context.Context, p *process) error {
	if c.JSON {
		return usage("user export is for programs as it is: drop --json")
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if c.Out == "" {
			if tty, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
				fmt.Fprintln(p.stderr, "These are the hashes of everybody's passwords: whoever has them can guess at them. Rather write them to a file that only you can read, with --out.")
			}
			_, err := c.write(ctx, p, o, bufio.NewWriter(p.stdout))
			return err
		}
		f, err := newPrivateFile(c.Out, "--out")
		if err != nil {
			return err
		}
		users, err := c.write(ctx, p, o, bufio.NewWriter(f))
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(fmt.Errorf("--out: %w", err), os.Remove(c.Out))
		}
		_, err = fmt.Fprintf(p.stdout, "%s has %s, with the hashes of their passwords: remove it when it has done its service\n", c.Out, counted(users, "user", "users"))
		return unprinted(err, "it is done, but what came of it could not be printed")
	})
}

func (c *userExportCmd) write(ctx context.Context, p *process, o *office, out *bufio.Writer) (users int, err error) {
	w, err := transfer.NewWriter(c.Format, out)
	if err != nil {
		return 0, err
	}
	if users, err = o.ExportUsers(ctx, w.Write); err != nil {
		return users, err
	}
	if err := errors.Join(w.End(), out.Flush()); err != nil {
		return users, err
	}
	if f, ok := w.(*transfer.Fixture); ok && f.Without > 0 {
		fmt.Fprintf(p.stderr, "Django does not read the hash of %s: they have no password there until one is set\n", counted(f.Without, "user", "users"))
	}
	return users, nil
}
