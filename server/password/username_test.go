package password

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestUserName(t *testing.T) {
	for typed, want := range map[string]string{
		"alice":                         "alice",
		"ALICE":                         "ALICE", // another user
		"alice@example.com":             "alice@example.com",
		"Zoe\u0301 A\u030angstro\u0308": "Zo\u00e9 \u00c5ngstr\u00f6",
		"ａｌｉｃｅ":                         "ａｌｉｃｅ", // width counts
		"עליסה":                         "עליסה",
		"' OR 1=1; -- *)(uid=*":         "' OR 1=1; -- *)(uid=*",
		"$ne {{7*7}}":                   "$ne {{7*7}}",
		strings.Repeat("a", 256):        strings.Repeat("a", 256),
		strings.Repeat("e\u0301", 128):  strings.Repeat("é", 128), // 256 bytes once composed
	} {
		if got, err := UserName(typed); err != nil || got != want {
			t.Errorf("%.40q: %.40q, %v; want %.40q", typed, got, err, want)
		}
	}
	for _, typed := range []string{
		"", " alice", "alice ", "\u3000alice", "ali\r\nce", "alice\n", "alice\x00", "ali\tce", "ali\u0085ce", "ali\u2028ce", "ali\u2029ce",
		"alice\xff", "\xc0\x80", strings.Repeat("a", 257), strings.Repeat("é", 129), strings.Repeat("a", 1<<20),
	} {
		if got, err := UserName(typed); err != ErrName || got != "" {
			t.Errorf("%.40q: %.40q, %v; want ErrName", typed, got, err)
		}
	}
}

// A name is read as itself: what is looked up is what was stored.
func FuzzUserName(f *testing.F) {
	for _, s := range []string{"alice", " a", "e\u0301", "a\r\nb", "\xff", "\u1112\u1161\u11ab"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		name, err := UserName(typed)
		if err != nil {
			return
		}
		again, err := UserName(name)
		if err != nil || again != name || !norm.NFC.IsNormalString(name) {
			t.Fatalf("%q is read as %q, and that as %q (%v)", typed, name, again, err)
		}
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n") {
			t.Fatalf("%q is a name", name)
		}
	})
}
