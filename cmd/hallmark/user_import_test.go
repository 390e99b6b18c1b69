package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
)

// What is exported comes back as it was: into the same store without a change,
// into another whole, with the subject identifiers and the hashes.
func TestExportComesBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice", "--role", "b", "--role", "a", "--group", "x; y", "--entitlement", "[e", "--claim-json", `n={"big":12345678901234567890}`, "--foreign-id", "17")
	d.ok(newPassword(), "user", "add", "comma, \"quoted\"", "--disabled", "--claim", "s=")
	d.ok("", "user", "add", "nobody", "--no-password")
	d.ok(`[{"model":"auth.user","pk":3,"fields":{"username":"django","password":"!x"}}]`, "user", "import", "-")
	before := d.ok("", "user", "export")
	for _, format := range []string{"jsonl", "csv"} {
		out := filepath.Join(d.TempDir(), "users")
		if told := d.ok("", "user", "export", "--format", format, "--out", out); !strings.Contains(told, "has 4 users, with the hashes") {
			t.Errorf("says %q", told)
		}
		if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		d.fails(exitUsage, "", []string{"user", "export", "--out", out}, "is there already")
		if told := d.ok("", "user", "import", out); told != "0 created, 0 updated, 4 unchanged, 0 refused\n" {
			t.Errorf("%s into the same store: %s", format, d.ok("", "user", "import", out, "--each"))
		}
		other := newDesk(t)
		if told := other.ok("", "user", "import", out); told != "4 created, 0 updated, 0 unchanged, 0 refused\n" {
			t.Errorf("%s into another: %s", format, told)
		}
		if after := other.ok("", "user", "export"); after != before {
			t.Errorf("%s: it was\n%s\nand is\n%s", format, before, after)
		}
	}
}

func TestImportFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := d.TempDir()
	write(t, filepath.Join(dir, "text.db"), "no database, by any means: a line of text, and some more of it so that it is long enough for a header of SQLite")
	secret := "postgres://site:swordfish@localhost/site"
	for _, tt := range []struct {
		args []string
		part string
	}{
		{nil, "name a file"},
		{[]string{"-", "--from-django", "x"}, "name a file"},
		{[]string{filepath.Join(dir, "none")}, "no such file"},
		{[]string{dir}, "is a directory"},
		{[]string{"-", "--map", "staff"}, "--map staff: write FROM=TO"},
		{[]string{"--from-django", filepath.Join(dir, "none")}, "name the file of a SQLite database"},
		{[]string{"--from-django", filepath.Join(dir, "text.db")}, "not a database"},
		{[]string{"--from-django", secret}, "is seen by every process"},
		{[]string{"--from-django", "postgres://localhost/site?password=swordfish"}, "is seen by every process"},
	} {
		args := append([]string{"user", "import"}, tt.args...)
		r := d.run("", args...)
		r.check(t, exitUsage, args, tt.part)
		if strings.Contains(r.err, "swordfish") {
			t.Errorf("shown: %s", r.err)
		}
	}
	if left := files(t, d.data); len(left) > 0 {
		t.Errorf("made %v", left)
	}

	// What was read before the file broke off is done.
	r := d.run(`[{"model":"auth.user","pk":1,"fields":{"username":"a"}},`, "user", "import", "-")
	if r.code != exitUsage || r.out != "1 created, 0 updated, 0 unchanged, 0 refused\n" || !strings.Contains(r.err, "after 1 users, which stay") || !strings.Contains(r.err, "was cut off") {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	var summary operator.ImportCounts
	d.json(&summary, `{"username":"b"}`, "user", "import", "-")
	if summary != (operator.ImportCounts{Created: 1}) {
		t.Errorf("%+v", summary)
	}
}

// TestImportMapping: what the flags say becomes of a user.
func TestImportMapping(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	out := d.ok("uid,login,email,is_staff,groups,permissions\nu1,alice,a@b,1,editors;old,blog.add;wiki.read\n", "user", "import", "-", "--format=csv",
		"--id-field=uid", "--name-field=login", "--id-claim=", "--claim=mail=email", "--map=staff=group:staff", "--map=group:old=none", "--map=permission:blog.*=role:*", "--each")
	if !strings.HasPrefix(out, "line 2: alice: created\n1 created") {
		t.Errorf("prints %q", out)
	}
	u := d.one("user", "show", "alice")
	if fmt.Sprint(u["foreign_id"], u["roles"], u["groups"], u["entitlements"], u["extra"]) != "u1[add] [staff editors] [wiki.read] map[mail:a@b]" {
		t.Errorf("%v", u)
	}
}

// A person at a terminal sees how far it is; a file or a pipe gets none of it.
func TestImportProgress(t *testing.T) {
	t.Parallel()
	person, tty := openTerminal(t)
	d := newDesk(t)
	file := filepath.Join(d.TempDir(), "users")
	write(t, file, `{"username":"a"}`+"\n"+`{"username":"b"}`+"\n")
	if code := run(d.Context(), []string{"user", "import", file, "--data", d.data, "--log-level=error"}, strings.NewReader(""), io.Discard, tty, nil); code != exitOK {
		t.Fatalf("ended with %d", code)
	}
	shown := make([]byte, 4096)
	n, err := person.Read(shown)
	if text := string(shown[:n]); err != nil || !strings.Contains(text, "\r[#") || !strings.Contains(text, "100% 1 users, ") || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("shown %q, %v", text, err)
	}
	if r := d.run("", "user", "import", file); strings.Contains(r.err+r.out, "\r") {
		t.Errorf("shown %q", r.err)
	}
}

// Hashes on a terminal come with a warning; in a pipe they are what was asked for.
func TestExportOnTerminal(t *testing.T) {
	t.Parallel()
	person, tty := openTerminal(t)
	d := newDesk(t)
	d.ok("", "user", "add", "a", "--no-password")
	var errs lockedBuffer
	go io.Copy(io.Discard, person)
	if code := run(d.Context(), []string{"user", "export", "--data", d.data}, strings.NewReader(""), tty, &errs, nil); code != exitOK || !strings.Contains(errs.String(), "hashes of everybody's passwords") {
		t.Errorf("ended with %d: %s", code, errs.String())
	}
	if r := d.run("", "user", "export"); strings.Contains(r.err, "everybody") || !strings.Contains(r.out, `"username":"a"`) {
		t.Errorf("%s%s", r.out, r.err)
	}
}

// TestImportMany: the memory that an import takes does not grow with the number
// of users, and neither does the time for each. HALLMARK_LONG is what share of
// a million is asked for; else there are ten thousand.
func TestImportMany(t *testing.T) {
	users := 10_000
	if share, err := strconv.ParseFloat(os.Getenv("HALLMARK_LONG"), 64); err == nil {
		users = int(share * 1e6)
	}
	d := newDesk(t)
	for _, outcome := range []string{"created", "unchanged"} {
		in, out := io.Pipe()
		go func() {
			buffered := bufio.NewWriterSize(out, 32<<10)
			for i := range users {
				fmt.Fprintf(buffered, `{"id":%d,"username":"user%d","password":"pbkdf2_sha256$260000$%022d$5Ztmy5Q9Lrb0TQAW0p6ysafpAL/I4uXEINC83GFesmM=","is_active":true,"is_staff":false,"groups":["a","b"],"email":"user%d@example.com"}`+"\n", i, i, i, i)
			}
			buffered.Flush()
			out.Close()
		}()
		w := &watched{Reader: in, began: time.Now(), every: max(1, users*200/(32<<10)/40)}
		var stdout, stderr bytes.Buffer
		code := run(d.Context(), []string{"user", "import", "-", "--data", d.data, "--claim=email=email"}, w, &stdout, &stderr, nil)
		took := time.Since(w.began)
		if code != exitOK || !strings.Contains(stdout.String(), fmt.Sprintf("%d %s", users, outcome)) {
			t.Fatalf("ended with %d: %s%s", code, stdout.String(), stderr.String())
		}
		t.Logf("%d users %s in %v, %.0f a second, heap up to %d MiB", users, outcome, took.Round(time.Millisecond), float64(users)/took.Seconds(), w.heap>>20)
		// Of each user a fingerprint of the name and one of the id are kept, in a hash table.
		if most := uint64(32<<20 + 100*users); w.heap > most || w.heap == 0 {
			t.Errorf("the heap grew to %d MiB, at most %d wanted", w.heap>>20, most>>20)
		}
		if strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("an import of many logs %d records, want one", strings.Count(stderr.String(), "\n"))
		}
		n := len(w.at)
		early := max(w.at[n/4].Sub(w.began), w.at[n/2].Sub(w.at[n/4]))
		late := min(w.at[3*n/4].Sub(w.at[n/2]), w.at[n-1].Sub(w.at[3*n/4]))
		if late > 5*early { // the noise of a busy machine is less
			t.Errorf("a quarter of the users took %v at the beginning and %v at the end", early, late)
		}
		if os.Getenv("HALLMARK_LONG") == "" {
			users /= 4
		}
	}
}

// watched looks at the heap while it is read, and at the time.
type watched struct {
	io.Reader
	began time.Time
	every int // so many reads
	reads int
	at    []time.Time
	heap  uint64
}

func (w *watched) Read(p []byte) (int, error) {
	if w.reads++; w.reads%w.every == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.heap, w.at = max(w.heap, m.HeapAlloc), append(w.at, time.Now())
	}
	return w.Reader.Read(p)
}
