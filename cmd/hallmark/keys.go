package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// Rehearsal is what commands take that are dangerous.
type Rehearsal struct {
	DryRun bool `name:"dry-run" help:"Say what it would come to, and do nothing."`
}

// acting is who does it, or who says what it would come to.
func (r Rehearsal) acting(o *office) *operator.Operator {
	if r.DryRun {
		return o.DryRun()
	}
	return &o.Operator
}

// or is what is said of an act that was done, or would be.
func (r Rehearsal) or(done, would string) string {
	if r.DryRun {
		return would
	}
	return done
}

// note ends what is said of an act that was not done.
func (r Rehearsal) note() string { return r.or("", "Nothing was done.\n") }

type keysRotateCmd struct {
	Operation
	Rehearsal

	Alg string `placeholder:"ALG" help:"Rotate the keys of this algorithm alone."`
	Now bool   `help:"Let the waiting key sign at once, even if it was not published for long enough: verifiers with a cached key set may refuse its tokens until they fetch it again."`
}

func (c *keysRotateCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		done, err := c.acting(o).RotateKeys(ctx, keys.Algorithm(c.Alg), c.Now)
		if err != nil {
			return err
		}
		views := []operator.RotationView{}
		for _, r := range done {
			v := operator.ViewRotation(r)
			v.DryRun = c.DryRun
			views = append(views, v)
		}
		return c.report(p.stdout, views, func(w io.Writer) error {
			for _, r := range done {
				if _, err := fmt.Fprintf(w, "%s: %s %s from %s%s\n", r.Algorithm, r.Next, c.or("signs", "would sign"), stamp(r.SignsFrom), c.risk(r)); err != nil {
					return err
				}
			}
			_, err := io.WriteString(w, c.note())
			return err
		})
	})
}

// risk says what a rotation may break.
func (c *keysRotateCmd) risk(r operator.Rotation) string {
	switch {
	case r.Unannounced > 0:
		return fmt.Sprintf("; that is %s earlier than the schedule wants: a verifier that cached the key set before the key was in it refuses its tokens until it fetches again",
			r.Unannounced.Round(time.Second))
	case c.Now:
		return "; every verifier can know it: nothing should break"
	}
	return ""
}

type keysResealCmd struct {
	Operation
}

func (c *keysResealCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		version, err := o.ResealKeys(ctx)
		if err != nil {
			return err
		}
		return c.report(p.stdout, versionView{int64(version)}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "The key ring, now version %d, is sealed with the first key-encryption key. The others are needed for older backups only.\n", version)
			return err
		})
	})
}

// A versionView is a key ring as it was stored.
type versionView struct {
	Version int64 `json:"version"`
}

type keysRecoverCmd struct {
	Operation
	Rehearsal

	Force bool `help:"Also where the store is not older than what was seen, so that no key in it signs again. For a store or a host that leaked see: hallmark keys revoke --all."`
}

func (c *keysRecoverCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		done, err := c.acting(o).RecoverKeys(ctx, c.Force)
		if err != nil {
			return err
		}
		view := operator.ViewRecovery(done)
		view.DryRun = c.DryRun
		return c.report(p.stdout, view, func(w io.Writer) error { return c.printRecovery(w, view) })
	})
}

func (c *keysRecoverCmd) printRecovery(w io.Writer, v operator.RecoveryView) error {
	ring := c.or(fmt.Sprintf("The key ring goes on as version %d", v.Version), "The key ring would go on")
	if _, err := fmt.Fprintf(w, "%s with new keys. Keys that were made after the backup are unknown: their tokens are refused, and clients refresh or sign in again.\n", ring); err != nil {
		return err
	}
	for _, k := range v.Kept {
		if _, err := fmt.Fprintf(w, "%s: %s signs no more and %s published until %s\n", k.Algorithm, k.ID, c.or("stays", "would stay"), k.Gone); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, c.note())
	return err
}
