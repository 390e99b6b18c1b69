package main

import (
	"context"
	"io"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type sessionListCmd struct {
	Operation

	User   *string `placeholder:"NAME" help:"Those of this user alone."`
	Client *string `placeholder:"ID" help:"Those in this client alone."`
	All    bool    `help:"Those too that ended or expired, which are kept for a day."`
}

// Run writes while it reads: there may be millions.
func (c *sessionListCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if c.Client != nil {
			if _, err := o.Client(ctx, *c.Client); err != nil {
				return err
			}
		}
		out := newSessionRows(c.Output, p.stdout)
		each := func(e storage.SessionEntry) error {
			if c.Client != nil && e.ClientID != *c.Client || !c.All && operator.ViewSession(e, o.Now()).State != "live" {
				return nil
			}
			return out.write(e, o.Now())
		}
		if err := c.walk(ctx, o, each); err != nil {
			return err
		}
		return out.end()
	})
}

// sessionRows is a list of sessions that is written while it is read.
type sessionRows struct{ rows *rowPrinter }

func newSessionRows(o Output, w io.Writer) sessionRows {
	return sessionRows{o.rows(w, "SID", "USERNAME", "CLIENT_ID", "STATE", "DEVICE", "ADDRESS", "FIRST SEEN", "LAST SEEN", "EXPIRES")}
}

func (r sessionRows) write(e storage.SessionEntry, now time.Time) error {
	v := operator.ViewSession(e, now)
	return r.rows.write(v, v.ID, v.Username, v.ClientID, or(v.EndReason, v.State), or(v.Device, "-"), v.Address, or(v.FirstSeen, "-"), v.LastSeen, v.ExpiresAt)
}

func (r sessionRows) end() error { return r.rows.end() }

func (c *sessionListCmd) walk(ctx context.Context, o *office, each func(storage.SessionEntry) error) error {
	if c.User == nil {
		return o.ListSessions(ctx, each)
	}
	u, err := o.User(ctx, *c.User)
	if err != nil {
		return err
	}
	entries, err := o.UserSessions(ctx, u.ID)
	if err != nil {
		return err
	}
	if len(entries) >= operator.MostSessions { // not all of them
		return o.ListSessions(ctx, func(e storage.SessionEntry) error {
			if e.User != u.ID {
				return nil
			}
			return each(e)
		})
	}
	for _, e := range entries {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}
