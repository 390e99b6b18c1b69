package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// brisk is a server that makes no RSA keys, which take long.
var brisk = []string{"--issuer", someIssuer, "--algorithms", "ES256"}

// A setBack is a desk with a backup, a server on it, and what clients hold.
type setBack struct {
	*desk
	file, path string
	password   string
	server     *running
	access     string // issued before the backup
	idle       string // a refresh token that nobody used since
	refreshed  string // one that is newer than the backup
	leaked     string // a kid that was revoked since
}

func newSetBack(t *testing.T) *setBack {
	b := &setBack{desk: newDesk(t), password: newPassword()}
	b.file, b.path = filepath.Join(t.TempDir(), "backup.db"), filepath.Join(b.data, "hallmark.db")
	b.ok(b.password, "user", "add", "alice")
	b.ok("", "client", "add", "--id=web", "--audience=api", "--retry-window=0")
	b.server = b.process(brisk...)
	b.access, b.idle = b.server.signsIn(t, "web", "alice", b.password)
	_, b.refreshed = b.server.signsIn(t, "web", "alice", b.password)
	b.ok("", "backup", b.file)

	b.refreshed = b.server.refreshed(t, "web", b.refreshed)
	b.ok(newPassword(), "user", "add", "zoe")
	b.leaked = b.many("keys", "list")[1]["kid"].(string)
	b.ok("", "keys", "revoke", b.leaked, "--reason=x", "--yes")
	return b
}

// accepts verifies a token with the keys that the server publishes.
func (b *setBack) accepts(token string) error {
	v := vessel{T: b.T, public: "http://" + b.server.logged("public")}
	verifier, err := verify.New(b.Context(), someIssuer, "api", verify.WithKeySet([]byte(v.keySet())))
	if err != nil {
		return err
	}
	_, err = verifier.Verify(b.Context(), token)
	return err
}

// numbers are those of the audit's records of an event.
func (b *setBack) numbers(event string) (numbers []int64) {
	b.Helper()
	for line := range strings.Lines(b.ok("", "audit", "--event", event, "--limit", "0", "--json")) {
		var r struct{ Number int64 }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			b.Fatal(err)
		}
		numbers = append(numbers, r.Number)
	}
	return numbers
}

// TestRestore is a restore with real processes: refused beside the server,
// foretold, done, and the sessions over; tokens from before verify, users sign in.
func TestRestore(t *testing.T) {
	t.Parallel()
	b := newSetBack(t)
	restore := []string{"restore", b.file}
	there := files(t, b.data)
	b.execute(append(restore, "--yes")...).check(t, exitUnusable, restore, "another process has it open", "stop the server", "nothing was changed")
	for _, more := range [][]string{{}, {"--keep-sessions"}} { // beside the server
		out := b.ok("", append(append(restore, "--dry-run"), more...)...)
		for _, part := range []string{"What it undoes", "1 users added since are gone: zoe", "Keys revoked since stay revoked: " + b.leaked, "Nothing was done."} {
			if !strings.Contains(out, part) {
				t.Errorf("%v lacks %q: %s", more, part, out)
			}
		}
		if got, want := strings.Contains(out, "1 sessions refreshed since end when they are used (store_behind), of: alice"), len(more) > 0; got != want {
			t.Errorf("%v: sessions that are behind, %v in %s", more, got, out)
		}
	}
	b.server.stop(t)
	if r := b.execute(restore...); r.code != exitUsage || !strings.Contains(r.err, "add --yes") || !strings.Contains(r.out, "What it undoes") {
		t.Errorf("without --yes it ended with %d: %s%s", r.code, r.out, r.err)
	}
	if now := files(t, b.data); len(now) != len(there) {
		t.Errorf("a restore that was not done left %v", filesIn(t, b.data))
	}

	numbers := b.numbers("*")
	var view restoreView
	b.json(&view, "", append(restore, "--yes")...)
	if acts := b.numbers("store.restore"); len(acts) != 1 || acts[0] <= slices.Max(numbers) {
		t.Errorf("the restore is recorded as %v, before it there were numbers up to %v", acts, slices.Max(numbers))
	}
	if view.SessionsEnded != 2 || view.SessionsKept || !slices.Equal(view.StaysRevoked, []string{b.leaked}) || view.Keys == nil || view.Keys.Version <= view.Seen || view.Backup.TakenAt == "" {
		t.Errorf("restore says %+v", view)
	}
	kept := &desk{T: t, data: t.TempDir(), env: map[string]string{}}
	if err := os.Rename(view.Replaced, filepath.Join(kept.data, "hallmark.db")); err != nil {
		t.Fatal(err)
	}
	if users := kept.many("user", "list"); len(users) != 2 {
		t.Errorf("the store that was replaced has %v", users)
	}

	b.server = b.process(brisk...)
	for _, token := range []string{b.idle, b.refreshed} {
		if b.server.refreshed(t, "web", token) != "" {
			t.Error("a session goes on")
		}
	}
	for _, s := range b.many("session", "list", "--all") {
		if s["end_reason"] != "restored" {
			t.Errorf("a session ended as %v", s["end_reason"])
		}
	}
	if err := b.accepts(b.access); err != nil {
		t.Errorf("a token from before the backup: %v", err)
	}
	access, _ := b.server.signsIn(t, "web", "alice", b.password)
	if err := b.accepts(access); err != nil || kidOf(t, access) == kidOf(t, b.access) {
		t.Errorf("a token from after it, by %s: %v", kidOf(t, access), err)
	}
	if acts := b.ok("", "audit", "--event", "store.*", "--json"); strings.Count(acts, `"event":"store.restore"`) != 1 || !strings.Contains(acts, `"sessions_ended":2`) {
		t.Errorf("the audit has %s", acts)
	}
	for _, k := range b.many("keys", "list") {
		if k["kid"] == b.leaked && k["state"] != "revoked" {
			t.Errorf("the key that was revoked is %v", k["state"])
		}
	}
}

// TestRestoreKeepsSessions: those that were refreshed since end as behind the
// store, when they are used, and the others go on.
func TestRestoreKeepsSessions(t *testing.T) {
	t.Parallel()
	b := newSetBack(t)
	b.server.stop(t)
	b.ok("", "restore", b.file, "--keep-sessions", "--yes")
	b.server = b.process(brisk...)
	if b.server.refreshed(t, "web", b.idle) == "" {
		t.Error("a session does not go on")
	}
	if b.server.refreshed(t, "web", b.refreshed) != "" {
		t.Error("a token that is newer than the store is answered")
	}
	reasons := map[any]int{}
	for _, s := range b.many("session", "list", "--all") {
		reasons[s["end_reason"]]++
	}
	if reasons["store_behind"] != 1 || len(reasons) != 2 {
		t.Errorf("sessions ended as %v", reasons)
	}
	if !strings.Contains(b.server.err.String(), "session_ended_store_behind") {
		t.Error("the log does not say so")
	}
}

// TestRestoredByHand: a backup that was simply put in the store's place is
// refused, whether or not the keys were turned over since, until it was
// restored there; a copy by another program, where they were.
func TestRestoredByHand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		revoke, foreign bool
		says            string
	}{
		"nothing happened": {false, false, "is a backup"},
		"a revocation":     {true, false, "is a backup"},
		"another's copy":   {true, true, "keys recover"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.ok(newPassword(), "user", "add", "alice")
			d.serve(brisk...).stop(t)
			file := filepath.Join(t.TempDir(), "backup.db")
			if c.foreign {
				shell(t, d.data, "cp hallmark.db '"+file+"'") // nobody has it open
			} else {
				d.ok("", "backup", file)
			}
			if c.revoke {
				d.ok("", "keys", "revoke", d.many("keys", "list")[0]["kid"].(string), "--reason=x", "--yes")
			}
			shell(t, d.data, "cp '"+file+"' hallmark.db")
			for range 2 {
				d.execute(serveArgs()...).check(t, exitUnusable, []string{"serve"}, c.says)
			}
			d.ok("", "restore", filepath.Join(d.data, "hallmark.db"), "--yes")
			d.process(brisk...).stop(t)
		})
	}
}

// TestRestoreFails: nothing was changed.
func TestRestoreFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	d.serve(brisk...).stop(t)
	dir := t.TempDir()
	file, rubbish := filepath.Join(dir, "backup.db"), filepath.Join(dir, "rubbish")
	d.ok("", "backup", file)
	write(t, rubbish, strings.Repeat("rubbish ", 1000))
	there := files(t, d.data)
	kek := there["kek"]
	for name, c := range map[string]struct {
		file, kek string
		says      string
	}{
		"no file":     {filepath.Join(dir, "no"), kek, "no such file"},
		"rubbish":     {rubbish, kek, "is not a Hallmark database"},
		"another kek": {file, "WAUXqnqgpHzBH8p5ikBFvHbgrQS0BWEVM3wTJAzJrW8=\n", "another key-encryption key"},
	} {
		write(t, filepath.Join(d.data, "kek"), c.kek)
		args := []string{"restore", c.file, "--yes"}
		if r := d.run("", args...); r.code != exitUnusable || !strings.Contains(errorLine(r.err), c.says) {
			t.Errorf("%s: it ended with %d: %s", name, r.code, r.err)
		}
		write(t, filepath.Join(d.data, "kek"), kek)
		if now := files(t, d.data); len(now) != len(there) || now["kek.seen"] != there["kek.seen"] {
			t.Errorf("%s: there are %v", name, filesIn(t, d.data))
		}
	}
	d.process(brisk...).stop(t)
	d.data = filepath.Join(dir, "nowhere")
	d.fails(exitUnusable, "", []string{"restore", file}, "there is no directory")
}

// TestRestoreBesideALog: a log whose store is gone is kept where a store would
// be, and not left to be taken for that of the backup.
func TestRestoreBesideALog(t *testing.T) {
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	file := filepath.Join(t.TempDir(), "backup.db")
	d.ok("", "backup", file)
	other, work := newDesk(t), t.TempDir()
	log := filepath.Join(other.data, "hallmark.db-wal")
	write(t, log, "a log")
	t.Chdir(work)
	var view restoreView
	other.json(&view, "", "restore", file)
	if view.Replaced != "" {
		t.Errorf("it is said to have replaced %s", view.Replaced)
	}
	kept, err := filepath.Glob(filepath.Join(other.data, "hallmark.db.replaced-*-wal"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != "a log" {
		t.Errorf("the log that was kept is %q, %v", text, err)
	}
	if names, err := os.ReadDir(work); err != nil || len(names) > 0 {
		t.Errorf("in the working directory there is %v, %v", names, err)
	}
	if users := other.many("user", "list"); len(users) != 1 {
		t.Errorf("restored are %v", users)
	}
}

// TestRestoreThroughALink: the store stays where it really is, and so does what
// it replaced.
func TestRestoreThroughALink(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	file, disk := filepath.Join(t.TempDir(), "backup.db"), t.TempDir()
	d.ok("", "backup", file)
	link, real := filepath.Join(d.data, "hallmark.db"), filepath.Join(disk, "store.db")
	if err := errors.Join(os.Rename(link, real), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	var view restoreView
	d.json(&view, "", "restore", file, "--yes")
	if to, err := os.Readlink(link); err != nil || to != real {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if names := filesIn(t, disk); len(names) != 2 || !strings.HasPrefix(view.Replaced, real+".replaced-") {
		t.Errorf("behind it there are %v, %s was replaced", names, view.Replaced)
	}
	if users := d.many("user", "list"); len(users) != 1 {
		t.Errorf("restored are %v", users)
	}
}

// TestRestoreKilled: whenever the process dies, the store is as it was or
// refused until restore has run again, which always works.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	b := newSetBack(t)
	b.server.stop(t)
	there := files(t, b.data)
	began := time.Now()
	b.execute("restore", b.file, "--yes")
	took := time.Since(began)
	var asBefore, refused, restored int
	for i := range 8 {
		reset(t, b.data, there)
		b.killed(took*time.Duration(i*i)/16, "restore", b.file, "--yes") // up to three times as long: the machine may be busier now
		r := b.run("", "user", "list", "--json")
		var users []map[string]any
		switch {
		case r.code == exitUnusable && strings.Contains(r.err, "run hallmark restore"):
			refused++
		case r.code != exitOK || json.Unmarshal([]byte(r.out), &users) != nil:
			t.Fatalf("%d of 7 parts of the time: ended with %d: %s", i, r.code, r.err)
		case len(users) == 2:
			asBefore++
			if r := b.run("", "keys", "list"); r.code != exitOK {
				t.Errorf("%d of 7: the store is as it was, and its keys are refused: %s", i, r.err)
			}
		default:
			restored++
		}
		b.ok("", "restore", b.file, "--yes")
		if users := b.many("user", "list"); len(users) != 1 {
			t.Errorf("%d of 7: restored again, there are %v", i, users)
		}
		b.ok("", "keys", "list")
	}
	t.Logf("as before %d, refused %d, restored %d", asBefore, refused, restored)
	if asBefore == 0 || asBefore == 8 {
		t.Errorf("the moments are all alike: as before %d, refused %d, restored %d", asBefore, refused, restored)
	}
}

// TestRestoreKilledAtEachStep: what is there when it dies on the way into each
// system call that changes something for good.
func TestRestoreKilledAtEachStep(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	b := newSetBack(t)
	b.server.stop(t)
	there := files(t, b.data)
	for _, step := range []struct {
		what, call, path, want string
	}{
		{"while one file is made of the store", "unlink", b.path + "-journal", "as before"},
		{"before the store gets its second name", "link,linkat", b.path, "as before"},
		{"before the copy gets the store's name", "rename,renameat,renameat2", b.path, "as before"},
		{"before the new version is remembered", "rename,renameat,renameat2", filepath.Join(b.data, "kek.seen"), "refused"},
		{"before the new keys are stored", "pwrite64", b.path + "-wal", "refused"},
	} {
		reset(t, b.data, there)
		r := b.killedAt(step.call, step.path, "restore", b.file, "--yes")
		if r.code != -1 {
			t.Errorf("%s: it was not killed, but ended with %d: %s", step.what, r.code, r.err)
		}
		var users []map[string]any
		got, list := "restored", b.run("", "user", "list", "--json")
		switch {
		case strings.Contains(list.err, "run hallmark restore"):
			got = "refused"
		case json.Unmarshal([]byte(list.out), &users) == nil && len(users) == 2:
			got = "as before"
			b.ok("", "keys", "list")
		}
		if got != step.want {
			t.Errorf("%s: %s, want %s: %s", step.what, got, step.want, list.err)
		}
		b.ok("", "restore", b.file, "--yes")
		if users := b.many("user", "list"); len(users) != 1 {
			t.Errorf("%s: restored again, there are %v", step.what, users)
		}
	}
}

// killedAt runs the real program and kills it on its way into the first of the
// system calls that concerns a path.
func (b *setBack) killedAt(calls, path string, args ...string) result {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "strace", append([]string{"-f", "-qq", "-o", "/dev/null", "-P", path,
		"-e", "trace=" + calls, "-e", "inject=" + calls + ":signal=KILL:when=1", buildProgram(b.T)}, args...)...)
	cmd.Env = append(os.Environ(), "HALLMARK_DATA="+b.data)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), "", string(out)}
}

// killed runs the real program and kills it after a while.
func (b *setBack) killed(after time.Duration, args ...string) {
	b.Helper()
	cmd := exec.Command(buildProgram(b.T), args...)
	cmd.Env = append(os.Environ(), "HALLMARK_DATA="+b.data)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(after)
	cmd.Process.Kill()
	cmd.Wait()
}

// reset makes a directory hold certain files and no others.
func reset(t *testing.T, dir string, there map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range there {
		write(t, filepath.Join(dir, name), text)
	}
}
