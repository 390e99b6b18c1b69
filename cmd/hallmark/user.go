package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type userAddCmd struct {
	Operation

	Name        string            `arg:"" help:"User name, as typed at sign-in."`
	NoPassword  bool              `xor:"password" help:"Set no password: nobody signs in as this user until user passwd."`
	Hash        bool              `name:"hash" xor:"password" help:"The first line of standard input is the hash of the password, made by another system. It is replaced at the first sign-in."`
	Disabled    bool              `help:"Add the user disabled."`
	Role        []string          `sep:"none" placeholder:"ROLE" help:"A role (RFC 9068 §2.2.3.1). Repeatable, like the others."`
	Group       []string          `sep:"none" placeholder:"GROUP" help:"A group the user belongs to."`
	Entitlement []string          `sep:"none" placeholder:"NAME" help:"An entitlement."`
	Claim       map[string]string `mapsep:"none" placeholder:"NAME=TEXT" help:"A free claim with a string as its value."`
	ClaimJSON   map[string]string `name:"claim-json" mapsep:"none" placeholder:"NAME=JSON" help:"A free claim with any JSON value."`
	ForeignID   string            `name:"foreign-id" placeholder:"ID" help:"The user's id in the system they come from."`
}

func (c *userAddCmd) Run(ctx context.Context, p *process) error {
	extra, err := freeClaims(c.Claim, c.ClaimJSON)
	if err != nil {
		return err
	}
	return p.withNewOffice(ctx, c.Operation, func(o *office) error {
		n := operator.NewUser{
			Name: c.Name, ForeignID: c.ForeignID, Disabled: c.Disabled,
			Claims: storage.UserClaims{Roles: c.Role, Groups: c.Group, Entitlements: c.Entitlement, Extra: extra},
		}
		switch {
		case c.Hash:
			hash, err := firstLine(p.stdin, "standard input")
			if err != nil {
				return err
			}
			n.PasswordHash = hash.Reveal()
		case !c.NoPassword:
			if err := c.askable(ctx, p, o); err != nil {
				return err
			}
			if n.Password, err = p.readPassword(ctx, "Password for "+c.Name, true); err != nil {
				return err
			}
		}
		user, err := o.AddUser(ctx, n)
		if err != nil {
			return err
		}
		return c.report(p.stdout, operator.ViewUser(user), func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "added %s, sub %s\n", printable(user.Name), user.ID)
			return err
		})
	})
}

// askable refuses a name before a person has typed a password for it twice.
func (c *userAddCmd) askable(ctx context.Context, p *process, o *office) error {
	if _, interactive := p.terminal(); !interactive {
		return nil
	}
	switch _, err := o.User(ctx, c.Name); {
	case err == nil:
		return operator.Conflict{Field: "name", Advice: fmt.Sprintf("a user %q already exists: choose another name", c.Name)}
	case errors.Is(err, storage.ErrNotFound):
		return nil
	default:
		return err
	}
}

// freeClaims reads what was given as strings and as JSON.
func freeClaims(texts, values map[string]string) (map[string]any, error) {
	extra := map[string]any{}
	for name, text := range texts {
		extra[name] = text
	}
	for name, text := range values {
		value, err := jsonValue(text)
		if err != nil {
			return nil, usage("--claim-json %s: the value is not JSON; put it in single quotes, or use --claim for a string", name)
		}
		if _, twice := extra[name]; twice {
			return nil, usage("--claim-json %s: the claim has a value from --claim already", name)
		}
		extra[name] = value
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return extra, nil
}

// jsonValue reads one JSON value. Numbers keep all their digits.
func jsonValue(text string) (value any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err = d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

type userListCmd struct {
	Operation
}

// Run writes while it reads: there may be many.
func (c *userListCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		out := c.rows(p.stdout, "USERNAME", "SUB", "STATE", "CREATED", "ROLES", "GROUPS")
		err := o.ListUsers(ctx, func(u storage.User) error {
			v := operator.ViewUser(u)
			return out.write(v, v.Name, v.ID, state(v), v.CreatedAt, words(v.Roles), words(v.Groups))
		})
		if err != nil {
			return err
		}
		return out.end()
	})
}

// state is what a table says of a user.
func state(u operator.UserView) string {
	switch {
	case u.Disabled:
		return "disabled"
	case !u.Password:
		return "no password"
	}
	return "enabled"
}

// OneUser is what acts on one user take.
type OneUser struct {
	Operation

	Name string `arg:"" help:"User name."`
}

type userPasswdCmd struct{ OneUser }

func (c *userPasswdCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if _, err := o.User(ctx, c.Name); err != nil { // before asking
			return err
		}
		pw, err := p.readPassword(ctx, "New password for "+c.Name, true)
		if err != nil {
			return err
		}
		ended, err := o.SetPassword(ctx, c.Name, pw)
		if err != nil {
			return err
		}
		return p.changed(c.Output, c.Name, "password set", ended)
	})
}

type userDisableCmd struct{ OneUser }

func (c *userDisableCmd) Run(ctx context.Context, p *process) error { return c.set(ctx, p, true) }

type userEnableCmd struct{ OneUser }

func (c *userEnableCmd) Run(ctx context.Context, p *process) error { return c.set(ctx, p, false) }

func (c *OneUser) set(ctx context.Context, p *process, disabled bool) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		ended, err := o.SetDisabled(ctx, c.Name, disabled)
		if err != nil {
			return err
		}
		if disabled {
			return p.changed(c.Output, c.Name, "disabled", ended)
		}
		return p.changed(c.Output, c.Name, "enabled", ended)
	})
}

// changed says what became of a user and their sessions.
func (p *process) changed(out Output, name, what string, ended int) error {
	result := struct {
		Name  string `json:"username"`
		Done  string `json:"done"`
		Ended int    `json:"sessions_ended"`
	}{name, what, ended}
	return out.report(p.stdout, result, func(w io.Writer) error {
		text := fmt.Sprintf("%s: %s", printable(name), what)
		switch {
		case ended == 1:
			text += "; 1 session ended"
		case ended > 1 || !strings.HasPrefix(what, "enabled"):
			text += fmt.Sprintf("; %d sessions ended", ended)
		}
		if ended > 0 {
			text += "; access tokens that are out stay good until they expire"
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
