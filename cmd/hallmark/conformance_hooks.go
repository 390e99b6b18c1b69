package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// Hooks are commands that lay hands on the server that is examined.
type Hooks struct {
	Rotate      string        `placeholder:"COMMAND" help:"Shell command that lets another key sign."`
	RevokeKey   string        `placeholder:"COMMAND" help:"Shell command that takes the key $$CONFORMANCE_KID out of use at once."`
	Restart     string        `placeholder:"COMMAND" help:"Shell command that restarts the server."`
	DisableUser string        `placeholder:"COMMAND" help:"Shell command that disables the user $$CONFORMANCE_USERNAME, that of --user2-username, for good."`
	Wait        time.Duration `default:"30s" placeholder:"DURATION" help:"How long what a hook did may take to show."`
	Timeout     time.Duration `default:"1m" placeholder:"DURATION" help:"How long a hook may take."`
}

// hooks are those that there is a command for.
func (h Hooks) hooks(issuer string) conformance.Hooks {
	set := conformance.Hooks{Wait: h.Wait}
	with := func(command string) func(context.Context) error {
		if command == "" {
			return nil
		}
		return func(ctx context.Context) error { return h.run(ctx, command, "CONFORMANCE_ISSUER="+issuer) }
	}
	about := func(command, variable string) func(context.Context, string) error {
		if command == "" {
			return nil
		}
		return func(ctx context.Context, value string) error {
			return h.run(ctx, command, "CONFORMANCE_ISSUER="+issuer, variable+"="+value)
		}
	}
	set.Rotate, set.Restart = with(h.Rotate), with(h.Restart)
	set.RevokeKey, set.DisableUser = about(h.RevokeKey, "CONFORMANCE_KID"), about(h.DisableUser, "CONFORMANCE_USERNAME")
	return set
}

// run runs a command by the shell, as it was given: what a server chose, such
// as a kid, is in variables only. Its output is shown where it fails.
func (h Hooks) run(ctx context.Context, command string, variables ...string) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	var out lastBytes
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // for what the shell left behind
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%q took longer than --hook-timeout", command)
	case err != nil:
		return fmt.Errorf("%q: %w: %s", command, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct{ bytes.Buffer }

func (b *lastBytes) Write(p []byte) (int, error) {
	const most = 400
	b.Buffer.Write(p)
	if over := b.Len() - most; over > 0 {
		b.Next(over)
	}
	return len(p), nil
}
