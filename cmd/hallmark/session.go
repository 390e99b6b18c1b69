package main

import (
	"context"
	"fmt"
	"io"

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
		out := c.rows(p.stdout, "SID", "USERNAME", "CLIENT_ID", "STATE", "DEVICE", "ADDRESS", "FIRST SEEN", "LAST SEEN", "EXPIRES")
		each := func(e storage.SessionEntry) error {
			v := operator.ViewSession(e, o.Now())
			if c.Client != nil && e.ClientID != *c.Client || !c.All && v.State != "live" {
				return nil
			}
			return out.write(v, v.ID, v.Username, v.ClientID, or(v.EndReason, v.State), or(v.Device, "-"), v.Address, v.FirstSeen, v.LastSeen, v.ExpiresAt)
		}
		if err := c.walk(ctx, o, each); err != nil {
			return err
		}
		return out.end()
	})
}

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
		return c.report(p.stdout, operator.ViewSession(after, o.Now()), func(w io.Writer) error {
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
