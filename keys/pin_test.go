package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadPINFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"12 34", "12 34\n", "12 34\r\n"} {
		write(text, 0o600)
		if pin, err := ReadPINFile(path); err != nil || pin.Reveal() != "12 34" {
			t.Errorf("%q: %q, %v", text, pin.Reveal(), err)
		}
	}
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"empty": {"\n", 0o600}, "two lines": {"secret\nsecret\n", 0o600}, "long": {strings.Repeat("secret", 50), 0o600},
		"no text": {"secret\xff", 0o600}, "a zero": {"secret\x00", 0o600}, "for others": {"secret", 0o644},
	} {
		write(c.text, c.mode)
		if pin, err := ReadPINFile(path); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %v", name, pin.Reveal(), err)
		}
	}
	if _, err := ReadPINFile(filepath.Dir(path)); err == nil {
		t.Error("a directory")
	}
}
