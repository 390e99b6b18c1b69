package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// TestRevokeMatching: many sessions are ended by what they have in common. It
// can be tried first, and asks before it is done.
func TestRevokeMatching(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{"alice", "bob"} {
		d.ok(newPassword(), "user", "add", name)
	}
	for _, id := range []string{"web", "app"} {
		d.ok("", "client", "add", "--id="+id, "--audience=api")
	}
	sids := []string{d.signIn("alice", "web"), d.signIn("alice", "app"), d.signIn("bob", "web"), d.signIn("bob", "app")}
	pick := func(of ...int) (want []string) {
		for _, i := range of {
			want = append(want, sids[i])
		}
		slices.Sort(want)
		return want
	}
	for _, tt := range []struct {
		flags string
		want  []string
	}{
		{"--user=alice", pick(0, 1)}, {"--client=app", pick(1, 3)}, {"--device=FIREFOX", pick(0, 1, 2, 3)}, {"--device=iPhone", nil},
		{"--older-than=1ms", pick(0, 1, 2, 3)}, {"--older-than=1h", nil}, {"--idle-for=1ms", pick(0, 1, 2, 3)}, {"--idle-for=1h", nil},
		{"--user=bob --client=app --device=linux --older-than=1ms --idle-for=1ms", pick(3)}, {"--user=bob --client=app --idle-for=1h", nil},
	} {
		time.Sleep(2 * time.Millisecond)
		var got []string
		for _, s := range d.many(append([]string{"session", "revoke", "--dry-run"}, strings.Fields(tt.flags)...)...) {
			got = append(got, s["sid"].(string))
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s would end %v, want %v", tt.flags, got, tt.want)
		}
	}
	if text := d.ok("", "session", "revoke", "--client=app", "--dry-run"); !strings.Contains(text, "bob") || !strings.HasSuffix(text, "\n2 sessions would be ended. Nothing was done.\n") {
		t.Errorf("prints %q", text)
	}
	if text := d.ok("", "session", "revoke", sids[0], "--dry-run"); !strings.HasSuffix(text, "would be ended; access tokens that are out stay good until they expire\nNothing was done.\n") {
		t.Errorf("prints %q", text)
	}
	if live := d.many("session", "list"); len(live) != 4 {
		t.Fatalf("a dry run ended sessions: %v", live)
	}
	d.fails(exitUsage, "", []string{"session", "revoke", "--client=app"}, "--yes")
	if text := d.ok("", "session", "revoke", "--client=app", "--user=alice", "--yes"); text != "1 session ended; access tokens that are out stay good until they expire\n" {
		t.Errorf("prints %q", text)
	}
	if got := d.one("session", "revoke", "--device=firefox", "--yes"); got["sessions_ended"] != 3.0 {
		t.Errorf("ended %v", got)
	}
	for _, s := range d.many("session", "list", "--all") {
		if s["state"] != "ended" || s["end_reason"] != "revoked" {
			t.Errorf("%v", s)
		}
	}
	for _, yes := range [][]string{nil, {"--yes"}} { // nothing to ask about
		if text := d.ok("", append([]string{"session", "revoke", "--device=firefox"}, yes...)...); text != "0 sessions ended\n" {
			t.Errorf("prints %q", text)
		}
	}
}

// A session that began with an old token of Simple JWT may be of any age.
func TestSessionOfUnknownAge(t *testing.T) {
	out, now := &strings.Builder{}, time.Now()
	rows := newSessionRows(Output{}, out)
	if err := rows.write(storage.SessionEntry{Session: storage.Session{LastUsedAt: now, ExpiresAt: now}, Username: "ada", ClientID: "web"}, now); err != nil {
		t.Fatal(err)
	}
	if err := rows.end(); err != nil {
		t.Fatal(err)
	}
	heading, row, _ := strings.Cut(out.String(), "\n")
	if at := strings.Index(heading, "FIRST SEEN"); at < 0 || !strings.HasPrefix(row[at:], "-  ") {
		t.Errorf("prints\n%s", out)
	}
}
