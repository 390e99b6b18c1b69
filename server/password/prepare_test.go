package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/hallmark-auth/hallmark/storage"
)

// cheap is for tests that are about something else than cost.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// What else is accepted, and what is not, where one password is set.
func TestSpellings(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 64) // 1 KiB
	same := map[string][2]string{
		"itself":                {"café au lait", "café au lait"},
		"decomposed":            {"caf\u00e9 au lait", "cafe\u0301 au lait"},
		"composed":              {"cafe\u0301 au lait", "caf\u00e9 au lait"},
		"two marks, reordered":  {"swo\u0323\u0301rdfish", "swo\u0301\u0323rdfish"},
		"Hangul":                {"\ud55c\uae00 password", "\u1112\u1161\u11ab\u1100\u1173\u11af password"},
		"no-break space":        {"sword fish", "sword\u00a0fish"},
		"ideographic space":     {"sword fish", "sword\u3000fish"},
		"emoji and euro":        {"é€😀swordfish", "é€😀swordfish"},
		"right to left":         {"סיסמה ארוכה", "סיסמה ארוכה"},
		"printable ASCII":       {"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
		"the longest":           {long, long},
		"fullwidth stays":       {"ｓｗｏｒｄｆｉｓｈ", "ｓｗｏｒｄｆｉｓｈ"},
		"what a form sends":     {"a+b%20c&d=e f", "a+b%20c&d=e f"},
		"template and SQL text": {"' OR 1=1; -- {{7*7}} ${x}", "' OR 1=1; -- {{7*7}} ${x}"},
	}
	for name, c := range same {
		if r, err := tryPassword(t, c[0], c[1]); err != nil || !r.Match {
			t.Errorf("%s: %+v, %v; want a match", name, r, err)
		}
	}
	different := map[string][2]string{
		"leading space":           {"swordfish", " swordfish"},
		"trailing space":          {"swordfish", "swordfish "},
		"no leading space":        {" swordfish", "swordfish"},
		"two spaces":              {"sword fish", "sword  fish"},
		"case":                    {"swordfish", "Swordfish"},
		"fullwidth":               {"swordfish", "ｓｗｏｒｄｆｉｓｈ"},
		"ligature":                {"shellﬁsh", "shellfish"},
		"71 of 72 bytes":          {long[:72], long[:71]},
		"72 of 73 bytes":          {long[:73], long[:72]},
		"73 bytes for 72":         {long[:72], long[:73]},
		"1000 bytes for 72":       {long[:72], long[:1000]},
		"last byte of 1 KiB":      {long, long[:1023] + "x"},
		"half of a pair of marks": {"caf\u00e9 au lait", "cafe au lait"},
		"Cyrillic look-alike":     {"swordfish", "sw\u043erdfish"},
	}
	for name, c := range different {
		if r, err := tryPassword(t, c[0], c[1]); err != nil || r.Match {
			t.Errorf("%s: %+v, %v; want no match", name, r, err)
		}
	}
}

// tryPassword sets one password and signs in with another.
func tryPassword(t *testing.T, set, typed string) (Result, error) {
	t.Helper()
	p := New(Config{Params: cheap})
	encoded, err := p.Hash(context.Background(), storage.NewSecret(set))
	if err != nil {
		t.Fatalf("%q cannot be set: %v", set, err)
	}
	return p.Verify(context.Background(), encoded, storage.NewSecret(typed), nil)
}

var refused = map[string]struct {
	password string
	want     error
}{
	"empty":                    {"", ErrNotAllowed},
	"NUL and more":             {"swordfish\x00junk", ErrNotAllowed},
	"NUL first":                {"\x00swordfish", ErrNotAllowed},
	"NUL last":                 {"swordfish\x00", ErrNotAllowed},
	"line feed last":           {"swordfish\n", ErrNotAllowed},
	"carriage return":          {"sword\rfish", ErrNotAllowed},
	"tab":                      {"sword\tfish", ErrNotAllowed},
	"delete":                   {"sword\x7ffish", ErrNotAllowed},
	"C1 control":               {"sword\u0085fish", ErrNotAllowed},
	"invalid UTF-8":            {"swordfish\xff", ErrNotAllowed},
	"overlong NUL":             {"swordfish\xc0\x80", ErrNotAllowed},
	"surrogate":                {"swordfish\xed\xa0\x80", ErrNotAllowed},
	"cut off in a character":   {"swordfish\xe2\x82", ErrNotAllowed},
	"zero width space":         {"sword\u200bfish", ErrNotAllowed},
	"direction override":       {"sword\u202efish", ErrNotAllowed},
	"byte order mark":          {"\ufeffswordfish", ErrNotAllowed},
	"private use":              {"swordfish\ue000", ErrNotAllowed},
	"noncharacter":             {"swordfish\ufffe", ErrNotAllowed},
	"emoji made with a joiner": {"swordfish\U0001F469\u200d\U0001F680", ErrNotAllowed},
	"1025 bytes":               {strings.Repeat("a", 1025), ErrTooLong},
	"1026 bytes in 513 runes":  {strings.Repeat("é", 513), ErrTooLong},
	"100000 bytes":             {strings.Repeat("a", 100000), ErrTooLong},
	"long and invalid":         {strings.Repeat("\xff", 2000), ErrTooLong},
}

// Every way in refuses them, whatever is stored, without asking for a place.
func TestRefusedPasswords(t *testing.T) {
	ctx := context.Background()
	p := New(Config{Params: cheap})
	right, err := p.Hash(ctx, storage.NewSecret("swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	admit := func() error { t.Error("a place was taken"); return nil }
	for name, c := range refused {
		pw := storage.NewSecret(c.password)
		if err := Check(pw); err != c.want {
			t.Errorf("%s: Check: %v, want %v", name, err, c.want)
		}
		if encoded, err := p.Hash(ctx, pw); err != c.want || encoded != "" {
			t.Errorf("%s: Hash: %q, %v, want %v", name, encoded, err, c.want)
		}
		for _, stored := range []string{right, "", "no hash at all"} {
			if r, err := p.Verify(ctx, stored, pw, admit); err != c.want || r != (Result{}) {
				t.Errorf("%s: Verify: %+v, %v, want %v", name, r, err, c.want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for password, want := range map[string]error{
		"1234567":                         ErrTooShort,
		"12345678":                        nil,
		"        ":                        nil, // spaces are characters; no composition rules
		"aaaaaaaa":                        nil,
		"пароль!":                         ErrTooShort, // 13 bytes, 7 characters
		"пароль!!":                        nil,
		"😀😀😀😀😀😀😀":                         ErrTooShort,
		"😀😀😀😀😀😀😀😀":                        nil,
		strings.Repeat("e\u0301", 7):      ErrTooShort, // 14 code points as sent, 7 as stored
		strings.Repeat("e\u0301", 8):      nil,
		strings.Repeat("a", 1024):         nil,
		"correct horse battery staple":    nil,
		strings.Repeat("\U0001F600", 256): nil, // 1 KiB
		strings.Repeat("\U0001F600", 257): ErrTooLong,
	} {
		if err := Check(storage.NewSecret(password)); err != want {
			t.Errorf("%.20q…: %v, want %v", password, err, want)
		}
	}
}

// The form that is hashed does not depend on the spelling, is not empty, and
// holds no control character.
func FuzzPrepare(f *testing.F) {
	for _, c := range refused {
		f.Add(c.password)
	}
	f.Add("cafe\u0301 au\u3000lait")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := prepare(storage.NewSecret(s))
		if err != nil {
			if err != ErrTooLong && err != ErrNotAllowed {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if len(b) == 0 || !utf8.Valid(b) || strings.ContainsFunc(string(b), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q is prepared as %q", s, b)
		}
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			other, err := prepare(storage.NewSecret(form.String(s)))
			if !errors.Is(err, ErrTooLong) && (err != nil || string(other) != string(b)) {
				t.Fatalf("%q is prepared as %q, and in another form as %q (%v)", s, b, other, err)
			}
		}
	})
}
