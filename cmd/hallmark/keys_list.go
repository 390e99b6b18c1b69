package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysListCmd struct {
	Operation

	ASCII bool `name:"ascii" help:"Draw with ASCII characters, as is done where the locale is not one of UTF-8."`
}

func (c *keysListCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		t, err := o.Timetable(ctx)
		if err != nil {
			return err
		}
		views := []operator.KeyView{}
		for _, k := range t.Keys {
			views = append(views, operator.ViewKey(k))
		}
		return c.print(p.stdout, views, func(w io.Writer) error {
			with := asciiPen
			if p.drawsLines() && !c.ASCII {
				with = linePen
			}
			return printTimetable(w, t, p.width(), with)
		})
	})
}

type keysReplicasCmd struct {
	Operation
}

func (c *keysReplicasCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		t, err := o.Timetable(ctx)
		if err != nil {
			return err
		}
		views := []operator.ReplicaView{}
		for _, r := range t.Replicas {
			views = append(views, operator.ViewReplica(r))
		}
		return c.print(p.stdout, views, func(w io.Writer) error { return printReplicas(w, t) })
	})
}

// drawsLines reports whether the locale has more characters than ASCII (POSIX,
// Base Definitions §8.2: the first of these that is set).
func (p *process) drawsLines() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(p.getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// width is how many columns there are to draw on.
func (p *process) width() int {
	if tty, ok := p.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(tty.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}

// printTimetable writes the drawing, what is in it in figures, and who goes by it.
func printTimetable(w io.Writer, t operator.Timetable, width int, p pen) error {
	if _, err := fmt.Fprintf(w, "%s\n%s\n\n", drawTimetable(t, width, p), p.legend()); err != nil {
		return err
	}
	var rows [][]string
	for _, k := range t.Keys {
		gone := k.Life.GoneAt
		if k.State == keys.Revoked {
			gone = k.RevokedAt
		}
		rows = append(rows, []string{k.ID, string(k.Algorithm), string(k.State), stamp(k.Life.Published), stamp(k.Life.SignsFrom), stamp(k.Life.SignsUntil), stamp(gone)})
	}
	if err := printTable(w, []string{"KID", "ALG", "STATE", "PUBLISHED", "SIGNS FROM", "SIGNS UNTIL", "GONE AT"}, rows); err != nil {
		return err
	}
	for _, k := range t.Keys {
		if k.State == keys.Revoked {
			if _, err := fmt.Fprintf(w, "%s was revoked at %s: %s.\n", k.ID, stamp(k.RevokedAt), or(printable(k.Reason), "nobody said why")); err != nil {
				return err
			}
		}
	}
	s := t.Schedule
	if _, err := fmt.Fprintf(w, "\nVersion %d. Lines: %s. A key is published %s ahead, signs for %s, is kept for %s. Max-age %s, poll %s, skew %s.\n\n",
		t.Version, algorithms(s), brief(s.PublishAhead), brief(s.RotateEvery), brief(s.KeepAfter), brief(s.MaxAge), brief(s.Poll), brief(s.Skew)); err != nil {
		return err
	}
	return printReplicas(w, t)
}

// printReplicas writes who has loaded which version, and what to think of it.
func printReplicas(w io.Writer, t operator.Timetable) error {
	if len(t.Replicas) == 0 {
		_, err := fmt.Fprintln(w, "No server process has reported: none runs, or those that run are of an older hallmark.")
		return err
	}
	var rows [][]string
	for _, r := range t.Replicas {
		rows = append(rows, []string{r.Name, fmt.Sprint(r.Version), string(r.State), stamp(r.AdoptedAt), stamp(r.SeenAt)})
	}
	if err := printTable(w, []string{"REPLICA", "VERSION", "STATE", "SINCE", "LAST SEEN"}, rows); err != nil {
		return err
	}
	for _, r := range t.Replicas {
		if note := noteOn(r, t); note != "" {
			if _, err := fmt.Fprintln(w, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteOn is what an operator should know of a process that is not current.
func noteOn(r operator.ReplicaState, t operator.Timetable) string {
	name := printable(r.Name)
	switch {
	case r.State == operator.Behind:
		return fmt.Sprintf("%s has not loaded version %d: until it does, as a rule within %s, it would sign with the keys of version %d, even with one that was revoked since.",
			name, t.Version, brief(t.Schedule.Poll), r.Version)
	case r.State == operator.Silent && r.Version < t.Version:
		return fmt.Sprintf("%s was not seen lately: it ended without a word or does not reach the store. If it runs and has not loaded version %d, it would sign with the keys of version %d, even with one that was revoked since.",
			name, t.Version, r.Version)
	case r.State == operator.Silent:
		return name + " was not seen lately: it ended without a word or does not reach the store."
	}
	return ""
}

func algorithms(s keys.Schedule) string {
	names := make([]string, len(s.Algorithms))
	for i, a := range s.Algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}
