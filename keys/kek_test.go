package keys

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseKEK(t *testing.T) {
	key := testKEK(0xe0) // has + and / in base64
	std := base64.StdEncoding.EncodeToString(key)
	for name, text := range map[string]string{
		"standard": std, "unpadded": strings.TrimRight(std, "="), "newline": std + "\n", "CRLF": "  " + std + "\r\n",
		"url": base64.URLEncoding.EncodeToString(key), "raw url": base64.RawURLEncoding.EncodeToString(key),
	} {
		if got, err := ParseKEK(text); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty":      "",
		"31 bytes":   base64.StdEncoding.EncodeToString(key[:31]),
		"33 bytes":   base64.StdEncoding.EncodeToString(append(key, 1)),
		"raw bytes":  string(key),
		"passphrase": "correct horse battery staple....",
		"hex":        strings.Repeat("0a", 32),
		"zero":       base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"two lines":  std[:20] + "\n" + std[20:],
		"two keys":   std + "\n" + std,
		"long":       std + strings.Repeat("\n", maxKEKText),
		"loose bits": std[:42] + "5=",
	} {
		got, err := ParseKEK(text)
		if err == nil || got != nil {
			t.Errorf("%s: taken", name)
		} else if len(text) > 0 && strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "head -c 32 /dev/urandom | base64") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseKEK(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(testKEK(1)))
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKEK(text)
		if err != nil {
			return
		}
		if _, err := NewSealer(key); err != nil {
			t.Fatal(err)
		}
		if again, err := ParseKEK(base64.StdEncoding.EncodeToString(key)); err != nil || !bytes.Equal(again, key) {
			t.Fatalf("%x came back as %x", key, again)
		}
	})
}

func TestKEKFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	if _, err := ReadKEKFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	key, err := CreateKEKFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info := must(os.Stat(path)); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if got, err := ReadKEKFile(path); err != nil || !bytes.Equal(got, key) {
		t.Errorf("read back: %v", err)
	}
	before := must(os.ReadFile(path))
	if _, err := CreateKEKFile(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second time: %v", err)
	}
	if !bytes.Equal(must(os.ReadFile(path)), before) {
		t.Error("it was overwritten")
	}
	if left := must(os.ReadDir(filepath.Dir(path))); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	other, err := CreateKEKFile(path + "2")
	if err != nil || bytes.Equal(other, key) {
		t.Errorf("another one is the same, or %v", err)
	}
}

// TestKEKFileRace: of several first starts one makes the key, the others see it whole.
func TestKEKFileRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	var wg sync.WaitGroup
	got := make([][]byte, 8)
	for i := range got {
		wg.Go(func() {
			key, err := CreateKEKFile(path)
			if errors.Is(err, fs.ErrExist) {
				key, err = ReadKEKFile(path)
			}
			if err != nil {
				t.Error(err)
			}
			got[i] = key
		})
	}
	wg.Wait()
	for _, key := range got {
		if !bytes.Equal(key, got[0]) {
			t.Error("two different keys")
		}
	}
}

func TestReadKEKFileRefuses(t *testing.T) {
	dir := t.TempDir()
	good := base64.StdEncoding.EncodeToString(testKEK(1))
	for _, c := range []struct {
		name, content string
		mode          fs.FileMode
		want          string
	}{
		{"good", good, 0o400, ""},
		{"group", good, 0o660, "run: chmod 600 " + filepath.Join(dir, "group")},
		{"world", good, 0o604, "mode 0604"},
		{"empty", "", 0o600, "32 bytes"},
		{"long", strings.Repeat(good, 100), 0o600, "too long"},
	} {
		path := filepath.Join(dir, c.name)
		if err := errors.Join(os.WriteFile(path, []byte(c.content), 0o600), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := ReadKEKFile(path)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), good)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := ReadKEKFile(dir); err == nil {
		t.Error("a directory is read")
	}
	if _, err := CreateKEKFile(filepath.Join(dir, "nowhere", "kek")); err == nil {
		t.Error("made in a directory that is not there")
	}
}

// TestReadKEKFileOfRoot: what a service manager hands over is root's, and its
// group may read it; the service's own file must be for it alone.
func TestReadKEKFileOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not here: root, to give files away")
	}
	text := base64.StdEncoding.EncodeToString(testKEK(1))
	for _, c := range []struct {
		owner int
		mode  fs.FileMode
		taken bool
	}{
		{0, 0o440, true}, {0, 0o640, true}, {0, 0o460, false}, {0, 0o444, false}, {0, 0o404, false}, {0, 0o450, false},
		{65532, 0o400, true}, {65532, 0o440, false}, {65532, 0o404, false},
	} {
		path := filepath.Join(t.TempDir(), "kek")
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, c.mode), os.Chown(path, c.owner, 65532)); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKEKFile(path); (err == nil) != c.taken {
			t.Errorf("a file of user %d with mode %04o: %v", c.owner, c.mode, err)
		}
	}
}

func TestRunKEKCommand(t *testing.T) {
	key := testKEK(1)
	text := base64.StdEncoding.EncodeToString(key)
	if got, err := RunKEKCommand(t.Context(), "echo "+text); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%v", err)
	}
	for name, c := range map[string]struct{ command, want string }{
		"fails":     {"echo " + text + "; exit 3", "exit status 3; run it by hand"},
		"no key":    {"echo hello", "not a key-encryption key"},
		"too much":  {"yes " + text, "too much output"},
		"not there": {"/nowhere/at-all", "exit status 127"},
	} {
		got, err := RunKEKCommand(t.Context(), c.command)
		if err == nil || got != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := RunKEKCommand(ctx, "sleep 20 | cat"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("a command that hangs: %v after %s", err, time.Since(began))
	}
}
