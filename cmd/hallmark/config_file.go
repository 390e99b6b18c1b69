package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// Limits on the configuration file. The decoder takes minutes for tables in
// tables in tables, which it has none of: their dots and braces are counted.
const (
	maxConfigFile = 64 << 10
	maxDots       = 2000 // a list of several hundred addresses
	maxLineDots   = 500
	maxBraces     = 100
)

func tooInvolved(text string) bool {
	dots, braces := 0, 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		inLine := strings.Count(line, ".")
		dots += inLine
		braces += strings.Count(line, "{")
		if inLine > maxLineDots {
			return true
		}
	}
	return dots > maxDots || braces > maxBraces
}

// readFile takes the settings out of a configuration file. An error says that
// it is not TOML; what else is wrong goes to the findings. Every setting is
// looked at, also those that this command does not take.
func (s *sources) readFile(text []byte, known []*kong.Flag) error {
	if tooInvolved(string(text)) {
		return usage("%s: it has too many dots or braces for a file of settings; write one setting on each line, and none inside another", s.path)
	}
	var tree map[string]any
	meta, err := toml.Decode(string(text), &tree)
	if err != nil {
		return usage("%s: %s", s.path, syntaxError(err, known))
	}
	s.file = map[string]any{}
	seen := map[string]bool{}
	for _, key := range meta.Keys() { // in the file's order, tables' members too
		name := key[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		i := slices.IndexFunc(known, func(f *kong.Flag) bool { return f.Name == name })
		if i < 0 {
			s.unreadable(name, "%s: %s", s.path, unknownSetting(name, tree[name], known))
			continue
		}
		value, ok := forKong(known[i], tree[name])
		if !ok {
			s.unreadable(name, "%s: %s: write %s", s.path, name, wantedInFile(known[i]))
			continue
		}
		if s.usable(known[i], s.path, value) {
			s.file[name] = value
		}
	}
	s.exposed(known)
	return nil
}

// exposed refuses a file that everybody can read and that holds a password.
func (s *sources) exposed(known []*kong.Flag) {
	for _, flag := range known {
		if text, ok := s.file[flag.Name].(string); ok && holdsSecret(flag) && s.mode&0o007 != 0 && redact(text) != text {
			s.add(exitUsage, on(flag.Name), "%[1]s: others can read it (mode %04[2]o), and %[3]s holds a password: run: chmod o= %[1]s; or put the value into a file of its own and name that in %[4]s_FILE",
				s.path, s.mode, flag.Name, variable(flag.Name))
		}
	}
}

// forKong turns what TOML holds into what a flag takes, if it is of its type. A
// number is no duration: nobody can tell of what.
func forKong(flag *kong.Flag, value any) (any, bool) {
	switch flag.Target.Interface().(type) {
	case bool:
		on, ok := value.(bool)
		return strconv.FormatBool(on), ok
	case int:
		n, ok := value.(int64)
		return strconv.FormatInt(n, 10), ok
	case []string:
		list, ok := value.([]any)
		for _, element := range list {
			if _, isText := element.(string); !isText {
				return nil, false
			}
		}
		return list, ok
	case string, time.Duration:
		text, ok := value.(string)
		return text, ok
	}
	return nil, false // a field of a type that is not known here; a test looks for them
}

// wantedInFile says how a value of a setting is written in the file.
func wantedInFile(flag *kong.Flag) string {
	switch flag.Target.Interface().(type) {
	case bool:
		return flag.Name + " = true or " + flag.Name + " = false, without quotes"
	case int:
		return "a whole number without quotes, such as " + flag.Name + " = 4"
	case []string:
		return "a list of texts in quotes, such as " + flag.Name + ` = ["…", "…"]`
	case time.Duration:
		return "a duration in quotes, such as " + flag.Name + ` = "10m"`
	}
	return "a text in quotes, such as " + flag.Name + ` = "…"`
}

// syntaxError says where a file is not TOML. What stands there is not shown if
// it may be part of a secret.
func syntaxError(err error, known []*kong.Flag) string {
	var at toml.ParseError
	if !errors.As(err, &at) {
		return "it is not TOML"
	}
	public := func(f *kong.Flag) bool { return f.Name == at.LastKey && !holdsSecret(f) }
	text := fmt.Sprintf("line %d is not TOML", at.Position.Line)
	if slices.ContainsFunc(known, public) {
		text += ": " + clip(printable(at.Message))
	}
	return text + `; write a setting on each line, with texts in quotes: listen = "127.0.0.1:8080"`
}

func unknownSetting(name string, value any, known []*kong.Flag) string {
	shown := strconv.Quote(clip(name))
	switch value.(type) {
	case map[string]any, []map[string]any:
		return shown + " is a table, and there are none: write the settings without a heading in brackets"
	}
	if name == "config" {
		return "a configuration file cannot name another: drop config"
	}
	if near := nearest(name, known); near != "" {
		return shown + " is not a setting: did you mean " + near + "?"
	}
	return shown + " is not a setting; hallmark serve --help names them all"
}

// nearest is the setting that was probably meant; empty if none looks like it.
func nearest(name string, known []*kong.Flag) (found string) {
	name = strings.ToLower(strings.ReplaceAll(clip(name), "_", "-"))
	best := len(name)/3 + 1 // so many letters may differ
	for _, flag := range known {
		d := distance(name, flag.Name)
		if len(name) > 2 && strings.HasPrefix(flag.Name, name+"-") {
			d = min(d, 1)
		}
		if d < best {
			best, found = d, flag.Name
		}
	}
	return found
}

// distance is how many letters must be put in, taken out or changed to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
