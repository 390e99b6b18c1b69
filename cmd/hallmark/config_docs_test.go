package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

var updateConfiguration = flag.Bool("update-configuration", false, "write the settings into docs/configuration.md")

// manual is what docs/configuration.md says about the settings.
func manual(flags []*kong.Flag) string {
	var out strings.Builder
	var groups []string
	members := map[string][]*kong.Flag{}
	for _, f := range flags {
		title := "General"
		if f.Group != nil {
			title = f.Group.Title
		}
		if members[title] == nil {
			groups = append(groups, title)
		}
		members[title] = append(members[title], f)
	}
	for _, title := range groups {
		fmt.Fprintf(&out, "\n### %s\n", title)
		for _, f := range members[title] {
			fmt.Fprintf(&out, "\n#### %s\n\n%s\n\n%s\n", f.Name, f.Help, facts(f))
		}
	}
	return out.String()
}

func facts(f *kong.Flag) string {
	key := "`" + f.Name + "`"
	if f.Name == "config" {
		key = "none"
	}
	shown := standardValue(f.Value)
	switch {
	case f.HasDefault:
		shown = "`" + shown + "`"
	case f.IsBool():
		shown = "`false`"
	}
	env := "`" + variable(f.Name) + "`"
	if holdsSecret(f) {
		env += " or `" + variable(f.Name) + "_FILE`"
	}
	return strings.Join([]string{
		"| Flag | Variable | In the file | Type | Default |", "|---|---|---|---|---|",
		fmt.Sprintf("| `--%s` | %s | %s | %s | %s |", f.Name, env, key, kind(f), strings.ReplaceAll(shown, "|", "\\|")),
	}, "\n")
}

func kind(f *kong.Flag) string {
	what := map[string]string{
		"URL": "URL", "ADDR": "host:port", "FILE": "file", "DIR": "directory", "CIDR": "address or prefix",
		"COMMAND": "shell command", "LABEL": "text", "TEXT": "text", "DATE": "day or time", "ID": "text", "NAME": "text", "ALG": "algorithm", "FORMAT": "", "LEVEL": "", "TIME": "", "N": "",
	}
	name, known := what[f.PlaceHolder]
	switch f.Target.Interface().(type) {
	case bool:
		return "true or false"
	case int:
		return "number"
	case time.Duration:
		return "duration"
	case []string:
		return "list: " + name
	}
	if f.Enum != "" {
		return strings.Join(f.EnumSlice(), ", ")
	}
	if !known {
		return "unknown: " + f.PlaceHolder
	}
	return name
}

// TestConfigurationDocs: the manual has every setting as the struct has it.
func TestConfigurationDocs(t *testing.T) {
	path := filepath.Join(repo(t), "docs", "configuration.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	generated := regexp.MustCompile(`(?s)(<!-- generated: settings;[^\n]*-->\n)(.*)(<!-- end -->)`)
	if !generated.Match(text) {
		t.Fatal("docs/configuration.md has lost the marks of its generated part")
	}
	want := manual(settings(t))
	if strings.Contains(want, "unknown: ") {
		t.Errorf("a type has no name:\n%s", want)
	}
	fresh := generated.ReplaceAllFunc(text, func(all []byte) []byte {
		parts := generated.FindSubmatch(all)
		return []byte(string(parts[1]) + want + "\n" + string(parts[3]))
	})
	if string(fresh) == string(text) {
		return
	}
	if !*updateConfiguration {
		t.Fatal("docs/configuration.md is stale: go test ./cmd/hallmark -run TestConfigurationDocs -update-configuration")
	}
	if err := os.WriteFile(path, fresh, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestConfigurationExample: the manual's file is accepted as it stands, and
// holds every setting, also with all that is commented out.
func TestConfigurationExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repo(t), "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("there is no example")
	}
	example := string(block[1])
	if out := newDesk(t).ok("", "config", "check", "--config", configFile(t, example)); out != "ok\n" {
		t.Errorf("the example is not accepted: %s", out)
	}
	whole := regexp.MustCompile(`(?m)^# ([a-z0-9-]+ = )`).ReplaceAllString(example, "$1")
	c := parse(t, nil, "--config", configFile(t, whole))
	for _, f := range settings(t) {
		if !strings.Contains(whole, "\n"+f.Name+" = ") && f.Name != "config" {
			t.Errorf("the example lacks %s", f.Name)
		}
	}
	// What is commented out and has a fixed default is that.
	standard := parse(t, nil)
	if c.Sessions != standard.Sessions || c.LogLevel != standard.LogLevel || c.OpsListen != standard.OpsListen || fmt.Sprint(c.schedule()) != fmt.Sprint(standard.schedule()) {
		t.Errorf("the example has other defaults than the program: %+v", c)
	}
}
