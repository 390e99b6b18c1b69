package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const ourVariables = "HALLMARK_"

// variable names the environment variable of a setting.
func variable(flag string) string {
	return ourVariables + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment looks for a setting in its variable, or in the file that the
// variable with _FILE appended names.
func (s *sources) environment(flag *kong.Flag) (string, origin) {
	name := variable(flag.Name)
	value, path := s.getenv(name), s.getenv(name+"_FILE")
	switch {
	case path != "" && !holdsSecret(flag):
		s.unreadable(flag.Name, "%s_FILE is not read, because %s is no secret: set %s", name, flag.Name, name)
		return "", origin{}
	case value != "" && path != "":
		s.unreadable(flag.Name, "%[1]s and %[1]s_FILE are both set: unset one of them", name)
		return "", origin{}
	case value != "":
		return value, origin{fromEnvironment, name}
	case path == "":
		return "", origin{}
	}
	text, _, err := readLimited(path, maxLine)
	value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case err != nil:
		s.unreadable(flag.Name, "%s_FILE: %v", name, err)
		return "", origin{}
	case value == "" || strings.ContainsRune(value, 0):
		s.unreadable(flag.Name, "%s_FILE: %s is empty or holds no text; it is to be the value of %s", name, path, flag.Name)
		return "", origin{}
	}
	return value, origin{fromEnvironment, name + "_FILE"}
}

// lookup returns a getenv for an environment. The last of a name holds.
func lookup(environ []string) func(string) string {
	values := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return func(name string) string { return values[name] }
}

// isService reports a variable that Kubernetes or Docker sets for a service or a
// container of this name, such as HALLMARK_TLS_PORT_8080_TCP.
func isService(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "_"), func(part string) bool {
		return part == "SERVICE" || part == "PORT" || part == "ENV" || part == "NAME"
	})
}

// mistyped refuses variables that look like a setting and are none. Others may
// be for something else.
func (s *sources) mistyped(known []*kong.Flag) {
	ours := map[string]bool{kekVariable: true, variable("config"): true}
	for _, flag := range known {
		ours[variable(flag.Name)] = true
	}
	for _, pair := range slices.Sorted(slices.Values(s.environ)) { // the environment has no order
		name, value, _ := strings.Cut(pair, "=")
		setting, isOurs := strings.CutPrefix(name, ourVariables)
		if !isOurs || value == "" || ours[strings.TrimSuffix(name, "_FILE")] || ours[name] || isService(name) {
			continue
		}
		if near := or(nearest(setting, known), nearest(strings.TrimSuffix(setting, "_FILE"), known)); near != "" {
			s.add(exitUsage, nil, "%s is not a setting: did you mean %s?", clip(printable(name)), variable(near))
		}
	}
}
