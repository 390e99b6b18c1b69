package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type sessionRevokeCmd struct {
	Operation
	Rehearsal
	Confirmation

	SID       string        `arg:"" optional:"" help:"The session, by its id: the \"sid\" of its tokens."`
	User      string        `placeholder:"NAME" help:"Sessions of this user. Where several flags say which, all must hold, here and below."`
	Client    string        `placeholder:"ID" help:"Sessions in this client."`
	Device    string        `placeholder:"TEXT" help:"Sessions whose device has this in its name, in any case; session list shows it."`
	OlderThan time.Duration `placeholder:"DURATION" help:"Sessions whose sign-in is longer ago."`
	IdleFor   time.Duration `placeholder:"DURATION" help:"Sessions last used longer ago."`
}

// Help is shown above the flags.
func (*sessionRevokeCmd) Help() string {
	return `Many sessions are ended a few hundred at a time, so that those who refresh meanwhile hardly wait. If it is interrupted, run it again: it goes on with the rest.`
}

func (c *sessionRevokeCmd) filter() operator.SessionFilter {
	return operator.SessionFilter{Username: c.User, ClientID: c.Client, Device: c.Device, OlderThan: c.OlderThan, IdleFor: c.IdleFor}
}

func (c *sessionRevokeCmd) Run(ctx context.Context, p *process) error {
	if (c.SID == "") == c.filter().Empty() {
		return usage("name one session, or say which by --user, --client, --device, --older-than or --idle-for; session list shows what there is")
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		switch {
		case c.SID != "":
			return c.one(ctx, p, o)
		case c.DryRun:
			return c.rehearse(ctx, p, o)
		case c.filter() == operator.SessionFilter{Username: c.User}:
			return c.ofUser(ctx, p, o)
		}
		return c.matching(ctx, p, o)
	})
}

func (c *sessionRevokeCmd) one(ctx context.Context, p *process, o *office) error {
	id, err := storage.ParseSessionID(c.SID)
	if err != nil {
		return usage("%q is %w", c.SID, err)
	}
	before, err := o.Session(ctx, id)
	if err != nil {
		return err
	}
	after := before
	if !c.DryRun {
		if after, err = o.EndSession(ctx, id); err != nil {
			return err
		}
	}
	return c.report(p.stdout, operator.ViewSession(after, o.Now()), func(w io.Writer) error {
		text := fmt.Sprintf("the session of %s in %s %s ended; access tokens that are out stay good until they expire\n%s",
			printable(after.Username), after.ClientID, c.or("is", "would be"), c.note())
		if !before.EndedAt.IsZero() {
			text = fmt.Sprintf("the session of %s in %s had ended already: %s at %s\n", printable(after.Username), after.ClientID, after.EndReason, stamp(after.EndedAt))
		}
		_, err := io.WriteString(w, text)
		return err
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

// rehearse lists what would be ended, while it reads.
func (c *sessionRevokeCmd) rehearse(ctx context.Context, p *process, o *office) error {
	out := newSessionRows(c.Output, p.stdout)
	err := o.MatchingSessions(ctx, c.filter(), func(e storage.SessionEntry) error { return out.write(e, o.Now()) })
	if err != nil {
		return err
	}
	if err := out.end(); err != nil || c.JSON {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s would be ended. %s", sessions(out.rows.rows), c.note())
	return err
}

// matching says how many it would be before it asks.
func (c *sessionRevokeCmd) matching(ctx context.Context, p *process, o *office) error {
	if !c.Yes {
		question, err := c.question(ctx, o)
		if err != nil {
			return err
		}
		if question == "" {
			return c.done(p, 0)
		}
		if err := c.confirm(ctx, p, question); err != nil {
			return err
		}
	}
	told := time.Now()
	ended, err := o.EndMatching(ctx, c.filter(), func(ended int) {
		if time.Since(told) >= revokedEvery {
			told = time.Now()
			fmt.Fprintf(p.stderr, "%s ended so far\n", sessions(ended))
		}
	})
	if err != nil && ended > 0 {
		return fmt.Errorf("%s ended, and then: %w; run it again to go on with the rest", sessions(ended), err)
	}
	if err != nil {
		return err
	}
	return c.done(p, ended)
}

func (c *sessionRevokeCmd) done(p *process, ended int) error {
	result := struct {
		Ended int `json:"sessions_ended"`
	}{ended}
	return c.report(p.stdout, result, func(w io.Writer) error {
		text := sessions(ended) + " ended\n"
		if ended > 0 {
			text = sessions(ended) + " ended; access tokens that are out stay good until they expire\n"
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

// revokedEvery is how often a long run says that it is going on.
const revokedEvery = 2 * time.Second

// question is empty if there is nothing to end.
func (c *sessionRevokeCmd) question(ctx context.Context, o *office) (string, error) {
	n, of, user := 0, "", uuid.Nil
	err := o.MatchingSessions(ctx, c.filter(), func(e storage.SessionEntry) error {
		switch n++; {
		case n == 1:
			of, user = e.Username, e.User
		case e.User != user:
			of = "several users"
		}
		return nil
	})
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("End %s of %s?", sessions(n), of), nil
}

// sessions counts sessions.
func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return fmt.Sprintf("%d sessions", n)
}
