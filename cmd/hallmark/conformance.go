package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// Party is a client of the issuer that is examined.
type Party struct {
	ID         string `name:"id" placeholder:"ID" help:"client_id."`
	SecretFile string `name:"secret-file" placeholder:"FILE" help:"File with its secret, if it has one."`
	Auth       string `name:"auth" enum:",none,client_secret_basic,client_secret_post" default:"" help:"How it authenticates. Default: client_secret_basic with a secret, none without."`
}

// KeyParty is a client of the issuer that authenticates with a key.
type KeyParty struct {
	ID      string `name:"id" placeholder:"ID" help:"client_id."`
	KeyFile string `name:"key-file" placeholder:"FILE" help:"File with its private key: a JWK, whose kid and alg are named, or PEM."`
}

// Person is a user of the issuer that is examined.
type Person struct {
	Username     string `placeholder:"NAME" help:"User name."`
	PasswordFile string `placeholder:"FILE" help:"File with the password."`
}

type conformanceCmd struct {
	Output

	Issuer string `setting:"" required:"" placeholder:"URL" help:"The issuer, exactly as its users write it."`

	Client     Party    `embed:"" prefix:"client-" group:"The client of most cases; every client needs the grants password and refresh_token"`
	Second     Party    `embed:"" prefix:"client2-" group:"Another client, to which the first one's tokens must be of no use"`
	Basic      Party    `embed:"" prefix:"basic-client-" group:"A client of client_secret_basic, if the others are not"`
	Post       Party    `embed:"" prefix:"post-client-" group:"A client of client_secret_post, if the others are not"`
	Public     Party    `embed:"" prefix:"public-client-" group:"A public client, if the others are not"`
	Strict     Party    `embed:"" prefix:"strict-client-" group:"A client that may not repeat a refresh; spares a case the wait"`
	Brief      Party    `embed:"" prefix:"brief-client-" group:"A client whose sessions end after --rt-idle and --rt-lifetime, if the first one's live longer"`
	NoPassword Party    `embed:"" prefix:"no-password-client-" group:"A client that may not use the password grant"`
	NoRefresh  Party    `embed:"" prefix:"no-refresh-client-" group:"A client that may use the password grant, and not refresh_token"`
	JWT        KeyParty `embed:"" prefix:"jwt-client-" group:"A client of private_key_jwt; with the grant password where a user is given, or else client_credentials"`
	API        Party    `embed:"" prefix:"api-client-" group:"The API that the first client's tokens are for, and the second one's are not; it asks about tokens"`
	User       Person   `embed:"" group:"A user that signs in"`
	Victim     Person   `embed:"" prefix:"user2-" group:"A user that wrong passwords may be tried on; nobody's account"`

	Scope          string        `placeholder:"SCOPES" help:"Scopes to ask for, separated by spaces. Default: none are asked for."`
	ScopeUngranted string        `name:"scope-ungranted" placeholder:"SCOPE" help:"A scope outside --scope that the client may ask for."`
	ScopeForbidden string        `name:"scope-forbidden" placeholder:"SCOPE" help:"A scope that the second client may ask for and the client may not."`
	ResourceURL    string        `name:"resource-url" placeholder:"URL" help:"A protected resource that takes the client's access tokens. It gets GET and POST requests that ask for nothing."`
	ResourceScope  string        `name:"resource-scope" placeholder:"SCOPE" help:"A scope that is for the first --resource and not for the second."`
	Resource       string        `placeholder:"URIS" help:"Resources (RFC 8707) that the client may ask for, separated by spaces."`
	RetryWindow    time.Duration `name:"rt-grace" aliases:"retry-window" placeholder:"DURATION" help:"How long the issuer lets the client repeat a refresh with the same token."`

	RTIdle       time.Duration `name:"rt-idle" placeholder:"DURATION" help:"How long a session of the brief client, or else the first one, lives without a refresh. It is waited for."`
	RTLifetime   time.Duration `name:"rt-lifetime" placeholder:"DURATION" help:"How long it lives at most. It is waited for."`
	KeyRetention time.Duration `placeholder:"DURATION" help:"How long a key that signs no more stays published. It is waited for."`
	SecondNode   string        `placeholder:"URL" help:"Another node of the issuer, behind whatever divides the requests: http or https, host and port. It is spoken to in the issuer's name."`

	Hooks Hooks `embed:"" prefix:"hook-" group:"Hands on the server: commands of yours, run by /bin/sh; never run where they are not given"`

	Only    []string      `sep:"," placeholder:"GLOB" help:"Run only the cases with these ids."`
	Skip    []string      `sep:"," placeholder:"GLOB" help:"Leave out the cases with these ids."`
	Abuse   bool          `help:"Also run the cases that load or attack the server; on loopback, or with --i-own-this-server."`
	Owned   bool          `name:"i-own-this-server" help:"Load the server, and with --abuse attack it, though it is not on loopback. Do so with your own only."`
	Rate    float64       `placeholder:"N" help:"Requests per second. Default: 5, and no limit on loopback."`
	Timeout time.Duration `default:"10s" placeholder:"DURATION" help:"How long to wait for one answer."`
	MaxWait time.Duration `default:"60s" placeholder:"DURATION" help:"The longest Retry-After to obey, in all of a case, and the longest wait for sessions and keys to expire."`

	NoWarn  bool   `name:"strict" help:"A warning, of a SHOULD or a best practice, fails the run too." group:"What fails the run"`
	Waivers string `placeholder:"FILE" help:"File with the cases that need not hold for a while, and why." group:"What fails the run"`

	TextReport  string `placeholder:"FILE" help:"Also write the report to a file, as text." group:"Reports, beside standard output"`
	JSONReport  string `name:"json-report" placeholder:"FILE" help:"Also write it as JSON." group:"Reports, beside standard output"`
	JUnitReport string `name:"junit-report" placeholder:"FILE" help:"Also write it as JUnit's XML, for CI." group:"Reports, beside standard output"`
}

func (c *conformanceCmd) Run(ctx context.Context, p *process) error {
	target, err := c.target()
	if err != nil {
		return err
	}
	waivers, err := readWaivers(c.Waivers)
	if err != nil {
		return err
	}
	options := conformance.Options{
		Only: c.Only, Skip: c.Skip, Abuse: c.Abuse, Rate: c.Rate, Timeout: c.Timeout, MaxWait: c.MaxWait,
		Strict: c.NoWarn, Waivers: waivers, Owned: c.Owned,
	}
	clear := caseProgress(p.stderr, &options)
	report, err := conformance.Run(ctx, target, options)
	clear()
	var input conformance.InputError
	switch {
	case errors.As(err, &input):
		return usage("conformance: %w", err)
	case err != nil && !report.Partial:
		return fmt.Errorf("conformance: %w", err)
	}
	err = errors.Join(
		c.print(p.stdout, report, report.WriteText),
		writeReport(c.TextReport, report.WriteText), writeReport(c.JSONReport, report.WriteJSON), writeReport(c.JUnitReport, report.WriteJUnit),
	)
	switch {
	case err != nil:
		return err
	case report.ExitCode() == 1:
		return errShown
	case report.Partial:
		return fail(exitFailure, "interrupted with %d cases left: the report has those that ended before", report.Left)
	case !report.Passed():
		return fail(exitFailure, "the run proves nothing: cases were inconclusive, or none could run; the report says what to give")
	}
	return nil
}

// writeReport writes a report to a file, if one is named.
func writeReport(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644) // it holds no secret
}

// target reads the secrets and fills in the rest.
func (c *conformanceCmd) target() (conformance.Target, error) {
	t := conformance.Target{
		Issuer: c.Issuer, Scope: c.Scope, Ungranted: c.ScopeUngranted, Forbidden: c.ScopeForbidden,
		Resource: c.Resource, ResourceURL: c.ResourceURL, RetryWindow: c.RetryWindow, Hooks: c.Hooks.hooks(c.Issuer),
		ResourceScope: c.ResourceScope, RefreshIdle: c.RTIdle, RefreshLifetime: c.RTLifetime, KeyRetention: c.KeyRetention, SecondNode: c.SecondNode,
	}
	for _, party := range []struct {
		from Party
		to   *conformance.Client
	}{
		{c.Client, &t.Client}, {c.Second, &t.Second}, {c.Basic, &t.Basic},
		{c.Post, &t.Post}, {c.Public, &t.Public}, {c.Strict, &t.Strict}, {c.API, &t.API}, {c.Brief, &t.Brief},
		{c.NoPassword, &t.NoPassword}, {c.NoRefresh, &t.NoRefresh},
	} {
		*party.to = conformance.Client{ID: party.from.ID, Method: party.from.Auth}
		if party.from.SecretFile == "" {
			continue
		}
		secret, err := secretFile(party.from.SecretFile)
		if err != nil {
			return t, err
		}
		party.to.Secret = secret.Reveal()
	}
	if err := c.JWT.read(&t.JWT); err != nil {
		return t, err
	}
	for _, person := range []struct {
		from Person
		to   *conformance.User
	}{{c.User, &t.User}, {c.Victim, &t.Victim}} {
		person.to.Name = person.from.Username
		if person.from.PasswordFile == "" {
			continue
		}
		secret, err := secretFile(person.from.PasswordFile)
		if err != nil {
			return t, err
		}
		person.to.Password = secret.Reveal()
	}
	return t, nil
}

// read reads the client's key.
func (k KeyParty) read(to *conformance.KeyClient) error {
	to.ID = k.ID
	switch {
	case k.ID == "" && k.KeyFile == "":
		return nil
	case k.ID == "" || k.KeyFile == "":
		return usage("--jwt-client-id and --jwt-client-key-file go together")
	}
	text, err := os.ReadFile(k.KeyFile)
	if err != nil {
		return usage("%w", err)
	}
	if to.Key, err = conformance.ParseClientKey(text); err != nil {
		return usage("--jwt-client-key-file %s: %w", k.KeyFile, err)
	}
	return nil
}
