package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// The gateway of these tests keeps a file for each key, as a script would for HAProxy.
// Two may run at once, and the test reads meanwhile: each file is moved into its place.
const gateway = `env > "$DIR/$$" && mv "$DIR/$$" "$DIR/env"; cat > "$DIR/$$" && mv "$DIR/$$" "$DIR/$HALLMARK_KID.pem" &&
	echo "$HALLMARK_EVENT $HALLMARK_ALG $HALLMARK_SIGNS_FROM" >> "$DIR/$HALLMARK_KID.said"`

// TestAnnounceCommand with the real program: each key is announced when it is
// published, long before it signs, by every process, and the secrets of the
// server's environment are not passed on.
func TestAnnounceCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := t.TempDir()
	d.env = map[string]string{"DIR": dir, "HALLMARK_KEK": newKEK(t), "HALLMARK_ANNOUNCE_COMMAND": gateway, "HALLMARK_ALGORITHMS": "ES256"}
	s := d.process("--issuer", someIssuer)
	said := func(k listedKey) string {
		text, _ := os.ReadFile(filepath.Join(dir, k.Kid+".said"))
		return string(text)
	}
	announced := func(k listedKey, event string) {
		t.Helper()
		want := event + " " + k.Alg + " " + k.SignsFrom + "\n"
		eventually(t, k.State+" key announced", func() bool { return strings.Contains(said(k), want) })
		block, rest := pem.Decode([]byte(read(t, filepath.Join(dir, k.Kid+".pem"))))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil || len(rest) > 0 || thumbprintOf(t, public) != k.Kid {
			t.Errorf("announced another key as %s: %v", k.Kid, err)
		}
	}
	first := d.key("ES256", "waiting")
	announced(d.key("ES256", "signing"), "signing")
	announced(first, "announced")
	from, _ := time.Parse(time.RFC3339, first.SignsFrom)
	if ahead := time.Until(from); ahead < keys.DefaultSchedule().PublishAhead {
		t.Errorf("announced %v before it signs", ahead)
	}
	d.ok("", "keys", "rotate", "--now") // the next one is published
	announced(d.key("ES256", "waiting"), "announced")
	announced(d.key("ES256", "signing"), "signing") // sooner than was said
	if got := strings.Count(said(first), "\n"); got != 2 {
		t.Errorf("a key was announced %d times: %s", got, said(first))
	}
	s.stop(t)
	d.process("--issuer", someIssuer)
	eventually(t, "another process announces them again", func() bool { return strings.Count(said(first), "\n") == 3 })
	env := read(t, filepath.Join(dir, "env"))
	for line := range strings.Lines(env) {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "HALLMARK_EVENT", "HALLMARK_KID", "HALLMARK_ALG", "HALLMARK_SIGNS_FROM":
		default:
			if strings.HasPrefix(name, "HALLMARK_") {
				t.Errorf("%s is passed on", name)
			}
		}
	}
	if strings.Contains(env, d.env["HALLMARK_KEK"]) || strings.Contains(s.err.String(), d.env["HALLMARK_KEK"]) || !strings.Contains(env, "PATH=") {
		t.Error("the key-encryption key is passed on or logged, or the rest of the environment is not")
	}
	if !strings.Contains(s.err.String(), "announce command: done") {
		t.Error("success is not logged")
	}
}

// TestAnnouncedEnvironment: a hallmark that the command runs does not take the
// variables for settings.
func TestAnnouncedEnvironment(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256").stop(t)
	k := d.key("ES256", "waiting")
	d.env = map[string]string{"HALLMARK_EVENT": "announced", "HALLMARK_KID": k.Kid, "HALLMARK_ALG": k.Alg, "HALLMARK_SIGNS_FROM": k.SignsFrom}
	if out := d.ok("", "keys", "export", "--", k.Kid); !strings.Contains(out, "# kid: "+k.Kid) {
		t.Errorf("keys export prints %q", out)
	}
}

// TestAnnounceCommandFails: a command that fails is tried again, and neither
// serving nor readiness minds.
func TestAnnounceCommandFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := t.TempDir()
	s := d.serve("--issuer", someIssuer, "--algorithms", "ES256", "--announce-command",
		fmt.Sprintf(`echo x >> %s/tries; echo "no route to the gateway"; test "$(wc -l < %s/tries)" -gt 3`, dir, dir))
	if err := s.ready(); err != nil || len(fetchSet(t, s).Keys) != 2 {
		t.Errorf("it does not serve: %v", err)
	}
	eventually(t, "both keys are announced at last", func() bool { return strings.Count(s.err.String(), "announce command: done") == 2 })
	log := s.err.String()
	if got := strings.Count(log, "announce command: failed"); got != 3 || !strings.Contains(log, "no route to the gateway") || !strings.Contains(log, "exit status 1") {
		t.Errorf("%d failures logged: %s", got, log)
	}
}

// A hall is an announcer whose clock a test moves.
type hall struct {
	*announcer
	clock atomic.Int64
	log   lockedBuffer
	dir   string
}

func newHall(t *testing.T, command string) *hall {
	h := &hall{dir: t.TempDir()}
	h.clock.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	h.announcer = newAnnouncer(command, append(os.Environ(), "DIR="+h.dir), slog.New(slog.NewTextHandler(&h.log, nil)))
	h.now = func() time.Time { return time.Unix(0, h.clock.Load()).UTC() }
	return h
}

func (h *hall) pass(d time.Duration) { h.clock.Add(int64(d)) }

// announceAll announces what is due and returns how long there is nothing to do then.
func (h *hall) announceAll(ctx context.Context) (runs int, wait time.Duration) {
	for {
		due, wait := h.due()
		if due == nil {
			return runs, wait
		}
		h.announce(ctx, *due)
		runs++
	}
}

// TestAnnouncedAhead in virtual time: over a year of rotations each key is
// announced once as one that waits, PublishAhead at least before it signs, and
// never again by this process.
func TestAnnouncedAhead(t *testing.T) {
	t.Parallel()
	h := newHall(t, gateway)
	s := keys.DefaultSchedule()
	s.Algorithms = []keys.Algorithm{keys.ES256, keys.EdDSA}
	ring, err := keys.NewRing(s)
	if err != nil {
		t.Fatal(err)
	}
	began, total := h.now(), 0
	for h.now().Sub(began) < 365*24*time.Hour {
		now := keys.Instant{Wall: h.now(), Service: storage.ServiceTime(1).Add(h.now().Sub(began))}
		if ring, _, err = ring.Advance(now, keys.GenerateKey); err != nil {
			t.Fatal(err)
		}
		h.look(ring)
		runs, _ := h.announceAll(t.Context())
		total += runs
		for _, k := range ring.Keys() {
			if ring.State(k, now) != keys.Waiting {
				continue
			}
			if text := read(t, filepath.Join(h.dir, k.ID+".said")); text != "announced "+string(k.Algorithm)+" "+stamp(k.SignsFrom)+"\n" {
				t.Fatalf("said of a key that waits: %q", text)
			}
			if ahead := k.SignsFrom.Sub(k.PublishedAt); ahead < s.PublishAhead {
				t.Fatalf("published %v ahead", ahead)
			}
		}
		h.pass(6 * time.Hour)
	}
	if total != 2+2*13 || len(h.known) > 4 { // those that signed at first, and the waiting ones
		t.Errorf("%d runs, %d keys are remembered", total, len(h.known))
	}
}

// TestAnnounceBounds: a command that hangs is ended with what it started, its
// output is cut, and a key is tried again later and later, while it is there.
func TestAnnounceBounds(t *testing.T) {
	t.Parallel()
	h := newHall(t, `yes | head -c 100000; echo $$ > "$DIR/pid"; sleep 60 & echo $! > "$DIR/child"; wait`)
	h.limit = 500 * time.Millisecond
	s := keys.DefaultSchedule()
	s.Algorithms = []keys.Algorithm{keys.ES256}
	ring, err := keys.NewRing(s)
	if err != nil {
		t.Fatal(err)
	}
	if ring, _, err = ring.Advance(keys.Instant{Wall: h.now(), Service: 1}, keys.GenerateKey); err != nil {
		t.Fatal(err)
	}
	h.look(ring)
	runs, wait := h.announceAll(t.Context())
	if log := h.log.String(); runs != 2 || wait != announceAgainFirst || strings.Count(log, "it was ended after 500ms") != 2 || len(log) > 3*announceOutput+4000 {
		t.Errorf("%d runs, again in %v, a log of %d bytes", runs, wait, len(log))
	}
	child := strings.TrimSpace(read(t, filepath.Join(h.dir, "child")))
	eventually(t, "the command's child ends", func() bool {
		text, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(text), ") Z ")
	})
	h.command = "exit 1"
	var waits []time.Duration
	for range 12 {
		h.pass(wait)
		_, wait = h.announceAll(t.Context())
		waits = append(waits, wait)
	}
	if waits[0] != 2*time.Second || waits[1] != 4*time.Second || waits[11] != announceAgainMost {
		t.Errorf("tried again after %v", waits)
	}
	kid := ring.Keys()[0].ID
	if ring, err = ring.Revoke(kid, "", keys.Instant{Wall: h.now(), Service: 1}, keys.GenerateKey); err != nil {
		t.Fatal(err)
	}
	h.look(ring)
	h.pass(wait)
	h.announceAll(t.Context())
	if h.known[kid] != nil || strings.Count(h.log.String(), "kid="+kid) != 13 {
		t.Errorf("a key that was revoked is announced %d times", strings.Count(h.log.String(), "kid="+kid))
	}
}
