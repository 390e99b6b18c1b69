package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Where a setting has its value from.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment"
	fromFile        = "file"
	fromDefault     = "default"
)

type origin struct {
	from  string // one of the above
	where string // the variable or the file
}

// sources finds the settings that the command line does not hold: in the
// environment, or else in the configuration file. It is kong's resolver. What
// cannot be used is collected, not returned: kong would stop at the first.
type sources struct {
	getenv  func(string) string
	environ []string // NAME=VALUE, as in os.Environ
	begun   bool
	broken  error          // why the configuration file cannot be read at all
	path    string         // of the configuration file; empty: there is none
	mode    fs.FileMode    // its permissions
	file    map[string]any // its settings, as kong takes them
	origins map[string]origin
	findings
}

var _ kong.Resolver = (*sources)(nil)

// Validate has nothing to say: the settings are looked at as they are read.
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve is called by kong for every flag that the command line does not hold.
func (s *sources) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !s.begun {
		s.begun = true
		s.begin(ctx)
	}
	if !flag.Tag.Has("setting") {
		return nil, nil
	}
	if value, at := s.environment(flag); at.from != "" {
		if s.usable(flag, at.where, value) {
			s.origins[flag.Name] = at
			return value, nil
		}
		return nil, nil
	}
	if value, ok := s.file[flag.Name]; ok {
		s.origins[flag.Name] = origin{fromFile, s.path}
		return value, nil
	}
	return nil, nil
}

// begin reads the configuration file, if the command takes one and is given one.
func (s *sources) begin(ctx *kong.Context) {
	flag := configFlag(ctx.Selected())
	if flag == nil {
		return
	}
	known := settingsOf(ctx.Model)
	s.mistyped(known)
	s.path = s.getenv(variable(flag.Name))
	for _, given := range ctx.Path {
		if given.Flag == flag {
			s.path, _ = ctx.FlagValue(flag).(string) // empty: none, whatever the environment says
		}
	}
	if s.path == "" {
		return
	}
	text, mode, err := readLimited(s.path, maxConfigFile)
	if err != nil {
		s.broken = usage("--config: %w; name a TOML file that can be read", err)
		return
	}
	s.mode = mode
	s.broken = s.readFile(text, known)
}

func configFlag(command *kong.Node) *kong.Flag {
	if command != nil {
		for _, flag := range command.Flags {
			if flag.Name == "config" && flag.Tag.Has("setting") {
				return flag
			}
		}
	}
	return nil
}

// settingsOf are the settings that some command takes from a file. An
// operators' command may be given the server's: it has to know them all.
func settingsOf(app *kong.Application) []*kong.Flag {
	var found []*kong.Flag
	for _, command := range app.Leaves(false) {
		if configFlag(command) == nil {
			continue
		}
		for _, flag := range command.Flags {
			known := func(f *kong.Flag) bool { return f.Name == flag.Name }
			if flag.Tag.Has("setting") && flag.Name != "config" && !slices.ContainsFunc(found, known) {
				found = append(found, flag)
			}
		}
	}
	return found
}

// holdsSecret reports a setting whose value may hold a password.
func holdsSecret(flag *kong.Flag) bool { return flag.Tag.Get("setting") == "dsn" }

// usable tries a value on a copy of the setting, so that kong will take it.
func (s *sources) usable(flag *kong.Flag, where string, value any) bool {
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), trial); err != nil {
		s.unreadable(flag.Name, "%s: %s cannot be %q: write %s", where, flag.Name, clip(fmt.Sprint(value)), wanted(flag))
		return false
	}
	if flag.Enum != "" && !slices.Contains(flag.EnumSlice(), trial.String()) {
		s.unreadable(flag.Name, "%s: %s cannot be %q: write one of %s", where, flag.Name, clip(trial.String()), strings.Join(flag.EnumSlice(), ", "))
		return false
	}
	return true
}

// wanted says how a value of a setting is written in the environment.
func wanted(flag *kong.Flag) string {
	switch flag.Target.Interface().(type) {
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	case time.Duration:
		return "a duration such as 90s, 10m or 1h30m"
	}
	return "text"
}

// clip keeps a foreign text from filling the screen.
func clip(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}

// refuse reports what could not be read.
func (s *sources) refuse() error {
	if s.broken != nil {
		return s.broken
	}
	return s.err(s.origins)
}

// readLimited reads a file or a pipe of a limited size, and says who may read it.
func readLimited(path string, limit int64) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		return nil, 0, fmt.Errorf("%s is a directory; name a file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, 0, err
	case int64(len(text)) > limit:
		return nil, 0, errors.New(path + " is too large: " + fmt.Sprint(limit>>10) + " KiB at most")
	}
	return text, info.Mode().Perm(), nil
}
