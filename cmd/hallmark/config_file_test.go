package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// complaints are the lines on standard error that say what is wrong.
func complaints(stderr string) (lines []string) {
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "hallmark: "); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	return lines
}

// complains runs a command that is refused with these lines and no others: each
// has its parts, which a "|" separates.
func (d *desk) complains(args []string, want ...string) {
	d.Helper()
	r := d.run("", args...)
	got := complaints(r.err)
	if r.code != exitUsage || r.out != "" || len(got) != len(want) {
		d.Errorf("%q ended with %d, %d lines, want %d:\n%s%s", args, r.code, len(got), len(want), r.out, r.err)
		return
	}
	for i, parts := range want {
		for part := range strings.SplitSeq(parts, "|") {
			if !strings.Contains(got[i], part) {
				d.Errorf("line %d is %q, without %q", i+1, got[i], part)
			}
		}
	}
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hallmark.toml")
	write(t, path, text)
	return path
}

// everySetting holds each setting once, none with its default.
const everySetting = `
issuer = "https://login.example.com"
demo = true
listen = "127.0.0.1:1"
tls-cert = "a"
tls-key = "b"
trusted-proxy = ["10.0.0.0/8", "::1"]
ops-listen = "127.0.0.1:2"
ops-tls-cert = "c"
ops-tls-key = "d"
ops-insecure = true
data = "e"
store = "f"
kek-file = ["g,h", "i"]
kek-command = "echo j,k"
seen-file = "l"
pkcs11-module = "q"
pkcs11-token = "r"
pkcs11-pin-file = "s"
pkcs11-retire = true
log-format = "json"
log-level = "debug"
access-lifetime = "1m"
idle-lifetime = "2h"
absolute-lifetime = "3h"
algorithms = ["RS256", "ES256"]
rotate-every = "40h"
publish-ahead = "30h"
keep-after = "35h"
rsa-bits = 3072
announce-command = "tell m,n"
audit-age = "720h"
audit-rows = 5000
simplejwt-client = "site"
simplejwt-user-id-claim = "uid"
simplejwt-old-key-file = "t"
simplejwt-old-until = "2027-01-31"
simplejwt-old-algorithm = "HS512"
simplejwt-old-issuer = "u"
simplejwt-old-audience = "v"
password-workers = 3
`

// Every field of Config can be written in the file, and nothing else can.
func TestFileHoldsEverySetting(t *testing.T) {
	t.Parallel()
	path := configFile(t, everySetting)
	got := parse(t, nil, "--config", path)
	want := Config{
		File:   File{path},
		Issuer: "https://login.example.com", Demo: true, Listen: "127.0.0.1:1", PublicTLS: PublicTLS{"a", "b"}, TrustedProxy: []string{"10.0.0.0/8", "::1"},
		OpsListener: OpsListener{"127.0.0.1:2", "c", "d"}, OpsInsecure: true,
		Place:           Place{Data: "e", Store: "f", KEKFile: []string{"g,h", "i"}, KEKCommand: "echo j,k", SeenFile: "l", Device: Device{PKCS11Module: "q", PKCS11Token: "r", PKCS11PinFile: "s", PKCS11Retire: true}},
		Logging:         Logging{"json", "debug"},
		Sessions:        Sessions{time.Minute, 2 * time.Hour, 3 * time.Hour},
		Seed:            Seed{[]string{"RS256", "ES256"}, 40 * time.Hour, 30 * time.Hour, 35 * time.Hour, 3072},
		AnnounceCommand: "tell m,n",
		Keeping:         Keeping{720 * time.Hour, 5000},
		SimpleJWT:       SimpleJWT{"site", "uid"},
		OldTokens:       OldTokens{"t", "2027-01-31", "HS512", "u", "v"},
		PasswordWorkers: 3,
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("read %+v\nwant %+v", got, want)
	}
	for _, flag := range settings(t) {
		if !strings.Contains(everySetting, "\n"+flag.Name+" = ") && flag.Name != "config" {
			t.Errorf("this test lacks the setting %s", flag.Name)
		}
		if _, known := forKong(flag, false); !known && wanted(flag) == "true or false" {
			t.Errorf("a value for %s cannot be read from a file", flag.Name)
		}
		if value := wantedInFile(flag); !strings.Contains(value, flag.Name) {
			t.Errorf("how to write %s is %q", flag.Name, value)
		}
	}
}

// Flag over environment over file over default, for each on its own.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	path := configFile(t, `listen = "file"`+"\n"+`ops-listen = "file"`+"\n"+`issuer = "file"`+"\n"+`kek-file = ["file", "file2"]`)
	env := map[string]string{"HALLMARK_CONFIG": path, "HALLMARK_LISTEN": "env", "HALLMARK_OPS_LISTEN": "env", "HALLMARK_KEK_FILE": "env"}
	c := parse(t, env, "--listen=flag")
	if c.Listen != "flag" || c.OpsListen != "env" || c.Issuer != "file" || c.Data != "./hallmark-data" || !slices.Equal(c.KEKFile, []string{"env"}) {
		t.Errorf("flag %s, environment %s, file %s, default %s, list %q", c.Listen, c.OpsListen, c.Issuer, c.Data, c.KEKFile)
	}
	delete(env, "HALLMARK_KEK_FILE")
	if c := parse(t, env); !slices.Equal(c.KEKFile, []string{"file", "file2"}) {
		t.Errorf("the file's list is %q", c.KEKFile)
	}
	other := configFile(t, `issuer = "other"`)
	if c := parse(t, env, "--config", other); c.Issuer != "other" {
		t.Errorf("--config beside HALLMARK_CONFIG: the issuer is from %s", c.Issuer)
	}
	if c := parse(t, env, "--config="); c.Issuer != "" {
		t.Errorf("an empty --config beside HALLMARK_CONFIG: the issuer is from %s", c.Issuer)
	}
}

// What is wrong in a file is said at once, in its order, with what to write,
// and the unsafe combinations beside it.
func TestFileRefusedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := configFile(t, `
listn = "x"
ops_listen = "0.0.0.0:1"
Issuer = "x"
idle-lifetime = 600
access-lifetime = "tenm"
algorithms = "ES256"
kek-file = ["a", 1]
demo = "yes"
password-workers = "4"
listen = 8080
log-level = "loud"
kek = "x"
config = "y"
publish-ahead = "1m"
"wholly \u001b unknown" = 1
[server]
issuer = "https://login.example.com"
[[x]]
`)
	inFile := []string{
		`"listn" is not a setting: did you mean listen?`,
		`"ops_listen"|did you mean ops-listen?`,
		`"Issuer"|did you mean issuer?`,
		`idle-lifetime: write a duration in quotes, such as idle-lifetime = "10m"`,
		`access-lifetime cannot be "tenm"|such as 90s`,
		`algorithms: write a list of texts`,
		`kek-file: write a list of texts`,
		`demo: write demo = true`,
		`password-workers: write a whole number`,
		`listen: write a text in quotes`,
		`log-level cannot be "loud"|debug, info, warn, error`,
		`"kek" is not a setting: did you mean kek-file?`,
		`cannot name another: drop config`,
		`"wholly \x1b unknown" is not a setting; hallmark serve --help`,
		`"server" is a table`,
		`"x" is a table`,
	}
	for i := range inFile {
		inFile[i] += "|" + path + ": "
	}
	for _, args := range [][]string{{"serve"}, {"config", "check"}} {
		d.env = map[string]string{"HALLMARK_PASSWORD_WORKERS": "many", "HALLMARK_TRUSTED_PROXY": "x"}
		d.complains(append(args, "--config", path, "--ops-listen=0.0.0.0:1"), append(slices.Clone(inFile),
			`HALLMARK_PASSWORD_WORKERS: password-workers cannot be "many": write a whole number`,
			"--issuer is missing", "--ops-listen 0.0.0.0:1 is not on loopback", "--trusted-proxy|[trusted-proxy from HALLMARK_TRUSTED_PROXY]",
		)...)
	}
	d.env = nil
	for _, args := range [][]string{{"user", "list"}, {"keys", "list"}, {"config", "show"}} {
		d.complains(append(args, "--config", path), inFile...)
	}
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("something was made: %v", left)
	}
}

// A file that is no TOML, or no file, is refused by itself; nothing of it is
// shown where it may be a part of a secret.
func TestFileUnreadable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := t.TempDir()
	for text, want := range map[string]string{
		"listen = hunter":                        `line 1 is not TOML: |listen = "127.0.0.1:8080"`,
		"issuer = \"a\"\nissuer = \"b\"":         "line 2 is not TOML",
		"\n\nstore = hunter2://u:p@h":            "line 3 is not TOML; write",
		"store = \"\\h\"":                        "line 1 is not TOML; write",
		"kek = hunter2":                          "line 1 is not TOML; write",
		"a = \"\xff\"":                           "is not TOML",
		strings.Repeat("a.", 31<<10) + "a=1":     "too many dots or braces", // minutes in the decoder
		"x=" + strings.Repeat("{a=", 16<<10):     "too many dots or braces",
		strings.Repeat("#\n", maxConfigFile/2+1): "too large: 64 KiB at most",
	} {
		path := filepath.Join(dir, "x.toml")
		write(t, path, text)
		d.complains([]string{"serve", "--config", path}, path+"|"+want)
		r := d.run("", "user", "list", "--config", path)
		if strings.Contains(text, "hunter2") && strings.Contains(r.err, "hunter") {
			t.Errorf("a secret is shown: %s", r.err)
		}
	}
	d.complains([]string{"user", "list", "--config", dir}, "--config: |is a directory")
	d.env["HALLMARK_CONFIG"] = filepath.Join(dir, "none")
	d.complains([]string{"serve"}, "none: no such file")
	d.complains([]string{"config", "show"}, "none: no such file")
	d.ok("", "version")                // takes no file
	d.ok("", "user", "list", "--help") // nor does help need one
}

// The operators' commands take their part of the server's file.
func TestOperatorsTakeFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	elsewhere := t.TempDir()
	path := configFile(t, fmt.Sprintf("store = %q\nissuer = %q\nlisten = \"127.0.0.1:0\"\nops-listen = \"127.0.0.1:0\"\nlog-format = \"json\"", filepath.Join(elsewhere, "x.db"), someIssuer))
	d.env["HALLMARK_CONFIG"] = path
	d.ok(newPassword(), "user", "add", "alice")
	if _, err := os.Stat(filepath.Join(elsewhere, "x.db")); err != nil {
		t.Errorf("the file's store is not used: %v", err)
	}
	if r := d.run("", "user", "disable", "alice"); !strings.HasPrefix(r.err, "{") {
		t.Errorf("the file's log format is not used: %q", r.err)
	}
	d.env["HALLMARK_LOG_FORMAT"] = "text"
	s := d.serve()
	if _, body := get(t, "http://"+s.logged("public")+"/.well-known/openid-configuration"); !strings.Contains(body, someIssuer) {
		t.Errorf("the file's issuer is not used: %s", body)
	}
}

// A store's name with a password is not for everybody to read.
func TestFileExposed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	password := strings.TrimSpace(newPassword())
	for store, refused := range map[string]bool{
		"postgres://u:" + password + "@db/x": true, "postgres://db/x?sslpassword=" + password: true, "host=db password=" + password: true,
		"postgres://u@db/x": false, "/var/lib/x.db": false,
	} {
		path := configFile(t, fmt.Sprintf("store = %q", store))
		for mode, open := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
			chmod(t, path, mode)
			r := d.run("", "config", "show", "--config", path)
			if said := strings.Contains(r.err, "chmod o="); said != (refused && open) || said != (r.code == exitUsage) {
				t.Errorf("%s in a file of mode %o: ended with %d, %s", store, mode, r.code, r.err)
			}
			if strings.Contains(r.out+r.err, password) {
				t.Errorf("%s is shown: %s%s", store, r.out, r.err)
			}
		}
	}
}

// HALLMARK_STORE_FILE names a file that holds the value.
func TestFileOfVariable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store")
	for text, want := range map[string]string{"a.db\n": "a.db", "a.db\r\n": "a.db", " a b.db": " a b.db", "a\n\n": "a\n"} {
		write(t, path, text)
		if c := parse(t, map[string]string{"HALLMARK_STORE_FILE": path}); c.Store != want {
			t.Errorf("%q is read as %q", text, c.Store)
		}
	}
	if c := parse(t, map[string]string{"HALLMARK_STORE_FILE": path}, "--store=b"); c.Store != "b" {
		t.Errorf("a flag beside it: %q", c.Store)
	}
	write(t, path, "a.db")
	if c := parse(t, map[string]string{"HALLMARK_STORE_FILE": path, "HALLMARK_CONFIG": configFile(t, `store = "c"`)}); c.Store != "a.db" {
		t.Errorf("a configuration file beside it: %q", c.Store)
	}
	d := newDesk(t)
	for text, want := range map[string]string{"\n": "is empty", "": "is empty", "a\x00b": "holds no text", strings.Repeat("x", maxLine+1): "too large"} {
		write(t, path, text)
		d.env = map[string]string{"HALLMARK_STORE_FILE": path}
		d.complains([]string{"user", "list"}, "HALLMARK_STORE_FILE: |"+want)
	}
	d.env = map[string]string{"HALLMARK_STORE_FILE": filepath.Join(dir, "none")}
	d.complains([]string{"user", "list"}, "HALLMARK_STORE_FILE: |no such file")
	d.env = map[string]string{"HALLMARK_STORE_FILE": path, "HALLMARK_STORE": "x", "HALLMARK_DATA_FILE": "x", "HALLMARK_CONFIG_FILE": "x"}
	d.complains([]string{"user", "list"}, "HALLMARK_CONFIG_FILE is not read|set HALLMARK_CONFIG", "HALLMARK_DATA_FILE is not read", "HALLMARK_STORE and HALLMARK_STORE_FILE are both set")
}

// TestVariableMistyped: a variable that was meant to be a setting is refused
// like a mistyped line of the file, with all else that is wrong. What others
// put into the environment is left alone.
func TestVariableMistyped(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env = map[string]string{"HALLMARK_ISSURE": "https://a.example.com", "HALLMARK_TRUSTED_PROXIES": "10.0.0.1", "HALLMARK_STORES_FILE": "x", "HALLMARK_LISTEN": "8080"}
	mistyped := []string{"HALLMARK_ISSURE is not a setting: did you mean HALLMARK_ISSUER?", "HALLMARK_STORES_FILE|did you mean HALLMARK_STORE?", "HALLMARK_TRUSTED_PROXIES|did you mean HALLMARK_TRUSTED_PROXY?"}
	d.complains([]string{"config", "check"}, append(mistyped, "--issuer is missing", "--listen")...)
	d.complains([]string{"user", "list"}, mistyped...)
	d.ok("", "version") // takes no settings

	d.env = map[string]string{
		"HALLMARK_SERVICE_HOST": "10.0.0.9", "HALLMARK_SERVICE_PORT_HTTPS": "443", "HALLMARK_PORT": "tcp://10.0.0.9:443", "HALLMARK_PORT_443_TCP_ADDR": "10.0.0.9",
		"HALLMARK_TLS_PORT": "tcp://10.0.0.9:443", "HALLMARK_OPS_SERVICE_HOST": "10.0.0.9", "HALLMARK_OPS_PORT": "tcp://10.0.0.9:443",
		"HALLMARK_REQUIRE_PEERS": "1", "HALLMARKS_ISSURE": "x", "HALLMARK_ISSURE": "", "HALLMARK_KEK": "", "HALLMARK_KEK_FILE": "", "HALLMARK_OPS": "http://127.0.0.1:1",
	}
	d.ok("", "config", "check", "--issuer", someIssuer)
}

// FuzzConfigFile: whatever stands in a file, it is read or refused line by
// line, in time, and what was read is of the settings' types.
func FuzzConfigFile(f *testing.F) {
	for _, text := range []string{
		everySetting, "", "listn = 1", "[a.b]\nc = 1", "[[a]]", "a.b.c = 1", "listen = \"\"\"\nx\"\"\"", "demo = 1979-05-27T07:32:00Z", "algorithms = [[[]]]",
		"rotate-every = \"-1h\"", "password-workers = 99999999999999999999", "store = {a = 1}", "\"\" = 1", "listen = \"a\"\nlisten = \"b\"", strings.Repeat("a.", 999) + "a = 1", strings.Repeat("[", 999),
	} {
		f.Add([]byte(text))
	}
	var cmds commands
	p := &process{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	parser, err := p.parser(&cmds)
	if err != nil {
		f.Fatal(err)
	}
	known := settingsOf(parser.Model)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxConfigFile {
			return
		}
		s := sources{path: "x.toml", origins: map[string]origin{}}
		err := s.readFile(text, known)
		if err != nil && (exitCode(err) != exitUsage || len(err.Error()) > 1000) {
			t.Errorf("refused with %d: %v", exitCode(err), err)
		}
		for name, value := range s.file {
			i := slices.IndexFunc(known, func(flag *kong.Flag) bool { return flag.Name == name })
			if i < 0 || !s.usable(known[i], "", value) {
				t.Errorf("%s = %v was read", name, value)
			}
		}
		if err := s.refuse(); err != nil {
			lines := errorLines(err)
			if len(lines) > maxFindings+1 {
				t.Errorf("%d lines", len(lines))
			}
			for _, line := range lines {
				if len(line) > 1000 || strings.ContainsAny(line, "\x1b\x00\n") {
					t.Errorf("a line of %d bytes: %q", len(line), line)
				}
			}
		}
	})
}
