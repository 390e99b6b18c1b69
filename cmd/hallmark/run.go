package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"
)

// A process is what the system gave to this invocation.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// run is the whole program as a function. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	p := &process{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	err := p.run(ctx, args)
	if err != nil && !errors.Is(err, errHelp) && !errors.Is(err, errShown) {
		fmt.Fprintln(stderr, "hallmark:", oneLine(explain(err)))
	}
	return exitCode(err)
}

func (p *process) run(ctx context.Context, args []string) error {
	var cmds commands
	parser, err := kong.New(&cmds,
		kong.Name("hallmark"), kong.Description(about), kong.NoDefaultHelp(),
		kong.Writers(p.stdout, p.stderr), kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Resolvers(kong.ResolverFunc(p.fromEnvironment)), kong.ValueFormatter(help),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p),
	)
	if err != nil {
		return fmt.Errorf("command line grammar: %w", err)
	}
	parsed, err := parser.Parse(args)
	switch {
	case errors.Is(err, errHelp):
		return err
	case isSuperfluous(err):
		return usage("too many arguments; passwords and secrets are never arguments; see hallmark --help")
	case isDashed(err):
		return usage("%w; put -- before an argument that begins with \"-\"; see hallmark --help", err)
	case err != nil:
		return usage("%w; see hallmark --help", err)
	}
	return parsed.Run()
}

// isSuperfluous reports an argument that a command does not take. It may be a
// password, and kong would quote it.
func isSuperfluous(err error) bool {
	var e *kong.ParseError
	if !errors.As(err, &e) || e.Context == nil || !strings.HasPrefix(e.Error(), "unexpected argument") {
		return false
	}
	command := e.Context.Selected()
	return command != nil && command.Leaf() // else it is an unknown command
}

// isDashed reports an unknown flag of a command that takes an argument: it may
// be the argument, and begin with a hyphen.
func isDashed(err error) bool {
	var e *kong.ParseError
	if !errors.As(err, &e) || e.Context == nil || !strings.HasPrefix(e.Error(), "unknown flag") {
		return false
	}
	command := e.Context.Selected()
	return command != nil && len(command.Positional) > 0
}

const about = `A token server: OAuth 2.0 access tokens that anyone can verify offline, and signing keys that turn over by themselves.

Exit codes: 0 done; 1 failed otherwise; 2 wrong usage or refused input; 3 no such user, client or key; 4 exists already or changed by somebody else; 5 store or keys not available or not usable; 6 verification failed.`

// errHelp stops a run whose help was printed.
var errHelp = errors.New("help was shown")

type helpFlag bool

// BeforeReset is called by kong where -h or --help stands.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelp
}

// variable names the environment variable of a setting.
func variable(flag string) string {
	return "HALLMARK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment finds a setting that the command line does not hold.
func (p *process) fromEnvironment(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !flag.Tag.Has("setting") {
		return nil, nil
	}
	if v := p.getenv(variable(flag.Name)); v != "" {
		return v, nil
	}
	return nil, nil
}

// help adds to a flag's text its default, which kong shows only where there is
// no placeholder, and a setting's variable.
func help(v *kong.Value) string {
	text := v.Help
	if v.Tag != nil && v.HasDefault && v.Default != "" && v.Tag.PlaceHolder != "" {
		text += " Default: " + v.Default + "."
	}
	if v.Tag != nil && v.Tag.Has("setting") {
		text += " [" + variable(v.Name) + "]"
	}
	return text
}

// logger writes records as the settings say.
func (p *process) logger(l Logging) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // one of kong's enum
	opts := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(p.stderr, opts))
}
