package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFirstLine(t *testing.T) {
	for input, want := range map[string]string{
		"secret\n": "secret", "secret": "secret", "secret\r\n": "secret", "secret\nmore\n": "secret",
		" with spaces \n": " with spaces ", "tab\tbed\n": "tab\tbed", "\x00\n": "\x00",
		"": "", "\n": "", "\r\n": "", "\nsecond": "",
		strings.Repeat("x", maxLine): strings.Repeat("x", maxLine), strings.Repeat("x", maxLine+1): "",
	} {
		got, err := firstLine(strings.NewReader(input), "here")
		if got.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%.20q is read as %.20q, %v", input, got.Reveal(), err)
		}
		if err != nil && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), "here")) {
			t.Errorf("%.20q: %v", input, err)
		}
	}
	broken := errors.New("broken")
	if _, err := firstLine(iotest.ErrReader(broken), "here"); !errors.Is(err, broken) {
		t.Errorf("a broken input: %v", err)
	}
}

func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("the secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := secretFile(path); err != nil || got.Reveal() != "the secret" {
		t.Errorf("read %q, %v", got.Reveal(), err)
	}
	if _, err := secretFile(path + ".none"); exitCode(err) != exitUsage || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
