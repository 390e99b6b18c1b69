package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

type operatorTokenAddCmd struct {
	Operation

	Name     string        `arg:"" help:"Who gets it: acts are logged under this name."`
	Scope    []string      `required:"" sep:"none" placeholder:"SCOPE" help:"What it is good for: read to look at everything; users, clients, sessions, keys to change things there; audit to read what was done. Separate values by spaces or repeat the flag."`
	Lifetime time.Duration `default:"2160h" placeholder:"DURATION" help:"How long it is good."`
}

func (c *operatorTokenAddCmd) Run(ctx context.Context, p *process) error {
	return p.withNewOffice(ctx, c.Operation, func(o *office) error {
		t, secret, err := o.AddToken(ctx, c.Name, fields(c.Scope), c.Lifetime)
		if err != nil {
			return err
		}
		view := struct {
			operator.TokenView
			Token string `json:"token"`
		}{operator.ViewToken(t), secret.Reveal()} // shown this once
		err = c.report(p.stdout, view, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s\nKeep the token now: its digest alone is stored, and it is not shown again. It is good until %s.\n", secret.Reveal(), view.ExpiresAt)
			return err
		})
		return unprinted(err, fmt.Sprintf("nobody has seen the token: hallmark operator token remove %s, then add it again", t.Name))
	})
}

type operatorTokenListCmd struct{ Operation }

func (c *operatorTokenListCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		tokens, err := o.ListTokens(ctx)
		if err != nil {
			return err
		}
		views := []operator.TokenView{}
		var rows [][]string
		for _, t := range tokens {
			v, state := operator.ViewToken(t), "good"
			if !o.Now().Before(t.ExpiresAt) {
				state = "expired"
			}
			views, rows = append(views, v), append(rows, []string{v.Name, strings.Join(v.Scopes, " "), state, v.CreatedAt, v.ExpiresAt})
		}
		return c.print(p.stdout, views, func(w io.Writer) error {
			return printTable(w, []string{"NAME", "SCOPES", "STATE", "CREATED", "EXPIRES"}, rows)
		})
	})
}

type operatorTokenRemoveCmd struct {
	Operation

	Name string `arg:"" help:"The token's name, as operator token list shows it."`
}

func (c *operatorTokenRemoveCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if err := o.RemoveToken(ctx, c.Name); err != nil {
			return err
		}
		result := struct {
			Name string `json:"name"`
			Done string `json:"done"`
		}{c.Name, "removed"}
		return c.report(p.stdout, result, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: removed; it is good for nothing from now on\n", c.Name)
			return err
		})
	})
}
