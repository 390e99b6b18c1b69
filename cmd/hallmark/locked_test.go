package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hallmark-auth/hallmark/keys"
)

// onStore is a command line of each command that works on the store. USER,
// SESSION, KEY and FOREIGN stand for what newOffice has made.
var onStore = []string{
	"user add zoe --no-password", "user list", "user passwd USER", "user disable USER", "user enable USER", "user show USER", "user claims USER --role=x",
	"user rename USER zoe", "user remove USER --yes", "user import -", "user export", "client add --id=other --audience=api", "client list", "client show web", "client change web --name=x",
	"client secret web", "client remove web --yes", "session list", "session revoke SESSION", "session revoke --user=USER --yes",
	"keys list", "keys replicas", "keys rotate --now", "keys revoke KEY --reason=x --yes", "keys revoke --all --reason=x --yes", "keys reseal", "keys recover --force",
	"simplejwt report", "simplejwt blacklist -", "audit", "keys export", "keys import FOREIGN", "keys policy show", "keys policy set --rotate-every=900h",
	"operator token add new --scope=read", "operator token list", "operator token remove ci",
	"serve --issuer=https://login.example.com --listen=127.0.0.1:0 --ops-listen=127.0.0.1:0",
}

// elsewhere are the commands that do not, or only look: those have tests of their own.
var elsewhere = []string{
	"backup", "restore", "migrate", "config show", "config check", "token", "verify", "conformance run", "conformance list", "completion", "complete", "doctor check", "doctor verifier", "ready", "version",
}

// TestEveryCommandIsHere: the tables above forget none.
func TestEveryCommandIsHere(t *testing.T) {
	parser, err := (&process{getenv: os.Getenv}).parser(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		n, ok := node.(*kong.Node)
		if !ok || n.Type != kong.CommandNode || len(n.Children) > 0 {
			return next(nil)
		}
		path := strings.TrimPrefix(n.FullPath(), "hallmark ")
		if !slices.Contains(elsewhere, path) && !slices.ContainsFunc(onStore, func(line string) bool { return strings.HasPrefix(line+" ", path+" ") }) {
			t.Errorf("%q is in no table", path)
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newOffice is a desk with one of everything, and what stands for it.
func newOffice(t *testing.T) (*desk, *strings.Replacer) {
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t) // makes the keys
	d.ok(newPassword(), "user", "add", "alice")
	d.ok("", "client", "add", "--id=web", "--auth=client_secret_basic", "--audience=api")
	d.ok("", "operator", "token", "add", "ci", "--scope=read")
	sid := d.signIn("alice", "web")
	kid := d.many("keys", "list")[0]["kid"].(string)
	foreign := filepath.Join(publicDir(t), "key.pem")
	write(t, foreign, foreignKey(t, keys.ES256).pem)
	if err := os.Chmod(foreign, 0o644); err != nil {
		t.Fatal(err)
	}
	return d, strings.NewReplacer("USER", "alice", "SESSION", sid, "KEY", kid, "FOREIGN", foreign)
}

// everything is all that the operators' commands show.
func (d *desk) everything() string {
	d.Helper()
	var all strings.Builder
	for _, list := range []string{"user list", "client list", "session list --all", "keys list", "operator token list"} {
		all.WriteString(d.ok("", append(strings.Split(list, " "), "--json")...))
	}
	return all.String()
}

// hold has another process take the write lock.
func (d *desk) hold() (release func()) {
	d.Helper()
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		lacking(d.T, "sqlite3", err)
	}
	cmd := exec.Command(path, filepath.Join(d.data, "hallmark.db"))
	in, err := cmd.StdinPipe()
	if err != nil {
		d.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	release = sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	d.Cleanup(release)
	io.WriteString(in, "BEGIN EXCLUSIVE;\nSELECT 'held';\n")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		d.Fatalf("the lock: %q, %v", line, err)
	}
	return release
}

// TestLockedStore: a command waits for whoever holds the store for a moment.
func TestLockedStore(t *testing.T) {
	t.Parallel()
	d, _ := newOffice(t)
	release := d.hold()
	time.AfterFunc(lateAfter+8*time.Second, release) // a busy machine is late to begin
	var wg sync.WaitGroup
	for _, command := range []string{"user list", "user disable alice", "session list", "client secret web"} {
		wg.Go(func() {
			if r := d.run("", strings.Split(command, " ")...); r.code != exitOK || !strings.Contains(r.err, "still waiting for the store") {
				t.Errorf("hallmark %s ended with %d: %s", command, r.code, r.err)
			}
		})
	}
	wg.Wait()
}

// TestStoreLockedForLong: each command ends within the minute that is
// documented, says why and what to do, and has done nothing.
func TestStoreLockedForLong(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	if raceEnabled {
		t.Skip("takes a minute, which the run without the race detector has taken")
	}
	d, names := newOffice(t)
	before, there := d.everything(), filesIn(t, d.data)
	release := d.hold()
	var wg sync.WaitGroup
	for _, command := range onStore {
		wg.Go(func() {
			args, began := strings.Split(names.Replace(command), " "), time.Now()
			r := d.run(newPassword(), args...)
			took := time.Since(began)
			r.check(t, exitUnusable, args, "database is locked", "another process has held it", "end that process")
			if took < 50*time.Second || took > 80*time.Second {
				t.Errorf("hallmark %s waited %v", command, took)
			}
		})
	}
	if r := d.run("", "migrate"); r.code != exitOK { // there is nothing to do: it only looks
		t.Errorf("hallmark migrate ended with %d: %s", r.code, r.err)
	}
	wg.Wait()
	release()
	if after := d.everything(); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if now := filesIn(t, d.data); !slices.Equal(now, there) {
		t.Errorf("there were %v, and are %v", there, now)
	}
}

func filesIn(t *testing.T, dir string) (names []string) {
	for name := range files(t, dir) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestUnusableStore: so it is at once with a store that is newer than the
// program, or none at all.
func TestUnusableStore(t *testing.T) {
	t.Parallel()
	d, names := newOffice(t)
	for name, tt := range map[string]struct {
		prepare string // of the copy "$1"
		parts   []string
	}{
		"newer":   {`sqlite3 "$1" "PRAGMA user_version = 99"`, []string{"made by a newer version", "upgrade this program"}},
		"foreign": {`rm "$1"; sqlite3 "$1" "CREATE TABLE users (id)"`, []string{"not a Hallmark database", "restore a backup, or name another file"}},
		"broken":  {`echo "no database, by any means: a line of text" >"$1"`, []string{"not a Hallmark database", "restore a backup"}},
		"a pipe":  {`rm "$1"; mkfifo "$1"`, []string{"not a regular file"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hallmark.db")
			if out, err := exec.Command("sh", "-c", `sqlite3 "$0" "VACUUM INTO '$1'" && `+tt.prepare, filepath.Join(d.data, "hallmark.db"), path).CombinedOutput(); err != nil {
				lacking(t, "sqlite3", fmt.Errorf("%w: %s", err, out))
			}
			for i, command := range append(onStore, "migrate", "migrate --check") {
				if raceEnabled && i%8 != 0 {
					continue // each builds the parser of all, which takes the detector long
				}
				args := append(strings.Split(names.Replace(command), " "), "--store", path)
				r := d.run(newPassword(), args...)
				r.check(t, exitUnusable, args, append(tt.parts, path)...)
			}
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
}

// TestForbiddenStore: what another user may not write, or not even see, is
// refused with whose permission is missing.
func TestForbiddenStore(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		lacking(t, "root, to be somebody else", nil)
	}
	program := publicProgram(t)
	d, names := newOffice(t)
	for name, mode := range map[string]struct{ dir, file os.FileMode }{
		"may be read":       {0o755, 0o644},
		"may be seen":       {0o755, 0o600},
		"may not be seen":   {0o700, 0o600},
		"could be replaced": {0o777, 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			stranger := &desk{T: t, data: publicDir(t), env: map[string]string{}}
			for file, text := range files(t, d.data) {
				write(t, filepath.Join(stranger.data, file), text)
			}
			before := files(t, stranger.data)
			for path, mode := range map[string]os.FileMode{"hallmark.db": mode.file, "kek": 0o600, "kek.seen": 0o600, "": mode.dir} {
				if err := os.Chmod(filepath.Join(stranger.data, path), mode); err != nil {
					t.Fatal(err)
				}
			}
			for _, command := range onStore {
				args := strings.Split(names.Replace(command), " ")
				r := stranger.asNobody(program, newPassword(), args...)
				r.check(t, exitUnusable, args, "must be able to read and write")
			}
			os.Chmod(stranger.data, 0o700)
			for file, text := range files(t, stranger.data) {
				if before[file] != text {
					t.Errorf("%s was changed", file)
				}
			}
		})
	}
}

// publicDir is a directory that another user can get to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hallmark-public")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// publicProgram is the program where another user can get to it.
func publicProgram(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(publicDir(t), "hallmark")
	text, err := os.ReadFile(buildProgram(t))
	if err == nil {
		err = os.WriteFile(path, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// asNobody runs the program as a user who owns nothing, for which it takes root.
func (d *desk) asNobody(program, stdin string, args ...string) result {
	d.Helper()
	const nobody = 65534
	cmd := exec.CommandContext(d.Context(), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Env = append(os.Environ(), "HALLMARK_DATA="+d.data)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		d.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}
