package main

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/hallmark-auth/hallmark/keys"
)

func TestStorePath(t *testing.T) {
	for store, want := range map[string]string{
		"":                           "data/hallmark.db",
		"/var/lib/x.db":              "/var/lib/x.db",
		"x.db":                       "x.db",
		"sqlite:/var/x.db":           "/var/x.db",
		"sqlite:x.db":                "x.db",
		"sqlite:":                    "",
		"sqlite://host/x.db":         "",
		"postgres://localhost/x":     "",
		"postgresql://u:p@h/x?y=z":   "",
		"mysql://localhost/hallmark": "",
	} {
		got, err := Place{Data: "data", Store: store}.storePath()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("--store %q is %q, %v; want %q", store, got, err, want)
		}
		if err != nil && (exitCode(err) != exitUsage || strings.Contains(err.Error(), "u:p")) {
			t.Errorf("--store %q: %v", store, err)
		}
	}
}

func TestCheckIssuer(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://issuer.example": true, "https://issuer.example:8443/tenant/one": true,
		"http://127.0.0.1:8080": true, "http://localhost": true, "http://[::1]:8080/x": true,
		"http://issuer.example": false, "http://10.0.0.1": false, "ftp://issuer.example": false, "issuer.example": false, "": false,
		"https://issuer.example/": false, "https://issuer.example/tenant/": false, "https://issuer.example//": false,
		"https://issuer.example?": false, "https://issuer.example#x": false, "https://u@issuer.example": false, "https://": false,
	} {
		err := checkIssuer(issuer)
		if (err == nil) != ok || err != nil && exitCode(err) != exitUsage {
			t.Errorf("issuer %q: %v", issuer, err)
		}
	}
}

func TestSchedule(t *testing.T) {
	standard := keys.DefaultSchedule()
	if got := (Config{}).schedule(); !reflect.DeepEqual(got, standard) {
		t.Errorf("nothing said is %+v", got)
	}
	c := Config{Seed: Seed{Algorithms: []string{"RS256"}, RotateEvery: 50 * time.Hour, PublishAhead: 26 * time.Hour, KeepAfter: 27 * time.Hour}}
	want := standard
	want.Algorithms, want.RotateEvery, want.PublishAhead, want.KeepAfter = []keys.Algorithm{keys.RS256}, 50*time.Hour, 26*time.Hour, 27*time.Hour
	if got := c.schedule(); !reflect.DeepEqual(got, want) {
		t.Errorf("schedule %+v, want %+v", got, want)
	}
	if got := c.ignored(standard); !slices.Equal(got, []string{"algorithms", "rotate-every", "publish-ahead", "keep-after"}) {
		t.Errorf("ignored beside the standard: %q", got)
	}
	if got := c.ignored(want); got != nil {
		t.Errorf("ignored though the same: %q", got)
	}
	if got := (Config{}).ignored(want); got != nil {
		t.Errorf("ignored though not said: %q", got)
	}
}

// What remembers the newest ring lies apart from the store where it can.
func TestSeenFile(t *testing.T) {
	for want, place := range map[string]Place{
		"data/kek.seen":     {Data: "data"},
		"/run/kek.seen":     {Data: "data", KEKFile: []string{"/run/new", "/etc/old"}},
		"/var/lib/x/marked": {Data: "data", KEKFile: []string{"/run/new"}, SeenFile: "/var/lib/x/marked"},
	} {
		if got := place.seen().String(); got != want {
			t.Errorf("%+v: %s, want %s", place, got, want)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "[]", "10.1.2.3": "[10.1.2.3/32]", "10.0.0.0/8": "[10.0.0.0/8]", "::1": "[::1/128]", "fd00::/8": "[fd00::/8]",
		"::ffff:10.1.2.3": "[10.1.2.3/32]", "fe80::1%eth0": "[fe80::1/128]", "10.1.2.3/32  fd00::/8\t::1": "[10.1.2.3/32 fd00::/8 ::1/128]",
		"x": "", "10.0.0.0/33": "", "10.1.2.3/8": "", "10.0.0.0/0": "", "::/0": "", "::ffff:10.0.0.0/104": "", "10.1.2.3:80": "", "10.1.2.3 x": "", "proxy.example": "",
	} {
		got, err := Config{TrustedProxy: []string{text}}.proxies()
		if want == "" {
			if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--trusted-proxy") {
				t.Errorf("%q is %v, %v; want it refused", text, got, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, args := range [][]string{{"--trusted-proxy=10.0.0.0/8", "--trusted-proxy=::1"}, {"--trusted-proxy=10.0.0.0/8,::1"}} {
		if got, err := parse(t, nil, args...).proxies(); err != nil || len(got) != 2 {
			t.Errorf("%q: %v, %v", args, got, err)
		}
	}
	for _, value := range []string{"10.0.0.0/8,::1", "10.0.0.0/8 ::1", "10.0.0.0/8, ::1"} {
		if got, err := parse(t, map[string]string{"HALLMARK_TRUSTED_PROXY": value}).proxies(); err != nil || len(got) != 2 {
			t.Errorf("HALLMARK_TRUSTED_PROXY=%q: %v, %v", value, got, err)
		}
	}
}

// parse reads a command line as run does.
func parse(t *testing.T, env map[string]string, args ...string) Config {
	t.Helper()
	var cmds commands
	p := &process{stdout: io.Discard, stderr: io.Discard, getenv: func(name string) string { return env[name] }}
	parser, err := p.parser(&cmds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		t.Fatal(err)
	}
	if err := p.settings.refuse(); err != nil {
		t.Fatal(err)
	}
	return cmds.Serve.Config
}

func TestSettings(t *testing.T) {
	t.Parallel()
	c := parse(t, nil)
	if c.Data != "./hallmark-data" || c.Listen != "127.0.0.1:8080" || c.OpsListen != "127.0.0.1:8081" || c.Issuer != "" || c.Demo ||
		c.AccessLifetime != 10*time.Minute || c.IdleLifetime != 14*24*time.Hour || c.AbsoluteLifetime != 90*24*time.Hour ||
		c.LogFormat != "text" || c.LogLevel != "info" || c.KEKFile != nil || c.PasswordWorkers != 0 {
		t.Errorf("defaults: %+v", c)
	}
	env := map[string]string{
		"HALLMARK_DATA": "env", "HALLMARK_STORE": "env.db", "HALLMARK_KEK_FILE": "a,b", "HALLMARK_KEK_COMMAND": "echo a,b", "HALLMARK_DEMO": "true",
		"HALLMARK_IDLE_LIFETIME": "1h", "HALLMARK_ALGORITHMS": "RS256,ES256", "HALLMARK_LOG_LEVEL": "warn", "HALLMARK_PASSWORD_WORKERS": "3",
		"LISTEN": "x", "DATA": "x",
	}
	c = parse(t, env)
	if c.Data != "env" || c.Store != "env.db" || !slices.Equal(c.KEKFile, []string{"a,b"}) || c.KEKCommand != "echo a,b" || !c.Demo ||
		c.IdleLifetime != time.Hour || !slices.Equal(c.Algorithms, []string{"RS256", "ES256"}) || c.LogLevel != "warn" || c.PasswordWorkers != 3 ||
		c.Listen != "127.0.0.1:8080" {
		t.Errorf("from the environment: %+v", c)
	}
	c = parse(t, env, "--data=flag", "--kek-file=c", "--kek-file", "d", "--idle-lifetime=2h", "--algorithms=ES256")
	if c.Data != "flag" || !slices.Equal(c.KEKFile, []string{"c", "d"}) || c.IdleLifetime != 2*time.Hour || !slices.Equal(c.Algorithms, []string{"ES256"}) {
		t.Errorf("flags beside the environment: %+v", c)
	}
}

// settings are those that serve takes.
func settings(t *testing.T) (found []*kong.Flag) {
	t.Helper()
	for _, node := range commandTree(t).Leaves(false) {
		if node.Name == "serve" {
			for _, flag := range node.Flags {
				if flag.Tag.Has("setting") {
					found = append(found, flag)
				}
			}
		}
	}
	return found
}

func commandTree(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := (&process{stdout: io.Discard, stderr: io.Discard}).parser(new(commands))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// Every flag of serve is a setting, with a variable; every setting says in a
// sentence what it is for, and what holds without it.
func TestEverySetting(t *testing.T) {
	t.Parallel()
	for _, node := range commandTree(t).Leaves(false) {
		for _, flag := range node.Flags {
			if node.Name == "serve" && !flag.Tag.Has("setting") {
				t.Errorf("serve --%s has no variable", flag.Name)
			}
			if flag.Help == "" {
				t.Errorf("%s --%s has no help", node.FullPath(), flag.Name)
			}
			if strings.Contains(flag.Name, "password") && !strings.HasSuffix(flag.Name, "-file") && !slices.Contains([]string{"password-workers", "hook-change-password"}, flag.Name) && !strings.HasPrefix(flag.Name, "no-password") {
				t.Errorf("%s --%s takes a password", node.FullPath(), flag.Name)
			}
		}
	}
	for _, flag := range settings(t) {
		if !regexp.MustCompile(`^[A-Z].*\.$`).MatchString(flag.Help) {
			t.Errorf("--%s: %q is no sentence", flag.Name, flag.Help)
		}
		if standard := standardValue(flag.Value); standard == "" && !flag.IsBool() || strings.HasSuffix(standard, ".") {
			t.Errorf("--%s does not say what holds without it, or not well: %q", flag.Name, standard)
		}
		if flag.HasDefault && flag.Tag.Has("otherwise") {
			t.Errorf("--%s has two defaults", flag.Name)
		}
		if kind := flag.Tag.Get("setting"); kind != "" && kind != "dsn" {
			t.Errorf("--%s is a setting of an unknown kind %q", flag.Name, kind)
		}
		if flag.PlaceHolder == "" && !flag.IsBool() {
			t.Errorf("--%s has no placeholder", flag.Name)
		}
	}
}

// serve --help is the manual: it fits the screen, and each setting stands there
// with its variable and its default.
func TestServeHelp(t *testing.T) {
	for _, width := range []int{80, 120} {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		help := newDesk(t).ok("", "serve", "--help")
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > width {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
		words := strings.Join(strings.Fields(help), " ")
		for _, flag := range settings(t) {
			want := "[" + variable(flag.Name) + "]"
			if standard := standardValue(flag.Value); standard != "" {
				want = "Default: " + standard + ". " + want
			}
			if !strings.Contains(words, "--"+flag.Name) || !strings.Contains(words, want) {
				t.Errorf("at %d columns --%s stands there without %q", width, flag.Name, want)
			}
		}
		at := 0
		for _, group := range []string{"\nFlags:\n", "\nPublic listener\n", "\nOperators' listener\n", "\nStore and keys\n", "\nLog\n", "\nLifetimes\n", "\nKey schedule", "\nSign-in\n"} {
			i := strings.Index(help, group)
			if i < at {
				t.Errorf("at %d columns %q is not where it should be", width, group)
			}
			at = i
		}
	}
	if n := strings.Count(newDesk(t).ok("", "token", "--help"), "Default: "); n == 0 {
		t.Error("the flags of token that are no settings have lost their defaults")
	}
}
