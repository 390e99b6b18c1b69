package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/transfer"
)

type userImportCmd struct {
	Operation

	File       string `arg:"" optional:"" placeholder:"FILE" help:"The users: JSON of Django's dumpdata, JSON lines or CSV. \"-\": standard input."`
	Format     string `default:"auto" enum:"auto,dumpdata,jsonl,csv" placeholder:"FORMAT" help:"dumpdata, jsonl or csv, instead of telling by how the file begins."`
	FromDjango string `name:"from-django" placeholder:"DATABASE" help:"The database of a Django site in use, instead of a file: the path of a SQLite file, or postgres://USER@HOST/NAME without a password, which comes from PGPASSWORD, PGPASSFILE or ~/.pgpass."`
	Table      string `default:"auth_user" placeholder:"TABLE" help:"The table of the users, in a database."`
	Model      string `default:"auth.user" placeholder:"MODEL" help:"The model of the users, in a dump."`

	NameField string            `name:"name-field" default:"username" placeholder:"FIELD" help:"The field or column with the user name."`
	IDField   string            `name:"id-field" default:"id" placeholder:"FIELD" help:"The column with the id; the pk of a dump."`
	IDClaim   string            `name:"id-claim" default:"user_id" placeholder:"CLAIM" help:"The free claim that gets the id, a number as a number. Empty: none."`
	Claim     map[string]string `mapsep:"none" placeholder:"CLAIM=FIELD" help:"Fill a free claim from a field or column, such as email=email. Repeatable."`
	Map       []string          `sep:"none" placeholder:"FROM=TO" help:"Make something else of staff, superuser, group:NAME or permission:APP.CODENAME: role:NAME, group:NAME, entitlement:NAME or none. A NAME may end in \"*\", which stands for the same on both sides. Repeatable; the first that fits decides."`

	WithoutUnknown bool   `name:"without-unknown" help:"Leave out groups and permissions that a dump has by number only, instead of refusing their users."`
	WithoutHashes  bool   `name:"without-unknown-hashes" help:"Take users over without a password whose hash is of an unknown format or beyond a bound, instead of refusing them."`
	DryRun         bool   `name:"dry-run" help:"Report what would come of it, and change nothing."`
	Each           bool   `help:"Print a line for every user, not only for those that are refused."`
	Report         string `placeholder:"FILE" help:"Write what became of every user to a new file, as JSON lines, without hashes."`
}

func (c *userImportCmd) Run(ctx context.Context, p *process) error {
	m, err := c.mapping()
	if err != nil {
		return err
	}
	if (c.File == "") == (c.FromDjango == "") {
		return usage("name a file (\"-\" for standard input), or a database with --from-django")
	}
	source, err := c.open(ctx, p, m)
	if err != nil {
		return err
	}
	act := func(o *office) error { return c.take(ctx, p, o, source) }
	if c.DryRun {
		err = p.withScratchOffice(ctx, c.Operation, act)
	} else {
		err = p.withNewOffice(ctx, c.Operation, act)
	}
	return errors.Join(err, source.close())
}

func (c *userImportCmd) mapping() (transfer.Mapping, error) {
	m := transfer.Mapping{NameField: c.NameField, IDField: c.IDField, IDClaim: c.IDClaim, Claims: c.Claim, WithoutUnknown: c.WithoutUnknown}
	for _, text := range c.Map {
		r, err := transfer.ParseRule(text)
		if err != nil {
			return m, usage("--map %s: %w", text, err)
		}
		m.Rules = append(m.Rules, r)
	}
	return m, nil
}

// An importSource is where users come from, and how far it is through.
type importSource struct {
	read  func(transfer.Each) error
	close func() error
	done  func() int64 // of total; nil: by the number of users
	total int64        // 0: not known
}

func (c *userImportCmd) open(ctx context.Context, p *process, m transfer.Mapping) (*importSource, error) {
	if c.FromDjango != "" {
		return c.openDatabase(ctx, m)
	}
	s := &importSource{close: func() error { return nil }}
	in := &countingReader{r: p.stdin}
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, usage("%w", err)
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, errors.Join(usage("%s is a directory; name a file", c.File), f.Close())
		} else if err == nil && info.Mode().IsRegular() {
			s.total = info.Size()
		}
		in.r, s.close = f, f.Close
	}
	s.done = in.count.Load
	s.read = func(each transfer.Each) error {
		r := bufio.NewReader(in)
		format := c.Format
		if format == "auto" {
			format = transfer.Recognize(r)
		}
		var err error
		switch format {
		case transfer.FormatDumpdata:
			err = transfer.Dumpdata(r, c.Model, m, each)
		case transfer.FormatLines:
			err = transfer.Lines(r, c.Model, m, each)
		default:
			err = transfer.CSV(r, m, each)
		}
		return c.unreadable(c.File, format, err)
	}
	return s, nil
}

func (c *userImportCmd) openDatabase(ctx context.Context, m transfer.Mapping) (*importSource, error) {
	name := "the database"
	if !transfer.IsPostgres(c.FromDjango) {
		name = c.FromDjango
	}
	db, err := transfer.Open(ctx, c.FromDjango)
	if err != nil {
		return nil, usage("--from-django: %w", err)
	}
	s := &importSource{close: db.Close}
	s.read = func(each transfer.Each) error {
		return c.unreadable(name, "", db.Users(ctx, c.Table, m, each))
	}
	s.total, _ = db.Count(ctx, c.Table) // of a table that is not there Users says so
	return s, nil
}

// errStore marks an error that came back through a reader, and is not of what it reads.
type errStore struct{ error }

func (e errStore) Unwrap() error { return e.error }

func (c *userImportCmd) unreadable(name, format string, err error) error {
	var ours errStore
	switch {
	case err == nil || errors.As(err, &ours) || errors.Is(err, context.Canceled):
		return err
	case format != "" && c.Format == "auto":
		return usage("%s (read as %s): %w", name, format, err)
	}
	return usage("%s: %w", name, err)
}

// take runs the import and reports as it goes.
func (c *userImportCmd) take(ctx context.Context, p *process, o *office, s *importSource) error {
	report, err := c.openReport()
	if err != nil {
		return err
	}
	bar, hashes := newProgress(p.stderr, s), ""
	counts, err := o.ImportUsers(ctx, func(each func(operator.Arrival) error) error {
		return s.read(func(a operator.Arrival) error {
			if err := each(a); err != nil {
				return errStore{err}
			}
			return nil
		})
	}, operator.ImportOptions{DryRun: c.DryRun, WithoutHashes: c.WithoutHashes, Each: func(r operator.ImportResult) error {
		bar.step()
		for _, problem := range r.Problems {
			if problem.Field == "password_hash" {
				hashes = "; --without-unknown-hashes takes those over whose hash is refused, without a password"
			}
		}
		if err := report.write(r); err != nil {
			return err
		}
		if c.JSON || r.Outcome != operator.ImportRefused && r.Note == "" && !c.Each {
			return nil
		}
		bar.clear()
		_, err := fmt.Fprintln(p.stdout, importLine(r))
		return err
	}})
	bar.clear()
	if err = errors.Join(err, report.close()); err != nil {
		err = fmt.Errorf("after %d users, which stay as they are now; run it again to go on: %w", counts.Rows(), err)
	}
	err = errors.Join(err, c.summary(p, counts))
	if err == nil && counts.Refused > 0 {
		return fail(exitUsage, "%d of %d users were refused; mend what is said of them and run the import again, or go on without them%s", counts.Refused, counts.Rows(), hashes)
	}
	return err
}

// summary says what the import came to.
func (c *userImportCmd) summary(p *process, counts operator.ImportCounts) error {
	view := struct {
		operator.ImportCounts
		DryRun bool `json:"dry_run,omitempty"` // nothing was done
	}{counts, c.DryRun}
	return c.report(p.stdout, view, func(w io.Writer) error {
		would := ""
		if c.DryRun {
			would = "would be "
		}
		_, err := fmt.Fprintf(w, "%s%d created, %d updated, %d unchanged, %d refused", would, counts.Created, counts.Updated, counts.Unchanged, counts.Refused)
		if counts.Ended > 0 {
			fmt.Fprintf(w, "; %d sessions ended", counts.Ended)
		}
		fmt.Fprintln(w)
		return err
	})
}

// importLine is what became of a user, for people.
func importLine(r operator.ImportResult) string {
	text := fmt.Sprintf("%s: %s: %s", r.At, or(r.Name, "-"), r.Outcome)
	switch {
	case len(r.Problems) > 0:
		text += ": " + r.Problems.Error()
	case len(r.Changed) > 0:
		text += ": " + strings.Join(r.Changed, ", ")
	}
	if r.Note != "" {
		text += "; " + r.Note
	}
	return printable(text)
}

// withScratchOffice is withOffice for acts that store nothing: where there is no
// store yet, on an empty one that is gone afterwards.
func (p *process) withScratchOffice(ctx context.Context, op Operation, act func(*office) error) error {
	path, err := op.storePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return p.withOffice(ctx, op, act)
	}
	dir, err := os.MkdirTemp("", "hallmark-dry-run-")
	if err != nil {
		return err
	}
	o, err := p.openStore(ctx, dir+"/hallmark.db", 0, p.logger(op.Logging))
	if err == nil {
		err = errors.Join(act(o), o.Close())
	}
	return errors.Join(err, os.RemoveAll(dir))
}
