package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/conformance/rotation"
)

type verifierCmd struct {
	Output

	URL      string        `arg:"" name:"url" help:"URL of the API, of something that a valid token gets."`
	Method   string        `default:"GET" placeholder:"METHOD" help:"How to ask for it."`
	Audience string        `placeholder:"AUD" help:"The audience that the API wants. Default: scheme and host of its URL."`
	Scope    []string      `sep:" " placeholder:"SCOPE" help:"Scopes that it wants."`
	Alg      string        `enum:"ES256,RS256" default:"ES256" help:"Algorithm of the tokens: ${enum}."`
	Listen   string        `default:"127.0.0.1:0" placeholder:"ADDR" help:"Where the scratch issuer listens, plain HTTP. Port 0 takes a free one."`
	Issuer   string        `placeholder:"URL" help:"URL under which the API reaches it, if a proxy or a container network lies between. Default: http://ADDR."`
	Period   time.Duration `default:"2s" placeholder:"DURATION" help:"max-age of the scratch issuer's key set. An API that obeys no max-age shorter than its own wants a longer one."`
	Timeout  time.Duration `default:"90s" placeholder:"DURATION" help:"How long the API may take to come round, each time."`
	Wait     time.Duration `default:"5m" placeholder:"DURATION" help:"How long to wait until the API trusts the scratch issuer."`
}

func (c *verifierCmd) Run(ctx context.Context, p *process) error {
	l, err := listen("--listen", c.Listen, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _, _ = l.Close(), l.socket.Close() }()
	if c.Issuer == "" {
		c.Issuer = "http://" + reachable(l.address())
	}
	r, err := rotation.New(
		rotation.Target{URL: c.URL, Method: c.Method, Audience: c.Audience, Scope: c.Scope, Algorithm: c.Alg},
		rotation.Config{Issuer: c.Issuer, Period: c.Period, Patience: c.Timeout, Say: func(line string) { fmt.Fprintln(p.stderr, "…", line) }},
	)
	if err != nil {
		return usage("%w", err)
	}
	l.Handler = r.Handler()
	go func() { _ = l.serve() }() // until l.Close
	if err := c.await(ctx, p, r); err != nil {
		return err
	}
	report, err := r.Run(ctx)
	if err != nil {
		return fmt.Errorf("doctor verifier: %w", err)
	}
	if err := c.print(p.stdout, report, func(w io.Writer) error { return printRehearsal(w, report) }); err != nil {
		return err
	}
	if !report.Survives {
		return errShown
	}
	return nil
}

// await says what to configure and waits until the API fetched the key set,
// took a token, or somebody pressed Enter.
func (c *verifierCmd) await(ctx context.Context, p *process, r *rotation.Rehearsal) error {
	fmt.Fprintf(p.stderr, "Let the API trust this issuer, for as long as this runs, and start it again:\n\n  issuer    %s\n  key set   %s/.well-known/jwks.json\n  audience  %s\n  algorithm %s\n\nIt begins when the API has fetched the key set, or when you press Enter; it waits %s.\n",
		c.Issuer, c.Issuer, r.Audience(), c.Alg, c.Wait)
	ctx, cancel := context.WithTimeoutCause(ctx, c.Wait, errNobodyCame)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	silent := ""
	for pressed := enter(p.stdin); ; {
		select {
		case <-r.Fetched():
		case <-pressed:
		case <-tick.C:
			accepted, err := r.Knock(ctx) // an API may fetch when it first needs to
			if err != nil && ctx.Err() == nil && err.Error() != silent {
				silent = err.Error()
				fmt.Fprintf(p.stderr, "… the API does not answer yet: %s; start it, or see whether %s is its URL\n", printable(silent), c.URL)
			}
			if !accepted {
				continue
			}
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errNobodyCame) {
				return cause
			}
			return errNobodyCame
		}
		return nil
	}
}

var errNobodyCame = fail(exitFailure, "the API neither fetched the key set nor took a token: let it trust the issuer above and start it again; if it cannot reach that address, see --listen and --issuer; a longer wait is --wait")

// enter is closed when a line is typed. The end of the input is not a line.
func enter(stdin io.Reader) <-chan struct{} {
	pressed := make(chan struct{})
	go func() {
		if _, err := bufio.NewReader(stdin).ReadString('\n'); err == nil {
			close(pressed)
		}
	}()
	return pressed
}

func printRehearsal(w io.Writer, report rotation.Report) error {
	var rows []observation
	for _, f := range report.Findings {
		rows = append(rows, observation{ID: f.ID, Verdict: f.Verdict, Seen: f.Seen, Do: f.Advice})
	}
	if err := printFindings(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(report.Summary))
	return err
}
