package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

const (
	followEvery = 250 * time.Millisecond
	mostNewest  = 1000
	fewNewest   = 100
	auditPage   = 500
)

type auditCmd struct {
	File
	Place   `group:"Store and keys"`
	Logging `group:"Log"`

	JSON    bool     `name:"json" help:"Print a line of JSON for each record, for programs."`
	User    string   `placeholder:"NAME" help:"Records about this user, by name or by sub."`
	Client  string   `placeholder:"ID" help:"Records of this client."`
	Session string   `placeholder:"SID" help:"Records of this session."`
	Event   []string `sep:"," placeholder:"EVENT" help:"These events alone, as keys.revoke or session.*; repeatable, or separated by commas."`
	Address string   `placeholder:"ADDR" help:"Records from this address or prefix; local is this machine."`
	Since   string   `placeholder:"TIME" help:"Records since a time: 2026-01-31T12:00:00Z, or so long ago: 24h."`
	Until   string   `placeholder:"TIME" help:"Records until a time, written alike."`
	Limit   *int     `placeholder:"N" help:"Show the newest N, 1000 at most, 100 if nothing is said; 0 shows all."`
	After   *int64   `placeholder:"NUMBER" help:"Show all behind the record of this number: to go on where it ended."`
	Follow  bool     `short:"f" help:"Go on with what comes, until it is interrupted."`
}

// Run prints the oldest first, page by page: there may be a million.
func (c *auditCmd) Run(ctx context.Context, p *process) error {
	switch {
	case c.Limit != nil && (*c.Limit < 0 || *c.Limit > mostNewest):
		return usage("--limit: it must be 1 to %d, or 0 for all", mostNewest)
	case c.After != nil && *c.After < 0:
		return usage("--after: it must be the number of a record, or 0 for the beginning")
	case c.After != nil && c.Limit != nil && *c.Limit != 0:
		return usage("--after and --limit: all behind a record is shown; leave one of them out")
	case c.Follow && c.Until != "":
		return usage("--follow and --until: what comes is later; leave one of them out")
	}
	op := Operation{File: c.File, Place: c.Place, Logging: c.Logging, Output: Output{JSON: c.JSON}}
	return p.withOffice(ctx, op, func(o *office) error {
		f, err := o.AuditFilter(ctx, operator.AuditQuery{
			User: c.User, Client: c.Client, Session: c.Session, Events: c.Event, Address: c.Address, Since: c.Since, Until: c.Until,
		})
		if err != nil {
			return err
		}
		err = c.print(ctx, o, f, newAuditPrinter(p.stdout, op.Output))
		if c.Follow && (ctx.Err() != nil || errors.Is(err, syscall.EPIPE)) { // how it ends
			return nil
		}
		return err
	})
}

func (c *auditCmd) print(ctx context.Context, o *office, f operator.AuditFilter, out *auditPrinter) error {
	if c.After != nil {
		return c.goOn(ctx, o, f, *c.After, out)
	}
	limit, after := fewNewest, int64(0)
	if c.Limit != nil {
		limit = *c.Limit
	}
	if limit > 0 {
		page, err := o.AuditNewest(ctx, f, limit)
		if err != nil {
			return err
		}
		if err := out.write(page.Records); err != nil {
			return err
		}
		after = page.Next
	}
	if limit == 0 || c.Follow {
		return c.goOn(ctx, o, f, after, out)
	}
	return nil
}

// goOn prints what is behind a record, and, to follow, what comes there.
func (c *auditCmd) goOn(ctx context.Context, o *office, f operator.AuditFilter, after int64, out *auditPrinter) error {
	for {
		page, err := o.AuditAfter(ctx, f, after, auditPage)
		if err != nil {
			return err
		}
		after = page.Next
		if err := out.write(page.Records); err != nil {
			return err
		}
		switch {
		case page.More:
			continue
		case !c.Follow:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// An auditPrinter prints records, as lines of JSON or as a table.
type auditPrinter struct {
	w     io.Writer
	table *rowPrinter // nil: JSON
}

func newAuditPrinter(w io.Writer, o Output) *auditPrinter {
	a := &auditPrinter{w: w}
	if !o.JSON {
		a.table = o.rows(w, "TIME", "EVENT", "BY", "USERNAME", "CLIENT_ID", "ADDRESS", "DETAIL")
	}
	return a
}

// write prints records at once: who follows them wants to see them.
func (a *auditPrinter) write(records []operator.AuditEntry) error {
	for _, e := range records {
		v := operator.ViewAudit(e)
		if a.table == nil {
			text, err := document(v, "")
			if err != nil {
				return err
			}
			if _, err := a.w.Write(text); err != nil {
				return err
			}
			continue
		}
		by := v.ActorKind
		if e.Actor.Name != "" {
			by += " " + e.Actor.Name
		}
		err := a.table.write(v, stamp(e.At), v.Event, by, or(v.Username, or(v.Subject, "-")), or(v.ClientID, "-"), or(v.Address, "-"), auditDetail(v))
		if err != nil {
			return err
		}
	}
	if a.table == nil {
		return nil
	}
	return a.table.flush()
}

// auditDetail is what else there is to say, in one cell.
func auditDetail(v operator.AuditView) string {
	var words []string
	if v.Reason != "" {
		words = append(words, v.Reason)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Detail)) {
		value := v.Detail[name]
		if list, ok := value.([]any); ok {
			value = strings.Trim(fmt.Sprint(list), "[]")
		}
		words = append(words, fmt.Sprintf("%s=%v", name, value))
	}
	return or(strings.Join(words, " "), "-")
}
