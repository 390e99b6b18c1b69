package password

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// The parts that the cases below are made from.
const (
	bcryptText = "9mMZ6HYBr8S0mNtdTLnxHuZgn.zRhOPzQ0CwqRJw1PPYxdWZNnPiy"
	key32      = "cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70"
	salt16     = "c2FsdHNhbHRzYWx0c2FsdA"
)

var key64 = strings.Repeat("A", 86)

// One good hash of every format; nobody knows their passwords.
var wellFormed = map[string][]string{
	"argon2id":      {"$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32, "argon2$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32},
	"argon2i":       {"$argon2i$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32, "argon2$argon2i$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32},
	"bcrypt":        {"$2a$04$" + bcryptText, "$2b$04$" + bcryptText, "$2y$04$" + bcryptText, "bcrypt$$2b$04$" + bcryptText},
	"bcrypt_sha256": {"bcrypt_sha256$$2b$04$" + bcryptText},
	"pbkdf2_sha256": {"pbkdf2_sha256$10$salt$" + key32 + "="},
	"pbkdf2_sha1":   {"pbkdf2_sha1$10$salt$V6X4SnBNIWjeczM51l+6K+qAf2c="},
	"pbkdf2-sha256": {"$pbkdf2-sha256$10$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=10$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=10,l=32$" + salt16 + "$" + key32},
	"pbkdf2-sha512": {"$pbkdf2-sha512$10$" + salt16 + "$" + key64, "$pbkdf2-sha512$i=10$" + salt16 + "$" + key64},
	"scrypt":        {"$scrypt$ln=4,r=8,p=1$" + salt16 + "$" + key32, "scrypt$16$salt$8$1$" + key64 + "=="},
	"sha256-crypt":  {"$5$salt$" + strings.Repeat("a", 42) + "D", "$5$rounds=1000$salt$" + strings.Repeat("a", 42) + "D"},
	"sha512-crypt":  {"$6$salt$" + strings.Repeat("a", 85) + "1", "$6$rounds=1000$salt$" + strings.Repeat("a", 85) + "1"},
	Unusable:        {"!", "!0123456789012345678901234567890123456789", "!" + "$6$salt$" + strings.Repeat("a", 86)},
}

func TestCheckHash(t *testing.T) {
	p := New(Config{Params: cheap})
	for want, hashes := range wellFormed {
		for _, h := range hashes {
			if name, err := CheckHash(h); name != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", h, name, err, want)
			}
			for _, pw := range []string{"swordfish", h, "!", "rocket \U0001F469\u200d\U0001F680"} {
				r, err := p.Verify(context.Background(), h, storage.NewSecret(pw), nil)
				if r != (Result{}) || err != nil && err != ErrNotAllowed {
					t.Errorf("%s with %q: %+v, %v; want no match", h, pw, r, err)
				}
			}
		}
	}
	for _, f := range formats {
		if wellFormed[f.name] == nil {
			t.Errorf("%s is not tested", f.name)
		}
	}
	for _, unknown := range []string{
		"", "swordfish", "md5$salt$0123456789abcdef0123456789abcdef", "sha1$salt$0123456789abcdef0123456789abcdef01234567",
		"$1$salt$0123456789012345678901", "$2$04$" + bcryptText, "$2x$04$" + bcryptText, "$argon2d$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32,
		"PBKDF2_SHA256$10$salt$" + key32 + "=", " " + wellFormed["bcrypt"][0], "*", "x", "!\x00", "!\n", "!\xff", "!" + strings.Repeat("x", 512), strings.Repeat("x", 1<<20),
	} {
		if name, err := CheckHash(unknown); name != "" || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %q, %v; want ErrFormat", unknown, name, err)
		}
	}
}

// A hash with anything added, taken away or written differently is refused, by
// its format's name, without being quoted.
func TestMalformedForeign(t *testing.T) {
	cases := map[string][]string{
		"bcrypt": {
			"$2b$04$" + bcryptText[1:], "$2b$04$" + bcryptText + "a", "$2b$04$" + bcryptText + "\n", "$2b$4$" + bcryptText + "a", "$2b$03$" + bcryptText,
			"$2b$32$" + bcryptText, "$2b$-4$" + bcryptText, "$2b$+4$" + bcryptText, "$2b$0x$" + bcryptText, "$2b$04$" + bcryptText[:52] + "z",
			"$2b$04$" + bcryptText[:20] + "\n" + bcryptText[21:], "$2b$04$" + strings.Replace(bcryptText, "9", "+", 1), "$2b$04x" + bcryptText,
			"bcrypt$$2x$04$" + bcryptText, "bcrypt$$2", "bcrypt$$2b$04$", "bcrypt$$2b$04$" + bcryptText[1:],
		},
		"bcrypt_sha256": {"bcrypt_sha256$$2x$04$" + bcryptText, "bcrypt_sha256$$2b$04$" + bcryptText + "$"},
		"argon2id":      {"argon2$argon2id$", "argon2$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32 + "$"},
		"argon2i":       {"$argon2i$v=16$m=64,t=1,p=1$" + salt16 + "$" + key32, "$argon2i$m=64,t=1,p=1$" + salt16 + "$" + key32, "argon2$argon2i$m=64,t=1,p=1$" + salt16 + "$" + key32},
		"pbkdf2_sha256": {
			"pbkdf2_sha256$10$$" + key32 + "=", "pbkdf2_sha256$0$salt$" + key32 + "=", "pbkdf2_sha256$-1$salt$" + key32 + "=", "pbkdf2_sha256$010$salt$" + key32 + "=",
			"pbkdf2_sha256$1e3$salt$" + key32 + "=", "pbkdf2_sha256$$salt$" + key32 + "=", "pbkdf2_sha256$10$salt$" + key32, "pbkdf2_sha256$10$salt$" + key32 + "=\n",
			"pbkdf2_sha256$10$salt$" + key32 + "=$", "pbkdf2_sha256$10$salt$V6X4SnBNIWjeczM51l+6K+qAf2c=", "pbkdf2_sha256$10$salt$" + key64 + "==",
			"pbkdf2_sha256$10$sa\x00lt$" + key32 + "=", "pbkdf2_sha256$10$\xff$" + key32 + "=", "pbkdf2_sha256$10$" + strings.Repeat("s", 129) + "$" + key32 + "=",
			"pbkdf2_sha256$99999999999999999999$salt$" + key32 + "=", "pbkdf2_sha256$10$salt$" + key32[:42] + "1=",
		},
		"pbkdf2_sha1": {"pbkdf2_sha1$10$salt$" + key32 + "="},
		"pbkdf2-sha256": {
			"$pbkdf2-sha256$10$$" + key32, "$pbkdf2-sha256$10$" + salt16 + "$" + key32 + "=", "$pbkdf2-sha256$10$" + salt16 + "$" + key64, "$pbkdf2-sha256$10$" + salt16 + "$AAAA",
			"$pbkdf2-sha256$10$" + salt16 + "$" + strings.Repeat("+", 42) + "8", "$pbkdf2-sha256$i=10$" + salt16 + "$" + strings.Repeat(".", 42) + "8",
			"$pbkdf2-sha256$i=10,l=31$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=10,$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=10,l=32,l=32$" + salt16 + "$" + key32,
			"$pbkdf2-sha256$10,l=32$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=10$" + salt16 + "$" + key32 + "$",
		},
		"pbkdf2-sha512": {"$pbkdf2-sha512$10$" + salt16 + "$" + strings.Repeat("A", 88), "$pbkdf2-sha512$10$" + salt16},
		"scrypt": {
			"$scrypt$ln=0,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=4,r=0,p=1$" + salt16 + "$" + key32, "$scrypt$ln=4,r=8,p=0$" + salt16 + "$" + key32,
			"$scrypt$ln=64,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=4,r=8$" + salt16 + "$" + key32, "$scrypt$r=8,ln=4,p=1$" + salt16 + "$" + key32,
			"$scrypt$ln=4,r=8,p=1$$" + key32, "$scrypt$ln=4,r=8,p=1$" + salt16 + "$", "$scrypt$n=16,r=8,p=1$" + salt16 + "$" + key32,
			"scrypt$17$salt$8$1$" + key64 + "==", "scrypt$1$salt$8$1$" + key64 + "==", "scrypt$16$$8$1$" + key64 + "==", "scrypt$salt$16$8$1$" + key64 + "==",
			"scrypt$16$salt$8$1$" + key32 + "=", "scrypt$16$salt$8$" + key64 + "==", "scrypt$16$salt$8$1$" + key64 + "==$", "scrypt$16$salt$0$1$" + key64 + "==",
		},
		"sha256-crypt": {"$5$salt$" + strings.Repeat("a", 43), "$5$salt$" + strings.Repeat("a", 85) + "1"},
		"sha512-crypt": {
			"$6$$" + strings.Repeat("a", 85) + "1", "$6$salt$" + strings.Repeat("a", 86), "$6$salt$" + strings.Repeat("a", 84) + "1", "$6$salt$" + strings.Repeat("a", 86) + "1",
			"$6$01234567890123456$" + strings.Repeat("a", 85) + "1", "$6$sa=t$" + strings.Repeat("a", 85) + "1", "$6$rounds=999$salt$" + strings.Repeat("a", 85) + "1",
			"$6$rounds=$salt$" + strings.Repeat("a", 85) + "1", "$6$rounds=05000$salt$" + strings.Repeat("a", 85) + "1", "$6$rounds=4294967296000$salt$" + strings.Repeat("a", 85) + "1",
			"$6$salt", "$6$", "$6$salt$$" + strings.Repeat("a", 85) + "1", "$6$salt$" + strings.Repeat("a", 84) + "\n1",
		},
	}
	p := New(Config{Params: cheap})
	for want, hashes := range cases {
		for _, h := range hashes {
			name, err := CheckHash(h)
			if name != want || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want+": ") {
				t.Errorf("%q: %q, %v; want ErrFormat of %s", h, name, err, want)
			} else if tail := h[max(0, len(h)-8):]; strings.Contains(err.Error(), tail) || strings.Contains(err.Error(), "salt$") {
				t.Errorf("%q: the error quotes it: %v", h, err)
			}
			if r, err := p.Verify(context.Background(), h, swordfish, nil); r != (Result{}) || !errors.Is(err, ErrFormat) {
				t.Errorf("%q: Verify: %+v, %v; want ErrFormat", h, r, err)
			}
		}
	}
}

// At the bound a hash is accepted; beyond it, it is refused with the format, the
// number and the bound, at once, at the door and at sign-in.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ at, beyond, says string }{
		{"$2b$14$" + bcryptText, "$2b$15$" + bcryptText, "bcrypt with cost 15, at most 14"},
		{"bcrypt$$2b$14$" + bcryptText, "bcrypt$$2b$31$" + bcryptText, "bcrypt with cost 31, at most 14"},
		{"bcrypt_sha256$$2b$14$" + bcryptText, "bcrypt_sha256$$2b$15$" + bcryptText, "bcrypt_sha256 with cost 15, at most 14"},
		{"pbkdf2_sha256$2500000$salt$" + key32 + "=", "pbkdf2_sha256$2500001$salt$" + key32 + "=", "pbkdf2_sha256 with 2500001 iterations, at most 2500000"},
		{"pbkdf2_sha1$2500000$salt$V6X4SnBNIWjeczM51l+6K+qAf2c=", "pbkdf2_sha1$18446744073709551615$salt$V6X4SnBNIWjeczM51l+6K+qAf2c=", "18446744073709551615 iterations"},
		{"$pbkdf2-sha256$2500000$" + salt16 + "$" + key32, "$pbkdf2-sha256$i=2500001$" + salt16 + "$" + key32, "pbkdf2-sha256 with 2500001 iterations"},
		{"$pbkdf2-sha512$1000000$" + salt16 + "$" + key64, "$pbkdf2-sha512$1000001$" + salt16 + "$" + key64, "pbkdf2-sha512 with 1000001 iterations, at most 1000000"},
		{"$scrypt$ln=17,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=18,r=8,p=1$" + salt16 + "$" + key32, "scrypt with N=262144,r=8,p=1, at most N·r·p=1048576"},
		{"$scrypt$ln=14,r=8,p=8$" + salt16 + "$" + key32, "$scrypt$ln=14,r=8,p=9$" + salt16 + "$" + key32, "scrypt with N=16384,r=8,p=9"},
		{"$scrypt$ln=4,r=32,p=32$" + salt16 + "$" + key32, "$scrypt$ln=1,r=33,p=1$" + salt16 + "$" + key32, "scrypt with N=2,r=33,p=1"},
		{"$scrypt$ln=15,r=32,p=1$" + salt16 + "$" + key32, "$scrypt$ln=62,r=1073741824,p=1073741824$" + salt16 + "$" + key32, "p=1073741824"},
		{"scrypt$131072$salt$8$1$" + key64 + "==", "scrypt$262144$salt$8$1$" + key64 + "==", "scrypt with N=262144"},
		{"scrypt$16384$salt$8$5$" + key64 + "==", "scrypt$9223372036854775808$salt$8$1$" + key64 + "==", "N=9223372036854775808"},
		{"$6$rounds=700000$salt$" + strings.Repeat("a", 85) + "1", "$6$rounds=700001$salt$" + strings.Repeat("a", 85) + "1", "sha512-crypt with 700001 rounds, at most 700000"},
		{"$5$rounds=700000$salt$" + strings.Repeat("a", 42) + "1", "$5$rounds=999999999$salt$" + strings.Repeat("a", 42) + "1", "sha256-crypt with 999999999 rounds"},
		{"$argon2id$v=19$m=131072,t=4,p=16$" + salt16 + "$" + key32, "$argon2id$v=19$m=131072,t=5,p=1$" + salt16 + "$" + key32, "argon2id with m=131072,t=5,p=1, at most m=131072,t=4,p=16"},
		{"$argon2i$v=19$m=65536,t=8,p=1$" + salt16 + "$" + key32, "$argon2i$v=19$m=131073,t=1,p=1$" + salt16 + "$" + key32, "argon2i with m=131073"},
		{"argon2$argon2id$v=19$m=102400,t=2,p=8$" + salt16 + "$" + key32, "argon2$argon2id$v=19$m=102400,t=2,p=17$" + salt16 + "$" + key32, "argon2id with m=102400,t=2,p=17"},
	} {
		if _, err := CheckHash(c.at); err != nil {
			t.Errorf("%s: %v", c.at, err)
		}
		began := time.Now()
		name, err := CheckHash(c.beyond)
		if !errors.Is(err, ErrCost) || !strings.Contains(fmt.Sprint(err), c.says) || name == "" {
			t.Errorf("%s: %q, %v; want ErrCost and %q", c.beyond, name, err, c.says)
		} else if strings.Contains(err.Error(), key32[:8]) || strings.Contains(err.Error(), bcryptText[:8]) {
			t.Errorf("%s: the error quotes it: %v", c.beyond, err)
		}
		admit := func() error { t.Errorf("%s: a place was taken", c.beyond); return nil }
		if r, err := New(Config{Params: cheap}).Verify(context.Background(), c.beyond, swordfish, admit); r != (Result{}) || !errors.Is(err, ErrCost) {
			t.Errorf("%s: Verify: %+v, %v; want ErrCost", c.beyond, r, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: refused after %s", c.beyond, took)
		}
	}
}

// What a hash is said to need is what it takes, so the pool's bound holds.
func TestForeignMemory(t *testing.T) {
	for _, encoded := range []string{
		"$scrypt$ln=12,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=12,r=8,p=8$" + salt16 + "$" + key32, "$scrypt$ln=1,r=32,p=32$" + salt16 + "$" + key32,
		"scrypt$65536$salt$1$1$" + key64 + "==", "$argon2i$v=19$m=8192,t=3,p=2$" + salt16 + "$" + key32, "argon2$argon2id$v=19$m=8192,t=1,p=1$" + salt16 + "$" + key32,
		"$2b$04$" + bcryptText, "pbkdf2_sha256$100000$salt$" + key32 + "=", "$pbkdf2-sha512$100000$" + salt16 + "$" + key64,
	} {
		h, name, err := parse(encoded, DefaultCap())
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h.matches([]byte("swordfish"))
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > uint64(h.cost.Memory)*11/10+256 {
			t.Errorf("%s: %d KiB, said to need %d", name, took, h.cost.Memory)
		}
	}
	p := New(Config{Workers: 8})
	h, _, err := parse("$scrypt$ln=17,r=8,p=1$"+salt16+"$"+key32, DefaultCap())
	if err != nil || p.weight(h.cost) != 7 {
		t.Errorf("128 MiB take %d places of 19 MiB, %v; want 7", p.weight(h.cost), err)
	}
}

// crypt hashes the password twice in each round: one that is so long that the
// work is beyond the bound does not match, at once.
func TestLongPasswordOfCrypt(t *testing.T) {
	h, _, err := parse("$6$rounds=700000$salt$"+strings.Repeat("a", 85)+"1", DefaultCap())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 1000 {
		h.matches([]byte(strings.Repeat("x", 129)))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("1000 of them took %s", took)
	}
}

// An unusable password is to the pool what no password is.
func TestUnusable(t *testing.T) {
	p := New(Config{Workers: 1, Params: cheap})
	for _, encoded := range wellFormed[Unusable] {
		asked := false
		r, err := p.Verify(context.Background(), encoded, storage.NewSecret(encoded), func() error { asked = true; return nil })
		if err != nil || r != (Result{}) || !asked {
			t.Errorf("%s: %+v, %v, admitted %t; want the work and no match", encoded, r, err, asked)
		}
	}
	p.decoy = stored(cheap)
	if r, err := p.Verify(context.Background(), "!", swordfish, nil); err != nil || r != (Result{}) {
		t.Errorf("%+v, %v; want no match, whatever the decoy", r, err)
	}
}

// The table for operators names each format, an example of each spelling that
// is accepted, and the bounds.
func TestTableForOperators(t *testing.T) {
	text, err := os.ReadFile("../../docs/passwords.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		if !strings.Contains(string(text), "`"+f.name+"`") || !strings.Contains(string(text), "`"+f.prefix) {
			t.Errorf("%s: the format or %q is missing", f.name, f.prefix)
		}
	}
	for _, n := range []int{maxPBKDF2, maxPBKDF2SHA512, maxScryptWork, maxCryptRounds} {
		digits := strconv.Itoa(n)
		var b strings.Builder
		for i, d := range digits {
			if i > 0 && (len(digits)-i)%3 == 0 {
				b.WriteByte(',')
			}
			b.WriteRune(d)
		}
		if !strings.Contains(string(text), b.String()) {
			t.Errorf("%s is missing", b.String())
		}
	}
	limit := DefaultCap()
	for _, s := range []string{
		fmt.Sprintf("cost %d", maxBcryptCost), fmt.Sprintf("r and p %d", maxScryptSide),
		fmt.Sprintf("%d MiB, %d threads, %d MiB × passes", limit.Memory>>10, limit.Threads, limit.work()>>10),
	} {
		if !strings.Contains(string(text), s) {
			t.Errorf("%q is missing", s)
		}
	}
}

var number = regexp.MustCompile(`[0-9]+`)

// Whatever is stored: no panic, errors with a name, no work beyond the bounds;
// and what the door accepts can be verified.
func FuzzCheckHash(f *testing.F) {
	for _, hashes := range wellFormed {
		for _, h := range hashes {
			f.Add(h)
		}
	}
	f.Add("$2b$15$" + bcryptText)
	f.Add("$scrypt$ln=62,r=1073741824,p=1073741824$" + salt16 + "$" + key32)
	p := New(Config{Workers: 1, Params: cheap})
	f.Fuzz(func(t *testing.T, encoded string) {
		name, err := CheckHash(encoded)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCost) {
				t.Fatalf("an error of no name: %v", err)
			}
			if _, verr := p.Verify(context.Background(), encoded, swordfish, nil); verr == nil && encoded != "" {
				t.Fatalf("%q is refused at the door (%v) and verified", encoded, err)
			}
			return
		}
		if name == Unusable {
			return
		}
		h, _, err := parse(encoded, DefaultCap())
		if err != nil || !h.cost.valid() || !h.cost.within(DefaultCap()) {
			t.Fatalf("%q was let through: %s, %v", encoded, h.cost, err)
		}
		for _, n := range number.FindAllString(encoded[:min(len(encoded), 40)], -1) {
			if n, err := strconv.Atoi(n); err != nil || n > 512 {
				return // may be a great deal of work, within the bounds
			}
		}
		if r, err := p.Verify(context.Background(), encoded, swordfish, nil); err != nil || r.Match {
			t.Fatalf("%q is accepted at the door, then %+v, %v", encoded, r, err)
		}
	})
}

// What the costliest hash of each format takes.
func BenchmarkBounds(b *testing.B) {
	for _, encoded := range []string{
		"$2b$14$" + bcryptText, "pbkdf2_sha256$2500000$salt$" + key32 + "=", "pbkdf2_sha1$2500000$salt$V6X4SnBNIWjeczM51l+6K+qAf2c=",
		"$pbkdf2-sha512$1000000$" + salt16 + "$" + key64, "$scrypt$ln=17,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=10,r=32,p=32$" + salt16 + "$" + key32,
		"$argon2i$v=19$m=131072,t=4,p=1$" + salt16 + "$" + key32, "$argon2i$v=19$m=8,t=512,p=1$" + salt16 + "$" + key32, "$argon2i$v=19$m=128,t=512,p=16$" + salt16 + "$" + key32,
		"$6$rounds=700000$salt$" + strings.Repeat("a", 85) + "1", "$5$rounds=700000$salt$" + strings.Repeat("a", 42) + "1",
	} {
		h, name, err := parse(encoded, DefaultCap())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.matches([]byte(strings.Repeat("x", 128)))
			}
		})
	}
}
