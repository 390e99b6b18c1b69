package password

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// A taken hash is one that other software made, with passwords and whether it
// accepts them. See testdata/peers.py.
type taken struct {
	By    string  `json:"by"`
	Hash  string  `json:"hash"`
	Tries [][]any `json:"tries"`
}

func readTaken(t *testing.T, lines []byte) (all []taken) {
	t.Helper()
	for s := bufio.NewScanner(bytes.NewReader(lines)); s.Scan(); {
		var h taken
		if err := json.Unmarshal(s.Bytes(), &h); err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// check verifies the hash with each password: we say what its maker says.
func (h taken) check(t *testing.T, p *Pool) {
	t.Helper()
	format, err := CheckHash(h.Hash)
	if err != nil {
		t.Errorf("%s: %s: %v", h.By, h.Hash, err)
		return
	}
	for _, try := range h.Tries {
		typed, want := try[0].(string), try[1].(bool)
		prepared, perr := prepare(storage.NewSecret(typed))
		own := strings.HasPrefix(h.Hash, argon2idPrefix)
		if own && len(prepared) > 0 { // perhaps made here, of a password in its one form
			want = want || h.accepts(string(prepared))
		}
		got, err := p.Verify(context.Background(), h.Hash, storage.NewSecret(typed), nil)
		if strings.Contains(typed, "\x00") { // PBKDF2's padding accepts some
			if err != ErrNotAllowed {
				t.Errorf("%s: NUL: %+v, %v; want ErrNotAllowed", h.By, got, err)
			}
			continue
		}
		rehash := want && perr == nil && (format != "bcrypt" || len(typed) <= 72)
		if err != nil || got != (Result{want, rehash}) {
			t.Errorf("%s: %s with %q: %+v, %v; want %+v", h.By, h.Hash, typed, got, err, Result{want, rehash})
		}
	}
}

func (h taken) accepts(password string) bool {
	return slices.ContainsFunc(h.Tries, func(try []any) bool { return try[1].(bool) && try[0].(string) == password })
}

// TestTakenOver: what Django 4.2 and passlib made, all formats, with their
// default cost and with little, of odd passwords and long ones.
func TestTakenOver(t *testing.T) {
	lines, err := os.ReadFile("testdata/foreign.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	p := New(Config{Params: cheap})
	seen := map[string]bool{}
	for _, h := range readTaken(t, lines) {
		name, _ := CheckHash(h.Hash)
		if raceEnabled && seen[name] {
			continue // it makes hashing slow, and one goroutine does it
		}
		h.check(t, p)
		seen[name] = true
	}
	for _, f := range formats {
		if !seen[f.name] {
			t.Errorf("no hash of %s was tried", f.name)
		}
	}
	if !seen[Unusable] {
		t.Error("no unusable password was tried")
	}
}

// TestPeers: the same with what is installed, made now.
func TestPeers(t *testing.T) {
	for peer, debian := range map[string]string{
		"django": "python3-django", "django-argon2": "python3-django and python3-argon2",
		"django-bcrypt": "python3-django and python3-bcrypt", "passlib": "python3-passlib, python3-bcrypt and python3-argon2",
	} {
		t.Run(peer, func(t *testing.T) {
			t.Parallel()
			lines := peerOutput(t, peer, "Debian's "+debian)
			all := readTaken(t, lines)
			if len(all) < 10 {
				t.Fatalf("%d hashes", len(all))
			}
			p := New(Config{Workers: 1, Params: cheap})
			for _, h := range all {
				h.check(t, p)
			}
		})
	}
}

// peerOutput is what testdata/peers.py writes. Where the software is missing
// the test is skipped, or fails where everything is required.
func peerOutput(t *testing.T, peer, what string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("/usr/bin/python3", "testdata/peers.py", peer)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	missing := errors.As(err, &exit) && exit.ExitCode() == 3 || errors.Is(err, os.ErrNotExist)
	switch {
	case missing && os.Getenv("HALLMARK_REQUIRE_PEERS") != "":
		t.Fatalf("required and not here: %s: %v %s", what, err, stderr.Bytes())
	case missing:
		t.Skipf("not here: %s", what)
	case err != nil:
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	return out
}
