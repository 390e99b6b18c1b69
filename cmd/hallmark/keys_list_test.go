package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

func (d *desk) replicas() (list []operator.ReplicaView) {
	d.Helper()
	d.json(&list, "", "keys", "replicas")
	return list
}

// current waits until so many processes are listed, all at a version.
func (d *desk) current(want int, version int64) []operator.ReplicaView {
	d.Helper()
	var list []operator.ReplicaView
	await(d.T, fmt.Sprintf("lists %d processes at version %d", want, version), func() bool {
		time.Sleep(50 * time.Millisecond)
		list = d.replicas()
		good := len(list) == want
		for _, r := range list {
			good = good && r.Version == version && r.State == "current"
		}
		return good
	})
	return list
}

// TestReplicas: every process that serves is listed with what it has loaded,
// from its start to its end, and an operator's command is not.
func TestReplicas(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one := d.serve("--issuer", someIssuer)
	first := d.current(1, 1)
	two := d.serve("--issuer", someIssuer)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.current(2, 1) {
		if r.Name != replicaName(host, os.Getpid()) || r.Since == "" || r.LastSeen < r.Since {
			t.Errorf("listed %+v", r)
		}
	}
	d.ok("", "keys", "rotate", "--now", "--alg=ES256")
	later := d.current(2, 2) // with the next poll, not the next minute
	if later[0].Since <= first[0].Since {
		t.Errorf("version 2 is said to be loaded since %s", later[0].Since)
	}
	one.stop(t)
	left := d.current(1, 2)
	if left[0].ID == first[0].ID {
		t.Errorf("the one that ended is left, the other is gone: %+v", left)
	}
	two.stop(t)
	if out := d.ok("", "keys", "list"); !strings.Contains(out, "No server process has reported") {
		t.Errorf("without a server:\n%s", out)
	}
}

// TestSilentReplica: a process that was killed is listed, with a word of warning.
func TestSilentReplica(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t) // makes the keys
	child := exec.Command(buildProgram(t), "serve", "--data", d.data, "--issuer", someIssuer, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	d.current(1, 1)
	child.Process.Kill()
	child.Wait()
	if list := d.current(1, 1); !strings.HasSuffix(list[0].Name, fmt.Sprintf("/%d", child.Process.Pid)) {
		t.Errorf("listed %+v", list)
	}
	execSQL(t, filepath.Join(d.data, "hallmark.db"), "UPDATE replicas SET seen_at = seen_at - 3600000000")
	out := d.ok("", "keys", "list")
	if !regexp.MustCompile(`(?m)^\S+/\d+ was not seen lately: it ended without a word or does not reach the store\.$`).MatchString(out) {
		t.Errorf("an hour later:\n%s", out)
	}
	d.ok("", "keys", "reseal")
	if out := d.ok("", "keys", "replicas"); !strings.Contains(out, "not loaded version 2, it would sign with the keys of version 1") {
		t.Errorf("behind, too:\n%s", out)
	}
}

// TestKeysListJSON: the document of keys list is the array that it was.
func TestKeysListJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.serve("--issuer", someIssuer)
	d.current(1, 1)
	list := d.many("keys", "list")
	if len(list) != 4 {
		t.Fatalf("listed %v", list)
	}
	for _, k := range list {
		for _, member := range []string{"kid", "alg", "state", "published_at", "signs_from", "signs_until"} {
			if text, ok := k[member].(string); !ok || text == "" {
				t.Errorf("%s is %v in %v", member, k[member], k)
			}
		}
		if len(k) != 6 {
			t.Errorf("members %v", k)
		}
	}
	s.stop(t)
	d.ok("", "keys", "revoke", list[0]["kid"].(string), "--reason=it leaked", "--yes")
	if out := d.ok("", "keys", "list"); !regexp.MustCompile(regexp.QuoteMeta(list[0]["kid"].(string)) + ` was revoked at \S+Z: it leaked\.`).MatchString(out) {
		t.Errorf("a revoked key:\n%s", out)
	}
}

// TestKeysListDraws: lines in a locale of UTF-8, else ASCII.
func TestKeysListDraws(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t)
	for _, c := range []struct {
		env   map[string]string
		args  []string
		lines bool
	}{
		{nil, nil, false},
		{map[string]string{"LANG": "C"}, nil, false},
		{map[string]string{"LANG": "de_DE.ISO-8859-1"}, nil, false},
		{map[string]string{"LANG": "en_US.UTF-8"}, nil, true},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, nil, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C.utf8"}, nil, true},
		{map[string]string{"LANG": "en_US.UTF-8"}, []string{"--ascii"}, false},
	} {
		d.env = c.env
		out := d.ok("", append([]string{"keys", "list"}, c.args...)...)
		if got := strings.ContainsRune(out, '┣'); got != c.lines || !c.lines && strings.ContainsFunc(out, func(r rune) bool { return r > 126 }) {
			t.Errorf("%v %v draws\n%s", c.env, c.args, out)
		}
		for line := range strings.Lines(out[:strings.Index(out, "KID ")]) {
			if utf8.RuneCountInString(line) > defaultWidth+1 {
				t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
			}
		}
	}
}

func TestReplicaName(t *testing.T) {
	for _, c := range []struct {
		host string
		want string
	}{
		{"web-1", "web-1/4711"},
		{"", "/4711"},
		{"a\x1b[2Jb\n", "a\uFFFD[2Jb\uFFFD/4711"},
		{strings.Repeat("x", 200), strings.Repeat("x", storage.MaxReplicaName-5) + "/4711"},
		{strings.Repeat("é", 200), strings.Repeat("é", (storage.MaxReplicaName-5)/2) + "/4711"},
		{"\xff" + strings.Repeat("山", 200), strings.Repeat("山", (storage.MaxReplicaName-5)/3) + "/4711"},
	} {
		if got := replicaName(c.host, 4711); got != c.want || len(got) > storage.MaxReplicaName || !utf8.ValidString(got) {
			t.Errorf("%q is %q, want %q", c.host, got, c.want)
		}
	}
}

// TestLeaveWithoutAStore: the last word of a process does not keep it from ending.
func TestLeaveWithoutAStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hallmark.db")
	store, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p := newPresence(store)
	if err := p.leave(t.Context()); err != nil {
		t.Errorf("one that never reported: %v", err)
	}
	if err := p.report(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	adopted := p.replica.AdoptedAt
	if err := p.report(t.Context(), 3); err != nil || p.replica.AdoptedAt != adopted || !p.replica.SeenAt.After(adopted) {
		t.Errorf("the second report: %+v, %v", p.replica, err)
	}
	d := &desk{T: t, data: filepath.Dir(path)}
	release := d.hold()
	defer release()
	began := time.Now()
	err = p.leave(context.Background())
	if took := time.Since(began); err == nil || took > 10*leaveTime {
		t.Errorf("left a locked store after %s: %v", took, err)
	}
}
