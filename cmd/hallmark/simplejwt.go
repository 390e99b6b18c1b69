package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/transfer"
	"github.com/hallmark-auth/hallmark/storage"
)

type simplejwtBlacklistCmd struct {
	Operation

	File       string `arg:"" optional:"" placeholder:"FILE" help:"What manage.py dumpdata token_blacklist wrote. \"-\": standard input."`
	FromDjango string `name:"from-django" placeholder:"DATABASE" help:"The database of a Django site in use, instead of a file: the path of a SQLite file, or postgres://USER@HOST/NAME without a password, which comes from PGPASSWORD, PGPASSFILE or ~/.pgpass."`
}

func (c *simplejwtBlacklistCmd) Run(ctx context.Context, p *process) error {
	if (c.File == "") == (c.FromDjango == "") {
		return usage("name a file (\"-\" for standard input), or a database with --from-django")
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		counts, err := o.Blacklist(ctx, func(each func(operator.BlacklistedToken) error) error {
			return c.read(ctx, p, func(t operator.BlacklistedToken) error {
				if err := each(t); err != nil {
					return errStore{err}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		return c.report(p.stdout, counts, func(w io.Writer) error {
			text := fmt.Sprintf("%d taken over, %d there before, %d expired", counts.Added, counts.There, counts.Expired)
			if counts.Ended > 0 {
				text += "; " + counted(counts.Ended, "session", "sessions") + " ended"
			}
			_, err := fmt.Fprintln(w, text)
			return err
		})
	})
}

// read reads the blacklist. What is wrong with it is the caller's to mend.
func (c *simplejwtBlacklistCmd) read(ctx context.Context, p *process, each transfer.EachToken) (err error) {
	defer func() {
		if ours := (errStore{}); err != nil && !errors.As(err, &ours) && ctx.Err() == nil {
			err = usage("%w", err)
		}
	}()
	if c.FromDjango != "" {
		db, err := transfer.Open(ctx, c.FromDjango)
		if err != nil {
			return fmt.Errorf("--from-django: %w", err)
		}
		return errors.Join(db.Blacklist(ctx, each), db.Close())
	}
	if c.File == "-" {
		return transfer.DumpedBlacklist(p.stdin, each)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := transfer.DumpedBlacklist(f, each); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}

type simplejwtReportCmd struct {
	Operation
}

// Run writes while it reads: there may be many.
func (c *simplejwtReportCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		out := c.rows(p.stdout, "USERNAME", "FOREIGN ID", "SUB", "STATE", "IMPORTED")
		counts, err := o.NotCome(ctx, func(u storage.User) error {
			v := operator.ViewUser(u)
			return out.write(v, v.Name, v.ForeignID, v.ID, state(v), v.CreatedAt)
		})
		if err != nil {
			return err
		}
		if err := out.end(); err != nil {
			return err
		}
		// Beside the list, which a program reads.
		_, err = fmt.Fprintf(p.stderr, "%d of %d imported users have come over, %d have not; %d of those are disabled\n",
			counts.Come, counts.Imported, counts.Imported-counts.Come, counts.Disabled)
		return err
	})
}
