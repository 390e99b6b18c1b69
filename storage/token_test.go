package storage

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// counting returns bytes that count up from a first one.
func counting[T ~[16]byte | ~[32]byte](first byte) (b T) {
	for i := range len(b) {
		b[i] = first + byte(i)
	}
	return b
}

// plain is a token whose every byte is known.
func plain(generation uint32) RefreshToken {
	b := tokenBytes{selector: counting[[16]byte](0x00), secret: counting[[32]byte](0x20)}
	return b.token(generation)
}

// Sessions outlive the program's version: none of these may ever change.
// The values were computed by another program.
func TestTokenVector(t *testing.T) {
	token, nonce := plain(1), counting[Nonce](0x40)
	const (
		sid        = "vkXLJgW_Nr695oSEGijw_Q"
		digest     = "b32f0e0ffb9565b7420f28f7178244f549461806e38b750e2d47de25d70e9049"
		successor  = "c35875dbd2f7efbe6217ee00b00fce3090a7ca46187017633e1eb5c2b88d8ab2"
		everything = "000102030405060708090a0b0c0d0e0f" + "00000001" + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	)
	b, err := hex.DecodeString(everything)
	if err != nil {
		t.Fatal(err)
	}
	if want := "hmr_" + base64.RawURLEncoding.EncodeToString(b); token.Reveal() != want {
		t.Errorf("written as %s", token.Reveal())
	}
	if got := token.SessionID().String(); got != sid {
		t.Errorf("session id %s", got)
	}
	if d := token.digest(); hex.EncodeToString(d[:]) != digest {
		t.Errorf("digest %x", d)
	}
	next := token.successor(nonce)
	hidden := next.bytes()
	if next.Generation() != 2 || hidden.selector != token.bytes().selector || hex.EncodeToString(hidden.secret[:]) != successor {
		t.Errorf("successor: generation %d, %x, %x", next.Generation(), hidden.selector, hidden.secret)
	}
}

// A session's id can stand in a command as it is.
func TestSessionIDIsNoFlag(t *testing.T) {
	for range 1000 {
		if id := NewRefreshToken().SessionID().String(); id[0] == '-' {
			t.Fatalf("session id %s", id)
		}
	}
	for i := range 1000 {
		if first, err := ForeignToken([]byte{byte(i), byte(i >> 8)}); err != nil || first.SessionID().String()[0] == '-' {
			t.Fatalf("session id %s of a foreign token, %v", first.SessionID(), err)
		}
	}
}

func TestNewRefreshToken(t *testing.T) {
	a, b := NewRefreshToken(), NewRefreshToken()
	if a.Generation() != 0 || a.bytes().selector == b.bytes().selector || a.bytes().secret == b.bytes().secret {
		t.Error("two new tokens have something in common")
	}
	if m, n := NewNonce(), NewNonce(); m == n {
		t.Error("two nonces are one")
	}
	if reflect.TypeFor[RefreshToken]().Comparable() || reflect.TypeFor[Secret]().Comparable() {
		t.Error("== is allowed on a secret")
	}
}

// Every input of the derivation changes the successor, and no other token of
// the lineage is one.
func TestSuccessorDependsOnEverything(t *testing.T) {
	token, nonce := plain(1), Nonce{1}
	selector, secret := token.bytes(), token.bytes()
	selector.selector[0]++
	secret.secret[0]++
	seen := map[[32]byte]string{token.bytes().secret: "the token itself"}
	for name, next := range map[string]RefreshToken{
		"as it is":         token.successor(nonce),
		"other nonce":      token.successor(Nonce{2}),
		"other generation": plain(2).successor(nonce),
		"other selector":   selector.token(1).successor(nonce),
		"other secret":     secret.token(1).successor(nonce),
		"one further":      token.successor(nonce).successor(nonce),
	} {
		if before, ok := seen[next.bytes().secret]; ok {
			t.Errorf("%s gives the same secret as %s", name, before)
		}
		seen[next.bytes().secret] = name
	}
	if !same(token.successor(nonce), plain(1).successor(nonce)) {
		t.Error("the successor cannot be computed again")
	}
	if plain(1).digest() == plain(2).digest() {
		t.Error("the digest does not hold the generation")
	}
}

func TestParseRefreshToken(t *testing.T) {
	good := plain(math.MaxUint32).Reveal()
	if got, err := ParseRefreshToken(good); err != nil || !same(got, plain(math.MaxUint32)) {
		t.Fatalf("%v", err)
	}
	swap := func(i int, s string) string { return good[:i] + s + good[i+len(s):] }
	last := len(good) - 1
	for name, s := range map[string]string{
		"nothing":                  "",
		"prefix alone":             "hmr_",
		"no prefix":                good[4:],
		"prefix in capitals":       "HMR_" + good[4:],
		"another prefix":           "hmx_" + good[4:],
		"prefix twice":             "hmr_" + good,
		"a byte short":             good[:last],
		"a byte long":              good + "A",
		"four bytes long":          good + "AAAA",
		"padded":                   good + "=",
		"padded within its length": swap(last, "="),
		"trailing bits":            swap(last, string(good[last]+1)),
		"line feed":                swap(20, "\n"),
		"carriage return":          swap(20, "\r"),
		"line end at the end":      good + "\n",
		"line end before":          "\n" + good,
		"CR LF at the end":         swap(last-1, "\r\n"),
		"space":                    swap(20, " "),
		"standard alphabet, plus":  swap(20, "+"),
		"standard alphabet, slash": swap(20, "/"),
		"zero byte":                swap(20, "\x00"),
		"not ASCII":                swap(20, "é"),
		"not UTF-8":                swap(20, "\xff"),
	} {
		token, err := ParseRefreshToken(s)
		if err != ErrMalformed || token.hidden != nil || token.generation != 0 {
			t.Errorf("%s: %v, %v", name, token.hidden, err)
		}
	}
}

func FuzzParseRefreshToken(f *testing.F) {
	f.Add(plain(0).Reveal())
	f.Add(plain(math.MaxUint32).Reveal())
	f.Add("hmr_" + strings.Repeat("A", 70))
	f.Add("hmr_" + strings.Repeat("A", 68) + "\r\n")
	f.Add("hmr_" + strings.Repeat("_", 70))
	f.Add("hmr_" + strings.Repeat("A", 68) + "==")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseRefreshToken(s)
		switch {
		case err == nil && token.Reveal() != s:
			t.Errorf("%q is read, and written as %q", s, token.Reveal())
		case err != nil && (err != ErrMalformed || token.hidden != nil):
			t.Errorf("%q: %v", s, err)
		}
	})
}

func TestTokensReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), tokenLength, tokenLength).Draw(rt, "bytes")
		s := tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
		token, err := ParseRefreshToken(s)
		if err != nil || token.Reveal() != s || token.Generation() != binary.BigEndian.Uint32(b[16:20]) {
			rt.Fatalf("%v", err)
		}
		hidden := token.bytes()
		if !bytes.Equal(hidden.selector[:], b[:16]) || !bytes.Equal(hidden.secret[:], b[20:]) {
			rt.Fatal("other bytes")
		}
	})
}

// The zero token is what comes with an error; nothing breaks on it.
func TestZeroToken(t *testing.T) {
	var token RefreshToken
	back, err := ParseRefreshToken(token.Reveal())
	if err != nil || back.SessionID() != token.SessionID() || back.digest() != token.digest() {
		t.Errorf("%v", err)
	}
	l, _ := newLineage(Refresh.Decide, 0)
	if _, err := l.present(token); !errors.Is(err, ErrReused) {
		t.Errorf("presented: %v", err)
	}
}

// rowBytes is every byte that a row holds, in every order a database might
// write its numbers, and as it would be printed.
func rowBytes(v any) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %x %X %q\n", v, v, v, v, v)
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Uint8:
			out.WriteByte(byte(v.Uint()))
		case reflect.Uint32, reflect.Uint64:
			out.Write(binary.BigEndian.AppendUint64(nil, v.Uint()))
			out.Write(binary.LittleEndian.AppendUint64(nil, v.Uint()))
		case reflect.Int64:
			out.Write(binary.BigEndian.AppendUint64(nil, uint64(v.Int())))
		case reflect.String:
			out.WriteString(v.String())
		}
	}
	walk(reflect.ValueOf(v))
	return out.Bytes()
}

// Whoever has the whole database has no token and cannot make one: neither the
// selector nor a secret is in the row, nor does any value of the row take the
// secret's place in the derivation.
func TestLeakedRow(t *testing.T) {
	first := NewRefreshToken()
	l, _ := newLineage(Refresh.Decide, 0)
	l.row = NewSession{
		Token: first, Client: l.client.Number, Scope: l.row.Scope, Audience: l.row.Audience,
		AbsoluteLifetime: absolute, IdleLifetime: idle, Now: opened,
	}.Session()
	for n, token := range l.rotated(t, first, 3) {
		row, hidden := rowBytes(l.row), token.bytes()
		for what, secret := range map[string][]byte{"selector": hidden.selector[:], "secret": hidden.secret[:]} {
			for how, form := range map[string]string{
				"as bytes": string(secret), "in hex": hex.EncodeToString(secret),
				"in base64": base64.RawURLEncoding.EncodeToString(secret)[:len(secret)],
				"in digits": strings.Trim(fmt.Sprint(secret), "[]"),
			} {
				if bytes.Contains(row, []byte(form)) {
					t.Errorf("the row holds the %s of token %d %s", what, n, how)
				}
			}
		}
	}
	// The search can find something: what the row does hold.
	for _, held := range [][]byte{l.row.Current[:], l.row.Previous[:], l.row.Nonce[:], l.row.ID[:]} {
		if !bytes.Contains(rowBytes(l.row), held) {
			t.Error("a field of the row is not searched")
		}
	}
	checkNoDerivation(t, l)
}

// checkNoDerivation tries the derivation with what the row offers in place of
// the secret and the selector.
func checkNoDerivation(t *testing.T, l *lineage) {
	t.Helper()
	parts := [][]byte{l.row.Current[:], l.row.Previous[:], l.row.Nonce[:], l.row.ID[:], l.row.User[:], nil}
	for _, key := range parts {
		for _, selector := range parts {
			for generation := l.row.Generation - 1; generation <= l.row.Generation+1; generation++ {
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(successorLabel))
				mac.Write(selector)
				mac.Write(binary.BigEndian.AppendUint32(nil, generation))
				mac.Write(l.row.Nonce[:])
				guess := tokenBytes{secret: [32]byte(mac.Sum(nil))}.token(generation)
				if d := guess.digest(); d == l.row.Current || d == l.row.Previous {
					t.Errorf("the row alone yields the token of generation %d", generation)
				}
			}
		}
	}
}
