package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// signIn opens a session of a user in a client, as a server on the store would.
func (d *desk) signIn(username, clientID string) (sid string) {
	d.Helper()
	ctx := d.Context()
	store, err := sqlite.Open(ctx, filepath.Join(d.data, "hallmark.db"), slog.New(slog.DiscardHandler))
	must := func(err error) {
		if err != nil {
			d.Helper()
			d.Fatal(err)
		}
	}
	must(err)
	defer store.Close()
	u, err := store.UserByName(ctx, username)
	must(err)
	c, err := store.ClientByID(ctx, clientID)
	must(err)
	s, err := store.CreateSession(ctx, storage.NewSession{
		Token: storage.NewRefreshToken(), User: u.ID, PasswordHash: u.PasswordHash, Client: c.Number, Audience: c.DefaultAudiences,
		AbsoluteLifetime: time.Hour, IdleLifetime: time.Hour, Address: "192.0.2.1", Device: "Firefox on Linux", Now: time.Now(),
	})
	must(err)
	return s.ID.String()
}

type record = map[string]any

// one runs a command with --json and returns its document.
func (d *desk) one(args ...string) (r record) {
	d.Helper()
	d.json(&r, "", args...)
	return r
}

func (d *desk) many(args ...string) (r []record) {
	d.Helper()
	d.json(&r, "", args...)
	return r
}

// TestUserLife: a user is shown by each of their names, gets other claims and
// another name, and goes.
func TestUserLife(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice", "--role=admin", "--claim=tenant=acme", "--foreign-id=17")
	d.ok("", "client", "add", "--id=web", "--audience=api")
	sub := d.one("user", "show", "alice")["sub"].(string)
	for _, who := range [][]string{{"alice"}, {"--sub", sub}, {"--foreign-id", "17"}} {
		u := d.one(append([]string{"user", "show"}, who...)...)
		if u["username"] != "alice" || u["sub"] != sub || fmt.Sprint(u["roles"], u["extra"]) != "[admin] map[tenant:acme]" {
			t.Errorf("user show %v shows %v", who, u)
		}
	}
	d.signIn("alice", "web")
	if got := d.one("user", "show", "alice")["live_sessions"]; got != 1.0 {
		t.Errorf("%v live sessions", got)
	}
	if text := d.ok("", "user", "show", "alice"); !strings.Contains(text, "claim tenant   \"acme\"") || strings.Contains(text, "argon2id") {
		t.Errorf("user show prints %s", text)
	}

	d.ok("", "user", "claims", "alice", "--role=auditor", "--role=reader", "--claim=team=core", "--claim-json=level=9")
	if u := d.one("user", "claims", "alice"); fmt.Sprint(u["roles"], u["extra"]) != "[auditor reader] map[level:9 team:core tenant:acme]" {
		t.Errorf("claims %v", u)
	}
	if u := d.one("user", "claims", "alice", "--role=", "--remove=level", "--remove=tenant"); u["roles"] != nil || fmt.Sprint(u["extra"]) != "map[team:core]" {
		t.Errorf("claims %v", u)
	}
	d.fails(exitNotFound, "", []string{"user", "claims", "alice", "--remove=level", "--role=x"}, "no such free claim")
	d.fails(exitUsage, "", []string{"user", "claims", "alice", "--claim=sub=x"}, "server's own")
	if u := d.one("user", "claims", "alice"); u["roles"] != nil {
		t.Errorf("a refused change left %v", u)
	}

	d.ok(newPassword(), "user", "add", "bob")
	d.fails(exitConflict, "", []string{"user", "rename", "alice", "bob"}, "already exists", "choose another name")
	d.ok("", "user", "rename", "alice", "lovelace")
	d.fails(exitNotFound, "", []string{"user", "show", "alice"}, "list commands")
	if got := d.one("user", "show", "lovelace"); got["sub"] != sub || got["live_sessions"] != 1.0 {
		t.Errorf("renamed to %v", got)
	}

	d.fails(exitUsage, "", []string{"user", "remove", "lovelace"}, "--yes")
	if got := d.one("user", "remove", "lovelace", "--yes"); got["sessions_ended"] != 1.0 {
		t.Errorf("removed as %v", got)
	}
	d.fails(exitNotFound, "", []string{"user", "remove", "lovelace", "--yes"}, "lovelace")
	if users := d.many("user", "list"); len(users) != 1 {
		t.Errorf("left %v", users)
	}
}

// TestUserHash: a hash from another system comes on standard input.
func TestUserHash(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	store, err := sqlite.Open(t.Context(), filepath.Join(d.data, "hallmark.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	u, err := store.UserByName(t.Context(), "alice")
	store.Close()
	if err != nil {
		t.Fatal(err)
	}
	d.ok(u.PasswordHash+"\n", "user", "add", "bob", "--hash")
	if got := d.one("user", "show", "bob"); got["has_password"] != true {
		t.Errorf("added %v", got)
	}
	r := d.run("$unheard-of$"+strings.Repeat("x", 40)+"\n", "user", "add", "carol", "--hash")
	r.check(t, exitUsage, []string{"user", "add"}, "password_hash")
	if strings.Contains(r.err, "xxxx") {
		t.Errorf("repeats the hash: %s", r.err)
	}
	d.fails(exitUsage, "", []string{"user", "add", "carol", "--hash", "--no-password"}, "--no-password")
}

// TestClientSimpleJWT: the defaults of --simplejwt are those of the package, and
// defaults: other flags win.
func TestClientSimpleJWT(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct{ args, want string }{
		{"", "RS256 300 86400 86400 false"},
		{"--rotate", "RS256 300 86400 0 true"}, // 0: the server's
		{"--access-lifetime=1m --idle-lifetime=48h --algorithm=ES256", "ES256 60 172800 172800 false"},
		{"--absolute-lifetime=1h", "RS256 300 3600 3600 false"},
	} {
		v := d.one(append([]string{"client", "add", "--simplejwt", "--audience=api"}, strings.Fields(c.args)...)...)
		if got := fmt.Sprintln(v["algorithm"], v["access_lifetime"], v["idle_lifetime"], v["absolute_lifetime"], v["rotate"]); got != c.want+"\n" {
			t.Errorf("%s: %s, want %s", c.args, got, c.want)
		}
	}
	if plain := d.one("client", "add", "--audience=api"); plain["rotate"] != true || plain["access_lifetime"] != 0.0 {
		t.Errorf("without: %v", plain)
	}
}

// TestClientLife: two secrets at a time, a change of what is named alone, and
// the end.
func TestClientLife(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	made := d.one("client", "add", "--id=web", "--auth=client_secret_basic", "--audience=api", "--scope=read", "--scope=write", "--name=The site")
	if shown := d.one("client", "show", "web"); shown["client_secret"] != nil || shown["client_name"] != "The site" || shown["secrets"] != 1.0 {
		t.Errorf("shows %v", shown)
	}
	second := d.one("client", "secret", "web")
	if second["secrets"] != 2.0 || second["client_secret"] == made["client_secret"] || len(second["client_secret"].(string)) < 40 {
		t.Errorf("a second secret: %v", second)
	}
	d.fails(exitConflict, "", []string{"client", "secret", "web"}, "drop the old one first")
	if one := d.one("client", "secret", "web", "--drop-old"); one["secrets"] != 1.0 || one["client_secret"] != nil {
		t.Errorf("dropped: %v", one)
	}
	if text := d.ok("", "client", "secret", "web"); !strings.Contains(text, "hallmark client secret web --drop-old") {
		t.Errorf("prints %s", text)
	}
	if one := d.one("client", "secret", "web", "--replace"); one["secrets"] != 1.0 || one["client_secret"] == nil {
		t.Errorf("replaced: %v", one)
	}
	changed := d.one("client", "change", "web", "--scope=read", "--access-lifetime=5m", "--claim=roles groups", "--no-rotate")
	if changed["scope"] != "read" || changed["access_lifetime"] != 300.0 || changed["rotate"] != false || fmt.Sprint(changed["claims"]) != "[roles groups]" || changed["client_name"] != "The site" || changed["retry_window"] != 90.0 {
		t.Errorf("changed to %v", changed)
	}
	d.fails(exitUsage, "", []string{"client", "change", "web", "--access-lifetime=100h", "--audience="}, "access_lifetime", "audiences")
	if again := d.one("client", "change", "web", "--claim=", "--rotate"); again["claims"] != nil || again["rotate"] != true || again["access_lifetime"] != 300.0 {
		t.Errorf("changed to %v", again)
	}

	api := d.one("client", "add", "--id=api", "--auth=client_secret_basic", "--introspect=api orders")
	if fmt.Sprint(api["introspects"], api["grant_types"], api["audiences"]) != "[api orders] [] []" {
		d.Errorf("client add makes %v", api)
	}
	for _, cmd := range []string{"list", "show api"} {
		if text := d.ok("", append([]string{"client"}, strings.Fields(cmd)...)...); !strings.Contains(text, "api") {
			d.Errorf("client %s prints %q", cmd, text)
		}
	}
	if text := d.ok("", "client", "show", "api"); !strings.Contains(text, "introspects        api orders\n") || !strings.Contains(text, "grants             -\n") {
		d.Errorf("client show prints %q", text)
	}
	if both := d.one("client", "change", "api", "--introspect=orders", "--grant=password", "--audience=other"); fmt.Sprint(both["introspects"], both["grant_types"]) != "[orders] [password]" {
		d.Errorf("client change makes %v", both)
	}
	if both := d.one("client", "add", "--auth=client_secret_post", "--introspect=api", "--audience=other"); fmt.Sprint(both["grant_types"]) != "[password refresh_token]" {
		d.Errorf("client add makes %v", both)
	}
	d.fails(exitUsage, "", []string{"client", "add", "--introspect=api"}, "introspects", "secret")
	d.ok("", "client", "add", "--id=app", "--audience=api")
	d.fails(exitUsage, "", []string{"client", "secret", "app"}, "public")
	d.ok(newPassword(), "user", "add", "alice")
	sid := d.signIn("alice", "app")
	d.fails(exitUsage, "", []string{"client", "remove", "app"}, "--yes")
	d.ok("", "client", "remove", "app", "--yes")
	for _, args := range [][]string{{"client", "show", "app"}, {"client", "remove", "app", "--yes"}, {"client", "secret", "app"}, {"client", "change", "app", "--name=x"}, {"session", "revoke", sid}} {
		d.fails(exitNotFound, "", args, "list commands")
	}
}

// TestSessionCommands: who is signed in, where, and the end of it.
func TestSessionCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{"alice", "bob"} {
		d.ok(newPassword(), "user", "add", name)
	}
	for _, id := range []string{"web", "app"} {
		d.ok("", "client", "add", "--id="+id, "--audience=api")
	}
	if text := d.ok("", "session", "list", "--json"); text != "[]\n" {
		t.Errorf("of no session it prints %q", text)
	}
	sids := []string{d.signIn("alice", "web"), d.signIn("alice", "app"), d.signIn("bob", "web")}
	listed := func(args ...string) (found []string) {
		for _, s := range d.many(append([]string{"session", "list"}, args...)...) {
			found = append(found, s["sid"].(string))
		}
		slices.Sort(found)
		return found
	}
	sorted := func(of ...int) (want []string) {
		for _, i := range of {
			want = append(want, sids[i])
		}
		slices.Sort(want)
		return want
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, sorted(0, 1, 2)}, {[]string{"--user=alice"}, sorted(0, 1)}, {[]string{"--client=web"}, sorted(0, 2)}, {[]string{"--user=alice", "--client=app"}, sorted(1)},
	} {
		if got := listed(tt.args...); !slices.Equal(got, tt.want) {
			t.Errorf("session list %v lists %v, want %v", tt.args, got, tt.want)
		}
	}
	if text := d.ok("", "session", "list", "--user=bob"); !strings.Contains(text, "Firefox on Linux") || !strings.Contains(text, "192.0.2.1") || strings.Count(text, "\n") != 2 {
		t.Errorf("prints %s", text)
	}
	if text := d.ok("", "session", "revoke", sids[0]); !strings.Contains(text, "of alice in web is ended") {
		t.Errorf("prints %q", text)
	}
	if text := d.ok("", "session", "revoke", sids[0]); !strings.Contains(text, "had ended already: revoked") {
		t.Errorf("prints %q", text)
	}
	if got := listed("--user=alice"); !slices.Equal(got, sorted(1)) {
		t.Errorf("live are %v", got)
	}
	if got := listed("--user=alice", "--all"); !slices.Equal(got, sorted(0, 1)) {
		t.Errorf("with the ended ones: %v", got)
	}
	d.fails(exitUsage, "", []string{"session", "revoke", "--user=alice"}, "--yes")
	if got := d.one("session", "revoke", "--user=alice", "--yes"); got["sessions_ended"] != 1.0 {
		t.Errorf("revoked %v", got)
	}
	for args, code := range map[string]int{
		"session revoke": exitUsage, "session revoke x": exitUsage, "session revoke x --user=alice": exitUsage, "session revoke --idle-for=-1h --yes": exitUsage,
		"session revoke --client=nobody --yes": exitNotFound, "session revoke --user=nobody --dry-run": exitNotFound, "session revoke --user=nobody --yes": exitNotFound,
		"session list --user=nobody": exitNotFound, "session list --client=nobody": exitNotFound, "session revoke " + strings.Repeat("A", 22): exitNotFound,
	} {
		d.fails(code, "", strings.Split(args, " "))
	}
}

// TestOperatorTokens: a token is shown once, its digest alone is stored.
func TestOperatorTokens(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	token := strings.Split(d.ok("", "operator", "token", "add", "ci", "--scope", "read users"), "\n")[0]
	if !strings.HasPrefix(token, "hmo_") || len(token) != 47 {
		t.Fatalf("printed %q", token)
	}
	for name, text := range files(t, d.data) {
		if strings.Contains(text, token) || strings.Contains(text, token[4:]) {
			t.Errorf("%s has the token", name)
		}
	}
	if listed := d.many("operator", "token", "list"); len(listed) != 1 || fmt.Sprint(listed[0]["scopes"]) != "[read users]" {
		t.Errorf("listed %v", listed)
	}
	if text := d.ok("", "operator", "token", "list"); !strings.Contains(text, "good") || strings.Contains(text, "hmo_") {
		t.Errorf("prints %s", text)
	}
	d.fails(exitConflict, "", []string{"operator", "token", "add", "ci", "--scope=read"}, "already exists")
	d.fails(exitUsage, "", []string{"operator", "token", "add", "x", "--scope=everything", "--lifetime=1000000h"}, "scopes", "lifetime")
	d.fails(exitUsage, "", []string{"operator", "token", "add", "x"}, "--scope")
	d.ok("", "operator", "token", "remove", "ci")
	d.fails(exitNotFound, "", []string{"operator", "token", "remove", "ci"}, "ci")
}

// TestMigrate: a store of an older version is told from one of this.
func TestMigrate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails(exitUnusable, "", []string{"migrate"}, "no store")
	d.ok(newPassword(), "user", "add", "alice")
	if now := d.one("migrate", "--check"); now["schema"] != now["schema_of_program"] || now["schema"].(float64) < 2 {
		t.Errorf("of its own store it says %v", now)
	}
	empty := filepath.Join(t.TempDir(), "empty.db")
	if out, err := exec.Command("touch", empty).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	r := d.run("", "migrate", "--check", "--store", empty)
	if r.code != exitFailure || !strings.Contains(r.out, "schema 0") || r.err != "" {
		t.Errorf("of an empty file it says %+v", r)
	}
	if text := d.ok("", "migrate", "--store", empty); !strings.Contains(text, "was migrated from schema 0 to ") {
		t.Errorf("says %q", text)
	}
	d.ok("", "migrate", "--check", "--store", empty)
	d.fails(exitUnusable, "", []string{"migrate", "--store", d.data}, "directory")
}

// TestManageUnusable: with its store away or locked, each new command says so,
// and what to do.
func TestManageUnusable(t *testing.T) {
	t.Parallel()
	commands := []string{
		"user show a", "user claims a --role=x", "user rename a b", "user remove a --yes", "client show a", "client secret a", "client change a --name=x",
		"client remove a --yes", "session list", "session revoke --user=a --yes", "operator token list", "operator token remove a", "migrate",
	}
	d := newDesk(t)
	for _, command := range commands {
		d.fails(exitUnusable, "", strings.Split(command, " "), "there is no store", "--data")
	}
	if left := files(t, d.data); len(left) != 0 {
		t.Errorf("made %v", left)
	}
	d.ok("", "user", "add", "a", "--no-password")
	broken := filepath.Join(t.TempDir(), "broken.db")
	if out, err := exec.Command("sh", "-c", `echo "this is not a database, by any means" >"$0"`, broken).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	for _, command := range commands {
		d.fails(exitUnusable, "", append(strings.Split(command, " "), "--store", broken), "not a Hallmark database")
	}
}

// TestCompletion: real shells complete command lines by the scripts.
func TestCompletion(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(buildProgram(t))
	for shell, script := range map[string]string{
		"bash": `source <(hallmark completion bash)
			COMP_WORDS=(hallmark user cl) COMP_CWORD=2; _hallmark; echo "${COMPREPLY[*]}"
			COMP_WORDS=(hallmark serve --log-format '') COMP_CWORD=3; _hallmark; echo "${COMPREPLY[*]}"
			COMP_WORDS=(hallmark keys rotate --n) COMP_CWORD=3; _hallmark; echo "${COMPREPLY[*]}"`,
		"zsh": `autoload -U compinit; compinit -D; source <(hallmark completion zsh)
			compadd() { print -r -- "${(j: :)candidates}" }
			words=(hallmark user cl) CURRENT=3; _hallmark
			words=(hallmark serve --log-format '') CURRENT=4; _hallmark
			words=(hallmark keys rotate --n) CURRENT=4; _hallmark`,
		"fish": `hallmark completion fish | source
			complete -C 'hallmark user cl' | string join ' '
			complete -C 'hallmark serve --log-format ' | string join ' '
			complete -C 'hallmark keys rotate --n' | string join ' '; true`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				lacking(t, shell, err)
			}
			cmd := exec.CommandContext(t.Context(), path, "-c", script)
			cmd.Env = append(cmd.Environ(), "PATH="+dir+":"+"/usr/bin:/bin", "HOME="+t.TempDir())
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if want := "claims\njson text\n--now\n"; err != nil || strings.ReplaceAll(string(out), "json\ntext", "json text") != want {
				t.Errorf("completed to %q, want %q: %v\n%s", out, want, err, errs.String())
			}
		})
	}
	d := newDesk(t)
	d.fails(exitUsage, "", []string{"completion", "tcsh"}, "bash")
	if out := d.ok("", "complete", "--", "no", "such", "--command", ""); strings.Contains(out, "complete\n") {
		t.Errorf("offers the hidden command: %s", out)
	}
}
