package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// lines reads what audit --json prints.
func auditLines(t *testing.T, out string) (records []operator.AuditView) {
	t.Helper()
	for line := range strings.Lines(out) {
		var v operator.AuditView
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		records = append(records, v)
	}
	return records
}

// TestAudit: what commands do is recorded with who ran them, and the command
// shows it, narrowed down, for people and for programs.
func TestAudit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "ada")
	d.ok("", "client", "add", "--id=web", "--audience=urn:a")
	d.ok("", "user", "disable", "ada")
	d.ok("", "user", "enable", "ada")
	d.ok("", "operator", "token", "add", "deploy", "--scope=read")
	all := auditLines(t, d.ok("", "audit", "--json"))
	var events []string
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		events = append(events, r.Event)
		if r.ActorKind != "operator" || !strings.HasPrefix(r.Actor, me.Username) || r.Address != "local" || r.Number != int64(i+1) {
			t.Errorf("%+v", r)
		}
	}
	if got := strings.Join(events, " "); got != "user.add client.add user.disable user.enable token.add" {
		t.Errorf("%s", got)
	}
	for want, args := range map[string][]string{
		"1 3 4":     {"--user=ada"},
		"3 4":       {"--user=ada", "--limit=2"},
		"1 3":       {"--user", all[0].Subject, "--event=user.add,user.disable"},
		"2":         {"--client=web"},
		"1 3 4 5":   {"--event=user.*", "--event=token.*"},
		"1 2 3 4 5": {"--limit=0", "--since=1h", "--address=local"},
		"":          {"--until=1h"},
		"4 5":       {"--after=3"},
		"2 3 4 5":   {"--after=1", "--limit=0"},
		"4":         {"--after=1", "--event=user.enable", "--since=1h"},
	} {
		var got []string
		for _, r := range auditLines(t, d.ok("", append([]string{"audit", "--json"}, args...)...)) {
			got = append(got, fmt.Sprint(r.Number))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q shows %q, want %q", args, got, want)
		}
	}
	table := d.ok("", "audit", "--user=ada")
	if rows := strings.Split(strings.TrimSpace(table), "\n"); len(rows) != 4 || !strings.HasPrefix(rows[0], "TIME ") || !strings.Contains(rows[1], "user.add ") || !strings.Contains(rows[1], " ada ") {
		t.Errorf("%s", table)
	}
	d.fails(exitUsage, "", []string{"audit", "--event=sign_ins"}, "event", "sign_in.failed")
	d.fails(exitUsage, "", []string{"audit", "--limit=-1"}, "--limit")
	d.fails(exitUsage, "", []string{"audit", "--follow", "--until=1h"}, "--until")
	d.fails(exitUsage, "", []string{"audit", "--after=-1"}, "--after")
	d.fails(exitUsage, "", []string{"audit", "--after=1", "--limit=5"}, "--limit")
	d.fails(exitUsage, "", []string{"audit", "--session=x"}, "sid")
	d.fails(exitNotFound, "", []string{"audit", "--user=nobody"}, "nobody")
}

// A follower is audit --follow as a process, and what it printed.
type follower struct {
	cmd   *exec.Cmd
	lines chan operator.AuditView
}

func (d *desk) follow(args ...string) *follower {
	d.Helper()
	f := &follower{
		cmd:   exec.Command(buildProgram(d.T), append([]string{"audit", "--follow", "--json", "--data", d.data}, args...)...),
		lines: make(chan operator.AuditView, 10_000),
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { f.cmd.Process.Kill() })
	go func() {
		defer close(f.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var v operator.AuditView
			if json.Unmarshal(s.Bytes(), &v) == nil {
				f.lines <- v
			}
		}
	}()
	return f
}

// Followers, from the beginning and from the newest on, print each record once
// and in order, however many processes write meanwhile, and end with 0 when
// they are interrupted.
func TestAuditFollow(t *testing.T) {
	t.Parallel()
	const writers, each = 2, 300
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "ada")
	d.writes(4)
	all, late := d.follow("--limit=0"), d.follow("--limit=1", "--event=sign_in*")
	for range 5 { // they follow: the user is there, and the first records
		<-all.lines
	}
	<-late.lines
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() { d.writes(each) })
	}
	wg.Wait()
	for name, f := range map[string]*follower{"all": all, "late": late} {
		var got []int64
		for timeout := time.After(20 * time.Second); len(got) < writers*each; {
			select {
			case v := <-f.lines:
				got = append(got, v.Number)
			case <-timeout:
				t.Fatalf("%s: %d of %d records came", name, len(got), writers*each)
			}
		}
		time.Sleep(2 * followEvery) // for one that comes twice
		if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		for v := range f.lines {
			got = append(got, v.Number)
		}
		if err := f.cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
		var want []int64
		for _, r := range auditLines(t, d.ok("", "audit", "--json", "--limit=0")) {
			if r.Number > 5 {
				want = append(want, r.Number)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d records, want %d; sorted: %v", name, len(got), len(want), slices.IsSorted(got))
		}
	}
}

// writes has a process with a store of its own write n records.
func (d *desk) writes(n int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestAuditWriter$", "-test.v")
	cmd.Env = append(os.Environ(), "HALLMARK_TEST_AUDIT_STORE="+filepath.Join(d.data, "hallmark.db"), fmt.Sprint("HALLMARK_TEST_AUDIT_RECORDS=", n))
	if out, err := cmd.CombinedOutput(); err != nil {
		d.Errorf("%v\n%s", err, out)
	}
}

// A program whose follower is killed, again and again, goes on behind the last
// record that it has, misses none and has none twice.
func TestAuditFollowResumed(t *testing.T) {
	t.Parallel()
	const records = 400
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "ada")
	var wg sync.WaitGroup
	wg.Go(func() { d.writes(records) })
	defer wg.Wait()
	var got []int64
	timeout := time.After(30 * time.Second)
	for last := int64(0); len(got) < records+1; {
		f := d.follow(fmt.Sprint("--after=", last))
		for n := 0; n < 150 && len(got) < records+1; n++ {
			select {
			case v := <-f.lines:
				got, last = append(got, v.Number), v.Number
			case <-timeout:
				t.Fatalf("%d of %d records came", len(got), records+1)
			}
		}
		f.cmd.Process.Kill() // what it printed and nobody read is lost
		f.cmd.Wait()
	}
	for i, number := range got {
		if number != int64(i+1) {
			t.Fatalf("record %d is number %d: %v", i+1, number, got)
		}
	}
}

// TestAuditWriter is a process that writes records; of TestAuditFollow.
func TestAuditWriter(t *testing.T) {
	path, records := os.Getenv("HALLMARK_TEST_AUDIT_STORE"), 0
	if path == "" {
		return
	}
	fmt.Sscan(os.Getenv("HALLMARK_TEST_AUDIT_RECORDS"), &records)
	store, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range records / 4 {
				if err := store.Record(context.Background(), storage.Record{Event: storage.EventSignInFailed, Reason: "wrong password"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A follower whose reader is gone ends, and says nothing of it.
func TestAuditFollowClosedPipe(t *testing.T) {
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "ada")
	for _, args := range [][]string{{"--json"}, {}} {
		cmd := exec.Command(buildProgram(t), append([]string{"audit", "--follow", "--data", d.data}, args...)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		out.Close()
		d.ok("", "user", "disable", "ada")
		d.ok("", "user", "enable", "ada")
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			t.Error("it goes on")
		}
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); errs.Len() > 0 || !status.Signaled() && status.ExitStatus() != 0 {
			t.Errorf("%v, and says %s", status, errs.String())
		}
	}
}

// In one process the reader's end is an error that is no failure.
func TestAuditFollowWriteFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "ada")
	var errs bytes.Buffer
	code := run(t.Context(), []string{"audit", "--follow", "--json"}, strings.NewReader(""), brokenPipe{}, &errs, []string{"HALLMARK_DATA=" + d.data})
	if code != exitOK || errs.Len() > 0 {
		t.Errorf("ended with %d: %s", code, errs.String())
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Who acts with sudo is named, by root alone.
func TestActor(t *testing.T) {
	p := &process{getenv: func(name string) string { return map[string]string{"SUDO_USER": "ada\x1b"}[name] }}
	act := p.actor()
	if sudo := strings.Contains(act.Actor.Name, "(sudo ada"); sudo != (os.Getuid() == 0) || strings.Contains(act.Actor.Name, "\x1b") || act.Actor.Kind != storage.ByPerson {
		t.Errorf("%+v", act)
	}
}

// The server acts by itself, whoever started it.
func TestServerIsTheSystem(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--demo")
	for _, r := range auditLines(t, d.ok("", "audit", "--json", "--event=keys.*")) {
		if r.Event != "keys.advance" || r.ActorKind != "system" || r.Actor != "" {
			t.Errorf("%+v", r)
		}
	}
}

// A bound that would leave nothing to look at is refused.
func TestAuditBoundsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, flag := range []string{"--audit-age=59m", "--audit-rows=2999"} {
		setting, _, _ := strings.Cut(flag, "=")
		d.fails(exitUsage, "", []string{"config", "check", "--issuer=https://a.example", flag}, setting, "at least")
	}
	d.ok("", "config", "check", "--issuer=https://a.example", "--audit-age=1h", "--audit-rows=3000")
}
