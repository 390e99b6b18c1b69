package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/keys"
)

type revokedDoc struct {
	Kid      string
	Revoked  []string
	Promoted bool
	Signing  any
	Accepted float64 `json:"accepted_for_seconds"`
	Bounds   []struct {
		Verifier string
		Accepted *float64 `json:"accepted_for_seconds"`
	}
	KEK kekView
}

// TestKeysRevoke: it wants a reason and a confirmation, says who signs now and
// for how long each kind of verifier may be wrong, and keeps the reason.
func TestKeysRevoke(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256").stop(t)
	signing, waiting := d.key("ES256", "signing").Kid, d.key("ES256", "waiting").Kid
	revoke := func(args ...string) []string { return append([]string{"keys", "revoke"}, args...) }
	d.fails(exitUsage, "", revoke(signing, "--yes"), "--reason")
	d.fails(exitUsage, "", revoke(signing, "--yes", "--reason", "two\nlines"), "one line")
	d.fails(exitUsage, "", revoke(signing, "--reason", "r"), "--yes")
	d.fails(exitUsage, "", revoke("--reason", "r", "--yes"), "--all")
	d.fails(exitUsage, "", revoke(signing, "--all", "--reason", "r", "--yes"), "not both")
	d.fails(exitNotFound, "", revoke("nothing", "--reason", "r"), "nothing") // before it asks
	if out := d.dry(revoke(signing, "--reason", "r")...); !strings.Contains(out, waiting+" would sign now, which was published before") {
		t.Errorf("--dry-run prints %q", out)
	}
	r := d.run("", revoke(signing, "--reason", "seen in a log", "--yes")...)
	if r.code != exitOK || !strings.Contains(r.out, waiting+" signs now, which was published before") || !strings.Contains(r.err, `why="seen in a log"`) {
		t.Fatalf("ended with %d, printed %q, logged %q", r.code, r.out, r.err)
	}
	for _, b := range keys.DefaultSchedule().Emergency() {
		if !strings.Contains(r.out, b.Verifier) || b.AcceptedFor > 0 && !strings.Contains(r.out, b.AcceptedFor.String()) {
			t.Errorf("the table lacks %q, %s:\n%s", b.Verifier, b.AcceptedFor, r.out)
		}
	}
	if k := d.key("ES256", "signing"); k.Kid != waiting || d.key("ES256", "revoked").Kid != signing {
		t.Errorf("%s signs", k.Kid)
	}
	// One that waits: nobody is promoted.
	var doc revokedDoc
	d.json(&doc, "", revoke(d.key("ES256", "waiting").Kid, "--reason", "r", "--yes")...)
	bounds := keys.DefaultSchedule().Emergency()
	if doc.Promoted || doc.Accepted != bounds[0].AcceptedFor.Seconds() || len(doc.Bounds) != len(bounds) {
		t.Errorf("answers %+v", doc)
	}
	for i, b := range doc.Bounds {
		if want := bounds[i].AcceptedFor.Seconds(); b.Verifier != bounds[i].Verifier || (b.Accepted == nil) != (want == 0) || b.Accepted != nil && *b.Accepted != want {
			t.Errorf("bound %+v, want %+v", b, bounds[i])
		}
	}
}

// TestKeysRevokeAll with the real program: a server that runs on signs with a
// fresh key, publishes no old one and stays ready, though the key-encryption
// key was replaced under it.
func TestKeysRevokeAll(t *testing.T) {
	for name, file := range map[string]string{"default file": "", "named file": "seal"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			path := filepath.Join(d.data, "kek")
			if file != "" {
				path = filepath.Join(t.TempDir(), file)
				if _, err := keys.CreateKEKFile(path); err != nil {
					t.Fatal(err)
				}
				d.env["HALLMARK_KEK_FILE"] = path
			}
			s := d.process("--issuer", someIssuer, "--algorithms", "ES256,EdDSA")
			before := d.keys()
			stolen := files(t, d.data)
			old := read(t, path)

			d.dry("keys", "revoke", "--all", "--reason", "r")
			d.fails(exitUsage, "", []string{"keys", "revoke", "--all", "--reason", "r"}, "--yes")
			if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 && !strings.Contains(strings.Join(left, " "), ".seen") {
				t.Fatalf("what was not done left %v, %v", left, err)
			}
			var doc revokedDoc
			d.json(&doc, "", "keys", "revoke", "--all", "--reason", "the host was stolen", "--yes")
			if len(doc.Revoked) != len(before) || doc.KEK.From != path || doc.KEK.Finished || read(t, doc.KEK.Old) != old || read(t, path) == old {
				t.Errorf("answers %+v", doc)
			}
			eventually(t, "the server publishes the fresh keys alone", func() bool {
				set := fetchSet(t, s)
				for _, k := range before {
					if len(set.Key(k.Kid)) > 0 {
						return false
					}
				}
				return len(set.Keys) == len(before)
			})
			if err := s.ready(); err != nil {
				t.Errorf("not ready: %v", err)
			}
			// It goes on: the next change is sealed with the new key, by the server too.
			d.ok("", "keys", "rotate", "--now")
			eventually(t, "the server takes the next change", func() bool { return len(fetchSet(t, s).Keys) == 6 })
			s.stop(t)
			d.process("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)

			// Whoever has the old key cannot open the ring.
			thief := &desk{T: t, data: t.TempDir(), env: map[string]string{}}
			for name, text := range files(t, d.data) {
				write(t, filepath.Join(thief.data, name), text)
			}
			write(t, filepath.Join(thief.data, "kek"), old)
			os.Chmod(filepath.Join(thief.data, "kek"), 0o600)
			thief.fails(exitUnusable, "", []string{"keys", "list"}, "another key-encryption key")
			if stolen["hallmark.db"] == "" {
				t.Error("there was nothing to steal")
			}
		})
	}
}

// TestKeysRevokeAllUnheard: a server that does not get the new key says so, in
// its log and to whoever asks whether it is ready.
func TestKeysRevokeAllUnheard(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old := newKEK(t)
	d.env["HALLMARK_KEK"] = old
	s := d.process("--issuer", someIssuer, "--algorithms", "ES256")
	d.env["HALLMARK_KEK"] = newKEK(t) + " " + old
	d.ok("", "keys", "revoke", "--all", "--reason", "r", "--yes")
	eventually(t, "it is not ready", func() bool {
		err := s.ready()
		return err != nil && strings.Contains(err.Error(), "sealed with another key-encryption key")
	})
	if log := s.err.String(); !strings.Contains(log, "key ring: look failed") || strings.Contains(log, old) {
		t.Errorf("the log has no failure, or the key: %s", log)
	}
}

// TestKeysRevokeAllElsewhere: a key that is no file is not replaced; the one
// that is put before it is taken.
func TestKeysRevokeAllElsewhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old, fresh := newKEK(t), newKEK(t)
	d.env["HALLMARK_KEK"] = old
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
	args := []string{"keys", "revoke", "--all", "--reason", "r", "--yes"}
	before, _ := d.state()
	d.fails(exitUsage, "", args, "HALLMARK_KEK", "give a new one before it", "head -c 32")
	if after, _ := d.state(); after != before {
		t.Error("something was done")
	}
	d.env["HALLMARK_KEK"] = fresh + " " + old
	if out := d.ok("", args...); !strings.Contains(out, "Start every server with it") {
		t.Errorf("prints %q", out)
	}
	d.env["HALLMARK_KEK"] = fresh
	for _, k := range d.keys() {
		if strings.Contains(before, k.Kid) != (k.State == "revoked") {
			t.Errorf("%s is %s", k.Kid, k.State)
		}
	}
	// A link is somebody else's file.
	d = newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
	path := filepath.Join(d.data, "kek")
	if err := os.Rename(path, path+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".real", path); err != nil {
		t.Fatal(err)
	}
	d.fails(exitUnusable, "", args, "something else provides the key", "nothing was done", "give a new one before it")
}

// process is serve in a process of its own.
func (d *desk) process(args ...string) *running {
	d.Helper()
	s := &running{done: make(chan int, 1)}
	cmd := exec.Command(buildProgram(d.T), append([]string{"serve", "--data", d.data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), d.environ()...)
	cmd.Stdout, cmd.Stderr = &s.out, &s.err
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	s.cancel = func() { cmd.Process.Signal(syscall.SIGTERM) }
	go func() {
		cmd.Wait()
		s.done <- cmd.ProcessState.ExitCode()
	}()
	d.Cleanup(func() { s.stop(d.T) })
	eventually(d.T, "it serves", func() bool { return strings.Contains(s.err.String(), "msg=serving") || len(s.done) > 0 })
	if len(s.done) > 0 {
		d.Fatalf("it ended: %s", s.err.String())
	}
	return s
}

// ready asks whether the server should get requests.
func (s *running) ready() error {
	resp, err := http.Get("http://" + s.logged("operators") + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return errors.New(string(text))
	}
	return nil
}

func newKEK(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek")
	if _, err := keys.CreateKEKFile(path); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(read(t, path))
}

// TestKeysRevokeAllCutShort: the states in which a crash may leave the files.
// Commands and starts work in each, and running it again ends it.
func TestKeysRevokeAllCutShort(t *testing.T) {
	for name, crash := range map[string]struct {
		ring     bool // it was stored under the new key
		finished bool
	}{"before the ring": {false, false}, "after the ring": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
			path := filepath.Join(d.data, "kek")
			old := read(t, path)
			before := d.keys()
			if crash.ring {
				d.ok("", "keys", "revoke", "--all", "--reason", "r", "--yes")
				if err := os.Rename(path, path+".next"); err != nil {
					t.Fatal(err)
				}
				write(t, path, old)
				os.Chmod(path, 0o600)
			} else {
				write(t, path+".next", newKEK(t))
				os.Chmod(path+".next", 0o600)
			}
			listed := d.keys()
			s := d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA") // and what it stores can be opened
			d.ok("", "keys", "rotate", "--now", "--alg", "ES256")
			eventually(t, "the server takes a change", func() bool { return strings.Contains(s.err.String(), "key retired") })
			s.stop(t)
			var doc revokedDoc
			d.json(&doc, "", "keys", "revoke", "--all", "--reason", "again", "--yes")
			if doc.KEK.Finished != crash.finished || read(t, path) == old || read(t, doc.KEK.Old) != old {
				t.Errorf("answers %+v", doc)
			}
			if _, err := os.Lstat(path + ".next"); err == nil {
				t.Error("the next key is left where it was made")
			}
			for _, k := range d.keys() {
				for _, was := range before {
					if k.Kid == was.Kid && k.State != "revoked" {
						t.Errorf("%s is %s", k.Kid, k.State)
					}
				}
			}
			if crash.finished && len(listed) != 2*len(before) {
				t.Errorf("%d keys were listed", len(listed))
			}
		})
	}
}
