package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// OneClient is what acts on one client take.
type OneClient struct {
	Operation

	ID string `arg:"" name:"client_id" help:"The client's id."`
}

type clientShowCmd struct{ OneClient }

func (c *clientShowCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		client, err := o.Client(ctx, c.ID)
		if err != nil {
			return err
		}
		return c.show(p, client)
	})
}

func (c *OneClient) show(p *process, client storage.Client) error {
	return c.print(p.stdout, operator.ViewClient(client), func(w io.Writer) error {
		retry := client.RetryWindow.String()
		if !client.Rotate {
			retry = "no rotation"
		}
		return printRecord(w, [][2]string{
			{"client_id", client.ID}, {"name", or(client.Name, "-")}, {"authentication", string(client.AuthMethod)}, {"secrets", fmt.Sprint(len(client.Secrets))},
			{"grants", words(client.Grants)}, {"scopes", words(client.Scopes)}, {"default scopes", words(client.DefaultScopes)},
			{"audiences", words(client.Audiences)}, {"default audiences", words(client.DefaultAudiences)}, {"introspects", words(client.Introspects)}, {"claims", words(client.Claims)},
			{"origins", words(client.Origins)}, {"algorithm", or(client.Algorithm, "default")}, {"access lifetime", lifetime(client.AccessLifetime)},
			{"idle lifetime", lifetime(client.IdleLifetime)}, {"absolute lifetime", lifetime(client.AbsoluteLifetime)},
			{"retry window", retry}, {"created", stamp(client.CreatedAt)},
		})
	})
}

type clientSecretCmd struct {
	OneClient

	Replace bool `xor:"how" help:"End the secrets there are at once: for one that leaked. What still uses it stops working."`
	DropOld bool `xor:"how" help:"End the older secret, when everything uses the newer one. No new one is made."`
}

func (c *clientSecretCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		if c.DropOld {
			client, err := o.DropOldSecrets(ctx, c.ID)
			if err != nil {
				return err
			}
			return c.report(p.stdout, operator.ViewClient(client), func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s has 1 secret, the newest\n", client.ID)
				return err
			})
		}
		client, secret, err := o.AddSecret(ctx, c.ID, c.Replace)
		switch {
		case errors.Is(err, storage.ErrConflict):
			return fmt.Errorf("%w: hallmark client secret %s --drop-old, or --replace to end both at once", err, c.ID)
		case err != nil:
			return err
		}
		view := operator.ViewClient(client)
		view.Secret = secret.Reveal() // shown this once
		err = c.report(p.stdout, view, func(w io.Writer) error {
			text := "client_secret  " + secret.Reveal() + "\nKeep the secret now: it is stored nowhere and is not shown again.\n"
			if len(client.Secrets) > 1 {
				text += "The older one works too. When everything uses the new one: hallmark client secret " + client.ID + " --drop-old\n"
			}
			_, err := io.WriteString(w, text)
			return err
		})
		// Not --drop-old: that would leave the one that nobody knows.
		return unprinted(err, fmt.Sprintf("nobody has seen the new secret of client %s: hallmark client secret %s --replace makes another, and ends all others", client.ID, client.ID))
	})
}

type clientRemoveCmd struct {
	OneClient
	Confirmation
}

func (c *clientRemoveCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		client, err := o.Client(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := c.confirm(ctx, p, fmt.Sprintf("Remove the client %s and end its sessions?", client.ID)); err != nil {
			return err
		}
		if err := o.RemoveClient(ctx, client.ID); err != nil {
			return err
		}
		result := struct {
			ID   string `json:"client_id"`
			Done string `json:"done"`
		}{client.ID, "removed"}
		return c.report(p.stdout, result, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: removed; its sessions can be refreshed no more, access tokens that are out stay good until they expire\n", client.ID)
			return err
		})
	})
}

type clientChangeCmd struct {
	OneClient

	Name            *string        `placeholder:"TEXT" help:"Name for people. What is not given stays as it is, here and below."`
	Grant           []string       `sep:"none" placeholder:"GRANT" help:"The grants from now on. Separate values by spaces or repeat the flag; an empty value clears the list, here and below."`
	Scope           []string       `sep:"none" placeholder:"SCOPE" help:"The scopes from now on."`
	DefaultScope    []string       `sep:"none" placeholder:"SCOPE" help:"The default scopes from now on."`
	Audience        []string       `sep:"none" placeholder:"AUD" help:"The audiences from now on."`
	DefaultAudience []string       `sep:"none" placeholder:"AUD" help:"The default audiences from now on."`
	Introspect      []string       `sep:"none" placeholder:"AUD" help:"The audiences that it is the API of, from now on."`
	Claim           []string       `sep:"none" placeholder:"NAME" help:"The claims from now on."`
	Origin          []string       `sep:"none" placeholder:"ORIGIN" help:"The browser origins from now on."`
	Algorithm       *string        `placeholder:"ALG" help:"Signature algorithm; empty for the default."`
	AccessLifetime  *time.Duration `placeholder:"DURATION" help:"How long its access tokens are good; 0 for the server's, here and below."`
	IdleLifetime    *time.Duration `placeholder:"DURATION" help:"How long its new sessions live without a refresh."`
	AbsLifetime     *time.Duration `name:"absolute-lifetime" placeholder:"DURATION" help:"How long its new sessions live at most."`
	RetryWindow     *time.Duration `placeholder:"DURATION" help:"How long after a refresh the old refresh token gets the same answer; 0 is strict."`
	Rotate          *bool          `negatable:"" help:"Replace the refresh token at each refresh."`
}

func (c *clientChangeCmd) Run(ctx context.Context, p *process) error {
	if !c.changes() {
		return usage("say what to change, by a flag or several; client show %s shows what there is, client change --help what can be said", c.ID)
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		client, err := o.Client(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := o.openKeys(ctx, p, c.Place, keys.RotatorConfig{Schedule: keys.DefaultSchedule()}); err != nil {
			return err
		}
		policy := c.policy(client.ClientPolicy)
		if client, err = o.EditClient(ctx, client.ID, operator.ClientEdit{Name: c.Name, Policy: &policy, From: &client.ClientPolicy}); err != nil {
			return err
		}
		return unprinted(c.show(p, client), "it is done, but what came of it could not be printed")
	})
}

func (c *clientChangeCmd) changes() bool {
	lists := len(c.Grant) + len(c.Scope) + len(c.DefaultScope) + len(c.Audience) + len(c.DefaultAudience) + len(c.Introspect) + len(c.Claim) + len(c.Origin)
	return lists > 0 || c.Name != nil || c.Algorithm != nil || c.Rotate != nil ||
		c.AccessLifetime != nil || c.IdleLifetime != nil || c.AbsLifetime != nil || c.RetryWindow != nil
}

// policy is p with what the flags say.
func (c *clientChangeCmd) policy(p storage.ClientPolicy) storage.ClientPolicy {
	only := len(p.Audiences) == 1 && slices.Equal(p.Audiences, p.DefaultAudiences)
	for _, l := range []struct {
		to    *[]string
		given []string
	}{
		{&p.Grants, c.Grant}, {&p.Scopes, c.Scope}, {&p.DefaultScopes, c.DefaultScope}, {&p.Audiences, c.Audience},
		{&p.DefaultAudiences, c.DefaultAudience}, {&p.Introspects, c.Introspect}, {&p.Claims, c.Claim}, {&p.Origins, c.Origin},
	} {
		if len(l.given) > 0 {
			*l.to = fields(l.given)
		}
	}
	for _, d := range []struct{ to, given *time.Duration }{
		{&p.AccessLifetime, c.AccessLifetime}, {&p.IdleLifetime, c.IdleLifetime}, {&p.AbsoluteLifetime, c.AbsLifetime}, {&p.RetryWindow, c.RetryWindow},
	} {
		if d.given != nil {
			*d.to = *d.given
		}
	}
	if only && len(c.DefaultAudience) == 0 && !slices.Contains(p.Audiences, p.DefaultAudiences[0]) {
		p.DefaultAudiences = nil // the only audience was the default without being named, and the next one is
	}
	if c.Algorithm != nil {
		p.Algorithm = *c.Algorithm
	}
	if c.Rotate != nil {
		p.Rotate = *c.Rotate
	}
	return p
}
