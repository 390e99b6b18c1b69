package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysRevokeCmd struct {
	Operation
	Rehearsal
	Confirmation

	Kid    string `arg:"" optional:"" help:"The key's kid, as keys list shows it."`
	All    bool   `help:"Revoke every key, because the store or a host leaked: fresh keys sign at once, and the ring is sealed with a new key-encryption key."`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the record of the key: one line."`
}

// Help is shown above the flags.
func (*keysRevokeCmd) Help() string {
	return `With --all the new key-encryption key is the first one that is given, if the ring is sealed with another one; else it is made, in the place of the file that is the first: the old one is kept beside it, because older backups need it. Servers that read the key from that file take the new one by themselves.`
}

func (c *keysRevokeCmd) Run(ctx context.Context, p *process) error {
	switch {
	case c.All && c.Kid != "":
		return usage("name a key or say --all, not both")
	case c.All:
		return p.withOffice(ctx, c.Operation, func(o *office) error { return c.all(ctx, p, o) })
	case c.Kid == "":
		return usage("name the key by its kid, as hallmark keys list shows it, or say --all")
	}
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		if !c.DryRun {
			done, err := o.DryRun().RevokeKey(ctx, c.Kid, c.Reason) // refuse before asking
			if err != nil {
				return err
			}
			if err := c.confirm(ctx, p, "Revoke "+done.Kid+" for good? Every token that it signed is void."); err != nil {
				return err
			}
		}
		done, err := c.acting(o).RevokeKey(ctx, c.Kid, c.Reason)
		if err != nil {
			return err
		}
		view := operator.ViewRevocation(done)
		view.DryRun = c.DryRun
		return c.report(p.stdout, view, func(w io.Writer) error {
			if _, err := fmt.Fprintf(w, "%s %s revoked: its tokens are void; clients refresh and go on.\n%s\n", done.Kid, c.or("is", "would be"), c.successor(done)); err != nil {
				return err
			}
			return c.bounds(w, done.Exposure)
		})
	})
}

// successor says who signs.
func (c *keysRevokeCmd) successor(r operator.Revocation) string {
	switch alg, kid := r.Signing.Algorithm, r.Signing.Kid; {
	case !r.Promoted:
		return fmt.Sprintf("%s: %s %s on.", alg, kid, c.or("signs", "would sign"))
	case r.Fresh:
		return fmt.Sprintf("%s: %s now, which was made for this: verifiers know it when they have fetched the key set.", alg,
			c.or(kid+" signs", "a fresh key would sign"))
	default:
		return fmt.Sprintf("%s: %s %s now, which was published before.", alg, kid, c.or("signs", "would sign"))
	}
}

// bounds writes how long verifiers may still accept what was revoked.
func (c *keysRevokeCmd) bounds(w io.Writer, e operator.Exposure) error {
	fmt.Fprintln(w)
	var rows [][]string
	for _, b := range e.Bounds {
		rows = append(rows, []string{b.Verifier, boundText(b)})
	}
	if err := printTable(w, []string{"A VERIFIER THAT", c.or("MAY STILL ACCEPT ITS TOKENS FOR", "WOULD STILL ACCEPT ITS TOKENS FOR UP TO")}, rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, c.note())
	return err
}

func boundText(b keys.Bound) string {
	if b.AcceptedFor == 0 {
		return "until it is restarted"
	}
	return b.AcceptedFor.String()
}

// all revokes every key.
func (c *keysRevokeCmd) all(ctx context.Context, p *process, o *office) error {
	if err := o.needKeys(ctx, c.Place); err != nil {
		return err
	}
	if err := o.openKeys(ctx, p, c.Place, keys.RotatorConfig{Schedule: keys.DefaultSchedule()}); err != nil {
		return err
	}
	r, err := p.replacement(ctx, o, c.Place)
	if err != nil {
		return err
	}
	trial, err := o.DryRun().RevokeAllKeys(ctx, c.Reason) // refuse before asking
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.tellAll(p, trial, r)
	}
	if !r.half {
		if err := c.confirm(ctx, p, fmt.Sprintf("Revoke all keys (%d) for good? Every access token is void.", len(trial.Revoked))); err != nil {
			return err
		}
	}
	var done operator.GeneralRevocation
	err = r.carryOut(ctx, func() (err error) {
		done, err = o.RevokeAllKeys(ctx, c.Reason)
		return err
	})
	if err != nil {
		return err
	}
	return c.tellAll(p, done, r)
}

// A revokedAllView is what revoking all keys came to, with the key-encryption key.
type revokedAllView struct {
	operator.GeneralRevocationView
	KEK kekView `json:"kek"`
}

type kekView struct {
	ID       string `json:"id,omitempty"` // of the one that seals now
	From     string `json:"from"`
	Old      string `json:"old_file,omitempty"`
	Finished bool   `json:"finished,omitempty"` // an earlier run had revoked all; only the file was put in its place
}

func (c *keysRevokeCmd) tellAll(p *process, done operator.GeneralRevocation, r *replacement) error {
	view := revokedAllView{operator.ViewGeneralRevocation(done), r.view}
	view.DryRun = c.DryRun
	return c.report(p.stdout, view, func(w io.Writer) error {
		if r.view.Finished {
			_, err := fmt.Fprintf(w, "An earlier run had revoked all keys and was cut short; the new key-encryption key is in its place now, %s, and the one before it in %s. To revoke the keys that were made since, run it again.\n", r.view.From, r.view.Old)
			return err
		}
		var out strings.Builder
		fmt.Fprintf(&out, "All keys (%d) %s revoked: every access token is void; clients refresh and go on.\n", len(done.Revoked), c.or("are", "would be"))
		for _, s := range done.Signing {
			fmt.Fprintf(&out, "%s: %s now, which no verifier has yet: they fetch it with the key set.\n", s.Algorithm, c.or(s.Kid+" signs", "a fresh key would sign"))
		}
		fmt.Fprintf(&out, "%s\n", r.tell(c.Rehearsal))
		if _, err := io.WriteString(w, out.String()); err != nil {
			return err
		}
		return c.bounds(w, done.Exposure)
	})
}
