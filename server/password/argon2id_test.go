package password

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Hashes of the reference implementation's command line, `argon2 SALT -id -t …
// -k … -p … -l … -e`: one lane and several, short and long salts and keys.
var known = []struct{ password, encoded string }{
	{"password", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$PL01amPyeUuxG7H0vIr5X+qHkZvWnHmGBGXFYvh8z2E"},
	{"password", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70"},
	{"password", "$argon2id$v=19$m=256,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$G7iRmI8Eg/NNN0xOK1Tos/TN5wqIlWp/"},
	{"differentpassword", "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$DOPUXONnZTE0NwW/r5mqTg"},
	{"swordfish", "$argon2id$v=19$m=4096,t=4,p=2$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY$M7RNqx82LocQXfPmi4gLgtSL3H74F/nVrPE9O8glIzvvPgwf/Rvc02k0r5/Y45lcchzB4TC5JhghwjPOMAxpKQ"},
	{"pässwörd €😀", "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$siHKsr+nUEEDv5s1Ok9NQeA1g0PN0hEFHNUhPa+4JjU"},
	{" blank ", "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$yCQllBI5aIIDH+/3C0LsxuGlh4jFUkPACmiZMnMcOEE"},
}

func TestKnownAnswers(t *testing.T) {
	for _, k := range known {
		h, err := decodeArgon2id(k.encoded)
		if err != nil {
			t.Fatalf("%s: %v", k.encoded, err)
		}
		if !h.matches([]byte(k.password)) {
			t.Errorf("%s: %q does not match", k.encoded, k.password)
		}
		if h.matches([]byte(k.password + "x")) {
			t.Errorf("%s: matches %q with a letter more", k.encoded, k.password)
		}
		if got := h.encode(); got != k.encoded {
			t.Errorf("written back as %s, read as %s", got, k.encoded)
		}
		h.key[len(h.key)-1] ^= 1
		if h.matches([]byte(k.password)) {
			t.Errorf("%s: matches with its last bit changed", k.encoded)
		}
	}
}

func TestNewHashes(t *testing.T) {
	p := Params{Memory: 64, Time: 1, Threads: 1}
	a, b := newArgon2id([]byte("swordfish"), p), newArgon2id([]byte("swordfish"), p)
	if a.encode() == b.encode() {
		t.Error("two hashes of one password are the same: the salt is not fresh")
	}
	back, err := decodeArgon2id(a.encode())
	if err != nil {
		t.Fatal(err)
	}
	if len(back.salt) != 16 || len(back.key) != 32 || back.params != p {
		t.Errorf("salt %d bytes, key %d bytes, %s; want 16, 32, %s", len(back.salt), len(back.key), back.params, p)
	}
	if !back.matches([]byte("swordfish")) || back.matches([]byte("Swordfish")) {
		t.Error("a new hash must match its password and no other")
	}
}

// The numbers that OWASP recommends are a promise to operators.
func TestDefault(t *testing.T) {
	if got := Default().String(); got != "m=19456,t=2,p=1" {
		t.Errorf("default is %s", got)
	}
}

func TestMalformedHashes(t *testing.T) {
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70"
	field := func(params, salt, key string) string {
		return "$argon2id$v=19$" + params + "$" + salt + "$" + key
	}
	if _, _, err := parse(field("m=64,t=1,p=1", salt, key), DefaultCap()); err != nil {
		t.Fatalf("the hash that the cases are made from: %v", err)
	}
	cases := map[string]string{
		"other algorithm":         "$argon2d$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"name in capitals":        "$Argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"nothing before the name": "argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"clear text":              "swordfish",
		"older version":           "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key,
		"no version":              "$argon2id$m=64,t=1,p=1$" + salt + "$" + key,
		"no key":                  "$argon2id$v=19$m=64,t=1,p=1$" + salt,
		"empty key":               field("m=64,t=1,p=1", salt, ""),
		"empty salt":              field("m=64,t=1,p=1", "", key),
		"field too many":          field("m=64,t=1,p=1", salt, key) + "$",
		"order":                   field("t=1,m=64,p=1", salt, key),
		"parameter too many":      field("m=64,t=1,p=1,keyid=AAAA", salt, key),
		"parameter missing":       field("m=64,t=1", salt, key),
		"parameter twice":         field("m=64,t=1,t=1", salt, key),
		"leading zero":            field("m=064,t=1,p=1", salt, key),
		"sign":                    field("m=+64,t=1,p=1", salt, key),
		"space":                   field("m=64, t=1,p=1", salt, key),
		"no digits":               field("m=,t=1,p=1", salt, key),
		"hexadecimal":             field("m=0x40,t=1,p=1", salt, key),
		"no memory":               field("m=0,t=1,p=1", salt, key),
		"memory below 8 a lane":   field("m=31,t=1,p=4", salt, key),
		"no pass":                 field("m=64,t=0,p=1", salt, key),
		"no lane":                 field("m=64,t=1,p=0", salt, key),
		"lanes over 8 bits":       field("m=65536,t=1,p=257", salt, key),
		"memory over 32 bits":     field("m=4294967360,t=1,p=1", salt, key),
		"memory over 64 bits":     field("m=18446744073709551680,t=1,p=1", salt, key),
		"padding":                 field("m=64,t=1,p=1", salt, key+"="),
		"base64url":               field("m=64,t=1,p=1", salt, strings.Repeat("_", 43)),
		"unused bits":             field("m=64,t=1,p=1", salt[:len(salt)-1]+"B", key),
		"line break":              field("m=64,t=1,p=1", salt, key[:20]+"\n"+key[20:]),
		"line break at the end":   field("m=64,t=1,p=1", salt, key+"\n"),
		"carriage return in salt": field("m=64,t=1,p=1", salt[:8]+"\r"+salt[8:], key),
		"NUL":                     field("m=64,t=1,p=1", salt, key+"\x00"),
		"short salt":              field("m=64,t=1,p=1", "c2FsdHM", key),
		"short key":               field("m=64,t=1,p=1", salt, "c2FsdHNhbHRzYWx0"),
		"long salt":               field("m=64,t=1,p=1", strings.Repeat("AAAA", 22), key),
		"long key":                field("m=64,t=1,p=1", salt, strings.Repeat("AAAA", 22)),
		"huge":                    field("m=64,t=1,p=1", salt, strings.Repeat("AAAA", 1<<20)),
	}
	for name, encoded := range cases {
		_, _, err := parse(encoded, DefaultCap())
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), salt) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "swordfish")) {
			t.Errorf("%s: the error quotes the hash: %v", name, err)
		}
	}
}

// What is too long is not even taken apart.
func TestHugeHash(t *testing.T) {
	huge := argon2idPrefix + strings.Repeat("$", 1<<20)
	if _, _, err := parse(huge, DefaultCap()); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "longer") {
		t.Errorf("%v, want ErrFormat for its length", err)
	}
	longest := argon2idHash{params: DefaultCap(), salt: make([]byte, maxSalt), key: make([]byte, maxKey)}.encode()
	if _, _, err := parse(longest, DefaultCap()); err != nil {
		t.Errorf("the longest that there is: %v", err)
	}
}

func TestCap(t *testing.T) {
	limit := Params{Memory: 64, Time: 2, Threads: 4}
	for _, c := range []struct {
		params string
		want   error
	}{
		{"m=64,t=2,p=4", nil},
		{"m=8,t=1,p=1", nil},
		{"m=65,t=2,p=4", ErrCost},
		{"m=64,t=3,p=4", ErrCost},
		{"m=64,t=4294967295,p=1", ErrCost}, // over 32 bits of work
		{"m=64,t=2,p=5", ErrCost},
		{"m=4294967295,t=4294967295,p=255", ErrCost},
	} {
		encoded := fmt.Sprintf("$argon2id$v=19$%s$c2FsdHNhbHQ$cpx6VEQbwTVZvcpxNIxOVUWZ5xnAipUmAe1cg2GMG70", c.params)
		if _, _, err := parse(encoded, limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.params, err, c.want)
		}
	}
}

// More passes are allowed over less memory, down to 1 MiB.
func TestCapOnWork(t *testing.T) {
	limit := DefaultCap()
	for p, want := range map[Params]bool{
		{128 << 10, 4, 16}:      true,
		{128 << 10, 5, 1}:       false,
		{64 << 10, 8, 1}:        true,
		{64 << 10, 9, 1}:        false,
		{64<<10 + 1, 8, 1}:      false,
		{7 << 10, 5, 1}:         true, // of OWASP's list
		{1 << 10, 512, 1}:       true,
		{8, 512, 1}:             true,
		{8, 513, 1}:             false,
		{1 << 17, 1<<32 - 1, 1}: false,
		{1<<32 - 1, 1, 1}:       false,
		{8 * 17, 1, 17}:         false,
	} {
		if got := p.within(limit); got != want {
			t.Errorf("%s is within %s: %t", p, limit, got)
		}
	}
}

// A hash that is read is written back byte for byte, asks for no more than the
// cap, and is one that argon2 does not panic on.
func FuzzArgon2id(f *testing.F) {
	for _, k := range known {
		f.Add(k.encoded)
	}
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdB$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$\n")
	limit := Params{Memory: 128, Time: 2, Threads: 4}
	f.Fuzz(func(t *testing.T, encoded string) {
		if !strings.HasPrefix(encoded, argon2idPrefix) {
			encoded = argon2idPrefix + encoded
		}
		h, _, err := parse(encoded, limit)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCost) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if !h.cost.within(limit) || !h.cost.valid() {
			t.Fatalf("%s was let through", h.cost)
		}
		back, err := decodeArgon2id(encoded)
		if err != nil || back.encode() != encoded {
			t.Fatalf("%q is also spelled %q (%v)", encoded, back.encode(), err)
		}
		if h.matches([]byte("a password that nobody has")) {
			t.Fatal("matches")
		}
	})
}
