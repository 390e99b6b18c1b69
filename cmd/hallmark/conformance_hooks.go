package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// Hooks are commands that lay hands on the server that is examined.
type Hooks struct {
	Rotate         string `placeholder:"COMMAND" help:"Shell command that lets another key sign."`
	SwitchAlg      string `placeholder:"COMMAND" help:"Shell command that has the first client's tokens signed with another algorithm, for good."`
	RevokeKey      string `placeholder:"COMMAND" help:"Shell command that takes the key $$CONFORMANCE_KID out of use at once."`
	Restart        string `placeholder:"COMMAND" help:"Shell command that restarts the server."`
	Crash          string `placeholder:"COMMAND" help:"Shell command that ends the server as kill -9 does, and starts it again."`
	DisableUser    string `placeholder:"COMMAND" help:"Shell command that disables the user $$CONFORMANCE_USERNAME, that of --user2-username, for good."`
	RevokeGrant    string `placeholder:"COMMAND" help:"Shell command that takes the grant refresh_token from the client $$CONFORMANCE_CLIENT_ID, that of --client2-id, for good."`
	ChangePassword string `placeholder:"COMMAND" help:"Shell command that gives the user $$CONFORMANCE_USERNAME, that of --user2-username, the password $$CONFORMANCE_PASSWORD. It runs again with the old one."`

	Wait    time.Duration `default:"30s" placeholder:"DURATION" help:"How long what a hook did may take to show."`
	Timeout time.Duration `default:"1m" placeholder:"DURATION" help:"How long a hook may take."`
}

// hooks are those that there is a command for.
func (h Hooks) hooks(issuer string) conformance.Hooks {
	set := conformance.Hooks{Wait: h.Wait, Timeout: h.Timeout + time.Second} // to end it
	with := func(name, command string) func(context.Context) error {
		if command == "" {
			return nil
		}
		return func(ctx context.Context) error { return h.run(ctx, name, command, "CONFORMANCE_ISSUER="+issuer) }
	}
	about := func(name, command, variable string) func(context.Context, string) error {
		if command == "" {
			return nil
		}
		return func(ctx context.Context, value string) error {
			return h.run(ctx, name, command, "CONFORMANCE_ISSUER="+issuer, variable+"="+value)
		}
	}
	set.Rotate, set.SwitchAlg = with("--hook-rotate", h.Rotate), with("--hook-switch-alg", h.SwitchAlg)
	set.Restart, set.Crash = with("--hook-restart", h.Restart), with("--hook-crash", h.Crash)
	set.RevokeKey = about("--hook-revoke-key", h.RevokeKey, "CONFORMANCE_KID")
	set.DisableUser = about("--hook-disable-user", h.DisableUser, "CONFORMANCE_USERNAME")
	set.RevokeGrant = about("--hook-revoke-grant", h.RevokeGrant, "CONFORMANCE_CLIENT_ID")
	if h.ChangePassword != "" {
		set.ChangePassword = func(ctx context.Context, name, password string) error {
			return h.run(ctx, "--hook-change-password", h.ChangePassword,
				"CONFORMANCE_ISSUER="+issuer, "CONFORMANCE_USERNAME="+name, "CONFORMANCE_PASSWORD="+password)
		}
	}
	return set
}

// run runs a command by the shell, as it was given: what a server chose, such
// as a kid, is in variables only. The end of its output is shown where it fails,
// the command itself nowhere: it may hold a secret. A server that it starts goes
// on writing into the file, which nobody reads any more; but where the command
// takes too long, all that it started ends with it.
func (h Hooks) run(ctx context.Context, name, command string, variables ...string) error {
	limited, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	out, err := os.CreateTemp("", "hallmark-hook-")
	if err != nil {
		return err
	}
	defer out.Close()
	defer os.Remove(out.Name())
	cmd := exec.CommandContext(limited, "/bin/sh", "-c", command)
	endWithChildren(cmd)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s was interrupted", name)
	case limited.Err() != nil:
		return fmt.Errorf("%s took longer than --hook-timeout", name)
	case err != nil:
		return fmt.Errorf("%s: %w: %s", name, err, tail(out))
	}
	return nil
}

// tail returns the end of what a hook wrote, in whole lines: half a secret would
// not be known for one.
func tail(f *os.File) string {
	const most = 400
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, end-most), most))
	if err != nil {
		return err.Error()
	}
	if end > most {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return strings.TrimSpace(string(text))
}
