package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// newPassword is a line for standard input.
func newPassword() string { return storage.RandomSecret().Reveal() + "\n" }

func TestUserCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if out := d.ok(newPassword(), "user", "add", "alice", "--role", "admin", "--role", "a, b", "--group", "ops", "--entitlement", "e",
		"--claim", "tenant=acme", "--claim-json", "quota={\"gb\":9007199254740993}", "--foreign-id", "17"); !strings.Contains(out, "added alice, sub ") {
		t.Errorf("user add prints %q", out)
	}
	d.ok("", "user", "add", "machine", "--no-password")
	d.ok(newPassword(), "user", "add", "zoe", "--disabled")

	var users []struct {
		Sub, Username string
		Disabled      bool
		HasPassword   bool `json:"has_password"`
		Roles         []string
		Extra         map[string]any
		ForeignID     string `json:"foreign_id"`
		CreatedAt     string `json:"created_at"`
	}
	d.json(&users, "", "user", "list")
	if len(users) != 3 || users[0].Username != "alice" || !slices.Equal(users[0].Roles, []string{"admin", "a, b"}) ||
		users[0].Extra["tenant"] != "acme" || users[0].ForeignID != "17" || !users[0].HasPassword || len(users[0].Sub) != 36 {
		t.Errorf("listed %+v", users)
	}
	if out := d.ok("", "user", "list", "--json"); !strings.Contains(out, "9007199254740993") {
		t.Errorf("a number lost digits: %s", out)
	}
	if users[1].HasPassword || !users[2].Disabled || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(users[0].CreatedAt) {
		t.Errorf("listed %+v", users)
	}
	table := strings.Split(d.ok("", "user", "list"), "\n")
	for i, want := range []string{`^USERNAME +SUB +STATE `, `^alice +[0-9a-f-]{36} +enabled `, `^machine .* no password `, `^zoe .* disabled `} {
		if !regexp.MustCompile(want).MatchString(table[i]) {
			t.Errorf("line %d of the table is %q, want %s", i, table[i], want)
		}
	}

	var done struct {
		Done  string
		Ended int `json:"sessions_ended"`
	}
	d.json(&done, "", "user", "disable", "alice")
	if done.Done != "disabled" || done.Ended != 0 {
		t.Errorf("user disable answers %+v", done)
	}
	if out := d.ok("", "user", "enable", "alice"); out != "alice: enabled\n" {
		t.Errorf("user enable prints %q", out)
	}
	if out := d.ok(newPassword(), "user", "passwd", "alice"); out != "alice: password set; 0 sessions ended\n" {
		t.Errorf("user passwd prints %q", out)
	}
}

func TestUserCommandsFail(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	pw := newPassword()
	for _, tt := range []struct {
		code  int
		stdin string
		args  string
		part  string
	}{
		{exitConflict, pw, "user add alice", "already exists: choose another name"},
		{exitUsage, "short\n", "user add bob", "8 characters"},
		{exitUsage, "", "user add bob", "standard input is empty"},
		{exitUsage, "\n", "user add bob", "standard input is empty"},
		{exitUsage, strings.Repeat("x", 70_000), "user add bob", "too long"},
		{exitUsage, pw, "user add a\tb", "name:"},
		{exitUsage, pw, "user add bob --claim-json x={", "--claim-json x"},
		{exitUsage, pw, "user add bob --claim-json x=1{}", "--claim-json x"},
		{exitUsage, pw, "user add bob --claim x=1 --claim-json x=1", "already"},
		{exitUsage, pw, "user add bob --claim sub=1", "extra"},
		{exitUsage, pw, "user add", "<name>"},
		{exitNotFound, pw, "user passwd bob", "user list"},
		{exitUsage, "short\n", "user passwd alice", "8 characters"},
		{exitNotFound, "", "user disable bob", "bob"},
		{exitNotFound, "", "user enable bob", "bob"},
		{exitUsage, "", "user list --log-level loud", "--log-level"},
	} {
		args := strings.Split(tt.args, " ")
		part := tt.part
		if tt.code == exitNotFound {
			part = "the list commands"
		}
		d.fails(tt.code, tt.stdin, args, part)
	}
	var users []any
	if d.json(&users, "", "user", "list"); len(users) != 1 {
		t.Errorf("%d users after acts that failed", len(users))
	}
}

// A password is never taken from an argument, and one that was typed there is
// not repeated.
func TestPasswordIsNoArgument(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	pw := strings.TrimSpace(newPassword())
	for _, args := range [][]string{
		{"user", "add", "bob", pw}, {"user", "passwd", "alice", pw}, {"user", "add", "bob", "--password=" + pw}, {"user", "add", "bob", "--password", pw},
		{"token", "--issuer=http://localhost", "--client-id=x", "--username=alice", "--password=" + pw},
		{"token", "--issuer=http://localhost", "--client-id=x", "--username=alice", "--client-secret=" + pw},
		{"client", "add", "--audience=x", "--secret=" + pw},
		{"conformance", "--issuer=http://localhost", "--password=" + pw},
	} {
		r := d.run("", args...)
		r.check(t, exitUsage, args[:2])
		if strings.Contains(r.err, pw) {
			t.Errorf("%v repeats the password: %s", args[:2], r.err)
		}
	}
	d.env["HALLMARK_PASSWORD"] = pw
	d.fails(exitUsage, "", []string{"user", "add", "bob"}, "HALLMARK_PASSWORD is not a setting")
	delete(d.env, "HALLMARK_PASSWORD")
	d.fails(exitUsage, "", []string{"user", "add", "bob"}, "standard input is empty")
}

// Passwords, digests and secrets are in no output but the one that is for it.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pw := newPassword()
	add := d.run(pw, "user", "add", "alice", "--log-level", "debug")
	list := d.run("", "user", "list", "--json", "--log-level", "debug")
	passwd := d.run(pw, "user", "passwd", "alice", "--log-level", "debug")
	client := d.run("", "client", "add", "--auth", "client_secret_basic", "--audience", "api", "--json")
	var c struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(client.out), &c); err != nil || len(c.Secret) < 43 {
		t.Fatalf("client add: %v, a secret of %d characters", err, len(c.Secret))
	}
	clients := d.run("", "client", "list", "--json")
	everything := add.out + add.err + list.out + list.err + passwd.out + passwd.err + client.err + clients.out + clients.err
	for name, secret := range map[string]string{
		"the password": strings.TrimSpace(pw), "the client secret": c.Secret, "a hash": "$argon2id$",
	} {
		if strings.Contains(everything, secret) {
			t.Errorf("%s is in the output", name)
		}
	}
}

func TestClientCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var public, confidential map[string]any
	d.json(&public, "", "client", "add", "--scope", "read write", "--scope", "admin", "--default-scope", "read",
		"--audience", "https://api.example", "--origin", "https://app.example", "--access-lifetime", "5m", "--no-rotate", "--claim", "roles")
	if id, _ := public["client_id"].(string); len(id) != 22 || public["client_secret"] != nil {
		t.Errorf("a public client without a name: %v", public)
	}
	for member, want := range map[string]any{
		"scope": "read write admin", "default_scope": "read", "access_lifetime": 300.0, "rotate": false,
		"token_endpoint_auth_method": "none", "retry_window": 90.0,
	} {
		if public[member] != want {
			t.Errorf("%s is %v, want %v", member, public[member], want)
		}
	}
	d.json(&confidential, "", "client", "add", "--id", "back.end", "--name", "Back end", "--auth", "client_secret_post", "--audience", "api", "--algorithm", "RS256")
	if secret, _ := confidential["client_secret"].(string); len(secret) < 43 || confidential["client_id"] != "back.end" {
		t.Errorf("a confidential client: %v", confidential)
	}
	if out := d.ok("", "client", "add", "--auth=client_secret_basic", "--audience=api"); !regexp.MustCompile(`(?s)^client_id +[\w-]{22}\nclient_secret +[\w-]{43}\n.*not shown again`).MatchString(out) {
		t.Errorf("client add prints %q", out)
	}

	var list []map[string]any
	if d.json(&list, "", "client", "list"); len(list) != 3 {
		t.Errorf("listed %v", list)
	}
	for _, c := range list {
		if c["client_secret"] != nil {
			t.Errorf("listed with its secret: %v", c["client_id"])
		}
	}
	if out := d.ok("", "client", "list"); !strings.Contains(out, "no rotation") || !strings.HasPrefix(out, "CLIENT_ID") {
		t.Errorf("client list prints %q", out)
	}

	d.fails(exitConflict, "", []string{"client", "add", "--id=back.end", "--audience=api"}, "back.end")
	d.fails(exitUsage, "", []string{"client", "add", "--id=a b", "--grant=implicit", "--algorithm=none"}, "id:", "grants:", "audiences:", "algorithm:")
	d.fails(exitUsage, "", []string{"client", "add", "--auth=private_key_jwt", "--audience=api"}, "--auth")
	d.fails(exitUsage, "", []string{"client", "add", "--audience=api", "--access-lifetime=48h"}, "keep-after")
	d.fails(exitUsage, "", []string{"client", "add", "--audience=api", "--access-lifetime=fast"}, "--access-lifetime")
}

func TestKeysCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("", "user", "add", "alice", "--no-password")
	for _, args := range [][]string{{"keys", "list"}, {"keys", "rotate"}, {"keys", "revoke", "x", "--reason", "r", "--yes"}, {"keys", "reseal"}, {"keys", "recover"}, {"keys", "recover", "--force"}} {
		d.fails(exitUnusable, "", args, "start the server once")
	}
	if _, err := os.Stat(filepath.Join(d.data, "kek")); err == nil {
		t.Error("a key-encryption key was made for nothing")
	}
	d.serve("--issuer", "https://issuer.example").stop(t)

	type key struct{ Kid, Alg, State string }
	list := func() map[string]key {
		var keys []key
		d.json(&keys, "", "keys", "list")
		found := map[string]key{}
		for _, k := range keys {
			found[k.Alg+" "+k.State] = k
		}
		return found
	}
	before := list()
	if len(before) != 4 {
		t.Fatalf("keys at first: %v", before)
	}
	if out := d.ok("", "keys", "list"); !regexp.MustCompile(`(?m)^[\w-]{43} +ES256 +signing( +\S+Z){4}$`).MatchString(out) {
		t.Errorf("keys list prints\n%s", out)
	}
	if out := d.ok("", "keys", "rotate"); strings.Count(out, "signs from") != 2 || strings.Contains(out, "refuses") {
		t.Errorf("keys rotate prints %q", out)
	}
	if got := list(); got["ES256 signing"] != before["ES256 signing"] {
		t.Errorf("an announced rotation took effect at once: %v", got)
	}
	if out := d.ok("", "keys", "rotate", "--now", "--alg", "ES256"); !strings.Contains(out, "earlier than the schedule wants") {
		t.Errorf("keys rotate --now does not say what it may break: %q", out)
	}
	rotated := list()
	if rotated["ES256 signing"].Kid != before["ES256 waiting"].Kid || rotated["RS256 signing"] != before["RS256 signing"] {
		t.Errorf("after rotate --now: %v", rotated)
	}
	var done struct {
		Kid      string
		Accepted float64 `json:"accepted_for_seconds"`
	}
	if d.json(&done, "", "keys", "revoke", rotated["RS256 signing"].Kid, "--reason", "it leaked", "--yes"); done.Accepted != 605 {
		t.Errorf("keys revoke answers %+v", done)
	}
	if got := list(); got["RS256 signing"].Kid != before["RS256 waiting"].Kid || got["RS256 revoked"].Kid != done.Kid {
		t.Errorf("after revoke: %v", got)
	}
	d.fails(exitNotFound, "", []string{"keys", "revoke", "nothing", "--reason", "r", "--yes"}, "nothing")
	d.fails(exitNotFound, "", []string{"keys", "rotate", "--alg", "PS256"}, "PS256")
	d.fails(exitUsage, "", []string{"keys", "revoke", "-" + done.Kid[1:]}, "unknown flag", `put -- before an argument that begins with "-"`)
	d.fails(exitNotFound, "", []string{"keys", "revoke", "--reason", "r", "--yes", "--", "-" + done.Kid[1:]}, "-"+done.Kid[1:])
	if r := d.run("", "keys", "list", "-x"); strings.Contains(r.err, "put --") {
		t.Errorf("keys list, which takes no argument, is explained with one: %s", r.err)
	}
}

// TestKeysRecover: it is for a store that was set back; on another one it says
// what to do instead, or is forced.
func TestKeysRecover(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t)
	listed := d.ok("", "keys", "list", "--json")
	d.fails(exitUsage, "", []string{"keys", "recover"}, "not older", "keys rotate", "keys revoke", "--force")
	if now := d.ok("", "keys", "list", "--json"); now != listed {
		t.Errorf("a recovery that was refused left\n%s", now)
	}
	if out := d.ok("", "keys", "recover", "--force"); !strings.Contains(out, "new keys") {
		t.Errorf("keys recover --force prints %q", out)
	}
	forced := d.ok("", "keys", "list", "--json")
	if strings.Count(forced, `"retired"`) != 4 || strings.Count(forced, `"signing"`) != 2 {
		t.Errorf("after keys recover --force:\n%s", forced)
	}

	// A store that was lost, and one that nobody knows of.
	remove(t, d.data, "hallmark.db")
	for _, name := range []string{"hallmark.db-wal", "hallmark.db-shm"} {
		os.Remove(filepath.Join(d.data, name))
	}
	d.ok("", "user", "add", "alice", "--no-password")
	d.fails(exitUnusable, "", []string{"keys", "list"}, "keys recover")
	d.ok("", "keys", "recover")
	if now := d.ok("", "keys", "list", "--json"); strings.Count(now, `"waiting"`) != 2 || strings.Count(now, `"kid"`) != 4 {
		t.Errorf("after a recovery from nothing:\n%s", now)
	}
}

// TestSetBack: what was revoked does not come back with a backup of the data
// directory, because what remembers it is elsewhere.
func TestSetBack(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]struct{ variable, file string }{
		"beside the key file": {"HALLMARK_KEK_FILE", "kek"},
		"named":               {"HALLMARK_SEEN_FILE", "mark"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			elsewhere := t.TempDir()
			if _, err := keys.CreateKEKFile(filepath.Join(elsewhere, "kek")); err != nil {
				t.Fatal(err)
			}
			d.env[setting.variable] = filepath.Join(elsewhere, setting.file)
			d.serve("--issuer", someIssuer).stop(t)
			backup := files(t, d.data)
			if _, ok := backup["kek.seen"]; ok || len(backup) == 0 {
				t.Fatalf("the backup has %d files, and the mark among them: %v", len(backup), ok)
			}
			var list []struct{ Kid, State string }
			d.json(&list, "", "keys", "list")
			d.ok("", "keys", "revoke", list[0].Kid, "--reason", "r", "--yes")

			for name := range files(t, d.data) {
				remove(t, d.data, name)
			}
			for name, text := range backup {
				write(t, filepath.Join(d.data, name), text)
			}
			d.fails(exitUnusable, "", serveArgs(), "older", "`hallmark keys recover`")
			d.fails(exitUnusable, "", []string{"keys", "list"}, "older", "`hallmark keys recover`")
			d.fails(exitUnusable, "", []string{"keys", "revoke", list[0].Kid, "--reason", "r", "--yes"}, "`hallmark keys recover`")
			d.ok("", "keys", "recover")
			d.serve("--issuer", someIssuer).stop(t)
			var after []struct{ Kid, State string }
			d.json(&after, "", "keys", "list")
			for _, k := range after {
				if k.Kid == list[0].Kid && k.State != "revoked" {
					t.Errorf("the revoked key is %s", k.State)
				}
			}
		})
	}
}

// TestMarkUnusable: nothing is changed where what happened cannot be remembered.
func TestMarkUnusable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t)
	var list []struct{ Kid string }
	d.json(&list, "", "keys", "list")
	before := files(t, d.data)
	nowhere := filepath.Join(d.data, "nowhere", "mark")
	for _, args := range [][]string{{"keys", "revoke", list[0].Kid, "--reason", "r", "--yes"}, {"keys", "rotate"}, {"keys", "reseal"}} {
		d.fails(exitUnusable, "", append(args, "--seen-file", nowhere), nowhere, "name another file with --seen-file")
	}
	write(t, filepath.Join(d.data, "kek.seen"), "{")
	for _, args := range [][]string{{"keys", "revoke", list[0].Kid, "--reason", "r", "--yes"}, {"keys", "list"}, {"keys", "recover"}, serveArgs()} {
		d.fails(exitUnusable, "", args, "kek.seen", "restore the file")
	}
	delete(before, "kek.seen")
	after := files(t, d.data)
	if delete(after, "kek.seen"); !maps.Equal(before, after) {
		t.Error("a command that was refused changed something")
	}
}

// Who adds makes a store in a directory that is there, and nothing elsewhere;
// other commands make none at all.
func TestNewStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.data = filepath.Join(d.data, "typo")
	others := [][]string{
		{"user", "list"}, {"user", "passwd", "alice"}, {"user", "disable", "alice"}, {"user", "enable", "alice"}, {"client", "list"},
		{"keys", "list"}, {"keys", "rotate"}, {"keys", "revoke", "x", "--reason", "r", "--yes"}, {"keys", "reseal"}, {"keys", "recover"},
	}
	add := []string{"user", "add", "alice", "--no-password"}
	for _, args := range others {
		d.fails(exitUnusable, "", args, "no store", "typo")
	}
	d.fails(exitUnusable, "", add, "no directory", "typo")
	if _, err := os.Stat(d.data); err == nil {
		t.Error("the directory was made")
	}
	if err := os.Mkdir(d.data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range others {
		d.fails(exitUnusable, "", args, "no store", "user add")
	}
	if made := files(t, d.data); len(made) != 0 {
		t.Errorf("%d files were made", len(made))
	}
	for _, args := range append(others, add, serveArgs()) {
		d.fails(exitUsage, "", append(args, "--data", ""), "--data")
	}
	d.ok("", add...)
	d.ok("", "user", "list")
	d.fails(exitUsage, "", []string{"user", "list", "--store", "postgres://localhost/hallmark"}, "SQLite")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if out := d.ok("", "--help"); !strings.Contains(out, "Exit codes: 0 done") || !strings.Contains(out, "conformance") {
		t.Errorf("help prints %s", out)
	}
	help := strings.Join(strings.Fields(d.ok("", "serve", "-h")), " ")
	for _, part := range []string{"[HALLMARK_OPS_LISTEN]", "Default: 127.0.0.1:8080", "Key schedule of a new store", "HALLMARK_KEK"} {
		if !strings.Contains(help, part) {
			t.Errorf("serve --help lacks %q", part)
		}
	}
	if out := d.ok("", "version"); !strings.HasPrefix(out, "hallmark ") {
		t.Errorf("version prints %q", out)
	}
	d.fails(exitUsage, "", nil, "--help")
	d.fails(exitUsage, "", []string{"sevre"}, "sevre")
}
