package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/hallmark-auth/hallmark/storage"
)

// A process is what the system gave to this invocation.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        []string // what getenv looks in
	settings       sources  // found by the parser
}

// run is the whole program as a function. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	err := (&process{stdin: stdin, stdout: stdout, stderr: stderr, getenv: lookup(environ), environ: environ}).run(ctx, args)
	if err != nil && !errors.Is(err, errHelp) && !errors.Is(err, errShown) {
		for _, line := range errorLines(err) {
			fmt.Fprintln(stderr, "hallmark:", oneLine(line))
		}
	}
	return exitCode(err)
}

func (p *process) run(ctx context.Context, args []string) error {
	var cmds commands
	ctx = storage.WithAct(ctx, p.actor())
	parser, err := p.parser(&cmds, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p))
	if err != nil {
		return fmt.Errorf("command line grammar: %w", err)
	}
	// Kong would put other characters in the place of these bytes.
	if slices.ContainsFunc(args, func(arg string) bool { return !utf8.ValidString(arg) }) {
		return usage("an argument is not UTF-8: write it in that encoding; see hallmark --help")
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
	switch parsed.Command() {
	case "serve", "config check": // refuse this together with what is unsafe
	default:
		if err := p.settings.refuse(); err != nil {
			return err
		}
	}
	return parsed.Run()
}

// parser reads command lines into cmds, and settings from elsewhere.
func (p *process) parser(cmds *commands, more ...kong.Option) (*kong.Kong, error) {
	p.settings = sources{getenv: p.getenv, environ: p.environ, origins: map[string]origin{}}
	return kong.New(cmds, append(more,
		kong.Name("hallmark"), kong.Description(about), kong.NoDefaultHelp(), kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ValueFormatter(help), kong.Resolvers(&p.settings),
	)...)
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

// help adds to a flag's text its default and a setting's variable.
func help(v *kong.Value) string {
	text := v.Help
	if v.Tag == nil || !v.Tag.Has("setting") {
		if v.Tag != nil && v.HasDefault && v.Default != "" && v.Tag.PlaceHolder != "" { // else kong shows it
			text += " Default: " + v.Default + "."
		}
		return text
	}
	if standard := standardValue(v); standard != "" {
		text += " Default: " + standard + "."
	}
	return text + " [" + variable(v.Name) + "]"
}

// standardValue says what holds if a setting is not given; empty if it is required.
func standardValue(v *kong.Value) string {
	if v.HasDefault {
		return v.Default
	}
	return v.Tag.Get("otherwise")
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
