package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysImportCmd struct {
	Operation
	Rehearsal

	From    string `arg:"" name:"file" help:"PEM (public or private key, certificate), JWK or JWKS; - is standard input."`
	Alg     string `placeholder:"ALG" help:"The algorithm that the keys are for, where neither they nor the file say."`
	Until   string `placeholder:"TIME" help:"When the public keys leave the key set: a time (RFC 3339) or how long from now (48h). Default: keep-after from now."`
	Kid     string `placeholder:"KID" help:"What the tokens of the one public key have in their header, where the file does not say. Default: its thumbprint."`
	Private bool   `help:"Take a key pair in, as the next of its line: it signs when every verifier can know it."`
	Now     bool   `help:"With --private: sign at once, for a key that verifiers hold already."`
}

func (c *keysImportCmd) Run(ctx context.Context, p *process) error {
	switch {
	case c.Private && (c.Until != "" || c.Kid != ""):
		return usage("--until and --kid are for public keys: a key pair follows the schedule, and its kid is its thumbprint")
	case c.Now && !c.Private:
		return usage("--now is for --private: a public key never signs here")
	}
	found, err := c.read(p)
	if err != nil {
		return err
	}
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		if c.Private {
			done, err := c.acting(o).ImportPrivateKey(ctx, found[0], c.Now)
			if err != nil {
				return err
			}
			return c.tell(p, found, []operator.Import{done})
		}
		until, err := c.until(o.Now())
		if err != nil {
			return err
		}
		done, err := c.acting(o).ImportPublicKeys(ctx, found, until)
		if err != nil {
			return err
		}
		return c.tell(p, found, done)
	})
}

// read reads the keys that are asked for.
func (c *keysImportCmd) read(p *process) ([]keys.Material, error) {
	in, name := p.stdin, "standard input"
	if c.From != "-" {
		f, err := os.Open(c.From)
		if err != nil {
			return nil, usage("%w", err)
		}
		defer f.Close()
		in, name = f, c.From
	}
	text, err := io.ReadAll(io.LimitReader(in, keys.MaxKeyFile+1))
	defer clear(text)
	if err != nil {
		return nil, usage("%s: %w", name, err)
	}
	found, err := keys.ParseKeys(text)
	if err != nil {
		return nil, usage("%s: %w", name, err)
	}
	for i, m := range found {
		if found[i], err = m.WithAlgorithm(keys.Algorithm(c.Alg)); err != nil {
			return nil, usage("%s: key %d: %w (--alg)", name, i+1, err)
		}
	}
	switch {
	case len(found) > 1 && (c.Private || c.Kid != ""):
		return nil, usage("%s: it has %d keys; give a file with the one", name, len(found))
	case c.Private && found[0].Private == nil:
		return nil, usage("%s: it has a public key only; without --private it is published", name)
	case c.Kid != "" && found[0].Kid != "" && c.Kid != found[0].Kid:
		return nil, usage("%s: its kid is %.64q, which is what its tokens have: leave --kid out", name, found[0].Kid)
	case c.Kid != "":
		found[0].Kid = c.Kid
	}
	return found, nil
}

// until reads a time or how long from now; zero: not given.
func (c *keysImportCmd) until(now time.Time) (time.Time, error) {
	if c.Until == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, c.Until); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(c.Until)
	if err != nil || d <= 0 {
		return time.Time{}, usage("--until: %q is neither a time, such as %s, nor how long from now, such as 48h", c.Until, stamp(now.Add(48*time.Hour)))
	}
	return now.Add(d), nil
}

func (c *keysImportCmd) tell(p *process, found []keys.Material, done []operator.Import) error {
	views := []operator.ImportView{}
	for _, i := range done {
		v := operator.ViewImport(i)
		v.DryRun = c.DryRun
		views = append(views, v)
	}
	return c.report(p.stdout, views, func(w io.Writer) error {
		var out strings.Builder
		for i, v := range views {
			if v.Private {
				fmt.Fprintf(&out, "%s: %s %s from %s%s\n", v.Algorithm, v.Kid, c.or("signs", "would sign"), v.SignsFrom, c.pairNotes(found[i], v))
				continue
			}
			fmt.Fprintf(&out, "%s: %s %s published until %s\n", v.Algorithm, printable(v.Kid), c.or("is", "would be"), v.Gone)
			if found[i].Private != nil {
				fmt.Fprintf(&out, "Of this key the public half alone is taken; the private half that was beside it is not stored. To sign with it: --private\n")
			}
		}
		_, err := io.WriteString(w, out.String()+c.note())
		return err
	})
}

// pairNotes says what a key pair that was taken in may break.
func (c *keysImportCmd) pairNotes(m keys.Material, v operator.ImportView) (notes string) {
	if c.Now {
		notes = "; a verifier that does not hold the key already refuses its tokens until it fetches the key set again"
	}
	if m.Kid != "" && m.Kid != v.Kid {
		notes += fmt.Sprintf("; its kid here is its thumbprint, so tokens under %s do not verify with this key set", printable(m.Kid))
	}
	return notes
}
