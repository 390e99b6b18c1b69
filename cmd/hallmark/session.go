package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type sessionListCmd struct {
	Operation

	User   string `placeholder:"NAME" help:"Those of this user alone."`
	Client string `placeholder:"ID" help:"Those in this client alone."`
	All    bool   `help:"Those too that ended or expired, which are kept for a day."`
}

// Run writes while it reads: there may be millions.
func (c *sessionListCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if c.Client != "" {
			if _, err := o.Client(ctx, c.Client); err != nil {
				return err
			}
		}
		out := newSessionPrinter(p.stdout, c.JSON)
		each := func(e storage.SessionEntry) error {
			view := operator.ViewSession(e, o.Now())
			if c.Client != "" && e.ClientID != c.Client || !c.All && view.State != "live" {
				return nil
			}
			return out.write(view)
		}
		if err := c.walk(ctx, o, each); err != nil {
			return err
		}
		return out.end()
	})
}

func (c *sessionListCmd) walk(ctx context.Context, o *office, each func(storage.SessionEntry) error) error {
	if c.User == "" {
		return o.ListSessions(ctx, each)
	}
	u, err := o.User(ctx, c.User)
	if err != nil {
		return err
	}
	entries, err := o.UserSessions(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// A sessionPrinter writes sessions as a table or as a JSON array, row by row.
type sessionPrinter struct {
	w     io.Writer
	table *tabwriter.Writer // nil: JSON
	rows  int
}

// rowsAtOnce is how many rows of a table are aligned with each other.
const rowsAtOnce = 1000

func newSessionPrinter(w io.Writer, asJSON bool) *sessionPrinter {
	s := &sessionPrinter{w: w}
	if !asJSON {
		s.table = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(s.table, "SID\tUSERNAME\tCLIENT_ID\tSTATE\tDEVICE\tADDRESS\tFIRST SEEN\tLAST SEEN\tEXPIRES")
	}
	return s
}

func (s *sessionPrinter) write(v operator.SessionView) error {
	s.rows++
	if s.table != nil {
		state := v.State
		if v.EndReason != "" {
			state = v.EndReason
		}
		fmt.Fprintf(s.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Username, v.ClientID, state, or(printable(v.Device), "-"), v.Address, v.FirstSeen, v.LastSeen, v.ExpiresAt)
		if s.rows%rowsAtOnce == 0 {
			return s.table.Flush()
		}
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	before := ",\n  "
	if s.rows == 1 {
		before = "[\n  "
	}
	_, err = fmt.Fprintf(s.w, "%s%s", before, text)
	return err
}

func (s *sessionPrinter) end() error {
	if s.table != nil {
		return s.table.Flush()
	}
	closing := "\n]\n"
	if s.rows == 0 {
		closing = "[]\n"
	}
	_, err := io.WriteString(s.w, closing)
	return err
}

type sessionRevokeCmd struct {
	Operation
	Confirmation

	SID  string `arg:"" optional:"" help:"The session, by its id: the \"sid\" of its tokens."`
	User string `placeholder:"NAME" help:"All sessions of this user."`
}

func (c *sessionRevokeCmd) Run(ctx context.Context, p *process) error {
	if (c.SID == "") == (c.User == "") {
		return usage("name one session, or a user with --user; session list shows what there is")
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if c.User != "" {
			return c.ofUser(ctx, p, o)
		}
		id, err := storage.ParseSessionID(c.SID)
		if err != nil {
			return usage("%q is %w", c.SID, err)
		}
		before, err := o.Session(ctx, id)
		if err != nil {
			return err
		}
		after, err := o.EndSession(ctx, id)
		if err != nil {
			return err
		}
		return c.print(p.stdout, operator.ViewSession(after, o.Now()), func(w io.Writer) error {
			text := fmt.Sprintf("the session of %s in %s is ended; access tokens that are out stay good until they expire\n", after.Username, after.ClientID)
			if !before.EndedAt.IsZero() {
				text = fmt.Sprintf("the session of %s in %s had ended already: %s at %s\n", after.Username, after.ClientID, after.EndReason, stamp(after.EndedAt))
			}
			_, err := io.WriteString(w, text)
			return err
		})
	})
}

func (c *sessionRevokeCmd) ofUser(ctx context.Context, p *process, o *office) error {
	u, err := o.User(ctx, c.User)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, p, "End all sessions of "+u.Name+"?"); err != nil {
		return err
	}
	ended, err := o.EndUserSessions(ctx, u.ID)
	if err != nil {
		return err
	}
	return p.changed(c.Output, u.Name, "signed out everywhere", ended)
}
