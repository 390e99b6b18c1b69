package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOldTokensOverTime: before the end date all is well; from then on the log
// of a start and the doctor say what can go. A key that cannot be used is a
// failure at any time.
func TestOldTokensOverTime(t *testing.T) {
	dir := t.TempDir()
	key, short := filepath.Join(dir, "key"), filepath.Join(dir, "short")
	for path, n := range map[string]int{key: 50, short: 31} {
		if err := os.WriteFile(path, []byte(strings.Repeat("k", n)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		file    string
		now     time.Time
		verdict string
		seen    string
	}{
		"a day before":    {key, end.AddDate(0, 0, -1), isOK, "until 2027-01-31T00:00:00Z, for another 24h"},
		"a moment before": {key, end.Add(-time.Nanosecond), isOK, "until 2027-01-31T00:00:00Z"},
		"then":            {key, end, isWarn, "are refused since 2027-01-31T00:00:00Z"},
		"a short key":     {short, end.AddDate(0, 0, -1), isFail, "31 bytes are too short"},
		"no key":          {filepath.Join(dir, "none"), end, isFail, "no such file"},
	} {
		o := OldTokens{SimpleJWTOldKeyFile: c.file, SimpleJWTOldUntil: "2027-01-31"}
		x := &examination{doctorCmd: &doctorCmd{OldTokens: o}, now: func() time.Time { return c.now }}
		if f := x.oldTokens(t.Context()); f.Verdict != c.verdict || !strings.Contains(f.Seen, c.seen) || (f.Do == "") != (c.verdict == isOK) {
			t.Errorf("%s: the doctor says %+v", name, f)
		}
		log := &strings.Builder{}
		o.warn(slog.New(slog.NewTextHandler(log, nil)), c.now)
		if warned := strings.Contains(log.String(), "are refused since their end date: remove --simplejwt-old-key-file"); warned != !c.now.Before(end) {
			t.Errorf("%s: the log says %q", name, log)
		}
	}
	for text, want := range map[string]string{
		"2027-01-31": "2027-01-31T00:00:00Z", "2027-01-31T01:00:00+02:00": "2027-01-30T23:00:00Z", "": "0001-01-01T00:00:00Z",
	} {
		if got, err := (OldTokens{SimpleJWTOldUntil: text}).until(); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

// TestSimpleJWTCommands: the blacklist comes from a dump or standard input, and
// the report lists who was imported and has not been here.
func TestSimpleJWTCommands(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok("[{\"model\": \"auth.user\", \"pk\": 17, \"fields\": {\"username\": \"maria\", \"password\": \"!x\", \"is_active\": true}},\n"+
		"{\"model\": \"auth.user\", \"pk\": 18, \"fields\": {\"username\": \"gone\", \"password\": \"!y\", \"is_active\": false}}]", "user", "import", "-")
	d.ok("secret password\n", "user", "add", "native")
	r := d.run("", "simplejwt", "report")
	if lines := strings.Split(r.out, "\n"); r.code != exitOK || len(lines) != 4 || !strings.HasPrefix(lines[1], "gone") || !strings.HasPrefix(lines[2], "maria     17") ||
		!strings.Contains(r.err, "0 of 2 imported users have come over, 2 have not; 1 of those are disabled") {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	if out := d.ok("", "simplejwt", "report", "--json"); strings.Count(out, `"username"`) != 2 || strings.Contains(out, "!x") {
		t.Errorf("as JSON: %s", out)
	}
	dump := `[{"model": "token_blacklist.outstandingtoken", "pk": 1, "fields": {"jti": "one", "expires_at": "2999-01-01T00:00:00Z"}},
{"model": "token_blacklist.outstandingtoken", "pk": 2, "fields": {"jti": "two", "expires_at": "2020-01-01T00:00:00Z"}},
{"model": "token_blacklist.blacklistedtoken", "pk": 1, "fields": {"token": 1}}, {"model": "token_blacklist.blacklistedtoken", "pk": 2, "fields": {"token": 2}}]`
	file := filepath.Join(t.TempDir(), "dump.json")
	if err := os.WriteFile(file, []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := d.ok(dump, "simplejwt", "blacklist", "-"); out != "1 taken over, 0 there before, 1 expired\n" {
		t.Errorf("from standard input: %s", out)
	}
	if out := d.ok("", "simplejwt", "blacklist", file, "--json"); !strings.Contains(out, `"added": 0`) || !strings.Contains(out, `"there": 1`) {
		t.Errorf("from a file: %s", out)
	}
	if out := d.ok("", "audit", "--event", "exchange.blacklist", "--json"); !strings.Contains(out, `"count":1`) || strings.Count(out, "\n") != 1 {
		t.Errorf("the audit: %s", out)
	}
	for _, args := range [][]string{{"-", "--from-django", "x"}, {}, {"/nonexistent/dump.json"}, {"--from-django", "/nonexistent/db"}} {
		if r := d.run("[7]", append([]string{"simplejwt", "blacklist"}, args...)...); r.code != exitUsage {
			t.Errorf("%v ended with %d: %s", args, r.code, r.err)
		}
	}
	if r := d.run("[7]", "simplejwt", "blacklist", "-"); r.code != exitUsage || !strings.Contains(r.err, "line 1") {
		t.Errorf("no dump ended with %d: %s", r.code, r.err)
	}
}
