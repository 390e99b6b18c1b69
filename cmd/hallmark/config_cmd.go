package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type configCheckCmd struct{ Config }

// Run refuses what serve would refuse before it opens anything.
func (c *configCheckCmd) Run(p *process) error {
	if err := p.refuse(c.Config); err != nil {
		return err
	}
	c.warn(p.logger(c.Logging))
	_, err := fmt.Fprintln(p.stdout, "ok")
	return err
}

type configShowCmd struct {
	Config
	Output
}

// A shownSetting is a line of config show.
type shownSetting struct {
	Name  string `json:"name"`
	Value any    `json:"value"` // text, truth, number or list; nil: there is none
	From  string `json:"from"`
	Where string `json:"where,omitempty"` // the variable or the file

	otherwise string // what holds without a value
}

// Run shows the settings as serve would see them, unsafe or not.
func (c *configShowCmd) Run(ctx *kong.Context, p *process) error {
	c.Config = c.effective(p.getenv(kekVariable) != "")
	var shown []shownSetting
	for _, flag := range ctx.Selected().Flags {
		if !flag.Tag.Has("setting") {
			continue
		}
		at := p.settings.from(ctx, flag)
		shown = append(shown, shownSetting{flag.Name, plain(flag), at.from, at.where, flag.Tag.Get("otherwise")})
	}
	if p.getenv(kekVariable) != "" {
		shown = append(shown, shownSetting{"kek", hidden, fromEnvironment, kekVariable, ""})
	}
	slices.SortFunc(shown, func(a, b shownSetting) int { return strings.Compare(a.Name, b.Name) })
	return c.print(p.stdout, shown, func(w io.Writer) error {
		var rows [][]string
		for _, s := range shown {
			rows = append(rows, []string{s.Name, s.text(), strings.TrimSpace(s.From + " " + s.Where)})
		}
		return printTable(w, []string{"SETTING", "VALUE", "FROM"}, rows)
	})
}

// effective fills in what follows from other settings.
func (c Config) effective(kekInEnvironment bool) Config {
	if path, err := c.storePath(); err == nil && c.Store == "" {
		c.Store = path
	}
	c.SeenFile = c.seen().String()
	if len(c.KEKFile) == 0 && c.KEKCommand == "" && !kekInEnvironment {
		c.KEKFile = []string{c.kekPath()}
	}
	s := c.schedule()
	c.Algorithms = nil
	for _, a := range s.Algorithms {
		c.Algorithms = append(c.Algorithms, string(a))
	}
	c.RotateEvery, c.PublishAhead, c.KeepAfter = s.RotateEvery, s.PublishAhead, s.KeepAfter
	return c
}

// from says where a setting of the command has its value from.
func (s *sources) from(ctx *kong.Context, flag *kong.Flag) origin {
	for _, given := range ctx.Path {
		if given.Flag == flag && !given.Resolved {
			return origin{from: fromFlag}
		}
	}
	if at, ok := s.origins[flag.Name]; ok {
		return at
	}
	return origin{from: fromDefault}
}

// plain is the value of a setting for people and programs, without secrets.
func plain(flag *kong.Flag) any {
	switch value := flag.Target.Interface().(type) {
	case string:
		switch {
		case value == "":
			return nil
		case holdsSecret(flag):
			return redact(value)
		}
		return value
	case time.Duration:
		return brief(value)
	case int:
		if value == 0 {
			return nil
		}
		return value
	case []string:
		if value == nil {
			return []string{}
		}
		return value
	default:
		return value
	}
}

// brief writes a duration as people do: 720h, not 720h0m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s shownSetting) text() string {
	switch value := s.Value.(type) {
	case nil:
		short, _, _ := strings.Cut(s.otherwise, ";")
		return "(" + or(short, "none") + ")"
	case []string:
		return words(value)
	default:
		return printable(fmt.Sprint(value))
	}
}
