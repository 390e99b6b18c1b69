package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysPolicyShowCmd struct{ Operation }

func (c *keysPolicyShowCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		s, err := o.KeyPolicy(ctx)
		if err != nil {
			return err
		}
		return c.print(p.stdout, operator.ViewPolicy(s), func(w io.Writer) error { return printPolicy(w, s) })
	})
}

// printPolicy writes a schedule with the sums of law 5.
func printPolicy(w io.Writer, s keys.Schedule) error {
	rows := [][]string{{"algorithms", algorithmList(s.Algorithms), "", "the first is the default"}}
	for _, n := range s.Needs() {
		rows = append(rows, []string{n.Setting, n.Is.String(), n.Least.String(), n.Sum + ", " + n.For})
	}
	return printTable(w, []string{"SETTING", "IS", "AT LEAST", "BECAUSE"}, append(rows,
		[]string{"rsa-bits", fmt.Sprint(operator.ViewPolicy(s).RSABits), "2048", "RFC 7518 §3.3"},
		[]string{"longest token", s.LongestToken().String(), "", "keep-after less leeway, skew and poll"},
	))
}

func algorithmList(algorithms []keys.Algorithm) string {
	var names []string
	for _, a := range algorithms {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

type keysPolicySetCmd struct {
	Operation
	Rehearsal

	Algorithms   []string      `sep:"," placeholder:"ALG" help:"All algorithms that there are to be, each with its own line of keys; the first is the default. Separated by commas. ES256, ES384, RS256, PS256, EdDSA."`
	RotateEvery  time.Duration `placeholder:"DURATION" help:"How long a key signs."`
	PublishAhead time.Duration `placeholder:"DURATION" help:"How long a key is in the key set before it signs."`
	KeepAfter    time.Duration `placeholder:"DURATION" help:"How long a key stays in the key set after it stopped signing."`
	RSABits      int           `name:"rsa-bits" placeholder:"N" help:"The size of RSA keys to come: 2048, 3072 or 4096."`
	Force        bool          `help:"Take an algorithm away although clients name it: they get tokens of the default one."`

	// As the server is told, so that a schedule that it does not start with is noticed here.
	AccessLifetime time.Duration `setting:"" default:"10m" placeholder:"TIME" help:"How long the server lets an access token be good, for the check that the schedule allows it."`
}

func (c *keysPolicySetCmd) Run(ctx context.Context, p *process) error {
	edit := operator.PolicyEdit{
		RotateEvery: c.RotateEvery, PublishAhead: c.PublishAhead, KeepAfter: c.KeepAfter, RSABits: c.RSABits,
		Force: c.Force, Access: c.AccessLifetime,
	}
	for _, a := range c.Algorithms {
		edit.Algorithms = append(edit.Algorithms, keys.Algorithm(strings.TrimSpace(a)))
	}
	if len(edit.Algorithms) == 0 && c.RotateEvery == 0 && c.PublishAhead == 0 && c.KeepAfter == 0 && c.RSABits == 0 {
		return usage("say what to change: --algorithms, --rotate-every, --publish-ahead, --keep-after or --rsa-bits")
	}
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		done, err := c.acting(o).ChangeKeyPolicy(ctx, edit)
		if err != nil {
			return err
		}
		view := operator.ViewPolicyChange(done)
		view.DryRun = c.DryRun
		return c.report(p.stdout, view, func(w io.Writer) error { return c.printChange(w, done) })
	})
}

func (c *keysPolicySetCmd) printChange(w io.Writer, done operator.PolicyChange) error {
	if !done.Changed {
		_, err := fmt.Fprintln(w, "The schedule is that already; nothing changes.")
		return err
	}
	before, after := done.Before, done.After
	rows := [][]string{{"algorithms", algorithmList(before.Algorithms), algorithmList(after.Algorithms)}}
	for i, n := range after.Needs() {
		rows = append(rows, []string{n.Setting, before.Needs()[i].Is.String(), n.Is.String()})
	}
	rows = append(rows, []string{"rsa-bits", fmt.Sprint(operator.ViewPolicy(before).RSABits), fmt.Sprint(operator.ViewPolicy(after).RSABits)},
		[]string{"longest token", before.LongestToken().String(), after.LongestToken().String()})
	changed := [][]string{}
	for _, r := range rows {
		if r[1] != r[2] {
			changed = append(changed, r)
		}
	}
	if err := printTable(w, []string{"SETTING", "BEFORE", c.or("NOW", "WOULD BE")}, changed); err != nil {
		return err
	}
	_, err := io.WriteString(w, c.effects(done)+c.note())
	return err
}

// effects says what takes effect when.
func (c *keysPolicySetCmd) effects(done operator.PolicyChange) string {
	var out strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	for _, l := range done.Added {
		say("%s: the line %s from %s; until then its clients get tokens of the default one", l.Algorithm, c.or("signs", "would sign"), stamp(l.At))
	}
	for _, l := range done.Removed {
		say("%s: the line %s on until %s; then its clients get tokens of the default one", l.Algorithm, c.or("signs", "would sign"), stamp(l.At))
	}
	for _, m := range done.Moved {
		say("%s: %s %s from %s, not %s", m.Algorithm, m.Kid, c.or("signs", "would sign"), stamp(m.SignsFrom), stamp(m.Before))
	}
	longest := done.After.LongestToken()
	if len(done.CutClients) > 0 {
		say("Warning: no access token lives for longer than %s, and these clients' are set to: %s", longest, strings.Join(done.CutClients, ", "))
	}
	if done.CutServer {
		say("Warning: no access token lives for longer than %s, and --access-lifetime is %s: servers that run cut it, and none starts with it; lower it first", longest, c.AccessLifetime)
	}
	return out.String()
}
