package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysRotateCmd struct {
	Operation

	Alg string `placeholder:"ALG" help:"Rotate the keys of this algorithm alone."`
	Now bool   `help:"Let the waiting key sign at once, even if it was not published for long enough: verifiers with a cached key set may refuse its tokens until they fetch it again."`
}

func (c *keysRotateCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		done, err := o.RotateKeys(ctx, keys.Algorithm(c.Alg), c.Now)
		if err != nil {
			return err
		}
		views := []operator.RotationView{}
		for _, r := range done {
			views = append(views, operator.ViewRotation(r))
		}
		return c.report(p.stdout, views, func(w io.Writer) error {
			for _, r := range done {
				if _, err := fmt.Fprintf(w, "%s: %s signs from %s%s\n", r.Algorithm, r.Next, stamp(r.SignsFrom), c.risk(r)); err != nil {
					return err
				}
			}
			return nil
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

type keysRevokeCmd struct {
	Operation

	Kid    string `arg:"" help:"The key's kid, as keys list shows it."`
	Reason string `placeholder:"TEXT" help:"Why, for the record of the key: one line."`
}

func (c *keysRevokeCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		done, err := o.RevokeKey(ctx, c.Kid, c.Reason)
		if err != nil {
			return err
		}
		return c.report(p.stdout, operator.ViewRevocation(done), func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s is revoked: its tokens are void. Verifiers that cached the key set accept them for up to %s more; clients refresh and go on.\n",
				done.Kid, done.AcceptedFor)
			return err
		})
	})
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

	Force bool `help:"Also where the store is not older than what was seen: for a host or a store that leaked, so that no key of it may sign again."`
}

func (c *keysRecoverCmd) Run(ctx context.Context, p *process) error {
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		version, err := o.RecoverKeys(ctx, c.Force)
		if err != nil {
			return err
		}
		return c.report(p.stdout, versionView{int64(version)}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "The key ring goes on as version %d with new keys. Keys that were made after the backup are unknown: their tokens are refused, and clients refresh or sign in again.\n", version)
			return err
		})
	})
}
