package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
)

type keysExportCmd struct {
	Operation
	Confirmation

	Kid     string `arg:"" optional:"" help:"The kid of the one key to export. Default: all in the key set, in the order in which they sign."`
	Format  string `default:"pem" enum:"pem,jwk,jwks" placeholder:"FORMAT" help:"pem (SubjectPublicKeyInfo, for gateways with a static key), jwk (one key) or jwks (a key set)."`
	Private bool   `help:"Export the private half, to a new file that only you can read. Whoever has it can sign tokens: it is for a move to another issuer."`
	Out     string `placeholder:"FILE" help:"The new file, instead of standard output."`
}

func (c *keysExportCmd) Run(ctx context.Context, p *process) error {
	switch {
	case c.Private && c.Kid == "":
		return usage("name the key by its kid: private halves are exported one by one")
	case c.Private && c.Out == "":
		return usage("a private key is never written to standard output: name a new file with --out")
	case c.Private && c.Format == "jwks":
		return usage("--format jwks is for public keys: use pem or jwk for a private one")
	}
	return p.withKeys(ctx, c.Operation, func(o *office) error {
		if c.Private {
			return c.private(ctx, p, o)
		}
		found, err := o.PublishedKeys(ctx, c.Kid)
		if err != nil {
			return err
		}
		if c.Format == "jwk" && len(found) != 1 {
			return usage("a jwk is one key, and %d are in the key set: name one by its kid, or use --format jwks", len(found))
		}
		return c.public(p, found)
	})
}

// public writes public keys. JSON for programs has every format in it.
func (c *keysExportCmd) public(p *process, found []operator.KeyState) error {
	views := []operator.ExportedKey{}
	for _, k := range found {
		v, err := operator.ViewExport(k)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	if c.Out == "" {
		return c.print(p.stdout, views, func(w io.Writer) error { return c.write(w, views) })
	}
	var text bytes.Buffer
	if err := c.write(&text, views); err != nil {
		return err
	}
	if err := createFile(c.Out, 0o644, text.Bytes()); err != nil {
		return err
	}
	return c.print(p.stdout, views, func(io.Writer) error { return nil })
}

func (c *keysExportCmd) write(w io.Writer, views []operator.ExportedKey) error {
	var set jose.JSONWebKeySet
	for _, v := range views {
		set.Keys = append(set.Keys, v.JWK)
		if c.Format != "pem" {
			continue
		}
		if _, err := fmt.Fprintf(w, "# kid: %s\n# alg: %s\n# state: %s\n# signs from: %s\n%s", v.ID, v.Algorithm, v.State, v.SignsFrom, v.PEM); err != nil {
			return err
		}
	}
	switch c.Format {
	case "jwk":
		return writeJSON(w, set.Keys[0])
	case "jwks":
		return writeJSON(w, set)
	}
	return nil
}

// writeJSON keeps to what was asked for where --json was not.
func writeJSON(w io.Writer, v any) error {
	text, err := document(v, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// private writes both halves of a key to a new file.
func (c *keysExportCmd) private(ctx context.Context, p *process, o *office) error {
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return usage("--out: %s is there already: name a new file", c.Out)
	}
	if _, err := o.PublishedKeys(ctx, c.Kid); err != nil {
		return err
	}
	if err := c.confirm(ctx, p, "Write the private half of "+c.Kid+" to "+c.Out+"? Whoever gets it can sign tokens of this issuer."); err != nil {
		return err
	}
	jwk, err := o.ExportPrivateKey(ctx, c.Kid)
	if err != nil {
		return err
	}
	var text []byte
	if c.Format == "jwk" {
		if text, err = document(jwk, ""); err != nil {
			return errors.New("encode private key") // the cause may hold key material
		}
	} else if text, err = keys.PrivatePEM(jwk.Key); err != nil {
		return err
	}
	defer clear(text)
	if err := createFile(c.Out, 0o600, text); err != nil {
		return err
	}
	view := struct {
		Kid  string `json:"kid"`
		File string `json:"file"`
	}{c.Kid, c.Out}
	return c.report(p.stdout, view, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s has the private half of %s. Remove it when it has done its service; if it was seen by anybody else: hallmark keys revoke %s\n", c.Out, c.Kid, c.Kid)
		return err
	})
}

// createFile writes a new file, and never over one.
func createFile(path string, mode fs.FileMode, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return usage("--out: %s is there already: name a new file", path)
	}
	if err != nil {
		return usage("--out: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("--out: %w", err), os.Remove(path))
	}
	return nil
}
