package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type clientAddCmd struct {
	Operation

	ID              string        `name:"id" placeholder:"ID" help:"client_id: 1 to 128 of A-Z a-z 0-9 - _ . ; generated if left out."`
	Name            string        `placeholder:"TEXT" help:"Name for people."`
	Auth            string        `default:"none" enum:"none,client_secret_basic,client_secret_post" help:"How it authenticates at the token endpoint: ${enum}. none is a public client: an app or a page, which cannot keep a secret."`
	Grant           []string      `sep:"none" placeholder:"GRANT" help:"Grants it may use. Default: password and refresh_token; with --introspect and no --audience, none. Separate values by spaces or repeat the flag, here and below."`
	Scope           []string      `sep:"none" placeholder:"SCOPE" help:"Scopes it may ask for."`
	DefaultScope    []string      `sep:"none" placeholder:"SCOPE" help:"Scopes it gets when it asks for none."`
	Audience        []string      `sep:"none" placeholder:"AUD" help:"APIs its tokens may be for: absolute URIs or names. At least one, unless it has no grants."`
	DefaultAudience []string      `sep:"none" placeholder:"AUD" help:"Those a token is for when it names no resource. Default: the only audience."`
	Introspect      []string      `sep:"none" placeholder:"AUD" help:"Audiences that it is the API of: it may ask about access tokens for them at the introspection endpoint. It needs a secret."`
	Claim           []string      `sep:"none" placeholder:"NAME" help:"Claims of the user to put into its access tokens: roles, groups, entitlements or free ones."`
	Origin          []string      `sep:"none" placeholder:"ORIGIN" help:"Browser origins its pages come from, such as https://app.example.com."`
	Algorithm       string        `placeholder:"ALG" help:"Signature algorithm of its access tokens. Default: the first of the key schedule."`
	AccessLifetime  time.Duration `placeholder:"DURATION" help:"How long its access tokens are good. Default: the server's, here and below."`
	IdleLifetime    time.Duration `placeholder:"DURATION" help:"How long its sessions live without a refresh."`
	AbsLifetime     time.Duration `name:"absolute-lifetime" placeholder:"DURATION" help:"How long its sessions live at most."`
	RetryWindow     time.Duration `default:"90s" placeholder:"DURATION" help:"How long after a refresh the old refresh token may be presented again for the same answer; 0 is strict."`
	Rotate          *bool         `negatable:"" help:"Replace the refresh token at each refresh: the default. Without it a copied refresh token goes unseen."`
	SimpleJWT       bool          `name:"simplejwt" help:"For the front ends of a site with djangorestframework-simplejwt: what it has by default is the default here, too. Access tokens with RS256 for 5 minutes, sessions of a day, no rotation."`
}

// policy is what the flags say.
func (c *clientAddCmd) policy() storage.ClientPolicy {
	grants := fields(c.Grant)
	if c.Grant == nil {
		grants = operator.DefaultGrants(fields(c.Introspect), fields(c.Audience))
	}
	p := storage.ClientPolicy{
		Grants: grants, Scopes: fields(c.Scope), DefaultScopes: fields(c.DefaultScope),
		Audiences: fields(c.Audience), DefaultAudiences: fields(c.DefaultAudience),
		Introspects: fields(c.Introspect), Claims: fields(c.Claim), Origins: fields(c.Origin), Algorithm: c.Algorithm,
		AccessLifetime: c.AccessLifetime, IdleLifetime: c.IdleLifetime, AbsoluteLifetime: c.AbsLifetime,
		RetryWindow: c.RetryWindow, Rotate: !c.SimpleJWT,
	}
	if c.Rotate != nil {
		p.Rotate = *c.Rotate
	}
	if c.SimpleJWT {
		p.Algorithm = cmp.Or(p.Algorithm, string(keys.RS256))
		p.AccessLifetime = cmp.Or(p.AccessLifetime, 5*time.Minute)
		if !p.Rotate { // there is one refresh token, which is over when it is over
			p.AbsoluteLifetime = cmp.Or(p.AbsoluteLifetime, p.IdleLifetime, 24*time.Hour)
			p.IdleLifetime = cmp.Or(p.IdleLifetime, p.AbsoluteLifetime)
		}
		p.IdleLifetime = cmp.Or(p.IdleLifetime, 24*time.Hour)
	}
	return p
}

func (c *clientAddCmd) Run(ctx context.Context, p *process) error {
	return p.withNewOffice(ctx, c.Operation, func(o *office) error {
		if err := o.openKeys(ctx, p, c.Place, keys.RotatorConfig{Schedule: keys.DefaultSchedule()}); err != nil {
			return err
		}
		client, secret, err := o.AddClient(ctx, operator.NewClient{
			ID: c.ID, Name: c.Name, AuthMethod: storage.AuthMethod(c.Auth), ClientPolicy: c.policy(),
		})
		if err != nil {
			return err
		}
		view := operator.ViewClient(client)
		view.Secret = secret.Reveal() // shown this once
		err = c.report(p.stdout, view, func(w io.Writer) error {
			text := "client_id      " + client.ID + "\n"
			if !secret.Empty() {
				text += "client_secret  " + secret.Reveal() + "\nKeep the secret now: it is stored nowhere and is not shown again.\n"
			}
			_, err := io.WriteString(w, text)
			return err
		})
		if !secret.Empty() {
			err = unprinted(err, fmt.Sprintf("nobody has seen the secret of client %s: hallmark client secret %s --replace makes another", client.ID, client.ID))
		}
		return err
	})
}

// fields are the values of a flag that is repeated, or has several.
func fields(values []string) []string { return strings.Fields(strings.Join(values, " ")) }

type clientListCmd struct {
	Operation
}

func (c *clientListCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		clients, err := o.ListClients(ctx)
		if err != nil {
			return err
		}
		views := []operator.ClientView{}
		for _, client := range clients {
			views = append(views, operator.ViewClient(client))
		}
		return c.print(p.stdout, views, func(w io.Writer) error {
			var rows [][]string
			for _, client := range clients {
				rows = append(rows, clientRow(client))
			}
			return printTable(w, []string{"CLIENT_ID", "NAME", "AUTH", "GRANTS", "SCOPES", "AUDIENCES", "ALG", "ACCESS", "IDLE", "ABSOLUTE", "RETRY"}, rows)
		})
	})
}

// clientRow is what a table says of a client.
func clientRow(c storage.Client) []string {
	retry := c.RetryWindow.String()
	if !c.Rotate {
		retry = "no rotation"
	}
	return []string{
		c.ID, or(c.Name, "-"), string(c.AuthMethod), or(words(c.Grants), "-"), or(words(c.Scopes), "-"), or(words(c.Audiences), "-"), or(c.Algorithm, "default"),
		lifetime(c.AccessLifetime), lifetime(c.IdleLifetime), lifetime(c.AbsoluteLifetime), retry,
	}
}

type versionCmd struct{}

func (versionCmd) Run(p *process) error {
	_, err := fmt.Fprintln(p.stdout, "hallmark", version())
	return err
}
